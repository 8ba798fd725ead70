/*-------------------------------------------------------------------------
 *
 * run_lock.h
 *	  The lock by which every process can see that a run's leader lives.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_RUN_LOCK_H
#define PGTUNSYNC_RUN_LOCK_H

/*
 * Takes the lock of a run for the rest of this process's life.  The leader
 * calls it before anything of the run is committed.  Waits, interruptibly,
 * while a process tests the lock.
 */
extern void run_lock_take(int64 run_id);

/*
 * Does another process lead this run?  Needs no transaction of its own and
 * reads no table.  Always false on a standby.
 */
extern bool run_lock_is_held(int64 run_id);

/*
 * Lets one process at a time clean up after crashed runs of this database:
 * false if another one does.  Held for the rest of this process's life.
 */
extern bool run_lock_try_clean(void);

#endif							/* PGTUNSYNC_RUN_LOCK_H */
