/*-------------------------------------------------------------------------
 *
 * source.c
 *	  The source database, through libpq, from inside a backend.
 *
 * As in postgres_fdw, libpq is only used asynchronously: every wait is on our
 * latch and the connection's socket together, so that a cancel, a SIGTERM or
 * the postmaster's death ends it at once.  A connection has one owner, the
 * memory context that it was opened in: whatever error unwinds the stack, the
 * context's reset closes the socket, and the source rolls back.  Nothing is
 * cancelled on the source explicitly; behind a tunnel that would need another
 * connection, and a COPY notices a closed socket as fast.
 *
 * Two guards stand beside libpq while it connects.  Each socket is announced to
 * the tunnel's gate, and nothing is read from it before the gate has admitted
 * it: the port might have been taken over by another process.  And if there is
 * a password, auth_guard.c checks each request for it before libpq sees it.
 *
 * Round trips cost 50 ms and more, so the statements that prepare the session
 * travel in front of the first query's, in one simple-query message.  (They
 * could be startup options, but connection poolers refuse those.)  They stand
 * in a transaction of their own, so that a ROLLBACK later on does not undo
 * them.
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
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "base/compat.h"
#include "source/error_text.h"
#include "source/result_reader.h"
#include "source/source.h"
#include "base/wait_event.h"

#define SOURCE_SQL_MAX		400 /* bytes of a query in an error's context */
#define ROWS_PER_INTERRUPT_CHECK 1024

/* by how much libpq's memory may grow; see above */
#define QUERY_MEMORY_MAX	((int64) 64 * 1024 * 1024)
#define COPY_MEMORY_MAX		((int64) MaxAllocSize + QUERY_MEMORY_MAX)
#define WAITS_PER_MEMORY_CHECK	64
#define RESULTS_DRAINED_MAX 1000000

