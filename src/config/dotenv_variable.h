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
	char	   *value;			/* NULL if the file unset it */
	int			line;			/* the line that set it last */
	bool		readonly;
} DotenvVariable;

/* Returns the value of a variable that the file has not set, or NULL. */
typedef const char *(*DotenvInherited) (const char *name);

#endif							/* PGTUNSYNC_DOTENV_VARIABLE_H */
