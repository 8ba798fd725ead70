/*-------------------------------------------------------------------------
 *
 * env_file.h
 *	  Reads the environment file, which contains the credentials.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_ENV_FILE_H
#define PGTUNSYNC_ENV_FILE_H

typedef struct EnvFile EnvFile;

/*
 * Reads an environment file as a shell that sources it would.  path is the
 * value of the setting; a relative path is resolved against the data
 * directory.  The result lives in the current memory context.  A reset of the
 * context also overwrites the values.
 *
 * Raises UNDEFINED_FILE, INSUFFICIENT_PRIVILEGE or CONFIG_FILE_ERROR.  The
 * error names the path, the line and the variable, but never a value.  DETAIL
 * and HINT name the template (.env.pgsync.example) and the setting
 * (pgtunsync.env_file).
 */
extern EnvFile *env_file_read(const char *path);

/* Returns the absolute path of the file. */
extern const char *env_file_path(const EnvFile *env);

/*
 * Returns the value of a variable from the file, else from the server's
 * environment, else NULL.  An empty value counts as not set, as for
 * ${NAME:-default} in a shell.
 */
extern const char *env_file_get(const EnvFile *env, const char *name);

/* Returns a secret.  Secrets are read only from the file. */
extern const char *env_file_get_secret(const EnvFile *env, const char *name);

/*
 * Returns an integer between min and max, or fallback if the variable is not
 * set.  Raises CONFIG_FILE_ERROR for other values.
 */
extern int	env_file_get_int(const EnvFile *env, const char *name, int fallback,
							 int min, int max);

/*
 * Returns a boolean (yes/no, on/off, true/false, 1/0), or fallback if the
 * variable is not set.  It is read only from the file.  Raises
 * CONFIG_FILE_ERROR for other values.
 */
extern bool env_file_get_bool(const EnvFile *env, const char *name, bool fallback);

/* Returns the line that set the variable, or 0 if the file does not set it. */
extern int	env_file_line(const EnvFile *env, const char *name);

#endif							/* PGTUNSYNC_ENV_FILE_H */
