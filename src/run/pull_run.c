/*-------------------------------------------------------------------------
 *
 * pull_run.c
 *	  A pull, from the audit row to the commit.
 *
 *	  READY			the audit row is committed as "running"
 *	  ENV-LOADED	files read and checked, the route to the source resolved
 *	  TUNNEL-OPEN	the tunnel works; nothing local was touched so far
 *	  SYNCING		one snapshot, a plan, loaders fill staging heaps
 *	  TEARDOWN		source and tunnel closed
 *	  DONE			foreign keys checked, storage swapped: one commit
 *
 * The leader goes through several transactions: the plan, the claims that keep
 * other runs away, the wait for the loaders, the foreign keys inside the run,
 * and the last one, which alone changes tables.  None of them holds a lock on
 * a table, or a snapshot, while it waits, so nobody waits for it.  The claims
 * belong to the session.  The loaders commit staging heaps that nobody sees,
 * in transactions of their own.
 *
 * An append takes the same steps.  It differs in how the rows are loaded and
 * committed: append_run.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "utils/snapmgr.h"

#include "apply/apply.h"
#include "apply/locking.h"
#include "apply/post_commit.h"
#include "base/run_lock.h"
#include "base/trace.h"
#include "base/worker_message.h"
#include "base/worker_session.h"
#include "load/progress.h"
#include "plan/loader_count.h"
#include "run/append_run.h"
#include "run/audit.h"
#include "run/pull_run.h"
#include "run/run_notices.h"
#include "run/run_steps.h"
#include "run/run_tables.h"
#include "run/source_sessions.h"
#include "staging/staging.h"

/* ---- READY ---- */

static void
run_begin(Run *run)
{
	StringInfoData buf;

	run_begin_transaction(run);
	run->id = audit_begin(run->request);
	run_lock_take(run->id);
	trace_begin(run->request->log_level, run->id);
	audit_progress(run->id, progress_create_handle(run->id));
	run_commit_transaction(run);

	initStringInfo(&buf);
	pq_sendint64(&buf, run->id);
	relay_send(RUN_MSG_ID, buf.data, buf.len);
}

/* ---- ENV-LOADED ---- */

static void
run_audit_route(Run *run)
{
	char	   *tunnel = psprintf("%s -> %s", run_entrance_text(run), source_way_remote(run->way));

	run_begin_transaction(run);
	audit_route(run->id, source_display(run->env),
				run->route ? ssh_route_target(run->route) : "none", tunnel);
	run_commit_transaction(run);
}

/* ---- TUNNEL-OPEN ---- */

static int
likely_loaders_of(Run *run)
{
	int			loaders;

	PushActiveSnapshot(GetTransactionSnapshot());
	loaders = likely_loaders(&run->request->plan, run->config, run->request->jobs);
	PopActiveSnapshot();
	return loaders;
}

/* Without a tunnel, the run begins with the loaders. */
static void
show_no_tunnel(const Run *run)
{
	ereport(NOTICE,
			(errmsg("run " INT64_FORMAT ": connecting to %s without a tunnel", run->id,
					source_way_remote(run->way)),
			 run->way->entrance == ENTRANCE_DIRECT ?
			 errdetail("PGSYNC_DIRECT is set. The source's certificate must be that of \"%s\".",
					   run->way->tls_name) :
			 errdetail("PGSYNC_SSH_HOST is none: another program forwards this port to the source.")));
	relay_flush();
}

static void
run_open_tunnel(Run *run)
{
	/* an append is one batch after the other */
	int			loaders = run->request->plan.mode == LAND_APPEND ? 1 : likely_loaders_of(run);

	if (!run_has_tunnel(run))
	{
		show_no_tunnel(run);
		run_start_loaders(run, loaders);
		return;
	}
	run_report_phase(run, "ENV-LOADED, opening the tunnel");
	lock_local_port(run->local_port, run->request->lock_timeout, run_progress_level(run));
	run->at_entrance = true;
	run_start_tunnel(run, loaders + 1);
	run_notice_banner(run);
	run_start_loaders(run, loaders);
	tunnel_wait_open(run->tunnel);
}

/* ---- SYNCING ---- */

static void
run_lock_targets(Run *run)
{
	List	   *oids = run_planned_oids(run);
	bool		append = run->request->plan.mode == LAND_APPEND;

	run_report_phase(run, "SYNCING, locking the tables against other pulls");
	lock_check_capacity(oids);
	lock_check_caller(oids, run_awaiting_caller(run));
	if (append)
		lock_append(oids, run->request->lock_timeout);
	lock_against_runs(oids, !append, run->request->lock_timeout);
	lock_await_maintenance(oids, run->request->lock_timeout);
	run_recheck(run, run->plan->tables);
}

