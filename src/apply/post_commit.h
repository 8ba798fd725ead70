/*-------------------------------------------------------------------------
 *
 * post_commit.h
 *	  What is left to do when the new rows are in place.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_POST_COMMIT_H
#define PGTUNSYNC_POST_COMMIT_H

#include "nodes/pg_list.h"

/* Both use transactions of their own, one for each object; targets: OIDs. */

/* ANALYZE for tables with statistics objects, settings or children. */
extern void aftermath_analyze(const List *targets);

/* Refreshes the materialized views that the role owns, or says that they are stale. */
extern void aftermath_matviews(const List *targets, bool refresh, Oid role);

#endif							/* PGTUNSYNC_POST_COMMIT_H */
