/*-------------------------------------------------------------------------
 *
 * worker.h
 *	  Dynamic background workers, each owned by one process.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_WORKER_H
#define PGTUNSYNC_WORKER_H

#include "base/compat.h"
#include "storage/dsm.h"

typedef struct Worker Worker;

/* The names of workers in pg_stat_activity. */
#define LEADER_TITLE		"pgtunsync leader"
#define TUNNEL_TITLE		"pgtunsync tunnel"
#define LOADER_TITLE		"pgtunsync loader"

/* Workers that each run needs: a leader, a tunnel and a loader. */
#define WORKERS_OF_RUN		3

/*
 * All workers are launched between these two calls.
 *
 * worker_begin_launch() blocks other launches of the extension on this server.
 * It returns how many workers may be started: max_workers minus the existing
 * ones and those reserved for leaders that have not started their tunnel yet.
 * The result can be negative.  It needs a transaction; an abort also releases
 * the lock.  worker_end_launch() returns when the launched workers have
 * started, so that other processes count them.
 */
extern int	worker_begin_launch(int max_workers);
extern void worker_end_launch(void);

/* Raises the error for too many workers. */
extern void worker_no_room(int room, int max_workers) pg_attribute_noreturn();

/*
 * Registers a worker that runs a function of this library with the segment's
 * handle as its argument.  This process is notified (by its latch) when the
 * worker starts and stops.  with_database allows the worker to connect to a
 * database.  title is shown in pg_stat_activity and in the process list, so it
 * must not contain a secret.  Returns NULL if no slot is free.  The object
 * lives in TopMemoryContext until worker_free().
 */
extern Worker *worker_launch(const char *function, const char *title,
							 dsm_handle segment, bool with_database);

/*
 * Waits for the worker to start and returns its PID, or 0 if it could not
 * start.
 */
extern pid_t worker_pid(Worker *worker);

/*
 * Returns whether the worker has not ended yet.  A worker that has not started
 * counts as alive.
 */
extern bool worker_alive(Worker *worker);

/* Sends SIGINT if the worker runs, which raises an ERROR in it. */
extern void worker_interrupt(Worker *worker);

/* Sends SIGTERM, also to a worker that has not started.  Does not wait. */
extern void worker_terminate(Worker *worker);

/* Waits until the worker has ended.  Cancels do not interrupt the wait. */
extern void worker_wait_end(Worker *worker);

extern void worker_free(Worker *worker);

/* Makes this process keep the memory that it frees, for later allocations. */
extern void worker_keep_memory(void);

/* Returns the number of the machine's cores. */
extern int	worker_cores(void);

/* Raises the error for a NULL result of worker_launch(). */
extern void worker_no_slot(const char *what) pg_attribute_noreturn();

#endif							/* PGTUNSYNC_WORKER_H */
