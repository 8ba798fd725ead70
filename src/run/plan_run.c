/*-------------------------------------------------------------------------
 *
 * plan_run.c
 *	  A plan: the steps of a pull up to the plan, a report for each table.
 *
 * pgtunsync.plan() takes the arguments of a pull and runs the same code:
 * tunnel, both catalogs, EXPLAIN of clauses and masks on the source, the
 * second check of each local table.  Then it stops.  No row of a table is
 * sent, there are no loaders and no audit row, and the local tables are locked
 * as a SELECT locks them.
 *
 * Excluded tables and unknown names, which a pull leaves out or raises, are
 * rows of the result (PlanRequest.survey).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "plan/keep.h"
#include "run/plan_run.h"
#include "apply/locking.h"
#include "base/worker_message.h"
#include "run/request.h"
#include "plan/rewrite.h"

static const char *
status_of(const Run *run, const TablePlan *table)
{
	if (table->left_out != NULL)
		return table->left_out;
	if (!outcome_is_well(run->outcomes, table))
		return "refused";
	return table->empty && table->mode == LAND_REPLACE ? "emptied" : "pulled";
}

static void
send_table(const Run *run, const TablePlan *table)
{
	bool		pulled = outcome_is_well(run->outcomes, table);
	PlanRow		row = {
		.table = table->display,
		.status = unconstify(char *, status_of(run, table)),
		.mode = pulled ? unconstify(char *, landing_name(table->mode)) : NULL,
		.filter = table->empty && table->mode == LAND_REPLACE ? NULL : table->filter,
		.columns = run_column_names(table),
		.masked = table->masked_columns,
		.unmasked = table->unmasked_columns,
		.rewritten = rewrite_texts(table->rewrites),
		.keep = keep_texts(table->keep),
		.missing = table->missing_columns,
		.extra = table->extra_columns,
		.retyped = table->type_changes,
		.source_rows = table->source_rows,
		.source_bytes = table->source_oids != NIL ? table->source_bytes : -1,
		.local_rows = table->local_rows,
		.reason = pulled ? table->note : outcome_error(run->outcomes, table),
		.hint = outcome_hint(run->outcomes, table)
	};
	StringInfoData buf;

	initStringInfo(&buf);
	plan_row_pack(&buf, &row);
	relay_send(RUN_MSG_PLANNED, buf.data, buf.len);
	pfree(buf.data);
}

/* Checks the tables as a pull does, under a lock that keeps only DDL out. */
static void
look_at_tables(Run *run)
{
	List	   *oids = run_planned_oids(run);

	lock_check_capacity(oids);
	lock_targets(oids, AccessShareLock, run->request->lock_timeout);
	run_recheck(run, run->plan->tables);
}

void
run_preview(Run *run)
{
	ListCell   *lc;

	run_read_env(run);
	run_check_destination(run);
	run_read_config(run);
	run_resolve_route(run);
	run_open_narrow_tunnel(run);
	run_connect(run);
	run_make_plan(run);
	look_at_tables(run);
	foreach(lc, run->plan->tables)
		send_table(run, lfirst(lc));

	HOLD_INTERRUPTS();
	AbortOutOfAnyTransaction();
	MemoryContextSwitchTo(run->context);
	run_stop_children(run);
	RESUME_INTERRUPTS();
}
