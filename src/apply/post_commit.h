/*-------------------------------------------------------------------------
 *
 * post_commit.h
 *	  Does the work after the commit.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_POST_COMMIT_H
#define PGTUNSYNC_POST_COMMIT_H

#include "nodes/pg_list.h"

/*
 * Both functions take OIDs, and use a transaction of their own for each
 * object.
 */

/* Runs ANALYZE on tables with statistics objects, settings or children. */
extern void post_commit_analyze(const List *targets);

/*
 * Refreshes the materialized views that the role owns, or reports that they
 * are stale.
 */
extern void post_commit_matviews(const List *targets, bool refresh, Oid role);

#endif							/* PGTUNSYNC_POST_COMMIT_H */
