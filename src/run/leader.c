/*-------------------------------------------------------------------------
 *
 * leader.c
 *	  One run, from start to end.
 *
 * The leader is a background worker that lives for one run:
 *
 *	  READY			the audit row is committed as "running"
 *	  ENV-LOADED	files read and checked, the way to the source resolved
 *	  TUNNEL-OPEN	the way is proven; nothing local was touched so far
 *	  SYNCING		one snapshot of the source, a plan, loaders fill staging heaps
 *	  TEARDOWN		source and tunnel closed
 *	  DONE			foreign keys checked, storage swapped, audit final: one commit
 *
 * From the tunnel on there is one main transaction.  It holds the claims that
 * keep other runs away, but no lock on a table and no snapshot while it waits, so
 * it holds nothing up.  The loaders' transactions are their own: what they commit are
 * staging heaps that nobody sees.  Only the end of the main transaction changes
 * a table.
 *
 * Whatever fails, the run ends in run_fail(): abort, end the children, drop
 * what was staged, write the audit's final state, tell the caller.  SIGINT
 * (the caller gave up, pgtunsync.cancel()) and SIGTERM both arrive as an
 * ERROR, so that they take that way too; only when the process itself
 * breaks does leader_exit() merely stop the children, and the next call of any
 * function cleans up (see crash_cleanup.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/partition.h"
#include "catalog/pg_am_d.h"
#include "catalog/pg_class.h"
#include "commands/dbcommands.h"
#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "nodes/nodes.h"
#include "pgstat.h"
#include "portability/instr_time.h"
#include "postmaster/bgworker.h"
#include "replication/syncrep.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "storage/shm_toc.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/partcache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "apply/post_commit.h"
#include "run/audit.h"
#include "base/compat.h"
#include "base/run_lock.h"
#include "run/crash_cleanup.h"
#include "source/to_url.h"
#include "run/leader.h"
#include "apply/locking.h"
#include "plan/mask.h"
#include "source/mask_key.h"
#include "load/progress.h"
#include "plan/planner.h"
#include "plan/recheck.h"
#include "base/worker.h"
#include "base/worker_message.h"
#include "apply/apply.h"
#include "run/request.h"
#include "plan/root_sequences.h"
#include "base/user_context.h"
#include "base/worker_session.h"
#include "staging/staging.h"
#include "base/text.h"
#include "base/trace.h"

/* how often the leader looks around while it waits for loaders, in ms */
#define TICK	200
/* how long it waits for the tunnel to say why a connection broke, in ms */
#define TUNNEL_PATIENCE	1000
/* how long writing the audit may wait while targets are locked, in ms */
#define AUDIT_PATIENCE	1000
/* how long a failed run waits for a lock on its row of the audit, in ms */
#define FAILURE_PATIENCE	5000

PGDLLEXPORT void pgtunsync_leader_main(Datum arg);

static volatile sig_atomic_t cancel_requested = false;

/* ---- the process ---- */

/*
 * SIGINT: end the run by an ERROR, with all its clean-up.  lock_timeout sends it
 * too, from this process to itself, and that is no cancel.
 */
static void
on_cancel(SIGNAL_ARGS)
{
	int			save_errno = errno;

	if (!get_timeout_indicator(LOCK_TIMEOUT, false))
	{
		cancel_requested = true;
		owner_note_stop();
	}
	InterruptPending = true;
	QueryCancelPending = true;
	SetLatch(MyLatch);
	errno = save_errno;
}

/*
 * SIGTERM: the same at first.  An owner's function may swallow a cancel; it
 * cannot swallow the end of the process, which the second one brings.
 */
static void
on_terminate(SIGNAL_ARGS)
{
	static volatile sig_atomic_t before = false;

	if (before)
		die(postgres_signal_arg);
	else
		on_cancel(postgres_signal_arg);
	before = true;
}

/* The process ends in a way that run_fail() does not see. */
static void
leader_exit(int code, Datum arg)
{
	Run		   *run = (Run *) DatumGetPointer(arg);

	if (run->pool != NULL)
		pool_kill(run->pool);
	if (run->tunnel != NULL)
		tunnel_kill(run->tunnel);
}

