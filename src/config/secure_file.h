/*-------------------------------------------------------------------------
 *
 * secure_file.h
 *	  Opening the two files that the operator names, with the care that they
 *	  deserve.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_SECURE_FILE_H
#define PGTUNSYNC_SECURE_FILE_H

/* What kind of file it is, for the checks and the messages. */
typedef struct SettingsFileKind
{
	const char *what;			/* "environment file" */
	const char *setting;		/* the setting that names it */
	const char *example;		/* an example that is shipped */
	bool		secret;			/* holds credentials */
} SettingsFileKind;

/* The path made absolute: a relative one is taken from the data directory. */
extern char *settings_file_path(const char *path);

/*
 * The whole file at an absolute path, NUL-terminated, in the current memory
 * context; *len is its length.  The caller wipes it when it held secrets.
 *
 * Raises UNDEFINED_FILE, INSUFFICIENT_PRIVILEGE (others may write it, foreign
 * owner, link that leads elsewhere), WRONG_OBJECT_TYPE (not a regular file),
 * PROGRAM_LIMIT_EXCEEDED (more than 1 MiB) or the error of the system call.
 */
extern char *settings_file_read(const SettingsFileKind *kind, const char *path,
								size_t *len);

#endif							/* PGTUNSYNC_SECURE_FILE_H */
