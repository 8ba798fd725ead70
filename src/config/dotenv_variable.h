/*-------------------------------------------------------------------------
 *
 * dotenv_variable.h
 *	  A variable of an environment file.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_DOTENV_VARIABLE_H
#define PGTUNSYNC_DOTENV_VARIABLE_H

typedef struct DotenvVariable
{
	char	   *name;
	char	   *value;			/* NULL: the file unset it */
	int			line;			/* that set it last */
	bool		readonly;
} DotenvVariable;

/* Answers for variables that the file has not set; NULL when unset. */
typedef const char *(*DotenvInherited) (const char *name);

#endif							/* PGTUNSYNC_DOTENV_VARIABLE_H */
