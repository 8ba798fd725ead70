/*-------------------------------------------------------------------------
 *
 * restricted_query.h
 *	  A query of ours over tables of others.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_RESTRICTED_QUERY_H
#define PGTUNSYNC_RESTRICTED_QUERY_H

#include "nodes/parsenodes.h"
#include "nodes/pg_list.h"
#include "nodes/plannodes.h"

/* Rows as text, NULL for null; palloc'd. */
typedef struct GuardedRows
{
	int			nrows;
	int			ncolumns;
	char	 ***values;			/* [row][column] */
} GuardedRows;

/*
 * Runs one SELECT with the rights of the superuser that we are, but so that
 * nothing that users have written runs with them.
 *
 * relids: the tables that it may read (a List of Oid); anything else that its
 * names turn out to mean raises OBJECT_IN_USE.  owner: as whom to run when the
 * query itself must call a function in a user's language (a cast).  max_rows:
 * where to stop, 0: never; the plan is made for all rows all the same.  Uses the active snapshot.
 */
extern GuardedRows *guarded_query(const char *sql, const List *relids, Oid owner,
								  uint64 max_rows);

/*
 * Plans a query over these relations, which are locked, so that nothing that
 * their owners wrote runs with anybody's rights but their own.  Also locks their
 * partitions, for the executor.
 */
extern PlannedStmt *guarded_plan(Query *query, const char *sql, const List *relids);

/*
 * Would planning a query over the relation evaluate code of users?  Reads the stored trees
 * and evaluates nothing.
 */
extern bool restricted_holds_user_code(Oid relid);

#endif							/* PGTUNSYNC_RESTRICTED_QUERY_H */
