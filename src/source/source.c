/*-------------------------------------------------------------------------
 *
 * source.c
 *	  The source database, through libpq, from inside a backend.
 *
 * As in postgres_fdw, libpq is only used asynchronously: every wait is on our
 * latch and the connection's socket together, so that a cancel, a SIGTERM or
 * the postmaster's death ends it at once.  A connection has one owner, the
 * memory context that it was opened in: whatever error unwinds the stack, the
 * context's reset closes the socket, and the source rolls back.  A process that
 * exits closes its connections, too.  Closing sends a Terminate message, without
 * which the source would log the end as an error.
 *
 * Two guards stand beside libpq while it connects.  Each socket is announced to
 * the tunnel's gate, and nothing is read from it before the gate has admitted
 * it: the port might have been taken over by another process.  And if there is
 * a password, auth_guard.c checks each request for it before libpq sees it.
 *
 * Round trips cost 50 ms and more, so what begins a transaction travels in front
 * of its first query, in one simple-query message: BEGIN, and the settings of
 * session_settings.c, unless the session has them.  A transaction names its
 * isolation level: the default may be serializable, which a standby refuses.
 *
 * A proxy or a firewall on the way may cut connections that are idle.  The
 * process that owns a connection calls source_keep() while it waits for
 * something else.  About once a second that sends a Sync message, which the
 * source answers without a statement, so nothing is logged there.
 *
 * A COPY hands out libpq's own row buffer, and only waits when libpq has no
 * complete row: at hundreds of MB/s there is no system call per row, and the
 * set of events to wait for is made once.
 *
 * The source does not decide how much memory we use.  Results arrive row by row
 * (libpq's single-row mode), and result_reader.c limits their number and size.
 * libpq still holds an incomplete message, and the parameters and notifications
 * that it collects.  While we wait, we compare the memory that malloc() has
 * allocated with the memory of all contexts.  The difference belongs to libpq,
 * and its growth is limited:
 *
 *		while connecting, for a query's row	64 MB
 *		for a row of a COPY					a little more than 1 GB
 *
 * The longest value of a catalog has 1 MB, and no server sends a row of more
 * than 1 GB.  libpq allocates the whole length of a message as soon as it has
 * read the header, so an excessive message is refused before it arrives.  If
 * the C library cannot report malloc()'s memory (compat.h), only libpq's own
 * limit of 2 GB for a message applies.
 *
 * Data rules mask values on the source, but an error or a NOTICE there can
 * show them: 'invalid input syntax for type integer: "jane@example.com"'.  The
 * caller chooses the statement (a filter), so he chooses the error as well,
 * and no SQLSTATE is safe: email::regclass gives 42P01, dblink(email) gives
 * 08001.  So with hide_texts set, no text of the source is shown unless two
 * things hold:
 *
 *	- the message that was sent reads no row (source_show_texts() announces it):
 *	  a query of ours over the catalogs, or a statement that is only parsed
 *	- the error has no CONTEXT: no function of the source was at work (the input
 *	  of a domain's value, which the parser calls, runs CHECK constraints)
 *
 * Everything else is named by its SQLSTATE and a text of ours (error_text.c).
 * That includes libpq's text for a lost connection, which may end with what
 * the source said last.  A new query needs no care to be safe; only one that
 * calls source_show_texts() does.  NOTICEs are not asked for
 * (client_min_messages), dropped when they come, and never shown, with or
 * without rules.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <poll.h>

#include <sys/socket.h>
#include <sys/stat.h>

#include "access/htup_details.h"
#include "lib/ilist.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "base/compat.h"
#include "source/error_text.h"
#include "source/session_settings.h"
#include "source/result_reader.h"
#include "source/source.h"
#include "base/wait_event.h"

#define ROWS_PER_INTERRUPT_CHECK 1024

/* by how much libpq's memory may grow; see above */
#define QUERY_MEMORY_MAX	((int64) 64 * 1024 * 1024)
#define COPY_MEMORY_MAX		((int64) MaxAllocSize + QUERY_MEMORY_MAX)
#define WAITS_PER_MEMORY_CHECK	64
#define RESULTS_DRAINED_MAX 1000000
#define IDLE_READS_MAX	4096	/* at a time */

/* how long a connection may be idle before source_keep() uses it, in ms */
#define PING_INTERVAL	1000

struct Source
{
	dlist_node	node;			/* in open_sources */
	bool		lost;			/* a FATAL came from the source */
	char		end_state[6];	/* the SQLSTATE of one that came amid no query, or "" */
	char		end_text[200];	/* and its text */
	MemoryContext context;		/* everything; its reset closes the connection */
	MemoryContextCallback callback;
	PGconn	   *conn;
	ino_t		socket;			/* the inode of libpq's present socket */
	const ConnectionGate *gate;
	uint32		gate_handle;
	int64		ticket;			/* of the announcement, 0: none is open */
	AuthGuard  *guard;			/* while the login lasts */
	bool		guarded;		/* it has ended well on this socket */
	const char *method;			/* how we were authenticated, if it was seen */
	char	   *display;
	bool		row_security;
	bool		has_settings;	/* the session has those of session_settings.c */
	bool		begin_next;		/* source_begin() was called */
	int			begin_results;	/* results of it still to be dropped */
	bool		pinging;		/* a Sync message is to be answered */
	TimestampTz used;			/* when something was sent last */
	int			lock_timeout;	/* ms; see append_lock_timeout() */
	bool		limits_known;	/* the next two are */
	int			lock_limit;		/* ms; what the source's DBA has set, 0: none */
	int			statement_limit;	/* the same of statement_timeout */
	TimestampTz sent;			/* when the message under way was sent */
	bool		failed;			/* the source has refused it */
	bool		lock_refused;	/* for want of a lock */
	int			setup_timeout;	/* ms, 0: none; until the first of them comes */
	TimestampTz setup_end;		/* 0: none */
	bool		answered;		/* something has come */
	bool		hide_texts;		/* see SourceParams */
	bool		show_next;		/* source_show_texts() was called */
	bool		show;			/* it was for the message under way */
	WaitEventSet *events;		/* latch, postmaster, socket */
	int			socket_event;
	PGresult   *result;			/* the last one, not cleared yet */
	int64		memory;			/* not in memory contexts, when the wait began */
	int64		idle_memory;	/* by how much it has grown between queries */
	Size		malloc_bytes;	/* in use when it was looked at last */
	uint32		waits;