static void
attach(Run *run, dsm_handle handle)
{
	dsm_segment *segment = dsm_attach(handle);
	shm_toc    *toc;
	shm_mq	   *mq;

	if (segment == NULL)
		proc_exit(0);			/* the caller is gone already */
	toc = shm_toc_attach(RUN_MAGIC, dsm_segment_address(segment));
	if (toc == NULL)
		elog(ERROR, "bad magic number in a run's segment");
	run->shared = shm_toc_lookup(toc, RUN_KEY_SHARED, false);
	run->request = request_unpack(shm_toc_lookup(toc, RUN_KEY_REQUEST, false));
	mq = shm_toc_lookup(toc, RUN_KEY_QUEUE, false);
	shm_mq_set_sender(mq, MyProc);
	relay_redirect(shm_mq_attach(mq, segment, NULL));
}

/* A caller that gave up before we could be interrupted has left this sign. */
static void
check_caller(Run *run)
{
	if (pg_atomic_read_u32(&run->shared->caller_gone) == 0)
		return;
	cancel_requested = true;
	ereport(ERROR,
			(errcode(ERRCODE_QUERY_CANCELED),
			 errmsg("the caller of the pull is gone")));
}

/* Shown in pg_stat_activity. */
void
run_report_phase(Run *run, const char *phase)
{
	char	   *text = psprintf("run " INT64_FORMAT ": %s", run->id, phase);

	trace(TRACE_DEBUG1, "%s", phase);
	pgstat_report_activity(STATE_RUNNING, text);
	pfree(text);
	relay_flush();
	check_caller(run);
}

void
run_begin_transaction(Run *run)
{
	StartTransactionCommand();
	MemoryContextSwitchTo(run->context);
}

void
run_commit_transaction(Run *run)
{
	CommitTransactionCommand();
	MemoryContextSwitchTo(run->context);
}

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

void
run_read_env(Run *run)
{
	const char *host;

	run->env = env_file_read(run->request->env_file);
	run->local_port = env_file_get_int(run->env, "PGSYNC_LOCAL_PORT", 5433, 0, 65535);
	run->remote_port = env_file_get_int(run->env, "PGSYNC_REMOTE_PORT", 5432, 1, 65535);
	host = env_file_get(run->env, "PGSYNC_REMOTE_HOST");
	run->remote_host = host ? host : "localhost";
	trace(TRACE_DEBUG1, "environment file: %s", env_file_path(run->env));
	source_check_url(run->env, run->local_port);
}

void
run_check_destination(Run *run)
{
	run_begin_transaction(run);
	destination_check(run->env, get_database_name(MyDatabaseId));
	run_commit_transaction(run);
}

void
run_read_config(Run *run)
{
	run->config = sync_config_read(run->request->config_file);
	trace(TRACE_DEBUG1, "configuration: %s", run->config->path ? run->config->path : "none");
	if (run->request->rules && mask_needs_key(run->config))
		(void) mask_key_options(run->env);	/* is there a key? */
}

void
run_resolve_route(Run *run)
{
	run->route = ssh_route_resolve(run->env);
	ssh_route_trace(run->route);
}

char *
run_entrance_text(const Run *run)
{
	if (run->local_port == 0)
		return pstrdup("a private Unix socket");
	return psprintf("127.0.0.1:%d", run->local_port);
}

static void
run_audit_route(Run *run)
{
	char	   *tunnel = psprintf("%s -> %s:%d", run_entrance_text(run),
								  run->remote_host, run->remote_port);

	run_begin_transaction(run);
	audit_route(run->id, source_display(run->env), ssh_route_target(run->route), tunnel);
	run_commit_transaction(run);
}

/* ---- TUNNEL-OPEN ---- */

/* The ssh command that would do what the tunnel does. */
static char *
equivalent_command(const Run *run)
{
	const char *alias = env_file_get(run->env, "PGSYNC_SSH_HOST");

	return psprintf("ssh -N -o ExitOnForwardFailure=yes -L %s:%s:%d %s",
					run->local_port == 0 ? "<private socket>" : run_entrance_text(run),
					run->remote_host, run->remote_port, alias ? alias : "hatchbox");
}

const char *
run_jump_text(const Run *run)
{
	const char *via = ssh_route_via(run->route);

	return via != NULL && via[0] != '\0' ? via : "none, the target is reached directly";
}

