/*-------------------------------------------------------------------------
 *
 * run_tables.c
 *	  The planned tables of a run: load, replace, commit.
 *
 * The loaders stage the rows of the tables that the run submits.  A table that
 * fails is reported at once; with on_error = abort its error ends the run,
 * otherwise the run goes on without it.  Partitions of one table that must not
 * come in parts fail together.
 *
 * The targets are replaced in one commit, which a pull makes once and an
 * append for each batch.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "replication/syncrep.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"

#include "apply/apply.h"
#include "base/worker_message.h"
#include "base/worker_session.h"
#include "load/progress.h"
#include "source/source_locks.h"
#include "run/audit.h"
#include "run/key_failure.h"
#include "run/run_notices.h"
#include "run/run_steps.h"
#include "run/run_tables.h"
#include "run/source_sessions.h"

/*
 * how often the leader checks caller, tunnel and source while it waits, in ms
 */
#define TICK	200
/* how long writing the audit may wait while targets are locked, in ms */
#define AUDIT_PATIENCE	1000

/* ---- load ---- */

/* "1,2"; NULL if other relations may be read as well. */
static char *
source_oids_text(const TablePlan *table)
{
	StringInfoData buf;
	ListCell   *lc;

	if (table->user_sql || table->source_oids == NIL)
		return NULL;
	initStringInfo(&buf);
	foreach(lc, table->source_oids)
		appendStringInfo(&buf, "%s%u", buf.len > 0 ? "," : "", lfirst_oid(lc));
	return buf.data;
}

void
run_submit(Run *run, const TablePlan *table, const char *copy_sql)
{
	LoadJob		job = {
		.index = table->index,
		.relid = table->relid,
		.display = table->display,
		.shape = table->shape,
		.lock_sql = table->lock_sql,
		.source_oids = source_oids_text(table),
		.copy_sql = unconstify(char *, copy_sql),
		.verify_sql = table->verify_sql,
		.binary = table->binary,
		.columns = run_column_names(table),
		.partition_check = table->partition_check,
		.masked_key = table->masked_key,
		.rewrites = table->rewrites,
		.keep = table->keep,
		.row_name = table->row_name,
		.mode = table->mode,
		.rows_before = outcome_appended(run->outcomes, table->index)->rows,
		.bytes_before = outcome_appended(run->outcomes, table->index)->bytes
	};

	if (table->copy_parts != NIL && pool_size(run->pool) > 1)
		pool_submit_parts(run->pool, &job, table->copy_parts);
	else
		pool_submit(run->pool, &job, table->source_bytes);
}

/* A loader could not lock the table: names those who have locked it. */
static void
name_lock_holders(const Run *run, const TablePlan *table, const PoolEvent *event)
{
	ErrorData  *error = event->error;
	LockHolders *holders;

	if (error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE || event->source_locked ||
		strncmp(error->message, SOURCE_ERROR, strlen(SOURCE_ERROR)) == 0)
		return;
	holders = run_lock_holders(run, table);
	if (holders == NULL)
		return;
	error->detail = holders->detail;
	error->hint = holders->hint;
}

/* The source has a connection for the leader, but none for a loader. */
static void pg_attribute_noreturn()
raise_no_room(Run *run, const ErrorData *error)
{
	SourceRoom *room = source_room(run->control, SOURCE_BEGIN_ASKING, SOURCE_END_ASKING);

	ereport(ERROR,
			(errcode(ERRCODE_TOO_MANY_CONNECTIONS),
			 errmsg("the source has too few connections for a pull"),
			 errdetail("A pull needs %d at least, one that keeps the snapshot and one that reads. %s.\n%s",
					   CONNECTIONS_MIN, source_room_text(room),
					   error->detail ? error->detail : error->message),
			 errhint("%s", source_room_hint(room, CONNECTIONS_MIN))));
}

/* A table failed; the run may go on without it. */
static void
handle_failure(Run *run, PoolEvent *event)
{
	TablePlan  *table = list_nth(run->plan->tables, event->index);
	bool		ends_run = run->request->on_error == ON_ERROR_ABORT;

	if (event->source_gone && event->error->sqlerrcode == ERRCODE_TOO_MANY_CONNECTIONS)
		raise_no_room(run, event->error);
	name_lock_holders(run, table, event);
	outcome_note_error(run->outcomes, table, event->error);
	if (event->source_gone)
	{
		/* not the table's fault */
		event->error->elevel = ERROR;
		ThrowErrorData(event->error);
	}
	if (ends_run || !outcome_defer(run->outcomes, table))
		outcome_report(run->outcomes, table, ends_run ? ERROR : WARNING);
}

/*
 * A table that was truncated or rewritten on the source after the snapshot may
 * have been read as empty.
 */
static void
fail_rewritten(Run *run, const TablePlan *table)
{
	outcome_fail(run->outcomes, table, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
				 psprintf("table %s was truncated or rewritten on the source during the run",
						  table->display),
				 "Its rows may not be those of the run's snapshot.",
				 "Pull it again.");
}

