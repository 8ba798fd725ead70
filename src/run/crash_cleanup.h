/*-------------------------------------------------------------------------
 *
 * crash_cleanup.h
 *	  Removes what runs have left whose server or leader crashed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_CRASH_CLEANUP_H
#define PGTUNSYNC_CRASH_CLEANUP_H

/*
 * Drops staging heaps that no run owns and marks runs as crashed.  For a
 * worker, outside a transaction; uses transactions of its own.  An error in
 * either step goes to the server log; only a cancel is raised.
 */
extern void crash_cleanup(void);

/*
 * Drops the staging heaps of a run whose loaders have ended, or of all runs
 * that have no leader if run_id is 0.  Skips heaps that a session uses.  Returns
 * the number of dropped heaps.  As crash_cleanup() in all else.
 */
extern int	crash_cleanup_drop(int64 run_id);

/*
 * crash_cleanup() for a caller's backend, by a worker, and only if there is something
 * to clean up.  Waits some seconds for the worker at most.  Does nothing on a
 * standby, in parallel mode and without a free worker slot.  Raises what
 * reading the audit raises.
 */
extern void crash_cleanup_if_due(void);

/*
 * Writes the current error to the server log and resets the error state; for
 * use in PG_CATCH().  The process that waits for this worker does not see it.
 */
extern void crash_cleanup_log_error(void);

#endif							/* PGTUNSYNC_CRASH_CLEANUP_H */