struct Source
{
	bool		lost;			/* a FATAL came from the source */
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
	int			lock_timeout;	/* ms; of the session, see append_setup() */
	int			lock_limit;		/* ms; what the source's DBA has set, 0: none */
	int			statement_limit;	/* the same of statement_timeout */
	TimestampTz sent;			/* when the message under way was sent */
	bool		failed;			/* the source has refused it */
	bool		lock_refused;	/* for want of a lock */
	bool		prepared;		/* session set-up was sent */
	int			setup_results;	/* results of it still to be dropped */
	int			setup_timeout;	/* ms, 0: none; until the first of them comes */
	TimestampTz setup_end;		/* 0: not running */
	bool		hide_texts;		/* see SourceParams */
	bool		show_next;		/* source_show_texts() was called */
	bool		show;			/* it was for the message under way */
	WaitEventSet *events;		/* latch, postmaster, socket */
	int			socket_event;
	PGresult   *result;			/* the last one, not cleared yet */
	char	   *sql;			/* the message that is being answered */
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

/* ---- errors ---- */

/* The query for an error's context. */
static char *
shown_query(const char *sql)
{
	int			len = strlen(sql);

	if (len <= SOURCE_SQL_MAX)
		return pstrdup(sql);
	return psprintf("%s...", pnstrdup(sql, pg_mbcliplen(sql, len, SOURCE_SQL_MAX)));
}

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

/* The connection broke: no SQLSTATE, no result. */
static void pg_attribute_noreturn()
raise_lost(Source *source, const char *sql)
{
	char	   *detail = may_show(source, NULL) ? source_text(PQerrorMessage(source->conn)) : NULL;

	ereport(ERROR,
			(errcode(ERRCODE_CONNECTION_FAILURE),
			 errmsg("lost the connection to the source %s", source->display),
			 detail && detail[0] ? errdetail("%s", detail) : 0,
			 sql ? errcontext("source query: %s", shown_query(sql)) : 0));
}

/* Did the source's statement_timeout end the message under way? */
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
	ereport(ERROR,
			(errcode(pack_state(state)),
			 errmsg("error on the source: %s", error_text(state)),
			 errdetail("Its text could show values that data rules mask, so it stays on the source "
					   "(SQLSTATE %s).",
					   state),
			 is_statement_timeout(source, state) ? errhint("%s", statement_timeout_hint(source)) :
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
source_raise(Source *source, PGresult *result, const char *sql)
{
	const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
	const char *severity = result ? PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED) : NULL;
	char	   *detail = error_field(result, PG_DIAG_MESSAGE_DETAIL);
	char	   *hint = error_field(result, PG_DIAG_MESSAGE_HINT);
	char	   *context = error_field(result, PG_DIAG_CONTEXT);
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
		raise_lost(source, sql);

	ereport(ERROR,
			(errcode(is_error_state(state) ? pack_state(state) : ERRCODE_PROTOCOL_VIOLATION),
			 errmsg("error on the source: %s", primary_message(source, result)),
			 detail ? errdetail("Source's detail: %s", detail) : 0,
			 hint ? errhint("Source's hint: %s", hint) : 0,
			 timeout_hint ? errhint("%s", timeout_hint) : 0,
			 context ? errcontext("on the source: %s", context) : 0,
			 sql ? errcontext("source query: %s", shown_query(sql)) : 0));
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

/* Notices of the source do not go to our standard error. */
static void
drop_notice(void *arg, const PGresult *result)
{
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
	}
	source->conn = NULL;
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
	PQsetNoticeReceiver(source->conn, drop_notice, NULL);
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
		raise_lost(source, NULL);
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

int
source_version(Source *source)
{
	return PQserverVersion(source->conn);
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
	if (source->setup_end == 0)
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
flush_output(Source *source, const char *sql)
{
	for (;;)
	{
		int			rc = PQflush(source->conn);

		if (rc == 0)
			return;
		if (rc < 0)
			raise_lost(source, sql);
		if ((wait_socket(source, WL_SOCKET_READABLE | WL_SOCKET_WRITEABLE) & WL_SOCKET_READABLE) &&
			!PQconsumeInput(source->conn))
			raise_lost(source, sql);
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
			raise_lost(source, source->sql);
	}
	source->result = PQgetResult(source->conn);
	return source->result;
}

/* ---- queries ---- */

/* Appends a statement to the session's set-up. */
static void
add_setup(Source *source, StringInfo buf, const char *statement)
{
	appendStringInfo(buf, "%s;", statement);
	source->setup_results++;
}

/*
 * The source's DBA decides how long a session may wait for a lock and how long
 * a statement may take.  We lower lock_timeout to our own limit, leave
 * statement_timeout alone, and read both, for finish_setup().
 */
static void
add_timeouts(Source *source, StringInfo buf)
{
	appendStringInfo(buf, "SELECT t.lock AS lock_timeout, t.statement AS statement_timeout,"
					 " set_config('lock_timeout', least(nullif(t.lock, 0), %d)::text, false)"
					 " FROM (SELECT"
					 " (extract(epoch FROM current_setting('lock_timeout')::interval) * 1000)::bigint AS lock,"
					 " (extract(epoch FROM current_setting('statement_timeout')::interval) * 1000)::bigint"
					 " AS statement) t;",
					 source->lock_timeout);
	source->setup_results++;
}

/*
 * What every session needs, before its first query.  pg_temp is named so that it comes last; some of the
 * parameters are younger than our oldest source, and looking out for a client
 * that has gone away is not done on every platform.
 */
static void
append_setup(Source *source, StringInfo buf)
{
	static const struct
	{
		int			version;
		const char *statement;
	}			settings[] =
	{
		{0, "BEGIN"},
		{0, "SET client_min_messages = error"},
		{0, "SET search_path = pg_catalog, pg_temp"},
		{0, "SET standard_conforming_strings = on"},
		{0, "SET datestyle = 'ISO'"},
		{0, "SET intervalstyle = 'postgres'"},
		{0, "SET timezone = 'UTC'"},
		{0, "SET extra_float_digits = 3"},
		{0, "SET bytea_output = 'hex'"},
		{0, "SET xmloption = 'content'"},
		{0, "SET lc_monetary = 'C'"},
		{0, "SET idle_in_transaction_session_timeout = 0"},
		{140000, "SET idle_session_timeout = 0"},
		{170000, "SET transaction_timeout = 0"},
		{140000, "SELECT set_config('client_connection_check_interval', '2s', false) WHERE version() ~ 'linux'"},
	};

	for (int i = 0; i < lengthof(settings); i++)
	{
		if (source_version(source) >= settings[i].version)
			add_setup(source, buf, settings[i].statement);
	}
	add_timeouts(source, buf);
	add_setup(source, buf, source->row_security ? "SET row_security = on" : "SET row_security = off");
	add_setup(source, buf, "COMMIT");
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

/* Notes the timeouts that add_timeouts() asked for. */
static void
note_timeouts(Source *source, const PGresult *result)
{
	if (strcmp(PQfname(result, 0) ? PQfname(result, 0) : "", "lock_timeout") != 0)
		return;
	source->lock_limit = result_setting(result, 0);
	source->statement_limit = result_setting(result, 1);
}

/*
 * Drops the set-up's results, which come before those of the first message.  A
 * result with rows ends with one that has none.
 */
static void
finish_setup(Source *source)
{
	while (source->setup_results > 0)
	{
		ExecStatusType status = PQresultStatus(source_next_result(source));

		source->setup_end = 0;
		if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_SINGLE_TUPLE)
		{
			source->show = true;	/* it reads no table */
			source_raise(source, source->result, "session set-up");
		}
		if (status == PGRES_SINGLE_TUPLE)
			note_timeouts(source, source->result);
		else
			source->setup_results--;
	}
}

bool
source_is_ready(Source *source)
{
	return source->prepared && source->setup_results == 0;
}

void
source_append_lock_timeout(Source *source, StringInfo sql, int timeout)
{
	if (!source->prepared)
	{
		source->lock_timeout = timeout;
		return;
	}
	if (source->lock_limit > 0)
		timeout = Min(timeout, source->lock_limit);
	appendStringInfo(sql, "SET LOCAL lock_timeout = %d; ", timeout);
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

/* Remembers the text, for errors. */
static void
set_sql(Source *source, const char *sql)
{
	if (source->sql != NULL)
		pfree(source->sql);
	source->sql = MemoryContextStrdup(source->context, sql);
}

void
source_send(Source *source, const char *sql)
{
	StringInfoData buf;

	initStringInfo(&buf);
	if (!source->prepared)
		append_setup(source, &buf);
	if (!source->prepared && source->setup_timeout > 0)
		source->setup_end = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), source->setup_timeout);
	source->prepared = true;
	appendStringInfoString(&buf, sql);
	set_sql(source, sql);
	source->show = source->show_next;
	source->show_next = false;
	source->failed = source->lock_refused = false;
	source->got_data = false;
	source->sent = GetCurrentTimestamp();

	if (!PQsendQuery(source->conn, buf.data) || !PQsetSingleRowMode(source->conn))
		raise_lost(source, sql);
	flush_output(source, sql);
	pfree(buf.data);
}

void
source_receive(Source *source)
{
	begin_wait(source);
	source->idle_memory = 0;
	finish_setup(source);
}

const char *
source_sql(Source *source)
{
	return source->sql;
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

	if (poll(&fd, 1, 0) <= 0)
		return;
	/* what comes stays in libpq's buffer, unread, until the next query */
	begin_wait(source);
	if (!PQconsumeInput(source->conn))
		raise_lost(source, NULL);
	source->idle_memory += foreign_memory() - source->memory;
	if (source->idle_memory > QUERY_MEMORY_MAX)
		raise_too_much(source, QUERY_MEMORY_MAX);
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
			source_raise(source, result, source->sql);
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
		source_raise(source, NULL, sql);
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
		source_raise(source, result, source->sql);
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
			raise_lost(source, source->sql);
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
		raise_lost(source, source->sql);
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
source_in_copy(Source *source)
{
	return source->in_copy;
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
