/*-------------------------------------------------------------------------
 *
 * plan_run.h
 *	  A plan: the steps of a pull up to the plan, a report for each table.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_PLAN_RUN_H
#define PGTUNSYNC_PLAN_RUN_H

#include "run/run_steps.h"

/* Sends a PlanRow for each table; raises what ends the run. */
extern void run_preview(Run *run);

#endif							/* PGTUNSYNC_PLAN_RUN_H */