/* Largest first, so that no loader is left with the longest job at the end. */
static int
by_size(const ListCell *a, const ListCell *b)
{
	const TablePlan *x = lfirst(a);
	const TablePlan *y = lfirst(b);

	if (x->source_bytes != y->source_bytes)
		return x->source_bytes < y->source_bytes ? 1 : -1;
	return x->index - y->index;
}

static void
submit_all(Run *run)
{
	List	   *order = list_copy(run->plan->tables);
	ListCell   *lc;

	list_sort(order, by_size);
	foreach(lc, order)
	{
		TablePlan  *table = lfirst(lc);

		if (outcome_is_well(run->outcomes, table))
			run_submit(run, table, table->copy_sql);
	}
}

static void
run_load(Run *run)
{
	run_report_phase(run, "SYNCING, loading");
	run_start_loading(run);
	submit_all(run);
	run_await_loads(run);
	run_fail_incomplete(run);
}

/* ---- TEARDOWN ---- */

/* All rows are staged: the source is not needed any more. */
static void
run_close_source(Run *run)
{
	run_report_phase(run, "TEARDOWN, closing the tunnel");
	run_leave_source(run);
	tunnel_stop(run->tunnel);
	run_leave_entrance(run);
}

/* ---- DONE ---- */

/* The one commit. */
static void
run_commit(Run *run)
{
	List	   *staged = outcomes_staged(run->outcomes);
	List	   *claimed = run_planned_oids(run);
	char	   *error = outcomes_error_text(run->outcomes);

	if (staged == NIL && error != NULL)
		return;					/* all failed: outcomes_raise() says so */
	if (error != NULL)
	{
		/* drop what failed tables have left */
		PushActiveSnapshot(GetTransactionSnapshot());
		staging_drop_of_run(run->id, staged_heaps(staged));
		PopActiveSnapshot();
	}
	run_report_phase(run, "SYNCING, checking and swapping");
	if (staged != NIL)
		run_replace_tables(run, staged);
	error = outcomes_error_text(run->outcomes);
	if (error != NULL && outcomes_staged(run->outcomes) == NIL)
		return;
	outcomes_landed(run->outcomes, staged);
	outcomes_write(run->outcomes, run->id, true);
	audit_finish(run->id, error ? "partial" : "succeeded",
				 outcomes_totals(run->outcomes), error, outcomes_sqlerrcode(run->outcomes));
	HOLD_INTERRUPTS();
	run_commit_targets(run, true);
	if (error == NULL)
		relay_send(RUN_MSG_COMMITTED, "", 0);
	RESUME_INTERRUPTS();
	unlock_against_runs(claimed);
	run_await_standbys(run);
}

/*
 * Steps after the commit.  They cannot undo the run, so an error is a WARNING.
 */
static void
run_after_commit(Run *run)
{
	List	   *targets = outcomes_targets(run->outcomes);

	if (run->request->plan.mode == LAND_APPEND && targets == NIL)
		return;					/* all failed */
	run_notice_totals(run);
	PG_TRY();
	{
		run_report_phase(run, "DONE, statistics and materialized views");
		session_set_int("lock_timeout", run->request->lock_timeout);
		/* these, too, hold locks while they commit */
		if (synchronous_commit > SYNCHRONOUS_COMMIT_LOCAL_FLUSH)
			session_set("synchronous_commit", "local");
		post_commit_analyze(targets);
		post_commit_matviews(targets, run->request->refresh, run->request->plan.role);
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		MemoryContextSwitchTo(run->context);
		edata = CopyErrorData();
		FlushErrorState();
		AbortOutOfAnyTransaction();
		ereport(WARNING,
				(errcode(edata->sqlerrcode),
				 errmsg("the tables were replaced, but not all that should follow was done: %s",
						edata->message)));
	}
	PG_END_TRY();
	MemoryContextSwitchTo(run->context);
}

/* ---- the run ---- */

void
run_pull(Run *run)
{
	run_begin(run);
	run_report_phase(run, "READY, reading the files");
	run_read_env(run);
	run_check_destination(run);
	run_read_config(run);
	run_resolve_route(run);
	run_audit_route(run);

	run_begin_transaction(run);
	run_open_tunnel(run);
	run_connect(run);
	run_make_plan(run);
	pool_shrink(run->pool, needed_loaders(run->plan->tables, run->request->jobs));
	run_next_transaction(run);
	run_lock_targets(run);
	run_fail_incomplete(run);
	if (run->request->plan.mode != LAND_APPEND)
		run_next_transaction(run);
	if (run->request->plan.mode == LAND_APPEND)
		run_append(run);
	else
		run_load(run);
	run_close_source(run);
	if (run->request->plan.mode == LAND_APPEND)
		run_finish_append(run);
	else
		run_commit(run);
	if (run->committed)
		run_after_commit(run);
	run_notice_warnings(run);
	outcomes_raise(run->outcomes);
}
