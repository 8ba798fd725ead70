/*-------------------------------------------------------------------------
 *
 * session_settings.c
 *	  The settings under which the source executes what we send.
 *
 * A pooler may give each transaction another session of the source, which other
 * clients use before and after us.  There, each transaction begins with all of
 * these settings.  A session that is ours gets them once (source_prepare()).
 * (Startup options would do, but poolers refuse them.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "source/result_reader.h"
#include "source/session_settings.h"

/*
 * pg_temp is named so that it comes last; some of the parameters are younger
 * than our oldest source.
 */
static const struct
{
	int			version;
	const char *setting;
}			settings[] =
{
	{0, "client_min_messages = error"},
	{0, "search_path = pg_catalog, pg_temp"},
	{0, "standard_conforming_strings = on"},
	{0, "datestyle = 'ISO'"},
	{0, "intervalstyle = 'postgres'"},
	{0, "timezone = 'UTC'"},
	{0, "extra_float_digits = 3"},
	{0, "bytea_output = 'hex'"},
	{0, "xmloption = 'content'"},
	{0, "lc_monetary = 'C'"},
	{0, "idle_in_transaction_session_timeout = 0"},
	{140000, "idle_session_timeout = 0"},
	{170000, "transaction_timeout = 0"}
};

/*
 * A source whose client has disappeared without a word gives up in about a
 * minute; one that is busy looks for its client every two seconds (from version
 * 14 on).  Other systems than Linux may not support that, and would log it.  No
 * row is returned.
 */
#define KEEPALIVE(name, value) \
	"set_config('tcp_keepalives_" name "'," \
	" least(nullif(current_setting('tcp_keepalives_" name "')::int, 0), " value ")::text, %1$s)"
#define FIND_CLIENT(more) \
	"SELECT a FROM (SELECT " KEEPALIVE("idle", "30") " AS a, " KEEPALIVE("interval", "10") ", " \
	KEEPALIVE("count", "3") more " WHERE version() ~ 'linux' OFFSET 0) s WHERE a IS NULL; "
#define CHECK_CLIENT \
	", set_config('client_connection_check_interval', '2s', %1$s)"

int
session_settings_append(StringInfo sql, int version, bool row_security, bool session)
{
	const char *local = session ? "" : "LOCAL ";
	int			count = 2;

	for (int i = 0; i < lengthof(settings); i++)
	{
		if (version < settings[i].version)
			continue;
		appendStringInfo(sql, "SET %s%s; ", local, settings[i].setting);
		count++;
	}
	appendStringInfo(sql, "SET %srow_security = %s; ", local, row_security ? "on" : "off");
	if (version < 140000)
		appendStringInfo(sql, FIND_CLIENT(""), session ? "false" : "true");
	else
		appendStringInfo(sql, FIND_CLIENT(CHECK_CLIENT), session ? "false" : "true");
	return count;
}

/* ---- is the session ours? ---- */

#define BEGIN_SQL	"BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;" \
	" SET LOCAL search_path = pg_catalog, pg_temp; "

enum
{
	SESSION_PID, SESSION_LOCK_TIMEOUT, SESSION_STATEMENT_TIMEOUT
};

static const ResultColumn session_columns[] = {
	[SESSION_PID] = {"pg_backend_pid", RESULT_INT, .min = PG_INT32_MIN, .max = PG_INT32_MAX},
	[SESSION_LOCK_TIMEOUT] = {"lock_timeout", RESULT_INT, .min = 0, .max = PG_INT32_MAX},
	[SESSION_STATEMENT_TIMEOUT] = {"statement_timeout", RESULT_INT, .min = 0, .max = PG_INT32_MAX}
};
static const ResultShape session_shape = {"the session", session_columns, lengthof(session_columns)};

/*
 * True if no pooler is between the session and us: those invent process IDs.
 * Notes the timeouts that are set there.
 */
static bool
is_own_session(Source *source)
{
	ResultReader *reader;
	bool		own = false;

	source_show_texts(source);
	source_send(source, BEGIN_SQL "SELECT pg_backend_pid(), " SETTING_MS("lock_timeout") ", "
				SETTING_MS("statement_timeout") "; COMMIT");
	source_receive(source);
	result_skip(source);
	result_skip(source);
	reader = result_begin(source, &session_shape, 1, 1);
	while (result_next(reader))
	{
		own = result_int(reader, SESSION_PID) == source_session(source);
		source_note_limits(source, (int) result_int(reader, SESSION_LOCK_TIMEOUT),
						   (int) result_int(reader, SESSION_STATEMENT_TIMEOUT));
	}
	result_finish(source);
	return own;
}

void
source_prepare(Source *source)
{
	StringInfoData sql;

	if (!is_own_session(source))
		return;
	initStringInfo(&sql);
	appendStringInfoString(&sql, BEGIN_SQL);
	(void) session_settings_append(&sql, source_version(source), source_row_security(source), true);
	appendStringInfoString(&sql, "COMMIT");
	source_show_texts(source);
	result_run(source, sql.data);
	source_note_settings(source);
	pfree(sql.data);
}
