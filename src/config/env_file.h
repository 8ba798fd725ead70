/*-------------------------------------------------------------------------
 *
 * env_file.h
 *	  The environment file: where credentials come from.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_ENV_FILE_H
#define PGTUNSYNC_ENV_FILE_H

typedef struct EnvFile EnvFile;

/*
 * Reads a file that a shell could source and gives it the same meaning.
 * path: as the setting has it; a relative one is taken from the data
 * directory.  The result lives in the current memory context, whose reset
 * also wipes the values.
 *
 * Raises UNDEFINED_FILE / INSUFFICIENT_PRIVILEGE / CONFIG_FILE_ERROR naming
 * the path, the line and the variable (never a value), with the template
 * (.env.pgsync.example) and the setting (pgtunsync.env_file) in DETAIL/HINT.
 */
extern EnvFile *env_file_read(const char *path);

/* The absolute path that was read. */
extern const char *env_file_path(const EnvFile *env);

/*
 * The variable's value: the file's, else the server environment's, else NULL;
 * an empty value counts as not set (as ${NAME:-default} does in a shell).
 */
extern const char *env_file_get(const EnvFile *env, const char *name);

/* The same for secrets: the file is the only place where they may stand. */
extern const char *env_file_get_secret(const EnvFile *env, const char *name);

/*
 * An integer variable between min and max, or fallback when it is not set;
 * CONFIG_FILE_ERROR naming variable, line and range otherwise.
 */
extern int	env_file_get_int(const EnvFile *env, const char *name, int fallback,
							 int min, int max);

/*
 * A variable that means yes or no (also on/off, true/false, 1/0), taken from
 * the file alone; fallback when it is not set; CONFIG_FILE_ERROR otherwise.
 */
extern bool env_file_get_bool(const EnvFile *env, const char *name, bool fallback);

/* The line that set the variable, 0 when the file does not. */
extern int	env_file_line(const EnvFile *env, const char *name);

#endif							/* PGTUNSYNC_ENV_FILE_H */
