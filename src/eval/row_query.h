/*-------------------------------------------------------------------------
 *
 * row_query.h
 *	  Computes expressions of the configuration locally, row by row.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_ROW_QUERY_H
#define PGTUNSYNC_ROW_QUERY_H

#include "access/attnum.h"
#include "executor/tuptable.h"
#include "nodes/pg_list.h"
#include "utils/relcache.h"

/* An expression over the row of a table. */
typedef struct RowExpression
{
	char	   *column;			/* the column to compute; NULL for a condition */
	char	   *sql;			/* from clause.c */
	char	   *what;			/* where it is configured, for errors */
} RowExpression;

typedef struct RowQuery RowQuery;

/*
 * Prepares expressions (a List of RowExpression *) over the columns of rel.
 *
 * alias is the name by which the expressions refer to the row.  generated
 * tells whether stored generated columns are already computed, so that
 * expressions may read them.  The caller has called owner_enter() for the
 * owner of rel, which must stay in effect during all three calls, and has set
 * an active snapshot, which subqueries use.
 *
 * Raises errors of the parser, planner and executor, with the place of the
 * expression as context.
 */
extern RowQuery *row_query_begin(Relation rel, const char *alias, List *expressions,
								 bool generated);

/*
 * Computes all expressions for a row of rel.  Returns a slot with one column
 * for each expression, valid until the next call.
 */
extern TupleTableSlot *row_query_compute(RowQuery *query, TupleTableSlot *row);

/*
 * Returns the attribute number of a column of rel, or InvalidAttrNumber if
 * there is none.  Reads the descriptor, not the catalog.
 */
extern AttrNumber row_query_column(Relation rel, const char *name);

extern void row_query_end(RowQuery *query);

#endif							/* PGTUNSYNC_ROW_QUERY_H */
