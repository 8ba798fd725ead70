/*-------------------------------------------------------------------------
 *
 * variables_json.h
 *	  The values that a call gives to the variables of clauses.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_VARIABLES_JSON_H
#define PGTUNSYNC_VARIABLES_JSON_H

#include "nodes/pg_list.h"
#include "utils/jsonb.h"

/*
 * {"name": "value", …} as a List of char *: name, value, name, value, ….
 * Raises INVALID_PARAMETER_VALUE unless it is an object of strings, numbers
 * and booleans with names that a clause can use.
 */
extern List *variables_from_jsonb(Jsonb *jsonb);

#endif							/* PGTUNSYNC_VARIABLES_JSON_H */
