/*-------------------------------------------------------------------------
 *
 * source_locks.c
 *	  Who keeps us from a table of the source.
 *
 * A pull must not make its source wait.  These rules hold for all that it asks
 * the source for:
 *
 *	- A loader's transaction ends with its table (loader.c).  The leader's
 *	  transaction, which keeps the snapshot, holds no lock: it asks inside
 *	  savepoints that are rolled back (source_catalog.c).
 *	- A session waits for a lock only if it holds no other one.  A loader first
 *	  locks its table, and may wait for that.  All other locks of the COPY (of
 *	  indexes, of partitions, of other tables in a clause or in functions that
 *	  it calls) have to be free: lock_timeout is then a moment.  The shortest
 *	  that can be set is 1 ms, far below deadlock_timeout.  So a migration that
 *	  locks the same tables in another order gets through.
 *	- If a lock is refused, the transaction ends, and the table is tried again
 *	  later (loader_pool.c).
 *	- No wait is longer than pgtunsync.source_lock_timeout, or what the source's
 *	  DBA has set.
 *
 * A refused lock leaves a line in the source's log.  So we look at pg_locks
 * before we try again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"

#include "source/result_reader.h"
#include "source/source_locks.h"

/* how long a name from the source may be */
#define NAME_LENGTH_MAX		1000

enum
{
	BLOCKER_PID, BLOCKER_USER, BLOCKER_APPLICATION, BLOCKER_STATE, BLOCKER_SINCE
};

static const ResultColumn blocker_columns[] = {
	[BLOCKER_PID] = {"pid", RESULT_INT, .min = 0, .max = PG_INT32_MAX, .nullable = true},
	[BLOCKER_USER] = {"usename", RESULT_TEXT, .max = NAME_LENGTH_MAX, .nullable = true},
	[BLOCKER_APPLICATION] = {"application_name", RESULT_TEXT, .max = NAME_LENGTH_MAX, .nullable = true},
	[BLOCKER_STATE] = {"state", RESULT_TEXT, .max = NAME_LENGTH_MAX, .nullable = true},
	[BLOCKER_SINCE] = {"xact_start", RESULT_TEXT, .max = NAME_LENGTH_MAX, .nullable = true}
};
static const ResultShape blocker_shape = {"holders of locks", blocker_columns, lengthof(blocker_columns)};

/*
 * COPY takes ACCESS SHARE locks, which conflict with nothing but ACCESS
 * EXCLUSIVE.  A session that waits for that is in the way, too.  A role without
 * pg_read_all_stats sees no state and no start of other roles' transactions.
 */
static char *
blocker_query(const char *oids)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql,
						   "SELECT l.pid, a.usename, a.application_name, a.state,"
						   " pg_catalog.to_char(a.xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')"
						   " FROM pg_catalog.pg_locks l"
						   " LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid"
						   " WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'"
						   " AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()"
						   " AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d"
						   " WHERE d.datname = pg_catalog.current_database())");
	if (oids != NULL)
		appendStringInfo(&sql,
						 " AND (l.relation IN (%s) OR l.relation IN"
						 " (SELECT i.indexrelid FROM pg_catalog.pg_index i WHERE i.indrelid IN (%s)))",
						 oids, oids);
	appendStringInfoString(&sql, " ORDER BY l.granted DESC, a.xact_start, l.pid LIMIT 1");
	return sql.data;
}

/* Values of a caller's choice can be in an application's name. */
static char *
describe(Source *source, const ResultReader *reader)
{
	char	   *user = source_text(result_text(reader, BLOCKER_USER));
	char	   *application = source_text(result_text(reader, BLOCKER_APPLICATION));
	char	   *state = source_text(result_text(reader, BLOCKER_STATE));
	char	   *since = source_text(result_text(reader, BLOCKER_SINCE));
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "process %d", (int) result_int(reader, BLOCKER_PID));
	if (user != NULL)
		appendStringInfo(&buf, " (user \"%s\"", user);
	if (user != NULL && application != NULL && application[0] != '\0' && source_shows_texts(source))
		appendStringInfo(&buf, ", application \"%s\"", application);
	if (user != NULL)
		appendStringInfoChar(&buf, ')');
	if (state != NULL && since != NULL)
		appendStringInfo(&buf, ", %s, in a transaction since %s UTC", state, since);
	return buf.data;
}

char *
source_find_blocker(Source *source, const char *oids, const char *begin, const char *end, int *pid)
{
	char	   *blocker = NULL;
	ResultReader *reader;

	*pid = 0;
	source_send(source, psprintf("%s; %s; %s", begin, blocker_query(oids), end));
	source_receive(source);
	result_skip(source);
	reader = result_begin(source, &blocker_shape, 0, 1);
	while (result_next(reader))
	{
		*pid = (int) result_int(reader, BLOCKER_PID);
		blocker = describe(source, reader);
	}
	result_finish(source);
	return blocker;
}

/* What ends the wait; both work on the source. */
static char *
locked_hint(const char *what, int pid)
{
	if (pid > 0)
		return psprintf("Wait until the transaction of process %d on the source has ended, or end it there with"
						" SELECT pg_terminate_backend(%d); then pull again. To wait longer, raise"
						" \"pgtunsync.source_lock_timeout\".", pid, pid);
	return psprintf("Find the session on the source with SELECT * FROM pg_locks WHERE mode ="
					" 'AccessExclusiveLock'%s%s%s, and pull again when its transaction has ended. To wait longer,"
					" raise \"pgtunsync.source_lock_timeout\".",
					what ? " AND relation = " : "",
					what ? quote_literal_cstr(what) : "", what ? "::regclass" : "");
}

void
source_raise_locked(Source *source, const char *what, const char *blocker, int pid)
{
	char	   *detail = blocker == NULL ? NULL :
		psprintf("In the way there: %s.", blocker);

	ereport(ERROR,
			(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
			 what ? errmsg("a lock on %s could not be had on the source", what) :
			 errmsg("a lock could not be had on the source"),
			 detail ? errdetail("%s", detail) : 0,
			 errhint("%s", locked_hint(what, pid))));
}
