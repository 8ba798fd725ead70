/*-------------------------------------------------------------------------
 *
 * wait_event.h
 *	  What a process of ours waits for, as pg_stat_activity shows it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_WAIT_EVENT_H
#define PGTUNSYNC_WAIT_EVENT_H

typedef enum WaitPoint
{
	WAIT_LEADER,				/* a caller: the next message of its leader */
	WAIT_TUNNEL_OPEN,			/* the leader: the tunnel has its sessions */
	WAIT_TUNNEL_TRAFFIC,		/* the tunnel: sessions and connections */
	WAIT_LOADERS,				/* the leader: reports of the loaders */
	WAIT_LOADER_ORDER,			/* a loader: the next order */
	WAIT_MESSAGE_QUEUE,			/* room in the queue to whom a worker reports */
	WAIT_SOURCE_CONNECT,		/* the source accepts a connection */
	WAIT_SOURCE_RESULT,			/* rows or results from the source */
	WAIT_LOCK_RETRY,			/* the leader: the pause before it tries a lock again */
	WAIT_CRASH_CLEANUP,			/* the worker that cleans up after a crash */
	WAIT_SUBPROCESS				/* output of a program such as ssh -G */
} WaitPoint;

/* The wait event for WaitLatch() and the like.  Before PostgreSQL 17 all are "Extension". */
extern uint32 wait_event(WaitPoint point);

#endif							/* PGTUNSYNC_WAIT_EVENT_H */
