/*-------------------------------------------------------------------------
 *
 * dotenv_value.h
 *	  The value of a variable in an environment file.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_DOTENV_VALUE_H
#define PGTUNSYNC_DOTENV_VALUE_H

#include "config/dotenv_state.h"

/* How a value stands in the file. */
typedef enum ValuePlace
{
	VALUE_ASSIGNED,				/* NAME=value */
	VALUE_ARGUMENT				/* export NAME=value: braces expand there */
} ValuePlace;

/* Reads a value to the end of its word and appends it to the buffer. */
extern void dotenv_parse_value(Parser *p, ValuePlace place);

/* Refuses an operator of the shell that cuts a word short. */
extern void dotenv_check_value_end(Parser *p);

#endif							/* PGTUNSYNC_DOTENV_VALUE_H */
