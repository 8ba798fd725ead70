/*-------------------------------------------------------------------------
 *
 * worker_message.h
 *	  Messages from a worker to the process that started it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_WORKER_MESSAGE_H
#define PGTUNSYNC_WORKER_MESSAGE_H

#include "lib/stringinfo.h"
#include "storage/dsm.h"
#include "storage/shm_mq.h"

#define RELAY_QUEUE_SIZE	((Size) 65536)

typedef enum RelayResult
{
	RELAY_MESSAGE,				/* a message was read */
	RELAY_EMPTY,				/* nothing there now; the latch will be set */
	RELAY_CLOSED				/* the other side is gone, all was read */
} RelayResult;

/* ---- the sending side: a worker ---- */

/*
 * From here on all that this process would send to a client (NOTICEs,
 * WARNINGs, an ERROR that reaches the top) goes into the queue, and so do
 * relay_send()'s messages, in order.  Never blocks: what does not fit waits in
 * memory for relay_flush().  That memory is bounded: beyond it, and beyond what
 * code of others may say, NOTICEs and WARNINGs are dropped and counted.  A
 * receiver that went away is no error.
 */
extern void relay_redirect(shm_mq_handle *queue);

/* Sends a message of the program's own; type: any byte but 'E' and 'N'. */
extern void relay_send(char type, const char *data, Size len);

/* Sends an error as an 'E' message without logging it here. */
extern void relay_send_error(ErrorData *edata);

/* Moves waiting messages on; true when none waits.  Call it in wait loops. */
extern bool relay_flush(void);

/* Waits (at most timeout_ms) until everything was taken or nobody is left. */
extern void relay_flush_wait(long timeout_ms);

/*
 * From here on, what code of others says (within owner_enter() and
 * owner_leave()) is about this table: its messages name it and count against
 * its allowance, which is renewed when the table is another one.  NULL: none.
 */
extern void relay_set_subject(const char *table);

/* How many messages were dropped since the last call. */
extern int64 relay_take_dropped(void);

/* Adds what a child has dropped. */
extern void relay_add_dropped(int64 count);

/* Raises a NOTICE with their number, if there are any; it is not dropped. */
extern void relay_tell_dropped(void);

/* Has the receiver gone away (or was there never one)? */
extern bool relay_receiver_gone(void);

/* ---- the receiving side: its parent ---- */

/*
 * Reads one message without waiting.  *type is 'E' or 'N' for a report, else
 * the program's own byte; body holds the rest (reset before, owned by the
 * caller).
 */
extern RelayResult relay_receive(shm_mq_handle *queue, char *type, StringInfo body);

/* Unpacks an 'E' or 'N' message; strings are palloc'd. */
extern void relay_parse_report(StringInfo body, ErrorData *edata);

/*
 * Raises an 'E' or 'N' message here, if it is of that level at least: a NOTICE
 * returns, an ERROR does not.
 */
extern void relay_throw_report(StringInfo body, int min_elevel);

/* Raises an 'N' message of a child's code of others, if that may say more. */
extern void relay_forward(StringInfo body);

#endif							/* PGTUNSYNC_WORKER_MESSAGE_H */
