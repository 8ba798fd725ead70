/*-------------------------------------------------------------------------
 *
 * worker_message.c
 *	  Sends messages from a worker to the process that started it.
 *
 * A background worker has no client, but its ereport()s should reach one.  As
 * in parallel query (libpq/pqmq.c), a shared memory queue takes the place of
 * the socket.  NOTICEs and the final ERROR arrive at the parent in wire
 * format, in order with messages of the extension itself (a table is done, the
 * tunnel is open).  The parent raises them again.
 *
 * Unlike pqmq.c, sending never blocks.  The leader may hold locks that others
 * wait for, and must not stop because a client does not read.  Messages that
 * do not fit into the queue are kept in memory.  The wait loops call
 * relay_flush() to send them.
 *
 * A CHECK constraint can raise a NOTICE for each of ten million rows, and a
 * client can stop reading.  So both that memory and the number of messages for
 * a caller are limited:
 *
 * - Users' code, recognized by its security-restricted context, has an
 *   allowance for each table (relay_set_subject()) and one for the whole
 *   process.  Each of its messages is prefixed with the table's name and
 *   truncated.
 * - Messages in memory never exceed BACKLOG_BYTES.  Errors and messages of the
 *   extension are exempt: their number depends on the tables, not on the rows.
 *
 * NOTICEs are dropped first.  A WARNING is dropped only if no NOTICE can be
 * dropped instead, and an error is never dropped.  Dropped messages are
 * counted and reported in one line at the end.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

/* libpq-be.h would need headers of these libraries for struct Port */
#undef ENABLE_GSS
#undef ENABLE_SSPI
#undef USE_OPENSSL

#include "lib/ilist.h"
#include "libpq/libpq.h"
#include "libpq/pqformat.h"
#include "libpq/pqmq.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/worker_message.h"
#include "base/wait_event.h"

/* Maximum size of messages that wait for the queue. */
#define BACKLOG_BYTES		(2 * 1024 * 1024)
/* Maximum number of messages of users' code, for one table and in all. */
#define TABLE_NOTICES		20
#define TABLE_WARNINGS		100
#define PROCESS_NOTICES		1000
#define PROCESS_WARNINGS	1000
/* Maximum size of a field of such a message. */
#define FIELD_BYTES			2000
#define SUBJECT_BYTES		320
/* Maximum number of WARNINGs that are remembered, and of bytes of each. */
#define REMEMBERED_WARNINGS 10
#define REMEMBERED_BYTES	300

/* The priority of a message. */
typedef enum Rank
{
	RANK_NOTICE,				/* a NOTICE or lower */
	RANK_WARNING,
	RANK_NEEDED					/* an error, or a message of the extension */
} Rank;

/* A message that waits for the queue. */
typedef struct PendingMessage
{
	dlist_node	node;
	Rank		rank;
	Size		len;
	char		data[FLEXIBLE_ARRAY_MEMBER];	/* type and body */
} PendingMessage;

/* How many messages may still be sent. */
typedef struct Allowance
{
	int			notices;
	int			warnings;
} Allowance;

static shm_mq_handle *outgoing = NULL;
static MemoryContext backlog_context = NULL;
static dlist_head backlog;		/* of Waiting, oldest first */
static Size backlog_bytes = 0;

static char subject[SUBJECT_BYTES]; /* name of a table, or empty */
static Allowance for_subject;
static Allowance for_process = {PROCESS_NOTICES, PROCESS_WARNINGS};
static bool exempt = false;		/* do not drop the message being sent */
static int64 dropped = 0;
static char *warnings[REMEMBERED_WARNINGS];
static int	warning_count = 0;	/* may be more than are remembered */

/* ---- the backlog ---- */

/* Tries to send one message to the queue. */
static shm_mq_result
send_now(const char *data, Size len)
{
	return compat_shm_mq_send(outgoing, len, data, true, true);
}

static void
remove_pending(PendingMessage *pending)
{
	dlist_delete(&pending->node);
	backlog_bytes -= pending->len;
	pfree(pending);
}

