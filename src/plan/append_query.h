/*-------------------------------------------------------------------------
 *
 * append_query.h
 *	  Which rows an append asks the source for.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_APPEND_QUERY_H
#define PGTUNSYNC_APPEND_QUERY_H

#include "plan/copy_sql.h"
#include "plan/plan.h"
#include "plan/selection.h"

/*
 * Prepares table->batches for the rows of this query, by the named column or
 * (NULL) the primary key.  settings: SETs that come before it.  What stands in
 * the way is written into the table's plan.
 */
extern void batches_plan(TablePlan *table, const Choice *choice, const CopyQuery *query,
						 const char *cursor, int source_version, const char *settings);

/*
 * The COPY for the next rows beyond a value (as text; NULL: from the first
 * on), in order.  There are more than batch_size of them only if they share
 * the last value.
 */
extern char *batches_copy_sql(const TablePlan *table, const char *bound, int batch_size);

/* The column by which they come. */
extern const ColumnPlan *batches_cursor(const TablePlan *table);

/* True if a primary key identifies rows that came before. */
extern bool batches_are_keyed(const TablePlan *table);

#endif							/* PGTUNSYNC_APPEND_QUERY_H */
