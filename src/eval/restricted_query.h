/*-------------------------------------------------------------------------
 *
 * restricted_query.h
 *	  Runs queries over users' tables without running users' code as superuser.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_RESTRICTED_QUERY_H
#define PGTUNSYNC_RESTRICTED_QUERY_H

#include "nodes/parsenodes.h"
#include "nodes/pg_list.h"
#include "nodes/plannodes.h"

/* Result rows.  Values are text, or NULL for null.  Everything is palloc'd. */
typedef struct RestrictedRows
{
	int			nrows;
	int			ncolumns;
	char	 ***values;			/* [row][column] */
} RestrictedRows;

/*
 * Runs one SELECT with superuser privileges, but without running users' code
 * with them.
 *
 * relids lists the OIDs of the tables that the query may read.  If a name in
 * it turns out to mean another relation, OBJECT_IN_USE is raised.  owner is
 * the role that runs the query if the query itself must call a function in a
 * user's language (a cast).  The query stops after max_rows rows; 0 means no
 * limit.  The plan is made for all rows in any case.  The active snapshot is
 * used.
 */
extern RestrictedRows *restricted_query(const char *sql, const List *relids, Oid owner,
										uint64 max_rows);

/*
 * Plans a query over these relations, which must be locked.  Code of their
 * owners runs as its owner only.  Also locks the partitions of the relations,
 * for the executor.
 */
extern PlannedStmt *restricted_plan(Query *query, const char *sql, const List *relids);

/*
 * Returns whether planning a query over the relation would evaluate user code.
 * Reads the stored expression trees and evaluates nothing.
 */
extern bool restricted_holds_user_code(Oid relid);

#endif							/* PGTUNSYNC_RESTRICTED_QUERY_H */
