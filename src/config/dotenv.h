/*-------------------------------------------------------------------------
 *
 * dotenv.h
 *	  The text of an environment file, understood as bash would.
 *
 * Needs nothing of the server but palloc and ereport, so that it can be
 * fuzzed and compared with a real shell (test/parsers, test/fuzz).
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_DOTENV_H
#define PGTUNSYNC_DOTENV_H

#include "config/dotenv_variable.h"

typedef struct Dotenv Dotenv;

/*
 * An empty set of variables in the current memory context.  path is only for
 * messages; home is what ~ means when HOME is not set.  Both must outlive it.
 */
extern Dotenv *dotenv_create(const char *path, DotenvInherited inherited,
							 const char *home);

/*
 * Runs the text's assignments.  Raises CONFIG_FILE_ERROR for what is not
 * plain assignment, and PROGRAM_LIMIT_EXCEEDED; never shows a value.
 */
extern void dotenv_parse(Dotenv *env, const char *text, size_t len);

/* The variable as the file leaves it, NULL when the file does not mention it. */
extern const DotenvVariable *dotenv_find(const Dotenv *env, const char *name);

/* All of them, in the order of their first assignment. */
extern int	dotenv_count(const Dotenv *env);
extern const DotenvVariable *dotenv_variable(const Dotenv *env, int i);

/* Overwrites every value; the set is empty afterwards. */
extern void dotenv_wipe(Dotenv *env);

#endif							/* PGTUNSYNC_DOTENV_H */
