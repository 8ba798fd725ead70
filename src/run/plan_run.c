/*-------------------------------------------------------------------------
 *
 * plan_run.c
 *	  A plan: the steps of a pull up to the plan, a report for each table.
 *
 * pgtunsync.plan() takes the arguments of a pull and runs the same code:
 * tunnel, both catalogs, EXPLAIN of clauses and masks on the source, the
 * second check of each local table.  Then it stops.  No row of a table is
 * sent, there are no loaders and no audit row, and the local tables are locked
 * as a SELECT locks them.  The rows that a pull would replace here are
 * estimated.
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
#include "utils/snapmgr.h"

#include "apply/locking.h"
#include "base/worker_message.h"
#include "plan/append_query.h"
#include "plan/keep.h"
#include "plan/local_rows.h"
#include "plan/rewrite.h"
#include "run/append_run.h"
#include "run/plan_run.h"
#include "run/request.h"
#include "staging/column_max.h"

static const char *
status_of(const Run *run, const TablePlan *table)
{
	if (table->left_out != NULL)
		return table->left_out;
	if (!outcome_is_well(run->outcomes, table))
		return "refused";
	return table->empty && table->mode == LAND_REPLACE ? "emptied" : "pulled";
}

/* The two texts, one in each line; both may be NULL. */
static char *
add_line(char *text, char *line)
{
	return text && line ? psprintf("%s\n%s", text, line) : text ? text : line;
}

/* What else is to be known of the table. */
static void
set_remarks(const TablePlan *table, PlanRow *row)
{
	ListCell   *lc;

	row->reason = table->note;
	foreach(lc, table->remarks)
	{
		const TableRemark *remark = lfirst(lc);

		row->reason = add_line(row->reason, psprintf("%s %s: %s", remark->subject, table->display,
													 remark->detail));
		row->hint = add_line(row->hint, remark->hint);
	}
}

/*
 * Local rows that the pull removes or overwrites, an estimate: at most so many
 * if others are kept, or if only those with the keys of pulled rows change.
 * -1: unknown.
 */
static double
rows_lost(const TablePlan *table)
{
	double		rows;

	if (table->mode == LAND_APPEND || table->mode == LAND_PRESERVE)
		return 0;
	PushActiveSnapshot(GetTransactionSnapshot());
	rows = local_rows_estimate(table->relid);
	PopActiveSnapshot();
	if (table->mode == LAND_OVERWRITE && table->expected_rows >= 0)
		return Min(rows, table->expected_rows);
	return rows;
}

/* "users_id_seq: 1000" for each sequence that is set. */
static List *
sequence_texts(const TablePlan *table)
{
	List	   *texts = NIL;
	ListCell   *lc;

	foreach(lc, table->sequences)
	{
		SequencePlan *sequence = lfirst(lc);

		texts = lappend(texts, sequence->follows ?
						psprintf("%s: " INT64_FORMAT, sequence->display, sequence->last_value) :
						psprintf("%s: the highest key", sequence->display));
	}
	return texts;
}

/* The statement for the source; for an append, that of the first batch. */
static char *
copy_text(const Run *run, const TablePlan *table)
{
	char	   *last;

	if (table->batches == NULL)
		return table->copy_sql;
	PushActiveSnapshot(GetTransactionSnapshot());
	last = highest_value(table->relid, batches_cursor(table)->attnum);
	PopActiveSnapshot();
	return batches_copy_sql(table, last, append_batch_size(run));
}

/* What is known only of a table that would be pulled. */
static void
set_effects(const Run *run, const TablePlan *table, PlanRow *row)
{
	row->mode = unconstify(char *, landing_name(table->mode));
	row->rows_expected = table->expected_rows;
	row->rows_lost = rows_lost(table);
	row->sequences = sequence_texts(table);
	row->source_sql = copy_text(run, table);
}

static void
send_table(const Run *run, const TablePlan *table)
{
	bool		pulled = outcome_is_well(run->outcomes, table);
	PlanRow		row = {
		.table = table->display,
		.status = unconstify(char *, status_of(run, table)),
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
		.source_bytes = table->source_rows >= 0 ? table->source_bytes : -1,
		.local_rows = table->local_rows,
		.reason = outcome_error(run->outcomes, table),
		.hint = outcome_hint(run->outcomes, table),
		.rows_expected = -1,
		.rows_lost = -1
	};
	StringInfoData buf;

	if (pulled)
	{
		set_remarks(table, &row);
		set_effects(run, table, &row);
	}
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
	lock_targets(oids, AccessShareLock, run->request->lock_timeout, run->request->plan.role);
	run_recheck(run, run->plan->tables);
	outcomes_fail_incomplete(run->outcomes, run->plan);
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
