/*-------------------------------------------------------------------------
 *
 * plan_columns.h
 *	  Columns and keys of both sides, matched by name.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_PLAN_COLUMNS_H
#define PGTUNSYNC_PLAN_COLUMNS_H

#include "plan/planner_state.h"

/*
 * Matches the columns of both sides; returns the source's columns that are
 * pulled (List of CatalogColumn *).  Fails the table if there are none.
 */
extern List *plan_match_columns(TablePlan *table, const Choice *choice, int source_version);

/* Fails the table for columns that need a value and get none. */
extern void plan_fail_needed(TablePlan *table);

/*
 * NOTICEs of children that come along or stay behind, and of what differs
 * between the columns of both sides: one for each of these (TablePlan *), or
 * if they are many, one for all.
 */
extern void plan_report_differences(const List *tables);

/*
 * Fails a table with a clause if the text of a column's values depends on the
 * search_path.
 */
extern void plan_check_name_types(TablePlan *table, const CopyQuery *query);

/*
 * Fails a table whose mode compares rows by primary key if it has none, or if
 * the values of the key do not come from the source.  The key of a partition
 * alone is not enough.
 */
extern void plan_check_key(TablePlan *table, const Choice *choice);

#endif							/* PGTUNSYNC_PLAN_COLUMNS_H */