	/* the COPY that runs */
	char	   *row;			/* libpq's buffer of the last row */
	bool		got_data;		/* the COPY has sent something */
	bool		in_copy;		/* rows are to be read */
	bool		copy_pending;	/* the next COPY has begun already */
	bool		rows_behind;	/* see source_copy_rows_behind() */
	uint32		rows;
};

/* The connections of this process. */
static dlist_head open_sources = DLIST_STATIC_INIT(open_sources);

/* ---- errors ---- */

/* True for the SQLSTATE of an error. */
static bool
is_error_state(const char *state)
{
	return state != NULL && strlen(state) == 5 &&
		strspn(state, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5 &&
		strncmp(state, "00", 2) != 0;
}

static int
pack_state(const char *state)
{
	return MAKE_SQLSTATE(state[0], state[1], state[2], state[3], state[4]);
}

void
source_show_texts(Source *source)
{
	source->show_next = true;
}

/* May the source's own texts be shown?  See the head of this file. */
static bool
may_show(const Source *source, const PGresult *result)
{
	if (!source->hide_texts)
		return true;
	return source->show && result != NULL && PQresultErrorField(result, PG_DIAG_CONTEXT) == NULL;
}

/* The fix that the source's reason for ending a session suggests, or NULL. */
static const char *
end_hint(const char *state, const char *text)
{
	static const struct
	{
		const char *state;
		const char *hint;
	}			hints[] =
	{
		{"40001", "On a standby, set hot_standby_feedback = on or raise max_standby_streaming_delay,"
			" or pull from the primary."},
		{"40P01", "On a standby, set hot_standby_feedback = on or raise max_standby_streaming_delay,"
			" or pull from the primary."},
		{"57P01", "The source's server stops, or somebody has called pg_terminate_backend() there; pull again."},
		{"57P02", "The source's server has crashed; pull again when it is back."},
		{"57P05", "Raise idle_session_timeout for the role on the source."},
		{"25P03", "Raise idle_in_transaction_session_timeout for the role on the source."},
		{"25P04", "Raise transaction_timeout for the role on the source."}
	};

	if (text != NULL && strstr(text, "statement pooling") != NULL)
		return "Set pool_mode to transaction or session for this database, or let PGSYNC_REMOTE_PORT"
			" lead past the pooler, to the source itself.";
	for (int i = 0; i < lengthof(hints); i++)
		if (state != NULL && strcmp(state, hints[i].state) == 0)
			return hints[i].hint;
	return NULL;
}

/*
 * The source has ended the session while it was idle, and said why.  Nothing of
 * ours was executed, so the text shows no value.
 */
static void pg_attribute_noreturn()
raise_ended(Source *source)
{
	const char *hint = end_hint(source->end_state, source->end_text);

	source->lost = true;
	ereport(ERROR,
			(errcode(pack_state(source->end_state)),
			 errmsg("the source %s has ended the session: %s", source->display,
					source_text(source->end_text)),
			 hint ? errhint("%s", hint) : 0));
}

/* The connection broke: no SQLSTATE, no result. */
static void pg_attribute_noreturn()
raise_lost(Source *source)
{
	char	   *detail = may_show(source, NULL) ? source_text(PQerrorMessage(source->conn)) : NULL;

	if (source->end_state[0] != '\0')
		raise_ended(source);
	ereport(ERROR,
			(errcode(ERRCODE_CONNECTION_FAILURE),
			 errmsg("lost the connection to the source %s", source->display),
			 detail && detail[0] ? errdetail("%s", detail) : 0,
			 errhint("Look for the reason in the source's server log.  If there is none, a proxy or a"
					 " firewall on the way has cut the connection.")));
}

/* Returns whether the source's statement_timeout ended the message under way. */
static bool
is_statement_timeout(const Source *source, const char *state)
{
	return state != NULL && strcmp(state, "57014") == 0 && source->statement_limit > 0 &&
		TimestampDifferenceMilliseconds(source->sent, GetCurrentTimestamp()) >= source->statement_limit;
}

/* The hint that goes with it. */
static char *
statement_timeout_hint(const Source *source)
{
	return psprintf("On the source, statement_timeout is %d ms for this role and database. To lift it for pulls,"
					" append options=-c%%20statement_timeout%%3D0 to the parameters of PGSYNC_FROM_URL,"
					" or let the role have a longer one there.",
					source->statement_limit);
}

/* An error whose texts may hold masked values. */
static void pg_attribute_noreturn()
raise_hidden(const Source *source, const char *state)
{
	const char *hint = end_hint(state, NULL);

	ereport(ERROR,
			(errcode(pack_state(state)),
			 errmsg(SOURCE_ERROR "%s", error_text(state)),
			 errdetail("Its text could show values that data rules mask, so it stays on the source "
					   "(SQLSTATE %s).",
					   state),
			 is_statement_timeout(source, state) ? errhint("%s", statement_timeout_hint(source)) :
			 hint ? errhint("%s", hint) :
			 errhint("See the source's server log, or let a role that may see the values "
					 "pull with rules => false.")));
}

/* A field of the source's error, made safe to show; NULL: there is none. */
static char *
error_field(const PGresult *result, int field)
{
	return source_text(result ? PQresultErrorField(result, field) : NULL);
}

/* The primary message of an error, or what stands for it. */
static char *
primary_message(Source *source, const PGresult *result)
{
	char	   *primary = error_field(result, PG_DIAG_MESSAGE_PRIMARY);

	if (primary == NULL && result != NULL && PQresultStatus(result) != PGRES_FATAL_ERROR)
		return psprintf("unexpected result \"%s\"", PQresStatus(PQresultStatus(result)));
	if (primary == NULL && may_show(source, result))
		primary = source_text(PQerrorMessage(source->conn));
	return primary && primary[0] ? primary : "the result is not what was expected";
}

void
source_raise(Source *source, PGresult *result)
{
	const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
	const char *severity = result ? PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED) : NULL;
	char	   *detail = error_field(result, PG_DIAG_MESSAGE_DETAIL);
	char	   *hint = error_field(result, PG_DIAG_MESSAGE_HINT);
	char	   *context = error_field(result, PG_DIAG_CONTEXT);
	const char *fix = end_hint(state, error_field(result, PG_DIAG_MESSAGE_PRIMARY));
	char	   *timeout_hint = NULL;
	bool		sent = state || detail || hint || context ||
		error_field(result, PG_DIAG_MESSAGE_PRIMARY);

	source->lost |= !is_error_state(state) || (severity != NULL && strcmp(severity, "ERROR") != 0);
	source->failed = is_error_state(state) && !source->lost;
	source->lock_refused = source->failed && strcmp(state, "55P03") == 0;
	if (hint == NULL && is_statement_timeout(source, state))
		timeout_hint = statement_timeout_hint(source);
	if (sent && !may_show(source, result))
		raise_hidden(source, is_error_state(state) ? state : "XX000");
	if (!sent && PQstatus(source->conn) == CONNECTION_BAD)
		raise_lost(source);

	ereport(ERROR,
			(errcode(is_error_state(state) ? pack_state(state) : ERRCODE_PROTOCOL_VIOLATION),
			 errmsg(SOURCE_ERROR "%s", primary_message(source, result)),
			 detail ? errdetail("Source's detail: %s", detail) : 0,
			 hint ? errhint("Source's hint: %s", hint) :
			 timeout_hint ? errhint("%s", timeout_hint) :
			 fix ? errhint("%s", fix) : 0,
			 context ? errcontext("on the source: %s", context) : 0));
}

