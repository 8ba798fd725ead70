/*-------------------------------------------------------------------------
 *
 * pull_run.h
 *	  A pull, from the audit row to the commit.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_PULL_RUN_H
#define PGTUNSYNC_PULL_RUN_H

#include "run/run_steps.h"

/*
 * Takes all steps.  Raises what ends the run; if only single tables failed,
 * the ERROR that names them is raised after the others are committed.
 */
extern void run_pull(Run *run);

#endif							/* PGTUNSYNC_PULL_RUN_H */
