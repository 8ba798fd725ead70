/*-------------------------------------------------------------------------
 *
 * planner.h
 *	  Makes the plan of a run.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_PLANNER_H
#define PGTUNSYNC_PLANNER_H

#include "plan/plan.h"

/*
 * Opens the run's transaction on the control connection (REPEATABLE READ READ
 * ONLY, exported snapshot), refuses the very same database, resolves
 * the request against both catalogs and plans every table.  Must run in a
 * local transaction.  All lives in the current memory context.
 *
 * NOTICEs: excluded tables that were named, missing and extra columns, types
 * that differ.  Raises UNDEFINED_TABLE for a name that neither side knows
 * (with request->survey it becomes a table that fails), UNDEFINED_OBJECT for
 * an unknown group, what clause_parse() raises for clauses,
 * INVALID_PARAMETER_VALUE for malformed names.  Tables that fail by themselves
 * (only on one side, no right, no column in common, a kind that cannot be
 * replaced) are in the plan with their message.
 */
extern RunPlan *plan_run(const PlanRequest *request, const SyncConfig *config,
						 Source *control);

#endif							/* PGTUNSYNC_PLANNER_H */
