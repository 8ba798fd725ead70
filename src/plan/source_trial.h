/*-------------------------------------------------------------------------
 *
 * source_trial.h
 *	  SQL from the configuration or the caller, tried on the source.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_SOURCE_TRIAL_H
#define PGTUNSYNC_SOURCE_TRIAL_H

#include "plan/planner_state.h"

/* Adds a table whose query is to be tried. */
extern void trial_add(Planner *planner, TablePlan *table, const CopyQuery *query);

/* Tries all that were added; a table whose query cannot run fails. */
extern void trial_run_all(Planner *planner);

#endif							/* PGTUNSYNC_SOURCE_TRIAL_H */
