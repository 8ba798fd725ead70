/*-------------------------------------------------------------------------
 *
 * run_steps.c
 *	  The steps that every kind of run takes.
 *
 * A pull, an append, a check and a plan go the same way up to the plan: files,
 * route, tunnel, connection, plan.  Each step raises what is wrong, so that
 * the caller decides whether the run ends there (a pull) or the error becomes
 * a line of a report (a check).
 *
 * The process behind a run is in leader.c.  What happens to the rows of the
 * planned tables is in run_tables.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/lock.h"
#include "utils/snapmgr.h"

#include "apply/locking.h"
#include "base/text.h"
#include "base/trace.h"
#include "base/worker.h"
#include "base/worker_message.h"
#include "base/worker_session.h"
#include "plan/mask.h"
#include "plan/planner.h"
#include "plan/recheck.h"
#include "plan/root_sequences.h"
#include "plan/unqualified_names.h"
#include "run/run_steps.h"
#include "run/source_sessions.h"
#include "source/mask_key.h"
#include "source/to_url.h"
#include "tunnel/listener.h"
#include "tunnel/tunnel_gate.h"

static volatile sig_atomic_t cancel_requested = false;

/* ---- cancel ---- */

void
run_note_cancel(void)
{
	cancel_requested = true;
}

bool
run_is_cancelled(void)
{
	return cancel_requested;
}

void
run_check_caller(Run *run)
{
	if (pg_atomic_read_u32(&run->shared->caller_end) == CALLER_WAITS)
		return;
	run_note_cancel();
	ereport(ERROR,
			(errcode(ERRCODE_QUERY_CANCELED),
			 errmsg("the caller of the pull is gone")));
}

/* ---- transactions and what others see of the run ---- */

