/*-------------------------------------------------------------------------
 *
 * dotenv_value.h
 *	  Parses the value of a variable in an environment file.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_DOTENV_VALUE_H
#define PGTUNSYNC_DOTENV_VALUE_H

#include "config/dotenv_state.h"

/* The place of a value in the file. */
typedef enum ValuePlace
{
	VALUE_ASSIGNED,				/* NAME=value */
	VALUE_ARGUMENT				/* export NAME=value; braces are expanded here */
} ValuePlace;

/* Reads a value up to the end of its word and appends it to the buffer. */
extern void dotenv_parse_value(Parser *p, ValuePlace place);

/* Raises CONFIG_FILE_ERROR if a shell operator ends the word. */
extern void dotenv_check_value_end(Parser *p);

#endif							/* PGTUNSYNC_DOTENV_VALUE_H */
