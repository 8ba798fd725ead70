/*-------------------------------------------------------------------------
 *
 * run_lock.h
 *	  A lock that shows whether the leader of a run is alive.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_RUN_LOCK_H
#define PGTUNSYNC_RUN_LOCK_H

/*
 * Takes the lock of a run until this process ends.  The leader calls it before
 * it commits anything of the run.  Waits interruptibly while another process
 * tests the lock.
 */
extern void run_lock_take(int64 run_id);

/*
 * Returns whether another process leads this run.  Needs no transaction and
 * reads no table.  Always returns false on a standby.
 */
extern bool run_lock_is_held(int64 run_id);

/*
 * Takes the lock for cleaning up after crashed runs of this database, until
 * this process ends.  Returns false if another process holds it.
 */
extern bool run_lock_try_clean(void);

#endif							/* PGTUNSYNC_RUN_LOCK_H */