bool
relay_flush(void)
{
	while (outgoing != NULL && !dlist_is_empty(&backlog))
	{
		PendingMessage *pending = dlist_head_element(PendingMessage, node, &backlog);
		shm_mq_result result = send_now(pending->data, pending->len);

		if (result == SHM_MQ_WOULD_BLOCK)
			return false;
		if (result == SHM_MQ_DETACHED)
			outgoing = NULL;
		remove_pending(pending);
	}
	if (outgoing == NULL && backlog_bytes > 0)
	{
		MemoryContextReset(backlog_context);
		dlist_init(&backlog);
		backlog_bytes = 0;
	}
	return true;
}

/* Returns whether a message of this length fits into the backlog. */
static bool
has_room(Size len)
{
	return backlog_bytes + len <= BACKLOG_BYTES;
}

/*
 * Drops waiting NOTICEs, the latest first.  The oldest message is kept,
 * because a part of it may already be in the queue.
 */
static void
drop_notices(Size len)
{
	dlist_node *node = dlist_is_empty(&backlog) ? NULL : dlist_tail_node(&backlog);

	while (node != NULL && dlist_has_prev(&backlog, node) && !has_room(len))
	{
		PendingMessage *pending = dlist_container(PendingMessage, node, node);

		node = dlist_prev_node(&backlog, node);
		if (pending->rank != RANK_NOTICE)
			continue;
		remove_pending(pending);
		dropped++;
	}
}

/* Appends a message to the backlog, then sends what fits into the queue. */
static void
enqueue(Rank rank, char type, const char *data, Size len)
{
	PendingMessage *pending;

	if (outgoing == NULL)
		return;
	if (rank == RANK_WARNING && !has_room(len + 1))
		drop_notices(len + 1);
	if (rank != RANK_NEEDED && !has_room(len + 1))
	{
		dropped++;
		return;
	}
	pending = MemoryContextAlloc(backlog_context, offsetof(PendingMessage, data) + len + 1);
	pending->rank = rank;
	pending->len = len + 1;
	pending->data[0] = type;
	memcpy(pending->data + 1, data, len);
	dlist_push_tail(&backlog, &pending->node);
	backlog_bytes += pending->len;
	relay_flush();
}

void
relay_send(char type, const char *data, Size len)
{
	enqueue(RANK_NEEDED, type, data, len);
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

/*
 * Appends a field of an ErrorResponse; see "Error and Notice Message Fields".
 */
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
	enqueue(RANK_NEEDED, 'E', buf.data, buf.len);
	pfree(buf.data);
}

/* ---- messages of users' code ---- */

void
relay_set_subject(const char *table)
{
	if (strcmp(subject, table ? table : "") == 0)
		return;
	strlcpy(subject, table ? table : "", sizeof(subject));
	for_subject.notices = TABLE_NOTICES;
	for_subject.warnings = TABLE_WARNINGS;
}

/* Returns a field of a report in wire format, or NULL. */
static const char *
find_field(const char *data, Size len, char code)
{
	const char *end = data + len;

	for (const char *field = data; field < end && *field != '\0'; field += strlen(field) + 1)
	{
		if (*field == code)
			return field + 1;
	}
	return NULL;
}

/* Returns the priority of a report in wire format. */
static Rank
rank_of(const char *data, Size len)
{
	const char *severity = find_field(data, len, PG_DIAG_SEVERITY_NONLOCALIZED);

	return severity != NULL && strcmp(severity, "WARNING") == 0 ? RANK_WARNING : RANK_NOTICE;
}

/*
 * Takes one message from the allowance.  Returns false if it is used up.  When
 * WARNINGs are used up, no more NOTICEs are allowed either.
 */
static bool
take_allowance(Allowance *allowance, Rank rank)
{
	if (rank == RANK_WARNING)
	{
		if (allowance->warnings > 0)
			return allowance->warnings-- > 0;
		allowance->notices = 0;
		return false;
	}
	if (allowance->notices <= 0)
		return false;
	allowance->notices--;
	return true;
}

/* Returns whether users' code may send this message, and counts it if not. */
static bool
within_allowance(Rank rank)
{
	if ((subject[0] == '\0' || take_allowance(&for_subject, rank)) &&
		take_allowance(&for_process, rank))
		return true;
	dropped++;
	return false;
}

