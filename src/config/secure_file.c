/*-------------------------------------------------------------------------
 *
 * secure_file.c
 *	  Opening the two files that the operator names, with the care that they
 *	  deserve.
 *
 * A superuser's setting names the path, so the path itself is trusted; what
 * lies there need not be.  All checks are made on the opened descriptor, so
 * that nobody can exchange the file between check and use:
 *
 *	- a regular file of at most 1 MiB (opened without blocking: a fifo must
 *	  not hang a run);
 *	- with secrets: owned by the server's user or root, written by nobody
 *	  else; readable by others is worth a warning.  A configuration that is
 *	  under version control is commonly group-writable and owned by a
 *	  developer: only one that everybody may write is refused.
 *
 * A file with secrets may be a symbolic link only when what it leads to lies
 * in or below the file's own directory.  That allows the mounts that container
 * platforms make for secrets (file -> ..data/file -> ..2024_01_01/file), and
 * keeps somebody who may make links in a project's directory from having
 * another private file of the server's user read as ours.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"

#include "base/compat.h"
#include "config/secure_file.h"

#define SETTINGS_FILE_LIMIT (1024 * 1024)

char *
settings_file_path(const char *path)
{
	char	   *result;

	if (is_absolute_path(path))
		result = pstrdup(path);
	else
		result = psprintf("%s/%s", DataDir, path);
	canonicalize_path(result);
	return result;
}

static void pg_attribute_noreturn()
missing(const SettingsFileKind *kind, const char *path)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_FILE),
			 errmsg("%s \"%s\" does not exist", kind->what, path),
			 errdetail("The path comes from the setting \"%s\"; a relative one is taken from the data directory.",
					   kind->setting),
			 errhint("Copy the template \"%s\" there and fill it in, or change the setting \"%s\".",
					 kind->example, kind->setting)));
	pg_unreachable();
}

/* Raises what errno says about an attempt to open or read. */
static void pg_attribute_noreturn()
failed(const SettingsFileKind *kind, const char *path, const char *action)
{
	if (errno == ENOENT || errno == ENOTDIR)
		missing(kind, path);
	ereport(ERROR,
			(errcode_for_file_access(),
			 errmsg("could not %s %s \"%s\": %m", action, kind->what, path),
			 errhint("The path comes from the setting \"%s\"; the server's operating system user must be able to read it.",
					 kind->setting)));
	pg_unreachable();
}

/* The directory that holds path, resolved. */
static void
resolve_directory(const SettingsFileKind *kind, const char *path, char *result)
{
	char	   *directory = pstrdup(path);

	get_parent_directory(directory);
	if (realpath(directory[0] ? directory : "/", result) == NULL)
		failed(kind, path, "open");
	pfree(directory);
}

/* Is path below directory?  Both are resolved. */
static bool
lies_below(const char *path, const char *directory)
{
	size_t		len = strlen(directory);

	if (strcmp(directory, "/") == 0)
		return true;
	return strncmp(path, directory, len) == 0 && path[len] == '/';
}

/* Where path leads; refused when a secret file's link leaves its directory. */
static void
resolve_file(const SettingsFileKind *kind, const char *path, char *result)
{
	char		directory[PATH_MAX];

	if (realpath(path, result) == NULL)
		failed(kind, path, "open");
	if (!kind->secret)
		return;
	resolve_directory(kind, path, directory);
	if (!lies_below(result, directory))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("%s \"%s\" is a symbolic link that leaves its directory",
						kind->what, path),
				 errhint("Name the file itself in the setting \"%s\".", kind->setting)));
}

/* Refuses what others could have written. */
static void
check_writers(const SettingsFileKind *kind, const char *path, const struct stat *st)
{
	mode_t		refused = kind->secret ? (S_IWGRP | S_IWOTH) : S_IWOTH;

	if (kind->secret && st->st_uid != geteuid() && st->st_uid != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("%s \"%s\" belongs to another user", kind->what, path),
				 errdetail("It must be owned by the server's operating system user or by root, because its owner decides where credentials go."),
				 errhint("Change its owner with chown, or name another file in the setting \"%s\".",
						 kind->setting)));
	if (st->st_mode & refused)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("%s \"%s\" may be written by others", kind->what, path),
				 errdetail("Its permissions are %04o.", (unsigned int) (st->st_mode & 07777)),
				 errhint("Run: chmod %s '%s'", kind->secret ? "600" : "o-w", path)));
}

/* All that is checked on the opened file. */
static void
check_file(const SettingsFileKind *kind, const char *path, const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("%s \"%s\" is not a regular file", kind->what, path),
				 errhint("Change the setting \"%s\".", kind->setting)));
	check_writers(kind, path, st);
	if (kind->secret && (st->st_mode & (S_IRGRP | S_IROTH)))
		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg("%s \"%s\" may be read by others", kind->what, path),
				 errdetail("Its permissions are %04o, and it holds credentials.",
						   (unsigned int) (st->st_mode & 07777)),
				 errhint("Run: chmod 600 '%s'", path)));
}

/* Reads up to size bytes; short only at the end of the file. */
static ssize_t
read_all(int fd, char *buf, size_t size)
{
	size_t		done = 0;

	while (done < size)
	{
		ssize_t		n = read(fd, buf + done, size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		done += n;
	}
	return done;
}

char *
settings_file_read(const SettingsFileKind *kind, const char *path, size_t *len)
{
	char		target[PATH_MAX];
	struct stat st;
	char	   *text;
	size_t		size;
	ssize_t		n;
	int			fd;

	resolve_file(kind, path, target);
	fd = OpenTransientFile(target, O_RDONLY | PG_BINARY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) != 0)
		failed(kind, path, "open");
	check_file(kind, path, &st);

	/* one byte more than we take, to notice what is too long or has grown */
	size = Min(st.st_size, SETTINGS_FILE_LIMIT) + 1;
	text = palloc(size + 1);
	n = read_all(fd, text, size);
	if (n < 0 || n == size)
		explicit_bzero(text, size);
	if (n < 0)
		failed(kind, path, "read");
	CloseTransientFile(fd);
	if (n == size && n <= SETTINGS_FILE_LIMIT)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("%s \"%s\" was changed while it was read", kind->what, path)));
	if (n == size)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("%s \"%s\" is larger than 1 MiB", kind->what, path),
				 errhint("Change the setting \"%s\".", kind->setting)));
	text[n] = '\0';
	*len = n;
	return text;
}