static void
show_banner(const Run *run)
{
	const char *alias = env_file_get(run->env, "PGSYNC_SSH_HOST");

	ereport(NOTICE,
			(errmsg("run " INT64_FORMAT ": opening the tunnel to %s:%d through \"%s\"", run->id,
					run->remote_host, run->remote_port, alias ? alias : "hatchbox"),
			 errdetail("SSH target: %s\n"
					   "Jump host: %s\n"
					   "Local entrance: %s, for this run's connections only\n"
					   "Remote end: %s:%d, as the jump host sees it\n"
					   "Why: the source is private, only the jump host can reach it\n"
					   "As a command: %s\n"
					   "Tunnel worker: pid %d",
					   ssh_route_target(run->route), run_jump_text(run),
					   run_entrance_text(run), run->remote_host, run->remote_port,
					   equivalent_command(run), (int) tunnel_pid(run->tunnel))));
	relay_flush();
}

void
run_start_tunnel(Run *run, int sessions)
{
	TunnelOptions options = {
		.route = run->route,
		.env = run->env,
		.local_port = run->local_port,
		.remote_host = run->remote_host,
		.remote_port = run->remote_port,
		.sessions = sessions,
		.connect_timeout = run->request->connect_timeout,
		.connect_attempts = run->request->connect_attempts,
		.connect_retry_delay = run->request->connect_retry_delay,
		.log_level = run->request->log_level,
		.run_id = run->id
	};
	int			room;

	room = worker_begin_launch(run->request->max_workers);
	if (room < 0)				/* the tunnel is allowed for */
		worker_no_room(room, run->request->max_workers);
	run->tunnel = tunnel_start(&options);
	worker_end_launch();
}

/* One session is enough to look around. */
void
run_open_narrow_tunnel(Run *run)
{
	run_begin_transaction(run);		/* as for a pull, to the end */
	lock_local_port(run->local_port, run->request->lock_timeout);
	run->at_entrance = true;
	run_start_tunnel(run, 1);
	tunnel_wait_open(run->tunnel);
}

/* Starts up to that many loaders with the caller's settings. */
void
run_start_loaders(Run *run, int loaders)
{
	const RunRequest *request = run->request;
	LoaderShared facts = {
		.database = request->database,
		.run_id = run->id,
		.lock_timeout = request->lock_timeout,
		.maintenance_work_mem = request->maintenance_work_mem,
		.parallel_maintenance_workers = request->parallel_maintenance_workers
	};

	run->pool = pool_start(&facts, loaders, run->request->max_workers);
}

static void
run_open_tunnel(Run *run)
{
	/* even for one table, which may be large; an append is one batch after the other */
	int			loaders = run->request->mode == LAND_APPEND ? 1 : run->request->jobs;

	run_report_phase(run, "ENV-LOADED, opening the tunnel");
	lock_local_port(run->local_port, run->request->lock_timeout);
	run->at_entrance = true;
	run_start_tunnel(run, loaders + 1);
	show_banner(run);
	run_start_loaders(run, loaders);
	tunnel_wait_open(run->tunnel);
}

/* ---- SYNCING ---- */

/* Opens the control connection and lets the loaders connect meanwhile. */
void
run_connect(Run *run)
{
	LoaderConnect connect;

	run_report_phase(run, "TUNNEL-OPEN, connecting to the source");
	run->params = source_params(run->env, run->local_port, tunnel_host(run->tunnel),
								tunnel_port(run->tunnel), run->request->connect_timeout,
								run->id);
	if (run->request->rules && mask_needs_key(run->config))
		source_add_options(run->params, mask_key_options(run->env));
	run->params->row_security = run->request->row_security;
	run->params->gate = &tunnel_connection_gate;
	run->params->gate_handle = tunnel_gate_handle(run->tunnel);
	run->params->hide_texts = run->request->rules && run->config->data_rules != NIL;

	connect.conninfo = run->params->conninfo;
	connect.display = run->params->display;
	connect.connect_timeout = run->params->connect_timeout;
	connect.row_security = run->params->row_security;
	connect.password_rule = run->params->password_rule;
	connect.hide_texts = run->params->hide_texts;
	connect.gate = tunnel_gate_handle(run->tunnel);
	/* ahead of the loaders: for it the tunnel keeps the way that it has proven */
	run->control = source_connect_start(run->params);
	if (run->pool != NULL)
		pool_connect(run->pool, &connect);
	source_connect_finish(run->control, run->params);
}

