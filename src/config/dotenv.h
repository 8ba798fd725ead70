/*-------------------------------------------------------------------------
 *
 * dotenv.h
 *	  Reads the text of an environment file as bash would.
 *
 * Uses only palloc and ereport of the server, so that it can be fuzzed and
 * compared with a real shell (test/parsers, test/fuzz).
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_DOTENV_H
#define PGTUNSYNC_DOTENV_H

#include "config/dotenv_variable.h"

typedef struct Dotenv Dotenv;

/*
 * Creates an empty set of variables in the current memory context.  path is
 * used in messages only.  home is the value of ~ if HOME is not set.  Both
 * must live as long as the result.
 */
extern Dotenv *dotenv_create(const char *path, DotenvInherited inherited,
							 const char *home);

/*
 * Runs the assignments of the text.  Raises CONFIG_FILE_ERROR for anything
 * that is not a plain assignment, or PROGRAM_LIMIT_EXCEEDED.  Messages never
 * show a value.
 */
extern void dotenv_parse(Dotenv *env, const char *text, size_t len);

/*
 * Returns the final state of a variable, or NULL if the file does not name it.
 */
extern const DotenvVariable *dotenv_find(const Dotenv *env, const char *name);

/*
 * Return the number of variables, and the ith one in the order of first
 * assignment.
 */
extern int	dotenv_count(const Dotenv *env);
extern const DotenvVariable *dotenv_variable(const Dotenv *env, int i);

/* Overwrites all values and empties the set. */
extern void dotenv_wipe(Dotenv *env);

#endif							/* PGTUNSYNC_DOTENV_H */