bool
source_shows_texts(Source *source)
{
	return !source->hide_texts || source->show;
}

void
source_distrust(Source *source)
{
	source->lost = true;
}

/* ---- memory ---- */

/* Returns the bytes that malloc() has allocated outside the memory contexts. */
static int64
foreign_memory(void)
{
	return (int64) compat_malloc_bytes() - (int64) MemoryContextMemAllocated(TopMemoryContext, true);
}

/* Begins a wait, during which only libpq calls malloc() directly. */
static void
begin_wait(Source *source)
{
	source->malloc_bytes = compat_malloc_bytes();
	source->memory = foreign_memory();
	source->waits = 0;
}

static void pg_attribute_noreturn()
raise_too_much(Source *source, int64 limit)
{
	source_distrust(source);
	ereport(ERROR,
			(errcode(ERRCODE_PROTOCOL_VIOLATION),
			 errmsg("the source %s sent too much at once", source->display),
			 errdetail("More than " INT64_FORMAT " MB would have to be kept until a message is complete.",
					   limit / (1024 * 1024)),
			 errhint(SOURCE_PROTOCOL_HINT)));
}

/*
 * Raises an error if libpq's memory has grown by more than the limit.  Adding
 * up thousands of memory contexts takes time, so it is done only after malloc()
 * has allocated that much.
 */
static void
check_memory(Source *source, int64 limit)
{
	Size		bytes = compat_malloc_bytes();

	if (bytes < source->malloc_bytes + limit)
		return;
	source->malloc_bytes = bytes;
	if (foreign_memory() - source->memory > limit)
		raise_too_much(source, limit);
}

/*
 * Frees the notifications that libpq has collected.  Must not be called while
 * libpq connects or is idle: it would discard the messages of the login.
 */
static void
drop_notifications(Source *source)
{
	PGnotify   *notification;

	while ((notification = PQnotifies(source->conn)) != NULL)
		PQfreemem(notification);
}

/* True for a message after which the source ends the session. */
static bool
is_fatal(const PGresult *result)
{
	const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);

	return severity != NULL && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0);
}

/*
 * Notices of the source do not go to our standard error.  libpq takes an error
 * for a notice if no query is under way: then it is the reason why the source
 * ends the session.  It is copied without palloc(), which might raise an error
 * inside libpq.
 */
static void
take_notice(void *arg, const PGresult *result)
{
	Source	   *source = arg;
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	if (!is_fatal(result) || !is_error_state(state) || text == NULL || source->end_state[0] != '\0' ||
		PQresultErrorField(result, PG_DIAG_CONTEXT) != NULL)
		return;
	strlcpy(source->end_state, state, sizeof(source->end_state));
	strlcpy(source->end_text, text, sizeof(source->end_text));
}

/* ---- connecting ---- */

/* Ends the announcement of the socket. */
static void
withdraw_socket(Source *source)
{
	if (source->ticket != 0)
		source->gate->withdraw(source->ticket, source->gate_handle);
	source->ticket = 0;
}

