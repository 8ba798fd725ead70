/*-------------------------------------------------------------------------
 *
 * caller.h
 *	  The caller's side of a run.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_CALLER_H
#define PGTUNSYNC_CALLER_H

#include "run/request_types.h"

/*
 * Runs the request through a leader of its own, showing its messages, and
 * returns the run's id when it has ended well (request->wait) or has begun
 * (not wait).  Raises what the leader raises; and
 * CONFIGURATION_LIMIT_EXCEEDED without a free worker slot,
 * OBJECT_IN_USE when this transaction itself holds a lock on a target,
 * READ_ONLY_SQL_TRANSACTION in a read-only transaction or on a standby.
 */
extern int64 caller_pull(RunRequest *request);

/* Makes the steps of a pull up to the plan; returns a List of CheckStep *. */
extern List *caller_check(RunRequest *request);

/*
 * Makes the plan of a pull; returns a List of PlanRow *.  Raises what stops a
 * pull before it knows its tables.
 */
extern List *caller_plan(RunRequest *request);

/*
 * Waits for a run of the current user to end; raises its error if it failed.
 */
extern void caller_wait(int64 run_id);

/* Asks the leader of a run to cancel it; false when it has ended already. */
extern bool caller_cancel(int64 run_id);

#endif							/* PGTUNSYNC_CALLER_H */
