/*-------------------------------------------------------------------------
 *
 * load_error.h
 *	  What a table's error has to do with the two definitions of the table.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_LOAD_ERROR_H
#define PGTUNSYNC_LOAD_ERROR_H

#include "plan/plan.h"

/*
 * If a value did not fit a column because the two sides define it differently,
 * sets *detail to a sentence that names both, and *hint to the statement that
 * helps.  If a function of the table did not find a name, sets *hint alone.
 * Either may stay as it is.  Needs a transaction.
 */
extern void load_error_explain(const TablePlan *table, const ErrorData *error,
							   char **detail, char **hint);

#endif							/* PGTUNSYNC_LOAD_ERROR_H */