/* Ends the guard of the login. */
static void
end_guard(Source *source)
{
	auth_guard_end(source->guard);
	source->guard = NULL;
}

/* Closes the connection; the callback of its memory context. */
static void
close_connection(void *arg)
{
	Source	   *source = arg;

	if (source->events != NULL)
		FreeWaitEventSet(source->events);
	source->events = NULL;
	if (source->row != NULL)
		PQfreemem(source->row);
	source->row = NULL;
	PQclear(source->result);
	source->result = NULL;
	withdraw_socket(source);
	end_guard(source);
	if (source->conn != NULL)
	{
		PQfinish(source->conn);
		ReleaseExternalFD();
		dlist_delete(&source->node);
	}
	source->conn = NULL;
}

/* The process exits, and no context is reset. */
static void
close_at_exit(int code, Datum arg)
{
	while (!dlist_is_empty(&open_sources))
		close_connection(dlist_head_element(Source, node, &open_sources));
}

/* Notes that the connection has to be closed. */
static void
note_open(Source *source)
{
	static bool registered = false;

	if (!registered)
		before_shmem_exit(close_at_exit, 0);
	registered = true;
	dlist_push_tail(&open_sources, &source->node);
}

/*
 * The SQLSTATE of a refused login, and its removal from the text.  libpq keeps
 * it to itself, but shows it in verbose messages: "FATAL:  28P01: password …",
 * followed by a line with the place in the server's code.
 */
static const char *
take_login_state(char *text)
{
	char	   *state = NULL;
	char	   *place;

	for (char *p = text; (p = strstr(p, ":  ")) != NULL;)
	{
		p += 3;
		if (strlen(p) < 7 || strncmp(p + 5, ": ", 2) != 0)
			continue;
		if (!is_error_state(pnstrdup(p, 5)))
			continue;
		state = pnstrdup(p, 5);
		memmove(p, p + 7, strlen(p + 7) + 1);
	}
	while ((place = strstr(text, ".c:")) != NULL)
	{
		char	   *start = place;
		char	   *end = place + strcspn(place, "\n");

		while (start > text && start[-1] != '\n')
			start--;
		if (start == text)
			break;
		memmove(start - 1, end, strlen(end) + 1);
	}
	return state;
}

/* The fix that an error of the login suggests; text is libpq's. */
static const char *
login_hint(Source *source, const char *state, const char *text)
{
	if (PQconnectionNeedsPassword(source->conn))
		return "Put the password into PGSYNC_FROM_URL; it is taken from nowhere else.";
	if (state == NULL)
		return NULL;
	if (strcmp(state, "28000") == 0 && strstr(text, "no encryption") != NULL)
		return "Write sslmode=require in PGSYNC_FROM_URL if the source takes connections over TLS only. Otherwise, check its pg_hba.conf for connections that come from the jump host.";
	if (strncmp(state, "28", 2) == 0)
		return "Check user and password in PGSYNC_FROM_URL, and the source server's pg_hba.conf for connections that come from the jump host.";
	if (strcmp(state, "3D000") == 0)
		return "Check the database name in PGSYNC_FROM_URL.";
	if (strcmp(state, "53300") == 0)
		return "Wait until the source has free connections, or raise the limit that the DETAIL names.";
	if (strstr(text, "startup parameter: options") != NULL)
		return "Remove \"options\" from PGSYNC_FROM_URL, or let PGSYNC_REMOTE_PORT lead past the pooler, to the source itself.";
	return NULL;
}

static void pg_attribute_noreturn()
raise_not_connected(Source *source)
{
	char	   *text = pstrdup(PQerrorMessage(source->conn));
	const char *state = take_login_state(text);
	const char *hint = login_hint(source, state, text);

	text = source_text(text);
	ereport(ERROR,
			(errcode(state ? pack_state(state) : ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION),
			 errmsg("could not connect to the source %s", source->display),
			 text[0] ? errdetail("%s", text) : 0,
			 hint ? errhint("%s", hint) : 0));
}

static void pg_attribute_noreturn()
raise_timeout(Source *source, int timeout)
{
	ereport(ERROR,
			(errcode(ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION),
			 errmsg("could not connect to the source %s: timed out", source->display),
			 errdetail("There was no answer within %d ms.", timeout),
			 errhint("Check that the source server runs, or raise pgtunsync.connect_timeout"
					 " (connect_timeout in the URL, if it is there).")));
}

/*
 * Follows libpq to a new socket.  libpq may open several in one attempt (TLS
 * refused, then without), which may even get the same descriptor: the inode is
 * what tells sockets apart.
 */
static void
follow_socket(Source *source)
{
	int			sock = PQsocket(source->conn);
	struct stat st;

	if (sock < 0 || fstat(sock, &st) != 0 || st.st_ino == source->socket)
		return;
	end_guard(source);
	withdraw_socket(source);
	source->guarded = false;
	source->socket = st.st_ino;
	if (source->gate != NULL)
		source->ticket = source->gate->announce(sock, source->gate_handle);
}

static void pg_attribute_noreturn()
raise_not_admitted(Source *source)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
			 errmsg("another process answers at the tunnel's entrance"),
			 errdetail("The connection to the source %s was not admitted by this run's tunnel, and got an answer nevertheless. It was closed.",
					   source->display),
			 errhint("Find out which process listens on the port, or set PGSYNC_LOCAL_PORT to 0 for a private Unix socket.")));
}

