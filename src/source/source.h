/*-------------------------------------------------------------------------
 *
 * source.h
 *	  The source database, through libpq, from inside a backend.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_SOURCE_H
#define PGTUNSYNC_SOURCE_H

#include "base/compat.h"
#include "base/connection_gate.h"
#include "lib/stringinfo.h"
#include "libpq-fe.h"
#include "config/env_file.h"
#include "nodes/pg_list.h"
#include "source/auth_guard.h"
#include "source/source_text.h"
#include "source/source_way.h"

/* How to reach the source; plain strings, so that it can be handed to a loader. */
typedef struct SourceParams
{
	char	   *conninfo;		/* complete keyword/value string, with secrets */
	char	   *display;		/* "user@host:port/dbname" for messages, without */
	int			connect_timeout;	/* ms, 0: none; the URL's, else the setting's */
	bool		row_security;	/* policies may filter rows; false: that is an error */
	int			lock_timeout;	/* ms: longest wait for a lock on the source */
	int			setup_timeout;	/* ms, 0: none; until the source serves the first query */
	PasswordRule password_rule;
	bool		warn_md5;		/* tell the caller about an MD5 password */
	const ConnectionGate *gate; /* the entrance's, or NULL */
	uint32		gate_handle;
	bool		hide_texts;		/* data rules are in force: see source_show_texts() */
} SourceParams;

typedef struct Source Source;

/* The hint of errors about a source that breaks the protocol. */
#define SOURCE_PROTOCOL_HINT \
	"Check that PGSYNC_REMOTE_HOST and PGSYNC_REMOTE_PORT lead to a PostgreSQL server."

/*
 * What the message of an error begins with that a statement had on the source.
 * No error shows the statement: it is ours, and holds nothing that the user
 * wrote but the clause.
 */
#define SOURCE_ERROR	"error on the source: "

/* ---- the URL (source_url.c) ---- */

/*
 * Completes PGSYNC_FROM_URL so that libpq's own fallbacks (PG* variables,
 * ~/.pgpass, service files, ~/.postgresql client certificates, GSSAPI
 * credentials) supply nothing.  way: of source_way(), which has checked the
 * URL.  host and port: where to connect really (tunnel_host() /
 * tunnel_port(), or the way's own).  default_timeout (ms) serves when the URL
 * has no connect_timeout.  application_name is pgtunsync/<run_id>.  The
 * params' password rule follows from the URL and PGSYNC_ALLOW_CLEARTEXT.
 * Lives in the current memory context.
 *
 * Raises CONFIG_FILE_ERROR; the message never shows the password.
 */
extern SourceParams *source_params(const EnvFile *env, const SourceWay *way,
								   const char *host, int port,
								   int default_timeout, int64 run_id);

/* "user@host:port/dbname" as written in the URL, without the password. */
extern char *source_display(const EnvFile *env);

/*
 * Removes from this process's environment what libpq would take values from,
 * so that only the conninfo counts.  For our own workers; source_connect()
 * calls it.
 */
extern void source_close_fallbacks(void);

/* ---- the connection (source.c) ---- */

/*
 * Connects, interruptibly; client_encoding = the local database's.  The
 * connection belongs to the current memory context: it is closed when that
 * context is reset or deleted, or by source_close().
 *
 * Raises SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION, or the source's own
 * SQLSTATE for a refused login; INVALID_AUTHORIZATION_SPECIFICATION when the
 * source asks for the password in a way that the password rule forbids, or when
 * another process answers at the tunnel's entrance.
 */
extern Source *source_connect(const SourceParams *params);

/* The same in two steps: the first one announces the socket and does not wait. */
extern Source *source_connect_start(const SourceParams *params);
extern void source_connect_finish(Source *source, const SourceParams *params);
extern void source_close(Source *source);

/*
 * With hide_texts, errors of the source show their SQLSTATE and a text of ours
 * in place of the source's texts, which could hold masked values.  Call this
 * before a message that cannot meet a value of a table: the errors of the next
 * message, and of no other, are shown as they are.
 */
extern void source_show_texts(Source *source);

/* Returns true if values of the current answer may be shown. */
extern bool source_shows_texts(Source *source);

extern int	source_version(Source *source); /* as PQserverVersion() */

/* The name of the role that was logged in. */
extern char *source_user(Source *source);

/* The display of the params. */
extern const char *source_name(Source *source);

/*
 * How the connection authenticated us: "SCRAM-SHA-256", "MD5", "clear text" …;
 * NULL if it was not seen.
 */
extern const char *source_auth_method(Source *source);

/*
 * A parameter that the source has reported (server_encoding, …), or NULL.  The
 * text is not checked: compare it, but do not show it.
 */
extern const char *source_parameter(Source *source, const char *name);

/*
 * Every transaction on the source begins by one of these.  source_begin() puts
 * the beginning in front of the next message; source_receive() drops its
 * results.  source_append_begin() appends it, with a snapshot to import or NULL,
 * to a message that is meant for source_copy_start(), and returns the number of
 * its results.
 *
 * The transaction is REPEATABLE READ READ ONLY, with search_path = pg_catalog,
 * ISO dates, extra_float_digits = 3, timeouts of idle sessions off, no NOTICEs,
 * bytea_output hex,
 * IntervalStyle postgres, xmloption content, lc_monetary C, time zone UTC,
 * row_security off unless the params say otherwise.  lock_timeout is lowered to
 * the params', never raised above what the source's DBA has set;
 * statement_timeout is left alone.
 */
