/*-------------------------------------------------------------------------
 *
 * matview.h
 *	  Handles materialized views over tables that were pulled.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_MATVIEW_H
#define PGTUNSYNC_MATVIEW_H

#include "nodes/pg_list.h"

/*
 * Finds the materialized views that read the tables (a List of Oid), directly
 * or through other views.  Returns a List of Oid in the order in which to
 * refresh them.  Must be called in a transaction.
 */
extern List *matviews_over(const List *tables);

/* Raises a NOTICE that names the views that were not refreshed. */
extern void matviews_report(const List *matviews);

/*
 * Refreshes a view if the role owns it.  A WARNING reports why a view could
 * not be refreshed.  Must be called in a transaction of its own.
 */
extern void matview_refresh(Oid matview, Oid role);

#endif							/* PGTUNSYNC_MATVIEW_H */