/* Raises an error if somebody else than our tunnel has sent something. */
static void
check_admitted(Source *source)
{
	int			sock = source->guard ? auth_guard_socket(source->guard) : PQsocket(source->conn);
	char		byte;

	if (source->ticket == 0 || source->gate->admitted(source->ticket, source->gate_handle))
		return;
	if (recv(sock, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0 &&
		!source->gate->admitted(source->ticket, source->gate_handle))
		raise_not_admitted(source);
}

/* True if libpq has sent its first packet and read nothing yet. */
static bool
awaits_answer(Source *source)
{
	ConnStatusType status = PQstatus(source->conn);

	return status == CONNECTION_AWAITING_RESPONSE || status == CONNECTION_SSL_STARTUP ||
		status == CONNECTION_GSS_STARTUP;
}

/* The login is over: what is known of it. */
static void
finish_guard(Source *source, const SourceParams *params)
{
	source->method = auth_guard_method(source->guard);
	if (auth_guard_used_md5(source->guard) && params->password_rule != PASSWORD_VERIFIED &&
		params->warn_md5)
		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg("the source %s uses MD5 for the password", source->display),
				 errdetail("A server that answers behind the jump host can compute the password from what it receives."),
				 errhint("On the source, set password_encryption = 'scram-sha-256' and set the role's password again.")));
	end_guard(source);
	source->guarded = true;
}

/* After each step of libpq: lets the guards follow. */
static void
follow_step(Source *source, const SourceParams *params)
{
	struct stat st;

	follow_socket(source);
	if (source->guard != NULL)
		auth_guard_send(source->guard);
	else if (params->password_rule != PASSWORD_NONE && !source->guarded && awaits_answer(source))
		source->guard = auth_guard_start(source->conn, params->password_rule, source->display);
	if (source->guard != NULL && auth_guard_done(source->guard))
		finish_guard(source, params);
	/* the guard exchanges the socket, which makes none to announce */
	if (fstat(PQsocket(source->conn), &st) == 0)
		source->socket = st.st_ino;
}

/* Milliseconds left, -1: no limit. */
static long
time_left(TimestampTz start, int timeout)
{
	if (timeout <= 0)
		return -1;
	return Max(0, timeout - TimestampDifferenceMilliseconds(start, GetCurrentTimestamp()));
}

/* Waits for a socket, interruptibly; returns the events that came. */
static int
wait_connecting(int sock, int events, long left)
{
	int			rc = WaitLatchOrSocket(MyLatch,
									   WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | events |
									   (left > 0 ? WL_TIMEOUT : 0),
									   sock, left, wait_event(WAIT_SOURCE_CONNECT));

	if (rc & WL_LATCH_SET)
		ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	return rc & events;
}

/* Waits through the guard; true when libpq has something to do. */
static bool
wait_guarded(Source *source, bool reading, long left)
{
	AuthGuard  *guard = source->guard;

	if (!reading || auth_guard_unread(guard))
		return true;
	if (wait_connecting(auth_guard_socket(guard), WL_SOCKET_READABLE |
						(auth_guard_must_send(guard) ? WL_SOCKET_WRITEABLE : 0), left) == 0)
		return false;
	auth_guard_send(guard);
	check_admitted(source);
	return auth_guard_step(guard);
}

/* Waits for what libpq asks for; false: it has not come yet. */
static bool
wait_step(Source *source, bool reading, long left)
{
	if (source->guard != NULL)
		return wait_guarded(source, reading, left);
	if (wait_connecting(PQsocket(source->conn),
						reading ? WL_SOCKET_READABLE : WL_SOCKET_WRITEABLE, left) == 0)
		return false;
	if (reading)
		check_admitted(source);
	return true;
}

/* Drives PQconnectPoll() to its end. */
static void
finish_connecting(Source *source, const SourceParams *params)
{
	PostgresPollingStatusType status = PGRES_POLLING_WRITING;
	TimestampTz start = GetCurrentTimestamp();

	begin_wait(source);
	while (status != PGRES_POLLING_OK)
	{
		long		left = time_left(start, params->connect_timeout);

		if (left == 0)
			raise_timeout(source, params->connect_timeout);
		CHECK_FOR_INTERRUPTS();
		if (!wait_step(source, status == PGRES_POLLING_READING, left))
			continue;
		status = PQconnectPoll(source->conn);
		if (status == PGRES_POLLING_FAILED)
			raise_not_connected(source);
		check_memory(source, QUERY_MEMORY_MAX);
		follow_step(source, params);
	}
	end_guard(source);			/* whatever it has seen, libpq works on the network */
	withdraw_socket(source);
}

/* What we wait for from now on. */
static void
make_events(Source *source)
{
	source->events = compat_create_wait_event_set(source->context, 3);
	AddWaitEventToSet(source->events, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(source->events, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	source->socket_event = AddWaitEventToSet(source->events, WL_SOCKET_READABLE,
											 PQsocket(source->conn), NULL, NULL);
}

Source *
source_connect_start(const SourceParams *params)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "pgtunsync source",
												  ALLOCSET_DEFAULT_SIZES);
	Source	   *source = MemoryContextAllocZero(context, sizeof(Source));

	source->context = context;
	source->display = MemoryContextStrdup(context, params->display);
	source->row_security = params->row_security;
	source->lock_timeout = params->lock_timeout;
	source->setup_timeout = params->setup_timeout;
	source->gate = params->gate;
	source->gate_handle = params->gate_handle;
	source->hide_texts = params->hide_texts;
	source->callback.func = close_connection;
	source->callback.arg = source;
	MemoryContextRegisterResetCallback(context, &source->callback);
	source_close_fallbacks();

	if (!AcquireExternalFD())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("could not connect to the source %s", source->display),
				 errdetail("There are too many open files in the local server process."),
				 errhint("Raise max_files_per_process and the operating system's limit.")));
	source->conn = PQconnectStart(params->conninfo);
	if (source->conn == NULL)
	{
		ReleaseExternalFD();
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	}
	note_open(source);
	PQsetNoticeReceiver(source->conn, take_notice, source);
	PQsetErrorVerbosity(source->conn, PQERRORS_VERBOSE);
	if (PQstatus(source->conn) == CONNECTION_BAD)
		raise_not_connected(source);
	follow_socket(source);
	return source;
}

