/*-------------------------------------------------------------------------
 *
 * matview.h
 *	  Materialized views over tables that were pulled.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_MATVIEW_H
#define PGTUNSYNC_MATVIEW_H

#include "nodes/pg_list.h"

/*
 * The materialized views that read the tables (a List of Oid), directly or
 * through other views, in the order to refresh them: a List of Oid.  Must run
 * in a transaction.
 */
extern List *matviews_over(const List *tables);

/* Says in one NOTICE that they were left as they are. */
extern void matviews_tell(const List *matviews);

/*
 * Refreshes one that the role owns; a WARNING says why one could not be.  Must
 * run in a transaction of its own.
 */
extern void matview_refresh(Oid matview, Oid role);

#endif							/* PGTUNSYNC_MATVIEW_H */
