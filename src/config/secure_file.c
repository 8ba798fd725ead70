/*-------------------------------------------------------------------------
 *
 * secure_file.c
 *	  Opens the environment file and the configuration file securely.
 *
 * A superuser's setting names the path, so the path is trusted.  The file at
 * that path need not be.  All checks are made on the open descriptor, so that
 * nobody can replace the file between check and use:
 *
 * - The file must be a regular file of at most 1 MiB.  It is opened without
 *   blocking, so that a FIFO cannot block a run.
 * - A file with secrets must be owned by the server's user or by root, and
 *   must not be writable by others.  If others can read it, a WARNING is
 *   raised.  A configuration under version control is often group-writable and
 *   owned by a developer.  It is rejected only if everybody can write it.
 *
 * A file with secrets may be a symbolic link only if its target is in or below
 * the directory of the link.  This allows the mounts that container platforms
 * make for secrets (file -> ..data/file -> ..2024_01_01/file).  But a user who
 * can create links in that directory cannot make the server read another
 * private file of its user.
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
raise_missing(const SettingsFileKind *kind, const char *path)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_FILE),
			 errmsg("%s \"%s\" does not exist", kind->what, path),
			 errdetail("The path comes from the setting \"%s\"; a relative path is resolved against the data directory.",
					   kind->setting),
			 errhint("Copy the template \"%s\" there and fill it in, or change the setting \"%s\". %s",
					 kind->example, kind->setting, kind->advice)));
	pg_unreachable();
}

/* Raises the error for errno after an attempt to open or read the file. */
static void pg_attribute_noreturn()
raise_file_error(const SettingsFileKind *kind, const char *path, const char *action)
{
	if (errno == ENOENT || errno == ENOTDIR)
		raise_missing(kind, path);
	ereport(ERROR,
			(errcode_for_file_access(),
			 errmsg("could not %s %s \"%s\": %m", action, kind->what, path),
			 errhint("The path comes from the setting \"%s\"; the server's operating system user must be able to read it.",
					 kind->setting)));
	pg_unreachable();
}

/* Resolves the directory that contains path. */
static void
resolve_directory(const SettingsFileKind *kind, const char *path, char *result)
{
	char	   *directory = pstrdup(path);

	get_parent_directory(directory);
	if (realpath(directory[0] ? directory : "/", result) == NULL)
		raise_file_error(kind, path, "open");
	pfree(directory);
}

/* Returns whether path is below directory; both must be resolved. */
static bool
lies_below(const char *path, const char *directory)
{
	size_t		len = strlen(directory);

	if (strcmp(directory, "/") == 0)
		return true;
	return strncmp(path, directory, len) == 0 && path[len] == '/';
}

/*
 * Resolves path.  Raises an error if the link of a secret file leaves its
 * directory.
 */
static void
resolve_file(const SettingsFileKind *kind, const char *path, char *result)
{
	char		directory[PATH_MAX];

	if (realpath(path, result) == NULL)
		raise_file_error(kind, path, "open");
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

/* Raises an error if others could have written the file. */
static void
check_writers(const SettingsFileKind *kind, const char *path, const struct stat *st)
{
	mode_t		forbidden = kind->secret ? (S_IWGRP | S_IWOTH) : S_IWOTH;

	if (kind->secret && st->st_uid != geteuid() && st->st_uid != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("%s \"%s\" belongs to another user", kind->what, path),
				 errdetail("It must be owned by the server's operating system user or by root, because its owner decides where credentials go."),
				 errhint("Change its owner with chown, or name another file in the setting \"%s\".",
						 kind->setting)));
	if (st->st_mode & forbidden)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("%s \"%s\" may be written by others", kind->what, path),
				 errdetail("Its permissions are %04o.", (unsigned int) (st->st_mode & 07777)),
				 errhint("Run: chmod %s '%s'", kind->secret ? "600" : "o-w", path)));
}

/* Checks the opened file. */
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

/* Reads up to size bytes.  Returns fewer only at the end of the file. */
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

/* Checks and reads the opened file.  The caller closes it. */
static char *
read_checked(const SettingsFileKind *kind, const char *path, int fd, size_t *len)
{
	struct stat st;
	char	   *text;
	size_t		size;
	ssize_t		n;

	if (fstat(fd, &st) != 0)
		raise_file_error(kind, path, "open");
	check_file(kind, path, &st);

	/*
	 * One byte above the limit, to detect files that are too long or have
	 * grown.
	 */
	size = Min(st.st_size, SETTINGS_FILE_LIMIT) + 1;
	text = palloc(size + 1);
	n = read_all(fd, text, size);
	if (n < 0 || n == size)
		explicit_bzero(text, size);
	if (n < 0)
		raise_file_error(kind, path, "read");
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

char *
settings_file_read(const SettingsFileKind *kind, const char *path, size_t *len)
{
	char		target[PATH_MAX];
	char	   *volatile text = NULL;
	int			fd;

	resolve_file(kind, path, target);
	fd = OpenTransientFile(target, O_RDONLY | PG_BINARY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		raise_file_error(kind, path, "open");
	PG_TRY();
	{
		text = read_checked(kind, path, fd, len);
	}
	PG_FINALLY();
	{
		CloseTransientFile(fd);
	}
	PG_END_TRY();
	return text;
}