void
source_connect_finish(Source *source, const SourceParams *params)
{
	finish_connecting(source, params);
	PQsetErrorVerbosity(source->conn, PQERRORS_DEFAULT);
	if (PQsetnonblocking(source->conn, 1) != 0)
		raise_lost(source);
	make_events(source);
}

Source *
source_connect(const SourceParams *params)
{
	Source	   *source = source_connect_start(params);

	source_connect_finish(source, params);
	return source;
}

void
source_close(Source *source)
{
	MemoryContextDelete(source->context);
}

const char *
source_name(Source *source)
{
	return source->display;
}

int
source_version(Source *source)
{
	return PQserverVersion(source->conn);
}

char *
source_user(Source *source)
{
	return pstrdup(PQuser(source->conn));
}

const char *
source_auth_method(Source *source)
{
	return source->method;
}

/* ---- waiting ---- */

/*
 * A pooler accepts a login and then lets the first query wait until it has a
 * connection for it.
 */
static void pg_attribute_noreturn()
raise_no_connection(Source *source)
{
	source_distrust(source);
	ereport(ERROR,
			(errcode(ERRCODE_TOO_MANY_CONNECTIONS),
			 errmsg("the source %s does not serve another connection", source->display),
			 errdetail("It has accepted the login, but answered nothing within %d ms.",
					   source->setup_timeout),
			 errhint("If a connection pooler stands in front of the source, let it have more connections, or use fewer jobs.")));
}

/* How long the next wait may be, in ms; -1: no limit. */
static long
wait_limit(Source *source)
{
	if (source->setup_end == 0 || source->answered)
		return -1;
	if (GetCurrentTimestamp() >= source->setup_end)
		raise_no_connection(source);
	return TimestampDifferenceMilliseconds(GetCurrentTimestamp(), source->setup_end) + 1;
}

/* Waits until the socket is ready for any of events; returns which it is. */
static uint32
wait_socket(Source *source, uint32 events)
{
	WaitEvent	event;

	ModifyWaitEvent(source->events, source->socket_event, events, NULL);
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (WaitEventSetWait(source->events, wait_limit(source), &event, 1,
							 wait_event(WAIT_SOURCE_RESULT)) == 0)
			continue;
		if (event.events & WL_LATCH_SET)
			ResetLatch(MyLatch);
		else
			return event.events;
	}
}

/* Sends what libpq holds back. */
static void
flush_output(Source *source)
{
	for (;;)
	{
		int			rc = PQflush(source->conn);

		if (rc == 0)
			return;
		if (rc < 0)
			raise_lost(source);
		if ((wait_socket(source, WL_SOCKET_READABLE | WL_SOCKET_WRITEABLE) & WL_SOCKET_READABLE) &&
			!PQconsumeInput(source->conn))
			raise_lost(source);
	}
}

PGresult *
source_next_result(Source *source)
{
	PQclear(source->result);
	source->result = NULL;
	while (PQisBusy(source->conn))
	{
		drop_notifications(source);
		check_memory(source, QUERY_MEMORY_MAX);
		wait_socket(source, WL_SOCKET_READABLE);
		if (!PQconsumeInput(source->conn))
			raise_lost(source);
	}
	source->result = PQgetResult(source->conn);
	source->answered |= source->result != NULL;
	return source->result;
}

/* ---- Sync messages ---- */

/* Sends one, if the connection is idle. */
static void
start_ping(Source *source)
{
	if (PQtransactionStatus(source->conn) == PQTRANS_ACTIVE)
		return;
	if (!PQenterPipelineMode(source->conn) || !PQpipelineSync(source->conn))
		raise_lost(source);
	source->pinging = true;
	source->used = GetCurrentTimestamp();
}

/* Its answer was read: the connection is as before. */
static bool
end_ping(Source *source)
{
	source->pinging = false;
	return PQexitPipelineMode(source->conn) != 0;
}

/* Reads its answer, if one is under way. */
static void
finish_ping(Source *source)
{
	if (!source->pinging)
		return;
	begin_wait(source);
	if (PQresultStatus(source_next_result(source)) != PGRES_PIPELINE_SYNC || !end_ping(source))
		raise_lost(source);
}

/* ---- queries ---- */

/* Our own limit, if the source's DBA has not set a shorter one; ms. */
static int
own_lock_timeout(const Source *source, int timeout)
{
	return source->lock_limit > 0 ? Min(timeout, source->lock_limit) : timeout;
}

/*
 * The source's DBA decides how long a session may wait for a lock and how long
 * a statement may take.  We lower lock_timeout to our own limit and leave
 * statement_timeout alone.  If they are not known, they are read, for
 * finish_begin().  Returns the number of statements.
 */
static int
append_lock_timeout(Source *source, StringInfo buf)
{
	if (source->limits_known)
		appendStringInfo(buf, "SET LOCAL lock_timeout = %d; ",
						 own_lock_timeout(source, source->lock_timeout));
	else
		appendStringInfo(buf, "SELECT t.lock AS lock_timeout, t.statement AS statement_timeout,"
						 " set_config('lock_timeout', least(nullif(t.lock, 0), %d)::text, true)"
						 " FROM (SELECT " SETTING_MS("lock_timeout") " AS lock, "
						 SETTING_MS("statement_timeout") " AS statement) t; ",
						 source->lock_timeout);
	return 1;
}