/* A table is locked on the source; its loader may still get it. */
static void
report_locked(const TablePlan *table, const ErrorData *error)
{
	ereport(NOTICE,
			(errmsg("table %s is locked on the source, it is tried again after the others",
					table->display),
			 error->detail ? errdetail("%s", error->detail) : 0));
}

void
run_start_loading(Run *run)
{
	ListCell   *lc;

	pool_snapshot(run->pool, run->plan->snapshot, run->plan->source_start,
				  progress_publish(run->plan));
	foreach(lc, run->plan->tables)
	{
		TablePlan  *table = lfirst(lc);

		if (!outcome_is_well(run->outcomes, table))
			progress_phase(table->index, PHASE_FAILED);
	}
}

/* One NOTICE for the run. */
static void
report_refused_loaders(Run *run)
{
	int			refused = pool_refused(run->pool);
	SourceRoom *room;

	if (refused == 0 || run->told_refused)
		return;
	run->told_refused = true;
	room = source_room(run->control, SOURCE_BEGIN_ASKING, SOURCE_END_ASKING);
	ereport(NOTICE,
			(errmsg("going on with %d of %d loaders, the source has no connections for more",
					pool_size(run->pool) - refused, pool_size(run->pool)),
			 errdetail_internal("%s", source_room_text(room)),
			 errhint("%s", source_room_hint(room, pool_size(run->pool) + 1))));
}

void
run_await_loads(Run *run)
{
	while (pool_busy(run->pool))
	{
		PoolEvent	event;

		/* a snapshot would keep CREATE INDEX CONCURRENTLY waiting */
		InvalidateCatalogSnapshot();
		event = pool_next(run->pool, TICK);

		switch (event.type)
		{
			case POOL_LOADED:
				outcome_loaded(run->outcomes, &event.result);
				run_notice_loaded(run, &event.result);
				if (event.result.rewritten)
					fail_rewritten(run, list_nth(run->plan->tables, event.index));
				break;
			case POOL_FAILED:
				progress_phase(event.index, PHASE_FAILED);
				handle_failure(run, &event);
				break;
			case POOL_LOCKED:
				progress_phase(event.index, PHASE_WAITING);
				report_locked(list_nth(run->plan->tables, event.index), event.error);
				break;
			case POOL_IDLE:
				break;
		}
		relay_flush();
		run_check_caller(run);
		progress_report();
		run_notice_count(run);
		if (run->tunnel != NULL)
			tunnel_check(run->tunnel);
		run_attend_source(run);
	}
	report_refused_loaders(run);
}

/* Reports refused tables, and then the partitions that fail with them. */
void
run_fail_incomplete(Run *run)
{
	run_report_failed(run);
	outcomes_fail_incomplete(run->outcomes, run->plan);
	run_report_failed(run);
}

/* ---- replace and commit ---- */

/*
 * A table was altered, or its rows do not fit the other tables; the run may go
 * on.
 */
static void
run_table_failed(const StagedTable *table, const ErrorData *error, void *arg)
{
	Run		   *run = arg;

	outcome_note_error(run->outcomes, table->plan, error);
	run_fail_incomplete(run);
	relay_flush();
}

/* Locks the audit: once targets are locked, nothing may wait for it. */
static void
run_lock_audit(Run *run)
{
	audit_lock(run->id, run->request->lock_timeout);
}

void
run_replace_tables(Run *run, List *staged)
{
	Replacement *replacement = replace_begin(staged, run->request->plan.role,
											 run->request->lock_timeout,
											 run_table_failed, run_keys_violated, run);

	/* an append's transaction is short, and holds its claim */
	if (run->request->plan.mode != LAND_APPEND)
		run_next_transaction(run);
	run_lock_audit(run);
	replace_tables(replacement, run_awaiting_caller(run));
	/*
	 * the audit is locked already: whoever is in the way of it is not waited
	 * for
	 */
	session_set_int("lock_timeout", AUDIT_PATIENCE);
}

/*
 * Waits until the standbys that synchronous_commit asks for have the last
 * commit.  A cancel ends the waiting with the server's own WARNING, and there
 * is no second wait.
 */
void
run_await_standbys(Run *run)
{
	if (run_is_cancelled())
		return;
	relay_flush();
	HOLD_INTERRUPTS();
	SyncRepWaitForLSN(XactLastCommitEnd, true);
	/*
	 * the wait has used up the cancel, which is for the rest of the run, too
	 */
	if (run_is_cancelled() && !run->committed)
		InterruptPending = QueryCancelPending = true;
	RESUME_INTERRUPTS();
}

/*
 * Commits while targets are locked.  Their readers must not wait for a
 * standby, which may be down: the commit is a local one, and the standbys are
 * waited for when the locks are released.  Until then others see rows that a
 * standby may not have yet, as they do when somebody cancels such a wait.
 */
void
run_commit_targets(Run *run, bool complete)
{
	HOLD_INTERRUPTS();
	if (synchronous_commit > SYNCHRONOUS_COMMIT_LOCAL_FLUSH)
		(void) set_config_option("synchronous_commit", "local", PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_LOCAL, true, 0, false);
	run_commit_transaction(run);
	run->committed = complete;
	RESUME_INTERRUPTS();
}
