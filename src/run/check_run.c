/*-------------------------------------------------------------------------
 *
 * check_run.c
 *	  A check: the steps of a pull up to the plan, a report for each.
 *
 * pgtunsync.check() starts a leader like any pull.  The leader runs the same
 * code, reports each step, and stops before anything is loaded.  It writes no
 * audit row and locks no table, and closes the tunnel when the plan is made.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "source/source_locks.h"
#include "run/check_run.h"
#include "base/worker_message.h"
#include "run/request.h"
#include "base/trace.h"
#include "source/result_reader.h"

static void
send_step(const char *name, bool ok, const char *detail, const char *hint)
{
	CheckStep	step = {
		.step = unconstify(char *, name),
		.ok = ok,
		.detail = unconstify(char *, detail),
		.hint = unconstify(char *, hint)
	};
	StringInfoData buf;

	initStringInfo(&buf);
	check_step_pack(&buf, &step);
	relay_send(RUN_MSG_STEP, buf.data, buf.len);
	pfree(buf.data);
}

/* Reports an error: its message, with its DETAIL on the next line. */
static void
send_error_step(const char *name, const ErrorData *error)
{
	send_step(name, false,
			  error->detail ? psprintf("%s\n%s", error->message, error->detail) : error->message,
			  error->hint);
}

static char *
describe_env(Run *run)
{
	if (!run->way->from_url)
		return pstrdup(env_file_path(run->env));
	if (!run_has_tunnel(run))
		return psprintf("%s; %s is connected to", env_file_path(run->env),
						source_way_remote(run->way));
	return psprintf("%s; the source is %s, reached by %s", env_file_path(run->env),
					source_way_remote(run->way), run_entrance_text(run));
}

static char *
describe_destination(Run *run)
{
	char	   *name;

	run_begin_transaction(run);
	name = psprintf("database %s", get_database_name(MyDatabaseId));
	run_commit_transaction(run);
	return name;
}

static char *
describe_config(Run *run)
{
	if (run->config->path == NULL)
		return pstrdup("none");
	return psprintf("%s: %d groups, %d exclusions, %d data rules", run->config->path,
					list_length(run->config->groups), list_length(run->config->exclude),
					list_length(run->config->data_rules));
}

static char *
describe_route(Run *run)
{
	if (!run_has_tunnel(run))
		return pstrdup(run->way->entrance == ENTRANCE_DIRECT ?
					   "none (PGSYNC_DIRECT), the source must prove itself by TLS" :
					   "none (PGSYNC_SSH_HOST), another program forwards the port");
	return psprintf("%s; jump host: %s", ssh_route_target(run->route), run_jump_text(run));
}

/* Reports the steps that the tunnel completed. */
static void
send_tunnel_steps(Run *run)
{
	ListCell   *lc;

	foreach(lc, tunnel_steps(run->tunnel))
	{
		TunnelStep *step = lfirst(lc);

		send_step(step->name, true, step->detail, NULL);
	}
}

static char *
describe_tunnel(Run *run)
{
	if (!run_has_tunnel(run))
		return psprintf("none, %s is connected to", source_way_remote(run->way));
	send_tunnel_steps(run);
	return psprintf("%s to %s", run_entrance_text(run), source_way_remote(run->way));
}

static char *
describe_source(Run *run)
{
	const char *method = source_auth_method(run->control);

	return psprintf("%s, PostgreSQL %d.%d%s%s", source_display(run->env),
					source_version(run->control) / 10000, source_version(run->control) % 10000,
					method ? ", password by " : "", method ? method : "");
}

static char *
describe_plan(Run *run)
{
	return psprintf("%d tables on both sides%s", list_length(run->plan->tables),
					run->plan->source_in_recovery ? "; the source is a standby" : "");
}

/*
 * Counts connections before the plan begins its transaction.  BEGIN goes alone:
 * a pooler that refuses transactions may not get its reason through a long
 * answer.
 */
