/*-------------------------------------------------------------------------
 *
 * append_run.c
 *	  An append: batch by batch, each committed by itself.
 *
 * This is for tables that only grow and are too large to be pulled at once.
 * Referenced tables come before those that refer to them.  For each table
 * these steps repeat until a batch is not full:
 *
 *		claim the table and check it once more
 *		ask the source for the rows beyond the highest value
 *		a loader stages them
 *		merge, foreign keys, sequences, audit: one commit ends the locks
 *
 * All batches are read from the run's one snapshot of the source.  However the
 * run ends, committed batches stay and the audit gives their number; the next
 * call continues from the highest value in the table.
 *
 * Between two batches others may lock the table for writes or ALTER TABLE, but
 * not for another append.  A writer may add rows with values beyond those of
 * the last batch.  So the next batch starts after the run's own last value,
 * and not after the highest value in the table.  A table without a primary key
 * could get rows twice that way; there the highest value in the table decides.
 *
 * An append is the only kind of run that changes tables in more than one
 * commit.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "plan/append_query.h"
#include "staging/column_max.h"
#include "run/append_run.h"
#include "run/run_tables.h"
#include "apply/locking.h"
#include "base/worker_message.h"
#include "apply/apply.h"
#include "staging/staging.h"

/* as in pgsync */
#define DEFAULT_BATCH_SIZE	10000

static TablePlan *
find_table(const Run *run, Oid relid)
{
	ListCell   *lc;

	foreach(lc, run->plan->tables)
	{
		TablePlan  *table = lfirst(lc);

		if (outcome_is_well(run->outcomes, table) && table->relid == relid)
			return table;
	}
	elog(ERROR, "table %u is not in the plan", relid);
	return NULL;
}

/* The value after which the next batch starts; NULL: at the first row. */
static char *
next_bound(const TablePlan *table, const char *last)
{
	char	   *value;

	if (last != NULL && batches_are_keyed(table))
		return pstrdup(last);
	PushActiveSnapshot(GetTransactionSnapshot());
	value = highest_value(table->relid, batches_cursor(table)->attnum);
	PopActiveSnapshot();
	return value;
}

/* The last value of the staged batch. */
static char *
batch_end(Run *run, const TablePlan *table)
{
	char	   *value;

	PushActiveSnapshot(GetTransactionSnapshot());
	value = highest_of_batch(outcome_staging(run->outcomes, table->index),
							 batches_cursor(table)->attnum);
	PopActiveSnapshot();
	return value;
}

/* Claims the table for one batch; false if it was altered and has failed. */
static bool
enter_table(Run *run, TablePlan *table)
{
	lock_against_runs(list_make1_oid(table->relid), false, run->request->lock_timeout);
	run_recheck(run, list_make1(table));
	run_report_failed(run);
	return outcome_is_well(run->outcomes, table);
}

/* Drops staging heaps that are not needed. */
static void
drop_staged(Run *run)
{
	PushActiveSnapshot(GetTransactionSnapshot());
	staging_drop_of_run(run->id, NIL);
	PopActiveSnapshot();
}

/* Commits the transaction with the batch in it, and begins the next one. */
static void
commit_batch(Run *run, const TablePlan *table)
{
	AppendedRows *appended = outcome_appended(run->outcomes, table->index);
	const LoadResult *batch = outcome_result(run->outcomes, table->index);

	outcome_write(run->outcomes, table->index, run->id, true);
	audit_totals(run->id, outcomes_totals(run->outcomes));
	HOLD_INTERRUPTS();
	run_commit_targets(run, false);
	outcome_consumed(run->outcomes, table->index);
	appended->batches++;
	appended->rows += batch->rows;
	appended->bytes += batch->bytes;
	appended->seconds += batch->seconds;
	RESUME_INTERRUPTS();
	run_await_standbys(run);
	run_begin_transaction(run);
}

/* Loads and commits the batch after *last; true if another one may follow. */
static bool
append_batch(Run *run, TablePlan *table, int batch_size, char **last)
{
	const LoadResult *batch = outcome_result(run->outcomes, table->index);
	char	   *end;

	if (!enter_table(run, table))
		return false;
	run_submit(run, table, batches_copy_sql(table, next_bound(table, *last), batch_size));
	run_await_loads(run);
	run_report_failed(run);
	if (!outcome_is_well(run->outcomes, table))
		return false;
	if (batch->rows == 0)
	{
		drop_staged(run);
		outcome_consumed(run->outcomes, table->index);
		return false;
	}
	end = batch_end(run, table);
	run_replace_tables(run, outcomes_staged(run->outcomes));
	if (!outcome_is_well(run->outcomes, table))
		return false;
	commit_batch(run, table);
	if (*last != NULL)
		pfree(*last);
	*last = MemoryContextStrdup(run->context, end);
	return batch->rows >= batch_size;
}

int
append_batch_size(const Run *run)
{
	return run->request->batch_size ? run->request->batch_size : DEFAULT_BATCH_SIZE;
}

static void
append_table(Run *run, TablePlan *table)
{
	int			batch_size = append_batch_size(run);
	MemoryContext batch_context = AllocSetContextCreate(run->context, "pgtunsync batch",
														ALLOCSET_DEFAULT_SIZES);
	char	   *last = NULL;
	bool		more = table->batches != NULL;

	while (more)
	{
		MemoryContextSwitchTo(batch_context);
		more = append_batch(run, table, batch_size, &last);
		MemoryContextSwitchTo(run->context);
		MemoryContextReset(batch_context);
		table->partition_check = table->shape = NULL;	/* of the batch's memory */
		relay_flush();
	}
	MemoryContextDelete(batch_context);
	if (outcome_is_well(run->outcomes, table))
		outcome_appended(run->outcomes, table->index)->complete = true;
}

void
run_append(Run *run)
{
	List	   *order = integrity_order(run_planned_oids(run));
	ListCell   *lc;

	run_report_phase(run, "SYNCING, appending");
	run_start_loading(run);
	foreach(lc, order)
		append_table(run, find_table(run, lfirst_oid(lc)));
}

/*
 * The last commit is the final state of the audit; the rows are committed
 * already.
 */
void
run_finish_append(Run *run)
{
	char	   *error = outcomes_error_text(run->outcomes);
	const AuditTotals *totals = outcomes_totals(run->outcomes);
	const char *failure = totals->tables > 0 ? "partial" : "failed";

	drop_staged(run);
	outcomes_write(run->outcomes, run->id, false);
	audit_finish(run->id, error ? failure : "succeeded", totals, error,
				 outcomes_sqlerrcode(run->outcomes));
	HOLD_INTERRUPTS();
	run_commit_transaction(run);
	run->committed = true;
	if (error == NULL)
		relay_send(RUN_MSG_COMMITTED, "", 0);
	RESUME_INTERRUPTS();
}