/* Does a column of the table hold OIDs that may be those of large objects? */
static bool
may_refer_to_large_objects(const TablePlan *table)
{
	ListCell   *lc;

	foreach(lc, table->columns)
	{
		const char *type = ((ColumnPlan *) lfirst(lc))->local_type;

		if (strcmp(type, "oid") == 0 || strcmp(type, "lo") == 0 ||
			(strlen(type) > 3 && strcmp(type + strlen(type) - 3, ".lo") == 0))
			return true;
	}
	return false;
}

/* COPY takes the numbers of large objects, not the objects: said once. */
static void
tell_large_objects(const RunPlan *plan)
{
	StringInfoData names;
	ListCell   *lc;

	initStringInfo(&names);
	foreach(lc, plan->tables)
	{
		TablePlan  *table = lfirst(lc);

		if (table->message == NULL && may_refer_to_large_objects(table))
			appendStringInfo(&names, "%s%s", names.len ? ", " : "", table->display);
	}
	if (names.len > 0)
		ereport(NOTICE,
				(errmsg("large objects are not pulled, only the OIDs that refer to them: %s",
						names.data)));
	pfree(names.data);
}

void
run_make_plan(Run *run)
{
	PlanRequest wanted = {
		.tables = run->request->tables,
		.everything = run->request->everything,
		.group = run->request->group,
		.filter = run->request->filter,
		.mode = run->request->mode,
		.variables = run->request->variables,
		.schemas = run->request->schemas,
		.exclude = run->request->exclude,
		.rules = run->request->rules,
		.sequences = run->request->sequences,
		.cursor = run->request->cursor,
		.require_rules = run->request->require_rules,
		.row_security = run->request->row_security,
		.survey = run->request->purpose == RUN_PLAN,
		.search_path = run->request->search_path,
		.role = run->request->role
	};

	run_report_phase(run, "SYNCING, planning");
	PushActiveSnapshot(GetTransactionSnapshot());
	run->plan = plan_run(&wanted, run->config, run->control);
	if (run->request->sequences)
		plan_root_sequences(run->plan, run->control);
	PopActiveSnapshot();
	tell_large_objects(run->plan);
	run->outcomes = outcomes_create(run->plan);
}

List *
run_planned_oids(Run *run)
{
	List	   *oids = NIL;
	ListCell   *lc;

	foreach(lc, run->plan->tables)
	{
		TablePlan  *table = lfirst(lc);

		if (table->message == NULL)
			oids = lappend_oid(oids, table->relid);
	}
	return oids;
}

/* The caller's transaction, if it waits for us; one that does not may hold what it likes. */
const VirtualTransactionId *
run_awaiting_caller(const Run *run)
{
	return run->request->wait ? &run->shared->caller : NULL;
}

void
run_recheck(Run *run, const List *tables)
{
	ListCell   *lc;

	/* subqueries of the configuration may meet other people's locks */
	session_set_int("lock_timeout", run->request->lock_timeout);
	foreach(lc, tables)
	{
		TablePlan  *table = lfirst(lc);
		int			code;
		const char *problem;

		if (table->message != NULL)
			continue;
		relay_set_subject(table->display);
		problem = recheck_table(table, run->request->role, &code);
		relay_set_subject(NULL);
		if (problem == NULL)
			continue;
		table->sqlerrcode = code;
		table->message = MemoryContextStrdup(run->context,
											 psprintf("table \"%s\" cannot be pulled: %s",
													  table->display, problem));
	}
	session_set_int("lock_timeout", 0);
}

static void
run_lock_targets(Run *run)
{
	List	   *oids = run_planned_oids(run);

	run_report_phase(run, "SYNCING, locking the tables against other pulls");
	lock_check_capacity(oids);
	lock_check_caller(oids, run_awaiting_caller(run));
	if (run->request->mode == LAND_APPEND)
		lock_append(oids, run->request->lock_timeout);
	lock_against_runs(oids, run->request->lock_timeout);
	run_recheck(run, run->plan->tables);
}

/*
 * Tables that the plan refuses, before the load or after it: told at once, and
 * the end of the run for on_error = abort.
 */
