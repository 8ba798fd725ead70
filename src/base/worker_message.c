/*-------------------------------------------------------------------------
 *
 * worker_message.c
 *	  Messages from a worker to the process that started it.
 *
 * A background worker has no client, but its ereport()s should reach one.  As
 * parallel query does (libpq/pqmq.c), we put a shared memory queue where the
 * socket would be: NOTICEs and the final ERROR arrive at the parent in wire
 * format, in order with messages of our own (a table is done, the tunnel is
 * open), and the parent raises them again.
 *
 * Unlike pqmq.c, sending never blocks.  The leader may hold locks that others
 * wait for, and must not come to a halt because somebody's psql sits behind a
 * pager: what does not fit into the queue waits in our memory and is moved on
 * by relay_flush() from the wait loops.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

/* struct Port is of no interest here, nor are the libraries it needs */
#undef ENABLE_GSS
#undef ENABLE_SSPI
#undef USE_OPENSSL

#include "libpq/libpq.h"
#include "libpq/pqformat.h"
#include "libpq/pqmq.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/worker_message.h"
#include "base/wait_event.h"

static shm_mq_handle *outgoing = NULL;
static MemoryContext backlog_context = NULL;
static List *backlog = NIL;		/* of StringInfo, oldest first */

/* Tries to hand one message to the queue. */
static shm_mq_result
send_now(const char *data, Size len)
{
	return compat_shm_mq_send(outgoing, len, data, true, true);
}

bool
relay_flush(void)
{
	while (outgoing != NULL && backlog != NIL)
	{
		StringInfo	msg = linitial(backlog);
		shm_mq_result result = send_now(msg->data, msg->len);

		if (result == SHM_MQ_WOULD_BLOCK)
			return false;
		if (result == SHM_MQ_DETACHED)
			outgoing = NULL;
		pfree(msg->data);
		pfree(msg);
		backlog = list_delete_first(backlog);
	}
	if (outgoing == NULL && backlog != NIL)
	{
		MemoryContextReset(backlog_context);
		backlog = NIL;
	}
	return true;
}

/* Queues type + data behind what waits already. */
static void
enqueue(char type, const char *data, Size len)
{
	MemoryContext oldcontext;
	StringInfo	msg;

	if (outgoing == NULL)
		return;
	oldcontext = MemoryContextSwitchTo(backlog_context);
	msg = makeStringInfo();
	appendStringInfoChar(msg, type);
	appendBinaryStringInfo(msg, data, len);
	backlog = lappend(backlog, msg);
	MemoryContextSwitchTo(oldcontext);
	relay_flush();
}

void
relay_send(char type, const char *data, Size len)
{
	enqueue(type, data, len);
}

bool
relay_receiver_gone(void)
{
	return outgoing == NULL;
}

void
relay_flush_wait(long timeout_ms)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), timeout_ms);

	while (!relay_flush() && GetCurrentTimestamp() < deadline)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 100, wait_event(WAIT_MESSAGE_QUEUE));
		ResetLatch(MyLatch);
	}
}

/* One field of an ErrorResponse; see "Error and Notice Message Fields". */
static void
append_field(StringInfo buf, char code, const char *value)
{
	if (value != NULL)
	{
		appendStringInfoChar(buf, code);
		appendBinaryStringInfo(buf, value, strlen(value) + 1);
	}
}

void
relay_send_error(ErrorData *edata)
{
	StringInfoData buf;

	initStringInfo(&buf);
	append_field(&buf, 'S', "ERROR");
	append_field(&buf, 'V', "ERROR");
	append_field(&buf, 'C', unpack_sql_state(edata->sqlerrcode));
	append_field(&buf, 'M', edata->message ? edata->message : "missing error text");
	append_field(&buf, 'D', edata->detail);
	append_field(&buf, 'H', edata->hint);
	append_field(&buf, 'W', edata->context);
	append_field(&buf, 's', edata->schema_name);
	append_field(&buf, 't', edata->table_name);
	append_field(&buf, 'c', edata->column_name);
	append_field(&buf, 'd', edata->datatype_name);
	append_field(&buf, 'n', edata->constraint_name);
	appendStringInfoChar(&buf, '\0');
	enqueue('E', buf.data, buf.len);
	pfree(buf.data);
}

/* The methods that stand in for the client's socket. */
static void
relay_comm_reset(void)
{
}

static int
relay_comm_flush(void)
{
	return 0;
}

static bool
relay_is_send_pending(void)
{
	return false;
}

static int
relay_putmessage(char msgtype, const char *s, size_t len)
{
	if (msgtype == 'E' || msgtype == 'N')
		enqueue(msgtype, s, len);
	return 0;
}

static void
relay_putmessage_noblock(char msgtype, const char *s, size_t len)
{
	(void) relay_putmessage(msgtype, s, len);
}

static const PQcommMethods relay_methods = {
	.comm_reset = relay_comm_reset,
	.flush = relay_comm_flush,
	.flush_if_writable = relay_comm_flush,
	.is_send_pending = relay_is_send_pending,
	.putmessage = relay_putmessage,
	.putmessage_noblock = relay_putmessage_noblock
};

void
relay_redirect(shm_mq_handle *queue)
{
	outgoing = queue;
	backlog_context = AllocSetContextCreate(TopMemoryContext, "pgtunsync relay",
											ALLOCSET_SMALL_SIZES);
	PqCommMethods = &relay_methods;
	whereToSendOutput = DestRemote;
	FrontendProtocol = PG_PROTOCOL_LATEST;
}

RelayResult
relay_receive(shm_mq_handle *queue, char *type, StringInfo body)
{
	Size		len;
	void	   *data;
	shm_mq_result result = shm_mq_receive(queue, &len, &data, true);

	if (result == SHM_MQ_WOULD_BLOCK)
		return RELAY_EMPTY;
	if (result == SHM_MQ_DETACHED)
		return RELAY_CLOSED;
	*type = ((char *) data)[0];
	resetStringInfo(body);
	appendBinaryStringInfo(body, (char *) data + 1, len - 1);
	return RELAY_MESSAGE;
}

void
relay_parse_report(StringInfo body, ErrorData *edata)
{
	pq_parse_errornotice(body, edata);
}

void
relay_throw_report(StringInfo body, int min_elevel)
{
	ErrorData	edata;

	relay_parse_report(body, &edata);
	if (edata.elevel < min_elevel)
		return;
	/* what was FATAL to a child is an error here */
	if (edata.elevel > ERROR)
		edata.elevel = ERROR;
	ThrowErrorData(&edata);
}
