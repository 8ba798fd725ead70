/*-------------------------------------------------------------------------
 *
 * worker_message.h
 *	  Sends messages from a worker to the process that started it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_WORKER_MESSAGE_H
#define PGTUNSYNC_WORKER_MESSAGE_H

#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "storage/dsm.h"
#include "storage/shm_mq.h"

#define RELAY_QUEUE_SIZE	((Size) 65536)

typedef enum RelayResult
{
	RELAY_MESSAGE,				/* a message was read */
	RELAY_EMPTY,				/* no message now; the latch will be set */
	RELAY_CLOSED				/* the other side has ended, and everything was read */
} RelayResult;

/* ---- the sending side: a worker ---- */

/*
 * Redirects to the queue everything that this process would send to a client:
 * NOTICEs, WARNINGs, and an ERROR that reaches the top level.  Messages of
 * relay_send() go into the same queue, in order.  Sending never blocks:
 * messages that do not fit wait in memory for relay_flush().  That memory is
 * limited.  When the limit or the allowance of users' code is exceeded,
 * NOTICEs and WARNINGs are dropped and counted.  It is not an error if the
 * receiver ends.
 */
extern void relay_redirect(shm_mq_handle *queue);

/* Sends a message of the extension; type is any byte except 'E' and 'N'. */
extern void relay_send(char type, const char *data, Size len);

/* Sends an error as an 'E' message, without logging it here. */
extern void relay_send_error(ErrorData *edata);

/*
 * Sends waiting messages.  Returns true if none is left.  Call it in wait
 * loops.
 */
extern bool relay_flush(void);

/*
 * Waits at most timeout_ms until all messages are sent or the receiver has
 * ended.
 */
extern void relay_flush_wait(long timeout_ms);

/*
 * Sets the table that messages of users' code (between owner_enter() and
 * owner_leave()) are about.  The messages name the table and count against its
 * allowance.  A different table gets a new allowance.  NULL means no table.
 */
extern void relay_set_subject(const char *table);

/* Returns how many messages were dropped since the last call. */
extern int64 relay_take_dropped(void);

/* Adds the number of messages that a child has dropped. */
extern void relay_add_dropped(int64 count);

/*
 * Raises a NOTICE with the number of dropped messages, if there are any.  This
 * NOTICE is never dropped.
 */
extern void relay_report_dropped(void);

/*
 * Returns the texts of the first WARNINGs that were sent (char *), each once,
 * and in *count how many different ones there were.  WARNINGs that have the
 * SQLSTATE of an error are not among them.  Long texts are cut.
 */
extern List *relay_warnings(int *count);

/* Returns whether the receiver has ended, or there never was one. */
extern bool relay_receiver_gone(void);

/* ---- the receiving side: its parent ---- */

/*
 * Reads one message without waiting.  *type is 'E' or 'N' for a report, or the
 * type of a message of the extension.  body receives the rest; the caller owns
 * it, and its previous content is discarded.
 */
extern RelayResult relay_receive(shm_mq_handle *queue, char *type, StringInfo body);

/* Parses an 'E' or 'N' message.  Strings are palloc'd. */
extern void relay_parse_report(StringInfo body, ErrorData *edata);

/*
 * Raises an 'E' or 'N' message here, if it has at least that level.  Does not
 * return after an ERROR.
 */
extern void relay_throw_report(StringInfo body, int min_elevel);

/* Raises an 'N' message of users' code in a child, within the allowance. */
extern void relay_forward(StringInfo body);

#endif							/* PGTUNSYNC_WORKER_MESSAGE_H */
