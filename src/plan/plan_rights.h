/*-------------------------------------------------------------------------
 *
 * plan_rights.h
 *	  Rights of the source's role and of the caller on a table.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_PLAN_RIGHTS_H
#define PGTUNSYNC_PLAN_RIGHTS_H

#include "plan/planner_state.h"

/*
 * Each of these fails the table if a right or the rows are missing.
 *
 * Local: the caller's rights to replace the rows.  Grants on a partitioned
 * table hold for its leaves.
 */
extern void plan_check_local_rights(TablePlan *table, const Choice *choice, Oid role);

/*
 * Source: reading the table, all of its rows unless row_security allows less.
 */
extern void plan_check_source_rights(TablePlan *table, const CatalogRelation *source,
									  bool row_security);

/* Source, if it is a standby: it has no rows of unlogged tables. */
extern void plan_check_standby(TablePlan *table, const CatalogRelation *source);

/* Source: reading the columns that are pulled. */
extern void plan_check_column_rights(TablePlan *table, const CatalogRelation *source,
									  List *columns);

#endif							/* PGTUNSYNC_PLAN_RIGHTS_H */
