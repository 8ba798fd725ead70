/*
 * power_loss.c
 *	  Keeps what would survive a loss of power.
 *
 * Preloaded into a server, it replaces fsync() and fdatasync(): they copy the
 * file as it is now to a second directory ($POWER_SURVIVES).  What was written
 * but never synchronized is missing there, as after a loss of power.  Files are
 * those below $POWER_DATA.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

/* Copies the file and renames the copy, so that it is never seen half done. */
static int
copy_file(const char *from, const char *to)
{
	char		temporary[PATH_MAX + 16];
	struct stat st;
	int			in = open(from, O_RDONLY);
	int			out;
	int			failed;
	off_t		left;

	if (in < 0)
		return 0;				/* removed meanwhile */
	snprintf(temporary, sizeof(temporary), "%s.copy", to);
	out = open(temporary, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	failed = out < 0 || fstat(in, &st) < 0;
	for (left = failed ? 0 : st.st_size; left > 0 && !failed;)
	{
		ssize_t		n = sendfile(out, in, NULL, left);

		failed = n <= 0;
		left -= n;
	}
	close(in);
	if (out >= 0)
		close(out);
	return failed || rename(temporary, to) < 0 ? -1 : 0;
}

static int
keep(int fd)
{
	const char *data = getenv("POWER_DATA");
	const char *survives = getenv("POWER_SURVIVES");
	char		link[64];
	char		path[PATH_MAX];
	char		kept[PATH_MAX * 2];
	struct stat st;
	ssize_t		len;
	int			lock;
	int			result;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	if (data == NULL || survives == NULL || len < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	path[len] = '\0';
	if (strncmp(path, data, strlen(data)) != 0)
		return 0;
	snprintf(kept, sizeof(kept), "%s%s", survives, path + strlen(data));
	/* one at a time: an older copy may not replace a newer one */
	lock = open(survives, O_RDONLY);
	if (lock < 0 || flock(lock, LOCK_EX) < 0)
		return -1;
	result = copy_file(path, kept);
	close(lock);
	return result;
}

int
fsync(int fd)
{
	return keep(fd);
}

int
fdatasync(int fd)
{
	return keep(fd);
}