int
source_append_begin(Source *source, StringInfo buf, const char *snapshot)
{
	int			count = 1;

	appendStringInfoString(buf, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; ");
	if (snapshot != NULL)
	{
		appendStringInfo(buf, "SET TRANSACTION SNAPSHOT %s; ", quote_literal_cstr(snapshot));
		count++;
	}
	if (source->has_settings)
		return count;
	count += session_settings_append(buf, source_version(source), source->row_security, false);
	return count + append_lock_timeout(source, buf);
}

void
source_note_limits(Source *source, int lock_timeout, int statement_timeout)
{
	source->limits_known = true;
	source->lock_limit = lock_timeout;
	source->statement_limit = statement_timeout;
}

bool
source_row_security(Source *source)
{
	return source->row_security;
}

void
source_note_settings(Source *source)
{
	source->has_settings = true;
}

void
source_begin(Source *source)
{
	source->begin_next = true;
}

bool
source_usable(Source *source)
{
	if (source->in_copy || source_is_lost(source))
		return false;
	for (int i = 0; i < RESULTS_DRAINED_MAX; i++)
	{
		if (source_next_result(source) == NULL)
			return PQstatus(source->conn) == CONNECTION_OK;
	}
	return false;
}

/* Notes the timeouts that append_lock_timeout() asked for. */
static void
note_timeouts(Source *source, const PGresult *result)
{
	if (strcmp(PQfname(result, 0) ? PQfname(result, 0) : "", "lock_timeout") != 0)
		return;
	source_note_limits(source, result_setting(result, 0), result_setting(result, 1));
}

/*
 * Drops the results of the transaction's beginning, which come first.  A result
 * with rows ends with one that has none.
 */
static void
finish_begin(Source *source)
{
	while (source->begin_results > 0)
	{
		ExecStatusType status = PQresultStatus(source_next_result(source));

		if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_SINGLE_TUPLE)
		{
			source->show = true;	/* it reads no table */
			source_raise(source, source->result);
		}
		if (status == PGRES_SINGLE_TUPLE)
			note_timeouts(source, source->result);
		else
			source->begin_results--;
	}
}

bool
source_is_ready(Source *source)
{
	return source->answered;
}

void
source_append_lock_timeout(Source *source, StringInfo sql, int timeout)
{
	appendStringInfo(sql, "SET LOCAL lock_timeout = %d; ", own_lock_timeout(source, timeout));
}

bool
source_statement_failed(Source *source)
{
	return source->failed;
}

bool
source_lock_refused(Source *source)
{
	return source->lock_refused;
}

void
source_pause(int ms)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, ms,
					 wait_event(WAIT_LOCK_RETRY));
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

int
source_lock_patience(Source *source)
{
	return source->lock_timeout;
}

void
source_send(Source *source, const char *sql)
{
	StringInfoData buf;

	finish_ping(source);
	initStringInfo(&buf);
	source->begin_results = source->begin_next ? source_append_begin(source, &buf, NULL) : 0;
	source->begin_next = false;
	if (source->setup_end == 0 && source->setup_timeout > 0)
		source->setup_end = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), source->setup_timeout);
	appendStringInfoString(&buf, sql);
	source->show = source->show_next;
	source->show_next = false;
	source->failed = source->lock_refused = false;
	source->got_data = false;
	source->sent = GetCurrentTimestamp();

	if (!PQsendQuery(source->conn, buf.data) || !PQsetSingleRowMode(source->conn))
		raise_lost(source);
	flush_output(source);
	source->used = GetCurrentTimestamp();
	pfree(buf.data);
}

void
source_receive(Source *source)
{
	begin_wait(source);
	source->idle_memory = 0;
	finish_begin(source);
}

bool
source_in_transaction(Source *source)
{
	return PQtransactionStatus(source->conn) != PQTRANS_IDLE;
}

bool
source_is_lost(Source *source)
{
	return source->lost || PQstatus(source->conn) != CONNECTION_OK;
}

void
source_check_idle(Source *source)
{
	struct pollfd fd = {.fd = PQsocket(source->conn), .events = POLLIN};

	begin_wait(source);
	for (int i = 0; i < IDLE_READS_MAX && poll(&fd, 1, 0) > 0; i++)
	{
		if (!PQconsumeInput(source->conn))
			raise_lost(source);
		(void) PQisBusy(source->conn);	/* reads the messages */
		drop_notifications(source);
		check_memory(source, QUERY_MEMORY_MAX);
	}
	source->idle_memory += foreign_memory() - source->memory;
	if (source->idle_memory > QUERY_MEMORY_MAX)
		raise_too_much(source, QUERY_MEMORY_MAX);
}

void
source_keep(Source *source)
{
	source_check_idle(source);
	if (source->pinging)
	{
		if (!PQisBusy(source->conn))
			finish_ping(source);
	}
	else if (TimestampDifferenceExceeds(source->used, GetCurrentTimestamp(), PING_INTERVAL))
		start_ping(source);
}

int
source_session(Source *source)
{
	return PQbackendPID(source->conn);
}

bool
source_in_copy(Source *source)
{
	return source->in_copy;
}

/* ---- the end ---- */

/* Takes in what has come; false if that is too much, or the end. */
static bool
take_input(Source *source)
{
	return PQflush(source->conn) >= 0 && PQconsumeInput(source->conn) &&
		foreign_memory() - source->memory <= QUERY_MEMORY_MAX;
}

