/*-------------------------------------------------------------------------
 *
 * plan_partitions.h
 *	  Tables that stand for partitions, here or on the source.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_PLAN_PARTITIONS_H
#define PGTUNSYNC_PLAN_PARTITIONS_H

#include "plan/planner_state.h"

/*
 * The condition that selects the rows of a partition on the source.  Fails the
 * table if the source lacks a column of it.
 */
extern char *plan_map_condition(TablePlan *table, const Choice *choice);

/*
 * Counts the rows on the source that belong to no local partition; if there
 * are any, all partitions of that table fail.
 */
extern void plan_check_maps(Planner *planner, List *tables, List *choices);

/*
 * Fails partitions of which another one has failed, if they are pulled
 * together.
 */
extern void plan_fail_together(List *tables);

/*
 * For an append, whose batches are committed one by one: no partitions are
 * pulled together.
 */
extern void plan_ungroup_partitions(List *tables);

#endif							/* PGTUNSYNC_PLAN_PARTITIONS_H */
