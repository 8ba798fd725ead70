/*-------------------------------------------------------------------------
 *
 * source_sessions.c
 *	  The run's sessions on the source, while rows flow and at the end.
 *
 * The source should not notice a run, not even by its log.  A session that is
 * idle ends by a Terminate message, and nothing is logged (source.c; forward.c
 * lets the message arrive).  A session amid a COPY reads no messages.  If the
 * COPY is nearly finished, the tunnel reads the rest and drops it.  If it is
 * not, closing the connection would make the source write two messages and
 * send rows for up to some seconds, so the leader's session cancels the COPY,
 * which makes it write one: "canceling statement due to user request".
 *
 * The process IDs are those that the source gave the loaders.  A pooler invents
 * others; then no session matches, and the pooler ends them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "run/source_sessions.h"

/* how long the tunnel may read the rest of a COPY that a loader has left, in ms */
#define LEFT_PATIENCE	1000
/* the same at the end of a run */
#define END_PATIENCE	200
/* how long to wait for an answer at the end of a run, in ms */
#define END_TIMEOUT		1000

/* A session that a loader has left amid a COPY. */
typedef struct LeftSession
{
	int			pid;			/* at the source */
	TimestampTz since;
} LeftSession;

/*
 * Cancels the sessions that still execute a statement.  The name tells ours
 * from a session that got the process ID of an old one.
 */
static void
cancel_sessions(Run *run, List *pids)
{
	StringInfoData sql;
	ListCell   *lc;

	if (pids == NIL || run->control == NULL)
		return;
	initStringInfo(&sql);
	appendStringInfo(&sql,
					 "SELECT pg_catalog.pg_stat_clear_snapshot();"
					 " SELECT pg_catalog.pg_cancel_backend(pid) FROM pg_catalog.pg_stat_activity"
					 " WHERE usename = current_user AND state = 'active'"
					 " AND application_name = 'pgtunsync/" INT64_FORMAT "' AND pid IN (", run->id);
	foreach(lc, pids)
		appendStringInfo(&sql, "%s%d", lc == list_head(pids) ? "" : ", ", lfirst_int(lc));
	appendStringInfoChar(&sql, ')');
	(void) source_try(run->control, sql.data, END_TIMEOUT);
	pfree(sql.data);
}

/* Notes sessions that loaders have left since the last call. */
static void
note_left(Run *run)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(run->context);
	ListCell   *lc;

	foreach(lc, pool_take_left(run->pool))
	{
		LeftSession *left = palloc(sizeof(LeftSession));

		left->pid = lfirst_int(lc);
		left->since = GetCurrentTimestamp();
		run->left = lappend(run->left, left);
	}
	MemoryContextSwitchTo(oldcontext);
}

/* Removes the sessions that were left that long ago; returns their pids. */
static List *
take_left(Run *run, int patience)
{
	List	   *pids = NIL;
	ListCell   *lc;

	foreach(lc, run->left)
	{
		LeftSession *left = lfirst(lc);

		if (!TimestampDifferenceExceeds(left->since, GetCurrentTimestamp(), patience))
			continue;
		pids = lappend_int(pids, left->pid);
		run->left = foreach_delete_current(run->left, lc);
		pfree(left);
	}
	return pids;
}

void
run_attend_source(Run *run)
{
	source_keep(run->control);
	note_left(run);
	cancel_sessions(run, take_left(run, LEFT_PATIENCE));
}

static void
close_control(Run *run)
{
	if (run->control == NULL)
		return;
	(void) source_try_rollback(run->control, END_TIMEOUT);
	source_close(run->control);
	run->control = NULL;
}

void
run_leave_source(Run *run)
{
	note_left(run);
	pool_stop(run->pool, false);
	cancel_sessions(run, take_left(run, 0));
	close_control(run);
}

void
run_abandon_source(Run *run)
{
	List	   *pids = NIL;

	if (run->pool != NULL)
	{
		note_left(run);
		pids = list_concat(take_left(run, 0), pool_busy_sessions(run->pool));
		pool_stop(run->pool, true);
	}
	if (pids != NIL && run->control != NULL)
	{
		pg_usleep(END_PATIENCE * 1000L);
		cancel_sessions(run, pids);
	}
	close_control(run);
}
