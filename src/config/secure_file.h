/*-------------------------------------------------------------------------
 *
 * secure_file.h
 *	  Opens the environment file and the configuration file securely.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_SECURE_FILE_H
#define PGTUNSYNC_SECURE_FILE_H

/* The kind of file, for checks and messages. */
typedef struct SettingsFileKind
{
	const char *what;			/* such as "environment file" */
	const char *setting;		/* the setting that contains its path */
	const char *example;		/* the template that is shipped */
	const char *advice;			/* what else a hint says if there is no file */
	bool		secret;			/* whether it contains credentials */
} SettingsFileKind;

/*
 * Returns the absolute path.  A relative path is resolved against the data
 * directory.
 */
extern char *settings_file_path(const char *path);

/*
 * Reads the file at an absolute path into the current memory context.  The
 * text is NUL-terminated; *len is its length.  The caller overwrites it if it
 * contains secrets.
 *
 * Raises UNDEFINED_FILE, INSUFFICIENT_PRIVILEGE (others may write the file,
 * wrong owner, link out of its directory), WRONG_OBJECT_TYPE (not a regular
 * file), PROGRAM_LIMIT_EXCEEDED (more than 1 MiB), or the error of the system
 * call.
 */
extern char *settings_file_read(const SettingsFileKind *kind, const char *path,
								size_t *len);

#endif							/* PGTUNSYNC_SECURE_FILE_H */