void
run_report_phase(Run *run, const char *phase)
{
	char	   *text = psprintf("run " INT64_FORMAT ": %s", run->id, phase);

	trace(TRACE_DEBUG1, "%s", phase);
	pgstat_report_activity(STATE_RUNNING, text);
	pfree(text);
	relay_flush();
	run_check_caller(run);
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

/*
 * Commands such as CREATE INDEX CONCURRENTLY wait for each transaction that
 * had a snapshot or a lock on the table when they looked, and a run waits for
 * their lock at the end.
 */
void
run_next_transaction(Run *run)
{
	run_commit_transaction(run);
	run_begin_transaction(run);
}

/* ---- files and route ---- */

/* What the tunnel listens on. */
static int
entrance_of(const SourceWay *way)
{
	if (way->entrance == ENTRANCE_PORT)
		return way->local_port;
	return way->entrance == ENTRANCE_FREE_PORT ? ENTRANCE_ANY_PORT : ENTRANCE_UNIX_SOCKET;
}

void
run_read_env(Run *run)
{
	run->env = env_file_read(run->request->env_file);
	trace(TRACE_DEBUG1, "environment file: %s", env_file_path(run->env));
	run->way = source_way(run->env);
	run->local_port = entrance_of(run->way);
}

bool
run_has_tunnel(const Run *run)
{
	return source_way_has_tunnel(run->way);
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
	/* the file's encoding is converted, which takes a look at the catalog */
	run_begin_transaction(run);
	run->config = sync_config_read(run->request->config_file);
	run_commit_transaction(run);
	trace(TRACE_DEBUG1, "configuration: %s", run->config->path ? run->config->path : "none");
	if (run->request->plan.rules && mask_needs_key(run->config))
		(void) mask_key_read(run->env);	/* is there a key? */
}

void
run_resolve_route(Run *run)
{
	if (!run_has_tunnel(run))
		return;
	run->route = ssh_route_resolve(run->env);
	ssh_route_trace(run->route);
}

char *
run_entrance_text(const Run *run)
{
	if (!run_has_tunnel(run))
		return pstrdup("no tunnel");
	if (run->local_port == ENTRANCE_UNIX_SOCKET)
		return pstrdup("a private Unix socket");
	if (run->local_port == ENTRANCE_ANY_PORT)
		return pstrdup("a free port on 127.0.0.1");
	return psprintf("127.0.0.1:%d", run->local_port);
}

const char *
run_jump_text(const Run *run)
{
	const char *via = ssh_route_via(run->route);

	return via[0] != '\0' ? via : "none, the target is reached directly";
}

/* ---- tunnel and loaders ---- */

/*
 * How to say that something takes time.  Callers who get no NOTICEs must learn
 * of it, too.
 */
int
run_progress_level(const Run *run)
{
	return run->request->purpose == RUN_PULL && run->request->wants_notices ? NOTICE : WARNING;
}

void
run_start_tunnel(Run *run, int sessions)
{
	TunnelOptions options = {
		.route = run->route,
		.env = run->env,
		.local_port = run->local_port,
		.remote_host = run->way->host,
		.remote_port = run->way->port,
		.sessions = sessions,
		.connect_timeout = run->request->connect_timeout,
		.connect_attempts = run->request->connect_attempts,
		.connect_retry_delay = run->request->connect_retry_delay,
		.total_timeout = run->request->tunnel_timeout,
		.progress_level = run_progress_level(run),
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

/* Without loaders one session is enough. */
void
run_open_narrow_tunnel(Run *run)
{
	run_begin_transaction(run);		/* as for a pull, to the end */
	if (!run_has_tunnel(run))
		return;
	lock_local_port(run->local_port, run->request->lock_timeout, run_progress_level(run));
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

	run->pool = pool_start(&facts, loaders, run->request->max_workers,
						   run->request->source_lock_timeout);
}

/* Lets the next run have the local port. */
void
run_leave_entrance(Run *run)
{
	if (run->at_entrance)
		unlock_local_port(run->local_port);
	run->at_entrance = false;
}

/* Ends the children and closes the source; the transaction is over. */
void
run_stop_children(Run *run)
{
	run_abandon_source(run);
	if (run->tunnel != NULL)
		tunnel_stop(run->tunnel);
}

/* ---- source and plan ---- */

/* how often the leader asks for its connection when there is no room, and when */
#define CONTROL_ATTEMPTS	20
#define CONTROL_PAUSE		200 /* ms */

/* Finishes the control connection; false if the source has no room for it. */
static bool
try_control(Run *run, bool last)
{
	volatile bool connected = false;

	PG_TRY();
	{
		source_connect_finish(run->control, run->params);
		connected = true;
	}
	PG_CATCH();
	{
		if (last || geterrcode() != ERRCODE_TOO_MANY_CONNECTIONS)
			PG_RE_THROW();
		MemoryContextSwitchTo(run->context);
		FlushErrorState();
	}
	PG_END_TRY();
	return connected;
}

/*
 * The control connection matters more than those of the loaders, which may have
 * taken the last ones that the source has for us: they give them up, and take
 * what is left later.
 */
static void
connect_control(Run *run)
{
	int			attempts = run->pool != NULL ? CONTROL_ATTEMPTS : 1;

	for (int i = 1; !try_control(run, i == attempts); i++)
	{
		if (i == 1)
			pool_disconnect(run->pool);
		source_close(run->control);
		run->control = NULL;
		source_pause(CONTROL_PAUSE);
		run->control = source_connect_start(run->params);
	}
}

/* Opens the control connection and lets the loaders connect meanwhile. */
void
run_connect(Run *run)
{
	LoaderConnect connect;

	run_report_phase(run, run->tunnel ? "TUNNEL-OPEN, connecting to the source" :
					 "connecting to the source");
	run->params = source_params(run->env, run->way,
								run->tunnel ? tunnel_host(run->tunnel) : run->way->host,
								run->tunnel ? tunnel_port(run->tunnel) : run->way->port,
								run->request->connect_timeout, run->id);
	run->params->row_security = run->request->plan.row_security;
	run->params->lock_timeout = run->request->source_lock_timeout;
	if (run->tunnel != NULL)
	{
		run->params->gate = &tunnel_connection_gate;
		run->params->gate_handle = tunnel_gate_handle(run->tunnel);
	}
	run->params->hide_texts = run->request->plan.rules && run->config->data_rules != NIL;

	connect.conninfo = run->params->conninfo;
	connect.display = run->params->display;
	connect.connect_timeout = run->params->connect_timeout;
	connect.row_security = run->params->row_security;
	connect.lock_timeout = run->params->lock_timeout;
	connect.password_rule = run->params->password_rule;
	connect.hide_texts = run->params->hide_texts;
	connect.mask_key = run->request->plan.rules && mask_needs_key(run->config) ?
		mask_key_read(run->env) : NULL;
	connect.gate = run->tunnel ? tunnel_gate_handle(run->tunnel) : DSM_HANDLE_INVALID;
	connect.settings = run->request->settings;
	/*
	 * ahead of the loaders: the tunnel keeps its proven channel for this one
	 */
	run->control = source_connect_start(run->params);
	if (run->pool != NULL)
		pool_connect(run->pool, &connect);
	connect_control(run);
}

/* True if a column of the table may hold OIDs of large objects. */
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

/*
 * One NOTICE for the run: COPY reads the OIDs of large objects, not the
 * objects.
 */
static void
report_large_objects(const Run *run)
{
	List	   *names = NIL;
	ListCell   *lc;

	foreach(lc, run->plan->tables)
	{
		TablePlan  *table = lfirst(lc);

		if (outcome_is_well(run->outcomes, table) && may_refer_to_large_objects(table))
			names = lappend(names, table->display);
	}
	if (names != NIL)
		ereport(NOTICE,
				(errmsg("large objects are not pulled, only the OIDs that refer to them: %s",
						names_text(names, false))));
}

void
run_make_plan(Run *run)
{
	run_report_phase(run, "SYNCING, planning");
	PushActiveSnapshot(GetTransactionSnapshot());
	run->plan = plan_run(&run->request->plan, run->config, run->control);
	if (run->request->plan.sequences)
		plan_root_sequences(run->plan, run->request->plan.role, run->control);
	plan_find_unqualified_names(run->plan, run->request->plan.search_path);
	PopActiveSnapshot();
	run->outcomes = outcomes_create(run->plan, run->id);
	report_large_objects(run);
}

List *
run_planned_oids(Run *run)
{
	List	   *oids = NIL;
	ListCell   *lc;

	foreach(lc, run->plan->tables)
	{
		TablePlan  *table = lfirst(lc);

		if (outcome_is_well(run->outcomes, table))
			oids = lappend_oid(oids, table->relid);
	}
	return oids;
}

List *
run_column_names(const TablePlan *table)
{
	List	   *names = NIL;
	ListCell   *lc;

	foreach(lc, table->columns)
		names = lappend(names, ((ColumnPlan *) lfirst(lc))->name);
	return names;
}

/*
 * The caller's transaction, if it waits for us; one that does not may hold
 * what it likes.
 */
const VirtualTransactionId *
run_awaiting_caller(const Run *run)
{
	return run->request->wait ? &run->shared->caller : NULL;
}

LockHolders *
run_lock_holders(const Run *run, const TablePlan *table)
{
	return lock_holders(list_make1_oid(table->relid), NIL, run->request->plan.role);
}

void
run_recheck(Run *run, const List *tables)
{
	ListCell   *lc;

	/* subqueries of the configuration may wait for locks of others */
	session_set_int("lock_timeout", run->request->lock_timeout);
	foreach(lc, tables)
	{
		TablePlan  *table = lfirst(lc);
		int			code;
		const char *problem;
		LockHolders *holders;

		if (!outcome_is_well(run->outcomes, table))
			continue;
		relay_set_subject(table->display);
		problem = recheck_table(table, run->request->plan.role, &code);
		relay_set_subject(NULL);
		if (problem == NULL)
			continue;
		holders = code == ERRCODE_LOCK_NOT_AVAILABLE ? run_lock_holders(run, table) : NULL;
		outcome_fail(run->outcomes, table, code,
					 psprintf("table %s cannot be pulled: %s", table->display, problem),
					 holders ? holders->detail : NULL, holders ? holders->hint : NULL);
	}
	session_set_int("lock_timeout", 0);
}

/*
 * Refused tables are reported at once; on_error = abort ends the run with the
 * first.
 */
void
run_report_failed(Run *run)
{
	outcomes_report(run->outcomes, run->request->on_error == ON_ERROR_ABORT ? ERROR : WARNING);
}