/* Drops all results that are complete; true at the answer's end. */
static bool
drop_results(Source *source)
{
	while (!PQisBusy(source->conn))
	{
		PGresult   *result = PQgetResult(source->conn);

		if (result == NULL)
			return true;
		PQclear(result);
	}
	return false;
}

/* Waits for the answer's end, not interruptibly, and drops it. */
static bool
await_results(Source *source, int timeout_ms)
{
	TimestampTz start = GetCurrentTimestamp();

	begin_wait(source);
	while (take_input(source))
	{
		long		left = time_left(start, timeout_ms);

		if (drop_results(source))
			return true;
		if (left == 0)
			break;
		(void) WaitLatchOrSocket(NULL, WL_SOCKET_READABLE | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
								 PQsocket(source->conn), left, wait_event(WAIT_SOURCE_RESULT));
	}
	return false;
}

/* The same for the answer to a Sync message, if one is under way. */
static bool
await_ping(Source *source, int timeout_ms)
{
	if (!source->pinging)
		return true;
	if (!await_results(source, timeout_ms))
		return false;
	return end_ping(source);
}

/* Runs statements; false if that was not possible, or took too long. */
static bool
try_statements(Source *source, const char *sql, int timeout_ms)
{
	if (source->in_copy || !PQsendQuery(source->conn, sql))
		return false;
	if (await_results(source, timeout_ms))
		return true;
	source->lost = true;
	return false;
}

/* The state of the transaction, as the source has told it last. */
static PGTransactionStatusType
settled_status(Source *source, int timeout_ms)
{
	if (source_is_lost(source) || !await_ping(source, timeout_ms))
		return PQTRANS_UNKNOWN;
	return PQtransactionStatus(source->conn);
}

bool
source_try(Source *source, const char *sql, int timeout_ms)
{
	return settled_status(source, timeout_ms) == PQTRANS_INTRANS &&
		try_statements(source, sql, timeout_ms);
}

bool
source_try_rollback(Source *source, int timeout_ms)
{
	PGTransactionStatusType status = settled_status(source, timeout_ms);

	return (status == PQTRANS_INTRANS || status == PQTRANS_INERROR) &&
		try_statements(source, "ROLLBACK", timeout_ms);
}

const char *
source_parameter(Source *source, const char *name)
{
	return PQparameterStatus(source->conn, name);
}

/* ---- COPY ---- */

static void
begin_copy(Source *source)
{
	int			columns = PQnfields(source->result);

	if (columns > MaxTupleAttributeNumber)
	{
		source_distrust(source);
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("invalid description of a COPY from the source"),
				 errdetail("It has %d columns; a table has %d at most.",
						   columns, MaxTupleAttributeNumber),
				 errhint(SOURCE_PROTOCOL_HINT)));
	}
	source->in_copy = true;
	source->got_data = false;
}

/* Steps to the next COPY of the message; false at the message's end. */
static bool
advance_to_copy(Source *source)
{
	PGresult   *result;

	while ((result = source_next_result(source)) != NULL)
	{
		ExecStatusType status = PQresultStatus(result);

		if (status == PGRES_COPY_OUT)
		{
			begin_copy(source);
			return true;
		}
		if (status == PGRES_SINGLE_TUPLE)
			source->rows_behind = true;
		else if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
			source_raise(source, result);
	}
	return false;
}

void
source_copy_start(Source *source, const char *sql)
{
	source->copy_pending = false;
	source_send(source, sql);
	source_receive(source);
	if (!advance_to_copy(source))
		source_raise(source, NULL);
}

/* The end of a COPY: its success, and what comes behind. */
static void
finish_copy(Source *source)
{
	PGresult   *result;

	/* libpq keeps the buffer of the longest row: count from here again */
	begin_wait(source);
	result = source_next_result(source);
	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		source_raise(source, result);
	source->rows_behind = false;
	source->copy_pending = advance_to_copy(source);
}

/* Waits for more of a row. */
static void
wait_for_row(Source *source)
{
	drop_notifications(source);
	if (source->waits++ % WAITS_PER_MEMORY_CHECK == 0)
		check_memory(source, COPY_MEMORY_MAX);
	wait_socket(source, WL_SOCKET_READABLE);
}

/* No server sends a row of 1 GB. */
static int
check_row_length(Source *source, int len)
{
	if (!AllocSizeIsValid(len))
		raise_too_much(source, MaxAllocSize);
	return len;
}

int
source_copy_data(Source *source, char **data)
{
	int			len;

	if (source->row != NULL)
		PQfreemem(source->row);
	source->row = NULL;
	if (source->rows++ % ROWS_PER_INTERRUPT_CHECK == 0)
		CHECK_FOR_INTERRUPTS();

	while ((len = PQgetCopyData(source->conn, &source->row, 1)) == 0)
	{
		/* often there is more in the socket already; an epoll would be waste */
		if (!PQconsumeInput(source->conn))
			raise_lost(source);
		if ((len = PQgetCopyData(source->conn, &source->row, 1)) != 0)
			break;
		wait_for_row(source);
	}
	if (len > 0)
	{
		source->got_data = true;
		*data = source->row;
		return check_row_length(source, len);
	}
	if (len == -2)
		raise_lost(source);
	source->in_copy = false;
	finish_copy(source);
	return -1;
}

void
source_copy_consumed(Source *source)
{
	PQfreemem(source->row);
	source->row = NULL;
}

bool
source_copy_next(Source *source)
{
	bool		pending = source->copy_pending;

	source->copy_pending = false;
	return pending;
}

bool
source_copy_got_data(Source *source)
{
	return source->got_data;
}

bool
source_copy_rows_behind(Source *source)
{
	return source->rows_behind;
}
