/*-------------------------------------------------------------------------
 *
 * wait_event.h
 *	  Names of the wait events that pg_stat_activity shows.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_WAIT_EVENT_H
#define PGTUNSYNC_WAIT_EVENT_H

typedef enum WaitPoint
{
	WAIT_LEADER,				/* a caller waits for a message of the leader */
	WAIT_TUNNEL_OPEN,			/* the leader waits until the tunnel has its sessions */
	WAIT_TUNNEL_TRAFFIC,		/* the tunnel waits for sessions and connections */
	WAIT_LOADERS,				/* the leader waits for reports of the loaders */
	WAIT_LOADER_ORDER,			/* a loader waits for its next order */
	WAIT_MESSAGE_QUEUE,			/* a worker waits for room in the queue to its parent */
	WAIT_SOURCE_CONNECT,		/* waiting until the source accepts a connection */
	WAIT_SOURCE_RESULT,			/* waiting for rows or results from the source */
	WAIT_LOCK_RETRY,			/* a worker pauses before it tries a lock again */
	WAIT_CRASH_CLEANUP,			/* waiting for the worker that cleans up after a crash */
	WAIT_SUBPROCESS				/* waiting for output of a program such as ssh -G */
} WaitPoint;

/*
 * Returns the wait event to pass to WaitLatch() and similar functions.  Before
 * PostgreSQL 17 all are "Extension".
 */
extern uint32 wait_event(WaitPoint point);

#endif							/* PGTUNSYNC_WAIT_EVENT_H */
