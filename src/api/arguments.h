/*-------------------------------------------------------------------------
 *
 * arguments.h
 *	  From the arguments of a call to a RunRequest.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_ARGUMENTS_H
#define PGTUNSYNC_ARGUMENTS_H

#include "fmgr.h"

#include "run/request_types.h"

/* A request of the current user with the settings of this session. */
extern void request_init(RunRequest *request);

/*
 * The same with the arguments of pull() or plan(), the tables already read.
 * Raises INVALID_PARAMETER_VALUE for values that are wrong or do not go
 * together, NULL_VALUE_NOT_ALLOWED for null, INSUFFICIENT_PRIVILEGE for
 * rules => false where a superuser has not allowed it.
 */
extern void request_read_arguments(FunctionCallInfo fcinfo, List *tables, RunRequest *request);

/*
 * The tables of a call as a List of char *, from text[] or from text; NIL if
 * the array is the default '{*}'.  Raise NULL_VALUE_NOT_ALLOWED for null,
 * INVALID_PARAMETER_VALUE for an empty list.
 */
extern List *tables_from_array(FunctionCallInfo fcinfo);
extern List *tables_from_text(FunctionCallInfo fcinfo);

/* Raises NULL_VALUE_NOT_ALLOWED if the argument is null. */
extern void argument_refuse_null(FunctionCallInfo fcinfo, int arg, const char *name);

#endif							/* PGTUNSYNC_ARGUMENTS_H */