void
run_report_refused(Run *run)
{
	ListCell   *lc;

	foreach(lc, run->plan->tables)
	{
		TablePlan  *table = lfirst(lc);

		if (table->message == NULL || !outcome_refused(run->outcomes, table))
			continue;
		ereport(run->request->on_error == ON_ERROR_ABORT ? ERROR : WARNING,
				(errcode(table->sqlerrcode),
				 errmsg("%s", table->message),
				 table->detail ? errdetail("%s", table->detail) : 0,
				 table->hint ? errhint("%s", table->hint) : 0));
	}
}

static List *
column_names(const TablePlan *table)
{
	List	   *names = NIL;
	ListCell   *lc;

	foreach(lc, table->columns)
		names = lappend(names, ((ColumnPlan *) lfirst(lc))->name);
	return names;
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

void
run_submit(Run *run, const TablePlan *table, const char *copy_sql)
{
	LoadJob		job = {
		.index = table->index,
		.relid = table->relid,
		.display = table->display,
		.shape = table->shape,
		.copy_sql = unconstify(char *, copy_sql),
		.verify_sql = table->verify_sql,
		.binary = table->binary,
		.columns = column_names(table),
		.partition_check = table->partition_check,
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

static void
submit_all(Run *run)
{
	List	   *order = list_copy(run->plan->tables);
	ListCell   *lc;

	list_sort(order, by_size);
	foreach(lc, order)
	{
		TablePlan  *table = lfirst(lc);

		if (table->message == NULL)
			run_submit(run, table, table->copy_sql);
	}
}

/*
 * Raises or tells an error of one table, with the table's name in front.  The
 * context (which line, which column) goes into the DETAIL: psql hides that of a WARNING.
 */
static void
report_table_error(int elevel, const TablePlan *table, const ErrorData *error)
{
	StringInfoData detail;

	initStringInfo(&detail);
	if (error->detail != NULL)
		appendStringInfoString(&detail, error->detail);
	if (error->context != NULL)
		appendStringInfo(&detail, "%s%s", detail.len ? "\n" : "", error->context);
	ereport(elevel,
			(errcode(error->sqlerrcode),
			 errmsg("table \"%s\" could not be pulled: %s", table->display, error->message),
			 detail.len ? errdetail_internal("%s", detail.data) : 0,
			 error->hint ? errhint("%s", error->hint) : 0));
}

/* A table did not make it; the run may go on without it. */
static void
handle_failure(Run *run, PoolEvent *event)
{
	TablePlan  *table = list_nth(run->plan->tables, event->index);
	bool		abort = run->request->on_error == ON_ERROR_ABORT;
	MemoryContext oldcontext = MemoryContextSwitchTo(run->context);

	outcome_failed(run->outcomes, event->index, event->error);
	MemoryContextSwitchTo(oldcontext);
	if (event->source_gone)
	{
		/* not the table's fault */
		event->error->elevel = ERROR;
		ThrowErrorData(event->error);
	}
	report_table_error(abort ? ERROR : WARNING, table, event->error);
}

/* The part in the list that belongs to the same partitioned table, or NULL. */
static TablePlan *
part_of(const List *parts, Oid whole)
{
	ListCell   *lc;

	foreach(lc, parts)
		if (((TablePlan *) lfirst(lc))->whole == whole)
			return lfirst(lc);
	return NULL;
}

/* The first failed part of each partitioned table that must not come in parts. */
static List *
fallen_parts(Run *run)
{
	List	   *fallen = NIL;
	ListCell   *lc;

	foreach(lc, run->plan->tables)
	{
		TablePlan  *table = lfirst(lc);

		if (OidIsValid(table->whole) && !outcome_is_well(run->outcomes, table) &&
			part_of(fallen, table->whole) == NULL)
			fallen = lappend(fallen, table);
	}
	return fallen;
}

/* Parts of one partitioned table stand or fall together. */
static void
refuse_incomplete(Run *run)
{
	List	   *fallen = fallen_parts(run);
	ListCell   *lc;

	foreach(lc, run->plan->tables)
	{
		TablePlan  *table = lfirst(lc);
		TablePlan  *culprit = part_of(fallen, table->whole);

		if (!OidIsValid(table->whole) || culprit == NULL ||
			!outcome_is_well(run->outcomes, table))
			continue;
		table->sqlerrcode = outcome_sqlerrcode(run->outcomes, culprit->index);
		table->message = psprintf("partition %s is left as it is, because %s of the same table failed",
								  table->display, culprit->display);
	}
}

/* What the plan says then must live as long as the run, of which this may be one batch. */
static void
handle_rewritten(Run *run, int index)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(run->context);

	plan_fail_rewritten(list_nth(run->plan->tables, index));
	MemoryContextSwitchTo(oldcontext);
}

void
run_start_loading(Run *run)
{
	pool_snapshot(run->pool, run->plan->snapshot, progress_publish(run->plan));
}

void
run_await_loads(Run *run)
{
	while (pool_busy(run->pool))
	{
		PoolEvent	event = pool_next(run->pool, TICK);

		switch (event.type)
		{
			case POOL_LOADED:
				outcome_loaded(run->outcomes, &event.result);
				if (event.result.rewritten)
					handle_rewritten(run, event.index);
				break;
			case POOL_FAILED:
				progress_phase(event.index, PHASE_FAILED);
				handle_failure(run, &event);
				break;
			case POOL_IDLE:
				break;
		}
		relay_flush();
		check_caller(run);
		progress_report();
		tunnel_check(run->tunnel);
		source_check_idle(run->control);
	}
}

static void
run_load(Run *run)
{
	run_report_phase(run, "SYNCING, loading");
	run_start_loading(run);
	submit_all(run);
	run_await_loads(run);
	run_report_refused(run);
	refuse_incomplete(run);
	run_report_refused(run);
	outcomes_fail_wholes(run->outcomes);
}

/* ---- TEARDOWN ---- */

/* Lets the next run have the local port. */
static void
leave_entrance(Run *run)
{
	if (run->at_entrance)
		unlock_local_port(run->local_port);
	run->at_entrance = false;
}

/* The source has said all it had to say: nothing of it is needed any more. */
static void
run_close_source(Run *run)
{
	run_report_phase(run, "TEARDOWN, closing the tunnel");
	pool_stop(run->pool, false);
	source_close(run->control);
	run->control = NULL;
	tunnel_stop(run->tunnel);
	leave_entrance(run);
}

/* ---- DONE ---- */

/* A table that was altered, or whose rows do not go into what is there; the others may. */
static void
run_table_failed(const StagedTable *table, const ErrorData *error, void *arg)
{
	Run		   *run = arg;
	MemoryContext oldcontext = MemoryContextSwitchTo(run->context);
	bool		abort = run->request->on_error == ON_ERROR_ABORT;

	outcome_failed(run->outcomes, table->plan->index, error);
	report_table_error(abort ? ERROR : WARNING, table->plan, error);
	refuse_incomplete(run);
	run_report_refused(run);
	outcomes_fail_wholes(run->outcomes);
	relay_flush();
	MemoryContextSwitchTo(oldcontext);
}

void
run_replace_tables(Run *run, List *staged)
{
	replace_tables(staged, run->request->role, run->request->lock_timeout,
				   run_awaiting_caller(run), run_table_failed, run);
	/* the audit is locked already: whoever is in the way of it is not waited for */
	session_set_int("lock_timeout", AUDIT_PATIENCE);
}

/*
 * Waits until the standbys that synchronous_commit asks for have the last commit.
 * A cancel ends the waiting with the server's own WARNING, and there is no
 * second wait.
 */
void
run_await_standbys(Run *run)
{
	if (cancel_requested)
		return;
	relay_flush();
	HOLD_INTERRUPTS();
	SyncRepWaitForLSN(XactLastCommitEnd, true);
	/* the wait has used up the cancel, which is for the rest of the run, too */
	if (cancel_requested && !run->committed)
		InterruptPending = QueryCancelPending = true;
	RESUME_INTERRUPTS();
}

/*
 * Commits while targets are locked.  Their readers must not wait for a standby,
 * which may be down: the commit is a local one, and the standbys are waited for
 * when the locks are released.  Until then others see rows that a standby may
 * not have yet, as they do when somebody cancels such a wait.
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

/* Locks the audit, beside which nothing may be waited for once targets are locked. */
void
run_lock_audit(Run *run)
{
	audit_lock(run->id, run->request->lock_timeout);
}

/* The one commit. */
static void
run_commit(Run *run)
{
	List	   *staged = outcomes_staged(run->outcomes);
	char	   *error = outcomes_error_text(run->outcomes);

	if (staged == NIL && error != NULL)
		return;					/* all failed: outcomes_raise() says so */
	if (error != NULL)
	{
		/* what the failed tables have left */
		PushActiveSnapshot(GetTransactionSnapshot());
		staging_drop_of_run(run->id, staged_heaps(staged));
		PopActiveSnapshot();
	}
	run_report_phase(run, "SYNCING, checking and swapping");
	run_lock_audit(run);
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
	run_await_standbys(run);
}

/* "; 3 local rows kept, to which 1 pulled row yielded" */
static char *
kept_total_text(const AuditTotals *totals)
{
	if (totals->kept == 0)
		return "";
	return psprintf("; " INT64_FORMAT " local %s kept, to which " INT64_FORMAT " pulled %s yielded",
					totals->kept, totals->kept == 1 ? "row" : "rows",
					totals->yielded, totals->yielded == 1 ? "row" : "rows");
}

static void
tell_totals(Run *run)
{
	const AuditTotals *totals = outcomes_totals(run->outcomes);
	instr_time	end;

	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, run->start);
	outcomes_tell_merged(run->outcomes);
	ereport(NOTICE,
			(errmsg("run " INT64_FORMAT ": %d %s %s, " INT64_FORMAT " rows, %s in %.1f s%s",
					run->id, totals->tables, totals->tables == 1 ? "table" : "tables",
					outcomes_any_merged(run->outcomes) ? "pulled" : "replaced", totals->rows,
					size_text(totals->bytes), INSTR_TIME_GET_DOUBLE(end),
					kept_total_text(totals))));
	relay_flush();
}

/*
 * What comes after the commit: none of it can undo the run any more, so that an
 * error is only worth a WARNING.
 */
static void
run_after_commit(Run *run)
{
	List	   *targets = outcomes_targets(run->outcomes);

	if (run->request->mode == LAND_APPEND && targets == NIL)
		return;					/* all failed */
	tell_totals(run);
	PG_TRY();
	{
		run_report_phase(run, "DONE, statistics and materialized views");
		session_set_int("lock_timeout", run->request->lock_timeout);
		/* these, too, hold locks while they commit */
		if (synchronous_commit > SYNCHRONOUS_COMMIT_LOCAL_FLUSH)
			session_set("synchronous_commit", "local");
		post_commit_analyze(targets);
		post_commit_matviews(targets, run->request->refresh, run->request->role);
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

static void
run_steps(Run *run)
{
	run_begin(run);
	run_report_phase(run, "READY, reading the files");
	run_read_env(run);
	run_check_destination(run);
	run_read_config(run);
	run_resolve_route(run);
	run_audit_route(run);

	run_begin_transaction(run);		/* the main transaction */
	run_open_tunnel(run);
	run_connect(run);
	run_make_plan(run);
	run_lock_targets(run);
	run_report_refused(run);
	if (run->request->mode == LAND_APPEND)
		run_append(run);
	else
		run_load(run);
	run_close_source(run);
	if (run->request->mode == LAND_APPEND)
		run_finish_append(run);
	else
		run_commit(run);
	if (run->committed)
		run_after_commit(run);
	outcomes_raise(run->outcomes, run->id);
}

/* Ends the children and closes the source; the transaction is over. */
void
run_stop_children(Run *run)
{
	if (run->pool != NULL)
		pool_stop(run->pool, true);
	if (run->control != NULL)
		source_close(run->control);
	run->control = NULL;
	if (run->tunnel != NULL)
		tunnel_stop(run->tunnel);
}

static void
write_failure(Run *run, const ErrorData *edata)
{
	AuditTotals landed = {0};	/* batches of an append */
	bool		cancelled = cancel_requested;	/* here, not on the source */

	run_begin_transaction(run);
	audit_lock(run->id, FAILURE_PATIENCE);
	if (run->outcomes != NULL)
	{
		outcomes_write(run->outcomes, run->id, false);
		if (run->request->mode == LAND_APPEND)
			landed = *outcomes_appended(run->outcomes);
	}
	audit_finish(run->id, cancelled ? "cancelled" : landed.rows > 0 ? "partial" : "failed", &landed,
				 edata->message, edata->sqlerrcode);
	run_commit_transaction(run);
}

static void
drop_staged(Run *run, const ErrorData *edata)
{
	run_begin_transaction(run);
	PushActiveSnapshot(GetTransactionSnapshot());
	staging_drop_of_run(run->id, NIL);
	PopActiveSnapshot();
	run_commit_transaction(run);
}

/* Takes one step of the way out; an error ends that step only, and is logged. */
static void
try_clean_up(Run *run, void (*step) (Run *run, const ErrorData *edata), const ErrorData *edata)
{
	PG_TRY();
	{
		step(run, edata);
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		MemoryContextSwitchTo(run->context);
		crash_cleanup_log_error();
		AbortOutOfAnyTransaction();
		MemoryContextSwitchTo(run->context);
	}
	PG_END_TRY();
}

/*
 * The way out of every failure before the commit.  Nothing may interrupt it.
 * The heaps are dropped even if the audit cannot be written; what cannot be
 * done now is done by the next call.
 */
static void
run_clean_up(Run *run, const ErrorData *edata)
{
	if (run->id == 0 || run->committed)
		return;
	try_clean_up(run, write_failure, edata);
	try_clean_up(run, drop_staged, edata);
}

/*
 * A broken connection is often just what is seen of a broken tunnel: if that
 * has ended, or is about to, its own error says why.  An answer that breaks the
 * protocol has come through a tunnel that works.
 */
static ErrorData *
root_cause(Run *run, ErrorData *edata)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), TUNNEL_PATIENCE);

	if (run->tunnel == NULL || edata->sqlerrcode == ERRCODE_PROTOCOL_VIOLATION ||
		ERRCODE_TO_CATEGORY(edata->sqlerrcode) != ERRCODE_CONNECTION_EXCEPTION)
		return edata;
	do
	{
		ErrorData  *cause = tunnel_error(run->tunnel);

		if (cause != NULL)
			return cause;
		pg_usleep(20000L);
	} while (GetCurrentTimestamp() < deadline);
	return edata;
}

