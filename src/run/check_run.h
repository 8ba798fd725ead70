/*-------------------------------------------------------------------------
 *
 * check_run.h
 *	  A check: the steps of a pull up to the plan, a report for each.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_CHECK_RUN_H
#define PGTUNSYNC_CHECK_RUN_H

#include "run/run_steps.h"

/* Sends a CheckStep for each step; raises only a cancel. */
extern void run_check(Run *run);

#endif							/* PGTUNSYNC_CHECK_RUN_H */
