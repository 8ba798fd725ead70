/*-------------------------------------------------------------------------
 *
 * worker.h
 *	  Dynamic background workers as objects with one owner.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_WORKER_H
#define PGTUNSYNC_WORKER_H

#include "base/compat.h"
#include "storage/dsm.h"

typedef struct Worker Worker;

/* What workers are called in pg_stat_activity. */
#define LEADER_TITLE		"pgtunsync leader"
#define TUNNEL_TITLE		"pgtunsync tunnel"
#define LOADER_TITLE		"pgtunsync loader"

/* What a run needs: a leader, a tunnel, a loader. */
#define WORKERS_OF_RUN		3

/*
 * All workers are launched between these two.  The first one keeps other
 * launches of the extension on this server waiting and returns how many
 * workers may be started: max_workers less those that exist and those that are
 * set aside for leaders whose tunnel is still to come.  It can be negative.  It
 * needs a transaction, whose abort ends the wait of others as well.  The second
 * one returns when the launched workers have started, so that all see them.
 */
extern int	worker_begin_launch(int max_workers);
extern void worker_end_launch(void);

/* The message to raise when that is not enough. */
extern void worker_no_room(int room, int max_workers) pg_attribute_noreturn();

/*
 * Registers a worker that runs "function" of this library with the segment's
 * handle as its argument; this process is notified (latch) when it starts and
 * stops.  with_database: it may connect to a database.  title: shown in
 * pg_stat_activity and the process list, never a secret.  Returns NULL when
 * no slot is free.  The object lives in TopMemoryContext until
 * worker_free().
 */
extern Worker *worker_launch(const char *function, const char *title,
							 dsm_handle segment, bool with_database);

/* The worker's pid, waiting for it to start; 0 if it could not start. */
extern pid_t worker_pid(Worker *worker);

/* Has it not ended yet (a worker that has not started counts as alive)? */
extern bool worker_alive(Worker *worker);

/* Sends SIGINT (cancel: an ERROR in the worker) if it runs. */
extern void worker_interrupt(Worker *worker);

/* Sends SIGTERM, also to one that has not started; does not wait. */
extern void worker_terminate(Worker *worker);

/* Waits, uninterrupted by cancels, until the worker has ended. */
extern void worker_wait_end(Worker *worker);

extern void worker_free(Worker *worker);

/* This process keeps the memory that it frees, for what it allocates next. */
extern void worker_keep_memory(void);

/* How many workers can run at the same time: the machine's cores. */
extern int	worker_cores(void);

/* The message to raise when worker_launch() returned NULL. */
extern void worker_no_slot(const char *what) pg_attribute_noreturn();

#endif							/* PGTUNSYNC_WORKER_H */
