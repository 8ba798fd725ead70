/*-------------------------------------------------------------------------
 *
 * loader_pool.h
 *	  The leader's pool of loaders.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_LOADER_POOL_H
#define PGTUNSYNC_LOADER_POOL_H

#include "load/load_messages.h"

typedef struct Pool Pool;

typedef enum PoolEventType
{
	POOL_LOADED,				/* a table is loaded: event.result */
	POOL_FAILED,				/* a table failed: event.index, event.error */
	POOL_LOCKED,				/* it is locked on the source, and tried again: the same */
	POOL_IDLE					/* no event before timeout or wakeup */
} PoolEventType;

typedef struct PoolEvent
{
	PoolEventType type;
	int			index;			/* of the table in the plan */
	LoadResult	result;
	ErrorData  *error;
	bool		source_gone;	/* the error ends the run: the source is lost, or has no
								 * connection for any loader */
	bool		source_locked;	/* it was a lock on the source that was refused */
} PoolEvent;

/*
 * Starts up to "loaders" loaders.  Free worker slots and max_workers limit
 * their number (see worker_begin_launch()); a NOTICE reports if there are
 * fewer.  Raises CONFIGURATION_LIMIT_EXCEEDED if none can be started.  The
 * pool is allocated in the current memory context.  lock_wait (ms): see
 * pool_next().  The caller must call pool_stop() on every path.
 */
extern Pool *pool_start(const LoaderShared *facts, int loaders, int max_workers, int lock_wait);
extern int	pool_size(const Pool *pool);

/*
 * The number of loaders that the source has refused a connection.  They get
 * only jobs that need none.
 */
extern int	pool_refused(const Pool *pool);

/*
 * Send the connection parameters, and later the snapshot, to all loaders;
 * start_time is that of the server that has it, in microseconds since 1970.
 */
extern void pool_connect(Pool *pool, const LoaderConnect *connect);

/*
 * Lets all loaders close their connections, which the leader needs more.  They
 * connect again when they get a job.
 */
extern void pool_disconnect(Pool *pool);
extern void pool_snapshot(Pool *pool, const char *snapshot, int64 start_time,
						  dsm_handle progress);

/*
 * Adds a job to the queue; the first free loader gets it.  "bytes" is the
 * expected size of the data.  Small jobs are sent in batches.
 */
extern void pool_submit(Pool *pool, const LoadJob *job, double bytes);

/*
 * Adds a job for a large table to the queue.  "parts" is a List of char *, one
 * COPY for each part.  The list, the job and all that they point to must last
 * as long as the pool.  Several loaders work on the table at the same time.
 * There is one event for the whole table.
 */
extern void pool_submit_parts(Pool *pool, const LoadJob *job, const List *parts);

/* True if jobs are waiting or running. */
extern bool pool_busy(const Pool *pool);

/*
 * Returns the next event.  A table that is locked on the source is set aside:
 * there is one POOL_LOCKED for it.  It is tried again while others are loaded,
 * and when all others are done, in a few rounds of lock_wait each.  Then it
 * fails.  Waits up to timeout_ms for it, and returns
 * POOL_IDLE after the wait.  Raises the error of a loader that failed outside
 * a job, and ADMIN_SHUTDOWN if a loader ended during a job.
 */
extern PoolEvent pool_next(Pool *pool, long timeout_ms);

/* Lets only so many loaders go on; for a pool that has no jobs yet. */
extern void pool_shrink(Pool *pool, int size);

/*
 * Process IDs at the source, as a List of int: the sessions that loaders have
 * left amid a COPY since the last call, and those of loaders that have a job.
 */
extern List *pool_take_left(Pool *pool);
extern List *pool_busy_sessions(const Pool *pool);

/*
 * Ends all loaders and waits for their exit.  If "now", terminates them; else
 * they finish their jobs first.  Does nothing when called again.
 */
extern void pool_stop(Pool *pool, bool now);

/*
 * For an exit callback: terminates all loaders and waits at most two seconds.
 */
extern void pool_kill(Pool *pool);

#endif							/* PGTUNSYNC_LOADER_POOL_H */