extern void source_begin(Source *source);
extern int	source_append_begin(Source *source, StringInfo buf, const char *snapshot);

/*
 * For a connection that waits for its first transaction (session_settings.c):
 * gives the settings to the session, so that its transactions are shorter.
 * Does not do it if a pooler may hand the session to others.
 */
extern void source_prepare(Source *source);
extern bool source_row_security(Source *source);
extern void source_note_settings(Source *source);
extern void source_note_limits(Source *source, int lock_timeout, int statement_timeout);	/* ms */

/*
 * source_send() sends one simple-query message, without waiting for an answer.
 * source_receive() begins to receive the answer; result_reader.h reads it, and
 * drops what is not to be read.
 */
extern void source_send(Source *source, const char *sql);
extern void source_receive(Source *source);

/*
 * True when the source serves the session: it has answered something.  If it
 * does not within the params' setup_timeout, TOO_MANY_CONNECTIONS is raised.
 */
extern bool source_is_ready(Source *source);

/*
 * Appends "SET LOCAL lock_timeout …" to a message, for the transaction in it:
 * timeout (ms), or what the source's DBA has set if that is shorter.
 */
extern void source_append_lock_timeout(Source *source, StringInfo sql, int timeout);

/*
 * True if the source has answered the last message with an error, and if that
 * is because a lock could not be had in time.  The SQLSTATE of an error that
 * was caught does not tell: code of a table's owner can raise any.
 */
extern bool source_statement_failed(Source *source);
extern bool source_lock_refused(Source *source);

/* Waits before a lock is asked for again; interruptible, may end early. */
extern void source_pause(int ms);

/* For how long locks are asked for, in ms: SourceParams.lock_timeout. */
extern int	source_lock_patience(Source *source);

/*
 * For result_reader.c: the next result of the answer, row by row as libpq's
 * single-row mode returns them; NULL at the answer's end.  It belongs to the
 * source until the next call.  Waits interruptibly.  Raises PROTOCOL_VIOLATION
 * if a message is too large to be any of ours.
 */
extern PGresult *source_next_result(Source *source);

/*
 * What the source has sent breaks the protocol: from now on the connection
 * counts as lost, and source_usable() is false.
 */
extern void source_distrust(Source *source);

/* True if the connection is broken, or the source has said that it ends. */
extern bool source_is_lost(Source *source);

/*
 * After an error that was caught: can the connection be used again (the
 * transaction on the source has failed and needs a ROLLBACK)?  Not when it is
 * broken or amid a COPY; it must be closed then.
 */
extern bool source_usable(Source *source);

/* The process ID of our session there, as a pooler may invent it. */
extern int	source_session(Source *source);

/* True if rows of a COPY are still to be read. */
extern bool source_in_copy(Source *source);
/* True if a transaction is open on the source, or has failed there. */
extern bool source_in_transaction(Source *source);

/*
 * For the end of a run: runs statements that return next to nothing in the open
 * transaction, and raises no error.  Waits up to timeout_ms, not interruptibly.
 * Returns false if that was not enough, or if the connection is lost or busy, or
 * no transaction is open.
 */
extern bool source_try(Source *source, const char *sql, int timeout_ms);

/* Ends the transaction, if one is open, in the same way. */
extern bool source_try_rollback(Source *source, int timeout_ms);

/*
 * For wait loops: raises the loss of a connection that has nothing under way,
 * and keeps it from being cut because it is idle.  Cheap, does not wait.
 */
extern void source_keep(Source *source);

/* The same without keeping it. */
extern void source_check_idle(Source *source);

/*
 * Starts a COPY … TO STDOUT; rows are then read by source_copy_data().  sql
 * may begin with statements whose results are dropped, and may hold several
 * COPYs, which source_copy_next() steps through, with other statements between
 * and behind them.
 */
extern void source_copy_start(Source *source, const char *sql);

/*
 * The next CopyData message: *data points at it (owned by the source, good
 * until the next call), returns its length, or -1 at the end of the COPY,
 * after the source reported success.  Waits interruptibly.  Raises
 * PROTOCOL_VIOLATION for a message of 1 GB and more, which no server sends.
 */
extern int	source_copy_data(Source *source, char **data);

/* Frees that message before the next call would do it. */
extern void source_copy_consumed(Source *source);

/*
 * After source_copy_data() returned -1: does another COPY of the same message
 * follow?  Its rows are then read by source_copy_data().  Must be called
 * before the next query only when the message held several COPYs.
 */
extern bool source_copy_next(Source *source);

/* True if the COPY that was started last has sent any data. */
extern bool source_copy_got_data(Source *source);

/*
 * After source_copy_data() returned -1: true if the statements between this
 * COPY and the next one have returned a row.
 */
extern bool source_copy_rows_behind(Source *source);

/* Raises the source's error of this result, or "unexpected" if it has none. */
extern void source_raise(Source *source, PGresult *result) pg_attribute_noreturn();

#endif							/* PGTUNSYNC_SOURCE_H */