static void
run_fail(Run *run)
{
	ErrorData  *edata;

	HOLD_INTERRUPTS();
	MemoryContextSwitchTo(run->context);
	edata = CopyErrorData();
	FlushErrorState();
	edata = root_cause(run, edata);
	/* in this order: the loaders work under our locks */
	run_stop_children(run);
	AbortOutOfAnyTransaction();
	leave_entrance(run);
	MemoryContextSwitchTo(run->context);
	run_clean_up(run, edata);
	if (!run->request->wait)
		ereport(LOG,
				(errmsg("pgtunsync run " INT64_FORMAT " failed: %s", run->id, edata->message)));
	relay_report_dropped();
	relay_send_error(edata);
	RESUME_INTERRUPTS();
}

void
pgtunsync_leader_main(Datum arg)
{
	Run		   *run;

	pqsignal(SIGTERM, on_terminate);
	pqsignal(SIGINT, on_cancel);
	BackgroundWorkerUnblockSignals();

	run = MemoryContextAllocZero(TopMemoryContext, sizeof(Run));
	run->context = AllocSetContextCreate(TopMemoryContext, "pgtunsync run",
										 ALLOCSET_DEFAULT_SIZES);
	INSTR_TIME_SET_CURRENT(run->start);
	MemoryContextSwitchTo(run->context);
	attach(run, DatumGetUInt32(arg));
	session_start(run->request->database);
	session_set_int("maintenance_work_mem", run->request->maintenance_work_mem);
	session_set_int("max_parallel_maintenance_workers",
					run->request->parallel_maintenance_workers);
	before_shmem_exit(leader_exit, PointerGetDatum(run));

	PG_TRY();
	{
		crash_cleanup();
		switch (run->request->purpose)
		{
			case RUN_PULL:
				run_steps(run);
				break;
			case RUN_CHECK:
				run_check(run);
				break;
			case RUN_PLAN:
				run_preview(run);
				break;
		}
		relay_report_dropped();
		relay_send(RUN_MSG_DONE, "", 0);
	}
	PG_CATCH();
	{
		run_fail(run);
	}
	PG_END_TRY();
	relay_flush_wait(5000);
	proc_exit(0);
}
