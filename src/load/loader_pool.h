/*-------------------------------------------------------------------------
 *
 * loader_pool.h
 *	  The run's loaders, as the leader sees them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_LOADER_POOL_H
#define PGTUNSYNC_LOADER_POOL_H

#include "load/load_messages.h"

typedef struct Pool Pool;

typedef enum PoolEventType
{
	POOL_LOADED,				/* event.result */
	POOL_FAILED,				/* event.index, event.error */
	POOL_IDLE					/* nothing new: the caller may look around */
} PoolEventType;

typedef struct PoolEvent
{
	PoolEventType type;
	int			index;			/* of the table in the plan */
	LoadResult	result;
	ErrorData  *error;
	bool		source_gone;	/* the error ends the run, not just the table */
} PoolEvent;

/*
 * Starts up to that many loaders with these facts: as many as there are free
 * worker slots and max_workers allows (worker_begin_launch()), with a NOTICE
 * if fewer.  Raises CONFIGURATION_LIMIT_EXCEEDED without a single one.  Lives in
 * the current memory context; pool_stop() must be called on every path.
 */
extern Pool *pool_start(const LoaderShared *facts, int loaders, int max_workers);
extern int	pool_size(const Pool *pool);

/* To all loaders. */
extern void pool_connect(Pool *pool, const LoaderConnect *connect);
extern void pool_snapshot(Pool *pool, const char *snapshot, dsm_handle progress);

/*
 * Puts a job into the queue; it goes to the first loader that is free.  Jobs
 * of few expected bytes travel together.
 */
extern void pool_submit(Pool *pool, const LoadJob *job, double bytes);

/*
 * The same for a table that comes in parts, a COPY each (List of char *, which
 * must last as long as the pool, as must what the job points to).  Several
 * loaders work on it at the same time; there is one event for all of it.
 */
extern void pool_submit_parts(Pool *pool, const LoadJob *job, const List *parts);

/* Are there jobs that wait or run? */
extern bool pool_busy(const Pool *pool);

/* Waits up to timeout_ms for the next event. */
extern PoolEvent pool_next(Pool *pool, long timeout_ms);

/* Ends all loaders, at once or after what they have, and waits for their end.  Idempotent. */
extern void pool_stop(Pool *pool, bool now);

/* From an exit callback: signals them and waits briefly. */
extern void pool_kill(Pool *pool);

#endif							/* PGTUNSYNC_LOADER_POOL_H */