static void
run_check_connections(Run *run)
{
	source_show_texts(run->control);
	result_run(run->control, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
	run->room = source_room(run->control, SOURCE_BEGIN_ASKING, "COMMIT");
	if (source_room_free(run->room) < CONNECTIONS_MIN)
		ereport(ERROR,
				(errcode(ERRCODE_TOO_MANY_CONNECTIONS),
				 errmsg("the source has too few connections for a pull"),
				 errdetail("A pull needs %d at least. %s.", CONNECTIONS_MIN, source_room_text(run->room)),
				 errhint("%s", source_room_hint(run->room, CONNECTIONS_MIN))));
}

/* Says so if not all loaders will have one. */
static char *
describe_connections(Run *run)
{
	int			free = source_room_free(run->room);
	int			loaders = Min(free - 1, run->request->jobs);

	return psprintf("%s; a pull takes up to %d: %d of %d loaders", source_room_text(run->room),
					run->request->jobs + 1, loaders, run->request->jobs);
}

/* Starts the loaders that a pull would start. */
static void
run_check_workers(Run *run)
{
	run_start_loaders(run, run->request->jobs);
}

static char *
describe_workers(Run *run)
{
	return psprintf("leader%s and %d of %d loaders", run->tunnel ? ", tunnel" : "", pool_size(run->pool), run->request->jobs);
}

/* Reports tables that failed and tables whose columns differ. */
static void
send_table_steps(Run *run)
{
	ListCell   *lc;

	foreach(lc, run->plan->tables)
	{
		TablePlan  *table = lfirst(lc);
		char	   *name = psprintf("table %s", table->display);

		if (!outcome_is_well(run->outcomes, table))
			send_step(name, false, outcome_error(run->outcomes, table),
					  outcome_hint(run->outcomes, table));
		else if (table->missing_columns || table->extra_columns || table->type_changes)
			send_step(name, true,
					  psprintf("columns missing here: %d, only here: %d, of another type: %d",
							   list_length(table->missing_columns),
							   list_length(table->extra_columns),
							   list_length(table->type_changes)),
					  NULL);
	}
}

/* Reports what else to know of the tables. */
static void
send_remarks(Run *run)
{
	ListCell   *lc;
	ListCell   *lc_remark;

	foreach(lc, run->plan->tables)
	{
		TablePlan  *table = lfirst(lc);

		foreach(lc_remark, outcome_is_well(run->outcomes, table) ? table->remarks : NIL)
		{
			const TableRemark *remark = lfirst(lc_remark);

			send_step(psprintf("%s %s", remark->subject, table->display), remark->ok,
					  remark->detail, remark->hint);
		}
	}
}

/* Makes one step and reports it; false if it failed. */
static bool
try_step(Run *run, const char *name, void (*step) (Run *run), char *(*describe) (Run *run))
{
	volatile bool ok = false;

	PG_TRY();
	{
		step(run);
		send_step(name, true, describe(run), NULL);
		ok = true;
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		MemoryContextSwitchTo(run->context);
		if (geterrcode() == ERRCODE_QUERY_CANCELED)
			PG_RE_THROW();
		edata = CopyErrorData();
		FlushErrorState();
		if (step == run_open_narrow_tunnel && run->tunnel != NULL)
			send_tunnel_steps(run);
		send_error_step(name, edata);
	}
	PG_END_TRY();
	return ok;
}

/* Each step needs those before it: the first that fails is the last. */
void
run_check(Run *run)
{
	static const struct
	{
		const char *name;
		void		(*step) (Run *run);
		char	   *(*describe) (Run *run);
	}			steps[] =
	{
		{"environment file", run_read_env, describe_env},
		{"destination", run_check_destination, describe_destination},
		{"configuration", run_read_config, describe_config},
		{"ssh target", run_resolve_route, describe_route},
		{"tunnel", run_open_narrow_tunnel, describe_tunnel},
		{"workers", run_check_workers, describe_workers},
		{"source", run_connect, describe_source},
		{"connections", run_check_connections, describe_connections},
		{"plan", run_make_plan, describe_plan}
	};

	trace_begin(run->request->log_level, 0);
	for (int i = 0; i < lengthof(steps); i++)
		if (!try_step(run, steps[i].name, steps[i].step, steps[i].describe))
			break;
	if (run->plan != NULL)
	{
		send_table_steps(run);
		send_remarks(run);
	}
	HOLD_INTERRUPTS();
	AbortOutOfAnyTransaction();
	MemoryContextSwitchTo(run->context);
	run_stop_children(run);
	RESUME_INTERRUPTS();
}