/* Appends a field, truncated if it is long. */
static void
append_cut_field(StringInfo buf, char code, const char *value)
{
	int			len = strlen(value);

	appendStringInfoChar(buf, code);
	if (code == PG_DIAG_MESSAGE_PRIMARY && subject[0] != '\0')
		appendStringInfo(buf, "table %s: ", subject);
	if (len <= FIELD_BYTES)
		appendStringInfoString(buf, value);
	else
	{
		appendBinaryStringInfo(buf, value, pg_mbcliplen(value, len, FIELD_BYTES));
		appendStringInfoString(buf, "...");
	}
	appendStringInfoChar(buf, '\0');
}

/* Queues a NOTICE or WARNING raised by code of a table's owner. */
static void
enqueue_user_message(const char *data, Size len)
{
	Rank		rank = rank_of(data, len);
	const char *end = data + len;
	StringInfoData buf;

	if (!within_allowance(rank))
		return;
	initStringInfo(&buf);
	for (const char *field = data; field < end && *field != '\0'; field += strlen(field) + 1)
		append_cut_field(&buf, *field, field + 1);
	appendStringInfoChar(&buf, '\0');
	enqueue(rank, 'N', buf.data, buf.len);
	pfree(buf.data);
}

void
relay_forward(StringInfo body)
{
	if (within_allowance(rank_of(body->data, body->len)))
		relay_throw_report(body, DEBUG5);
}

int64
relay_take_dropped(void)
{
	int64		count = dropped;

	dropped = 0;
	return count;
}

void
relay_add_dropped(int64 count)
{
	dropped += count;
}

void
relay_report_dropped(void)
{
	int64		count = relay_take_dropped();

	if (count == 0)
		return;
	exempt = true;
	ereport(NOTICE,
			(errmsg(INT64_FORMAT " more messages were left out", count),
			 errdetail("Code of tables' owners raised more than %d NOTICEs or %d WARNINGs "
					   "for a table, or messages came faster than they were read.",
					   TABLE_NOTICES, TABLE_WARNINGS)));
	exempt = false;
}

/* ---- WARNINGs once more ---- */

static bool
is_remembered(const char *text)
{
	for (int i = 0; i < Min(warning_count, REMEMBERED_WARNINGS); i++)
	{
		if (strcmp(warnings[i], text) == 0)
			return true;
	}
	return false;
}

/* Remembers the message of a WARNING that is no failure. */
static void
remember_warning(const char *data, Size len)
{
	const char *sqlstate = find_field(data, len, PG_DIAG_SQLSTATE);
	const char *message = find_field(data, len, PG_DIAG_MESSAGE_PRIMARY);
	char	   *text;

	if (rank_of(data, len) != RANK_WARNING || message == NULL ||
		sqlstate == NULL || strncmp(sqlstate, "01", 2) != 0)
		return;
	text = MemoryContextAlloc(TopMemoryContext, REMEMBERED_BYTES + 1);
	strlcpy(text, message, pg_mbcliplen(message, strlen(message), REMEMBERED_BYTES) + 1);
	if (is_remembered(text))
	{
		pfree(text);
		return;
	}
	if (warning_count < REMEMBERED_WARNINGS)
		warnings[warning_count] = text;
	else
		pfree(text);
	warning_count++;
}

List *
relay_warnings(int *count)
{
	List	   *texts = NIL;

	for (int i = 0; i < Min(warning_count, REMEMBERED_WARNINGS); i++)
		texts = lappend(texts, warnings[i]);
	*count = warning_count;
	return texts;
}

/* The methods that replace those of the client's socket. */
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
	if (msgtype == 'N')
		remember_warning(s, len);
	if (msgtype == 'E' || (msgtype == 'N' && exempt))
		enqueue(RANK_NEEDED, msgtype, s, len);
	else if (msgtype == 'N' && InSecurityRestrictedOperation())
		enqueue_user_message(s, len);
	else if (msgtype == 'N')
		enqueue(rank_of(s, len), msgtype, s, len);
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
	dlist_init(&backlog);
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
	/* FATAL errors of a child are ordinary errors here */
	if (edata.elevel > ERROR)
		edata.elevel = ERROR;
	ThrowErrorData(&edata);
}
