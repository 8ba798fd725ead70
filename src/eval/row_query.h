/*-------------------------------------------------------------------------
 *
 * row_query.h
 *	  Expressions of the configuration, computed here for one row after another.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_ROW_QUERY_H
#define PGTUNSYNC_ROW_QUERY_H

#include "access/attnum.h"
#include "executor/tuptable.h"
#include "nodes/pg_list.h"
#include "utils/relcache.h"

/* One expression of a table's row. */
typedef struct RowExpression
{
	char	   *column;			/* whose value it gives; NULL: it is a condition */
	char	   *sql;			/* from clause.c */
	char	   *what;			/* where it was written, for errors */
} RowExpression;

typedef struct RowQuery RowQuery;

/*
 * Makes expressions (a List of RowExpression *) of rel's columns ready.  alias: by
 * what name they call the row.  generated: may they read stored generated
 * columns, are those computed yet?  The caller has entered the context of
 * rel's owner, who must be in force for all three calls, and has set an active
 * snapshot, which is what subqueries see.
 *
 * Raises what parser, planner and executor raise, with the place where the
 * expression was written in front of the message.
 */
extern RowQuery *row_query_begin(Relation rel, const char *alias, List *expressions,
								 bool generated);

/*
 * Computes all expressions for a row of rel.  Returns a slot with a column for
 * each, good until the next call.
 */
extern TupleTableSlot *row_query_compute(RowQuery *query, TupleTableSlot *row);

/*
 * The number of rel's column of that name, by its descriptor rather than by
 * the catalog; InvalidAttrNumber if there is none.
 */
extern AttrNumber row_query_column(Relation rel, const char *name);

extern void row_query_end(RowQuery *query);

#endif							/* PGTUNSYNC_ROW_QUERY_H */
