/*-------------------------------------------------------------------------
 *
 * outcome.c
 *	  What became of each table of a run.
 *
 * The leader collects the reports of the loaders here.  A table has failed if
 * it has an error here, whether the plan refused it or something failed later.
 * At the end the outcomes are written to the audit and decide between
 * "succeeded" and "partial".
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/elog.h"
#include "utils/fmgrprotos.h"

#include "apply/foreign_keys.h"
#include "base/text.h"
#include "base/worker_message.h"
#include "plan/partition_group.h"
#include "run/outcome.h"

/* how many failed tables an error message names */
#define NAMED_TABLES	20
/* how many failures of a kind are reported one by one, at most */
#define ALIKE_GATHERED	5

typedef struct Outcome
{
	const TablePlan *plan;
	bool		loaded;
	LoadResult	result;
	AppendedRows appended;
	bool		merged;			/* into the rows that were there */
	int64		inserted;
	int64		updated;
	bool		reported;		/* the caller knows of the error */
	bool		deferred;		/* it is reported with others of its SQLSTATE */
	char	   *error;			/* NULL unless it failed */
	int			sqlerrcode;
	char	   *detail;
	char	   *hint;
} Outcome;

struct Outcomes
{
	MemoryContext context;		/* for the texts of errors */
	int			n;
	Outcome    *tables;			/* by index in the plan */
	AuditTotals totals;
};

Outcomes *
outcomes_create(const RunPlan *plan)
{
	Outcomes   *outcomes = palloc0(sizeof(Outcomes));
	ListCell   *lc;

	outcomes->context = CurrentMemoryContext;
	outcomes->tables = palloc0(sizeof(Outcome) * Max(1, list_length(plan->tables)));
	foreach(lc, plan->tables)
	{
		TablePlan  *table = lfirst(lc);

		Assert(table->index == outcomes->n);
		outcomes->tables[outcomes->n++].plan = table;
		if (table->message != NULL)
			outcome_fail(outcomes, table, table->sqlerrcode, table->message,
						 table->detail, table->hint);
	}
	return outcomes;
}

void
outcome_loaded(Outcomes *outcomes, const LoadResult *result)
{
	Outcome    *outcome = &outcomes->tables[result->index];

	outcome->loaded = true;
	outcome->result = *result;
}

/*
 * The message with the position that COPY gives ("COPY t, line 7, column c"),
 * but without the value after it: other roles may read the audit.
 */
static char *
message_with_place(const ErrorData *error)
{
	int			len;

	if (error->context == NULL || strncmp(error->context, "COPY ", 5) != 0)
		return pstrdup(error->message);
	len = strcspn(error->context, "\n");
	for (int i = 0; i + 2 < len; i++)
		if (strncmp(error->context + i, ": \"", 3) == 0)
			len = i;
	return psprintf("%s (%.*s)", error->message, len, error->context);
}

void
outcome_note_error(Outcomes *outcomes, const TablePlan *table, const ErrorData *error)
{
	Outcome    *outcome = &outcomes->tables[table->index];

	outcome->loaded = false;
	outcome->reported = true;
	outcome->error = MemoryContextStrdup(outcomes->context, message_with_place(error));
	outcome->sqlerrcode = error->sqlerrcode;
	outcome->detail = outcome->hint = NULL;
}

static char *
copy_text(const Outcomes *outcomes, const char *text)
{
	return text == NULL ? NULL : MemoryContextStrdup(outcomes->context, text);
}

void
outcome_fail(Outcomes *outcomes, const TablePlan *table, int sqlerrcode,
			 const char *message, const char *detail, const char *hint)
{
	Outcome    *outcome = &outcomes->tables[table->index];

	outcome->loaded = false;
	outcome->reported = false;
	outcome->error = copy_text(outcomes, message);
	outcome->sqlerrcode = sqlerrcode;
	outcome->detail = copy_text(outcomes, detail);
	outcome->hint = copy_text(outcomes, hint);
}

/* The text without the name of its table. */
static char *
without_name(const char *text, const char *name)
{
	const char *at = text ? strstr(text, name) : NULL;

	if (at == NULL)
		return pstrdup(text ? text : "");
	return psprintf("%.*s%%%s", (int) (at - text), text, at + strlen(name));
}

/*
 * What failures have in common that differ in their table alone.  Those that
 * wait because there were enough like them have the SQLSTATE in common.
 */
static char *
kind_of(const Outcome *outcome)
{
	const char *name = outcome->plan->display;

	if (outcome->deferred)
		return pstrdup(unpack_sql_state(outcome->sqlerrcode));
	return psprintf("%s\n%s\n%s", without_name(outcome->error, name),
					without_name(outcome->detail, name), without_name(outcome->hint, name));
}

/* The kinds of the failures that are not reported yet, NULL for the others. */
static char **
kinds_of(const Outcomes *outcomes)
{
	char	  **kinds = palloc0(sizeof(char *) * Max(1, outcomes->n));

	for (int i = 0; i < outcomes->n; i++)
	{
		if (outcomes->tables[i].error != NULL && !outcomes->tables[i].reported)
			kinds[i] = kind_of(&outcomes->tables[i]);
	}
	return kinds;
}

/* The names of the later tables that failed alike. */
static List *
names_alike(const Outcomes *outcomes, char **kinds, int first)
{
	List	   *names = NIL;

	for (int i = first + 1; i < outcomes->n; i++)
	{
		if (kinds[i] != NULL && strcmp(kinds[i], kinds[first]) == 0)
			names = lappend(names, outcomes->tables[i].plan->display);
	}
	return names;
}

/* The failures of that kind count as reported. */
static void
mark_alike(Outcomes *outcomes, char **kinds, int first)
{
	for (int i = first; i < outcomes->n; i++)
	{
		if (kinds[i] != NULL && strcmp(kinds[i], kinds[first]) == 0)
			outcomes->tables[i].reported = true;
	}
}

/* "The same is true of 3 more tables: a, b, c.", or NULL. */
static char *
alike_text(const Outcome *outcome, const List *alike)
{
	if (alike == NIL)
		return NULL;
	return psprintf(outcome->deferred ? "%d more with this SQLSTATE: %s." :
					"The same is true of %d more tables: %s.",
					list_length(alike), names_text(alike, false));
}

static void
report_failure(Outcome *outcome, const List *alike, int elevel)
{
	char	   *more = alike_text(outcome, alike);

	if (more != NULL && outcome->detail != NULL)
		more = psprintf("%s\n%s", outcome->detail, more);
	outcome->reported = true;
	ereport(elevel,
			(errcode(outcome->sqlerrcode),
			 outcome->deferred ?
			 errmsg("table %s could not be pulled: %s", outcome->plan->display, outcome->error) :
			 errmsg("%s", outcome->error),
			 more ? errdetail("%s", more) : outcome->detail ? errdetail("%s", outcome->detail) : 0,
			 outcome->hint ? errhint("%s", outcome->hint) : 0));
}

void
outcomes_report(Outcomes *outcomes, int elevel)
{
	char	  **kinds = kinds_of(outcomes);

	for (int i = 0; i < outcomes->n; i++)
	{
		List	   *alike;

		if (kinds[i] == NULL || outcomes->tables[i].reported)
			continue;
		alike = names_alike(outcomes, kinds, i);
		if (list_length(alike) < ALIKE_GATHERED && !outcomes->tables[i].deferred)
			alike = NIL;
		if (alike != NIL)
			mark_alike(outcomes, kinds, i);
		report_failure(&outcomes->tables[i], alike, elevel);
	}
	pfree(kinds);
}

bool
outcome_defer(Outcomes *outcomes, const TablePlan *table)
{
	Outcome    *outcome = &outcomes->tables[table->index];
	int			before = 0;

	for (int i = 0; i < outcomes->n; i++)
	{
		if (outcomes->tables[i].error != NULL && outcomes->tables[i].reported &&
			outcomes->tables[i].sqlerrcode == outcome->sqlerrcode)
			before++;
	}
	/* the table itself is among them */
	outcome->deferred = before > ALIKE_GATHERED;
	outcome->reported = !outcome->deferred;
	return outcome->deferred;
}

AppendedRows *
outcome_appended(Outcomes *outcomes, int index)
{
	return &outcomes->tables[index].appended;
}

const LoadResult *
outcome_result(const Outcomes *outcomes, int index)
{
	return &outcomes->tables[index].result;
}

void
outcome_consumed(Outcomes *outcomes, int index)
{
	outcomes->tables[index].loaded = false;
}

static bool
has_failed(const TablePlan *table, void *arg)
{
	return !outcome_is_well(arg, table);
}

static void
fail_part(TablePlan *table, const TablePlan *failed, char *message, void *arg)
{
	Outcomes   *outcomes = arg;

	outcome_fail(outcomes, table, outcomes->tables[failed->index].sqlerrcode, message, NULL, NULL);
}

void
outcomes_fail_incomplete(Outcomes *outcomes, const RunPlan *plan)
{
	partitions_fail_together(plan->tables, has_failed, fail_part, outcomes);
}

bool
outcome_is_well(const Outcomes *outcomes, const TablePlan *table)
{
	return outcomes->tables[table->index].error == NULL;
}

char *
outcome_error(const Outcomes *outcomes, const TablePlan *table)
{
	const Outcome *outcome = &outcomes->tables[table->index];

	if (outcome->error == NULL || outcome->detail == NULL)
		return outcome->error;
	return psprintf("%s\n%s", outcome->error, outcome->detail);
}

char *
outcome_hint(const Outcomes *outcomes, const TablePlan *table)
{
	return outcomes->tables[table->index].hint;
}

Oid
outcome_staging(const Outcomes *outcomes, int index)
{
	const Outcome *outcome = &outcomes->tables[index];

	return outcome->loaded ? outcome->result.staging : InvalidOid;
}

List *
outcomes_staged(const Outcomes *outcomes)
{
	List	   *staged = NIL;

	for (int i = 0; i < outcomes->n; i++)
	{
		StagedTable *table;

		if (!outcomes->tables[i].loaded)
			continue;
		table = palloc0(sizeof(StagedTable));
		table->plan = outcomes->tables[i].plan;
		table->kept = outcomes->tables[i].result.kept;
		table->target = outcomes->tables[i].plan->relid;
		table->staging = outcomes->tables[i].result.staging;
		table->fingerprint = outcomes->tables[i].result.fingerprint;
		staged = lappend(staged, table);
	}
	return staged;
}

/* True if an append has committed rows, or found that there are none. */
static bool
has_landed(const Outcome *outcome)
{
	return outcome->appended.rows > 0 || outcome->appended.complete;
}

List *
outcomes_targets(const Outcomes *outcomes)
{
	List	   *targets = NIL;

	for (int i = 0; i < outcomes->n; i++)
		if (outcomes->tables[i].loaded || has_landed(&outcomes->tables[i]))
			targets = lappend_oid(targets, outcomes->tables[i].plan->relid);
	return targets;
}

void
outcomes_landed(Outcomes *outcomes, const List *staged)
{
	ListCell   *lc;

	foreach(lc, staged)
	{
		StagedTable *table = lfirst(lc);
		Outcome    *outcome = &outcomes->tables[table->plan->index];

		outcome->merged = staged_merges(table) && !table->failed;
		outcome->inserted = table->inserted;
		outcome->updated = table->updated;
		outcome->result.rows += table->kept.yielded - table->kept_now.yielded;
		outcome->result.kept = table->kept_now;
	}
}

bool
outcomes_any_merged(const Outcomes *outcomes)
{
	for (int i = 0; i < outcomes->n; i++)
		if (outcomes->tables[i].merged || has_landed(&outcomes->tables[i]))
			return true;
	return false;
}

/* One NOTICE for all tables. */
static void
report_merged_sums(const Outcomes *outcomes)
{
	int			tables = 0;
	int64		inserted = 0;
	int64		updated = 0;
	int64		rest = 0;

	for (int i = 0; i < outcomes->n; i++)
	{
		const Outcome *outcome = &outcomes->tables[i];

		if (!outcome->merged && !has_landed(outcome))
			continue;
		tables++;
		inserted += outcome->inserted + outcome->appended.rows;
		updated += outcome->updated;
		rest += outcome->merged ? outcome->result.rows - outcome->inserted - outcome->updated : 0;
	}
	if (tables > 0)
		ereport(NOTICE,
				(errmsg("%d tables keep their other rows: " INT64_FORMAT " inserted, " INT64_FORMAT " updated, " INT64_FORMAT " there already",
						tables, inserted, updated, rest)));
}

void
outcomes_report_merged(const Outcomes *outcomes, bool each)
{
	if (!each)
		report_merged_sums(outcomes);
	for (int i = 0; each && i < outcomes->n; i++)
	{
		const Outcome *outcome = &outcomes->tables[i];
		int64		rest = outcome->result.rows - outcome->inserted - outcome->updated;
		const char *display = outcome->plan->display;

		if (outcome->plan->mode == LAND_APPEND && has_landed(outcome))
			ereport(NOTICE,
					(errmsg("%s: " INT64_FORMAT " inserted in %d %s", display,
							outcome->appended.rows, outcome->appended.batches,
							outcome->appended.batches == 1 ? "batch" : "batches")));
		if (!outcome->merged)
			continue;
		if (outcome->plan->mode == LAND_OVERWRITE)
			ereport(NOTICE,
					(errmsg("%s: " INT64_FORMAT " inserted, " INT64_FORMAT " updated, " INT64_FORMAT " unchanged",
							display, outcome->inserted, outcome->updated, rest)));
		else
			ereport(NOTICE,
					(errmsg("%s: " INT64_FORMAT " inserted, " INT64_FORMAT " there already",
							display, outcome->inserted, rest)));
	}
}

static void
add_totals(AuditTotals *totals, int64 rows, int64 bytes)
{
	totals->rows += rows;
	totals->bytes += bytes;
}

static const AuditTotals *
sum_up(Outcomes *outcomes, bool with_loaded)
{
	AuditTotals *totals = &outcomes->totals;

	memset(totals, 0, sizeof(AuditTotals));
	for (int i = 0; i < outcomes->n; i++)
	{
		const Outcome *outcome = &outcomes->tables[i];
		bool		loaded = outcome->loaded && with_loaded;

		if (loaded || has_landed(outcome))
			totals->tables++;
		if (loaded)
		{
			add_totals(totals, outcome->result.rows, outcome->result.bytes);
			totals->kept += outcome->result.kept.rows;
			totals->yielded += outcome->result.kept.yielded;
		}
		add_totals(totals, outcome->appended.rows, outcome->appended.bytes);
	}
	return totals;
}

const AuditTotals *
outcomes_totals(Outcomes *outcomes)
{
	return sum_up(outcomes, true);
}

const AuditTotals *
outcomes_appended(Outcomes *outcomes)
{
	return sum_up(outcomes, false);
}

static int
count_failed(const Outcomes *outcomes)
{
	int			failed = 0;

	for (int i = 0; i < outcomes->n; i++)
		failed += outcomes->tables[i].error != NULL;
	return failed;
}

char *
outcomes_error_text(const Outcomes *outcomes)
{
	int			failed = count_failed(outcomes);
	StringInfoData text;
	int			named = 0;

	if (failed == 0)
		return NULL;
	initStringInfo(&text);
	appendStringInfo(&text, "%d of %d tables could not be pulled: ", failed, outcomes->n);
	for (int i = 0; i < outcomes->n && named <= NAMED_TABLES; i++)
	{
		if (outcomes->tables[i].error == NULL)
			continue;
		if (named == NAMED_TABLES)
			appendStringInfoString(&text, ", ...");
		else
			appendStringInfo(&text, "%s%s", named ? ", " : "", outcomes->tables[i].plan->display);
		named++;
	}
	return text.data;
}

int
outcomes_sqlerrcode(const Outcomes *outcomes)
{
	for (int i = 0; i < outcomes->n; i++)
		if (outcomes->tables[i].error != NULL)
			return outcomes->tables[i].sqlerrcode;
	return 0;
}

static const char *
table_status(const Outcome *outcome, bool swapped)
{
	if (outcome->error != NULL)
		return outcome->appended.rows > 0 ? "partial" : "failed";
	if (outcome->appended.complete)
		return "succeeded";
	if (outcome->plan->mode == LAND_APPEND)
		return outcome->appended.rows > 0 || (swapped && outcome->loaded) ? "partial" : "skipped";
	return swapped && outcome->loaded ? "succeeded" : "skipped";
}

/*
 * An append's rows are those of committed batches, and of the one being
 * committed.
 */
static void
fill_appended(AuditTable *row, const Outcome *outcome, bool swapped)
{
	const AppendedRows *appended = &outcome->appended;
	const LoadResult *batch = &outcome->result;
	bool		going_in = swapped && outcome->loaded;

	if (!has_landed(outcome) && !going_in)
		return;
	row->rows = row->inserted = appended->rows + (going_in ? batch->rows : 0);
	row->bytes = appended->bytes + (going_in ? batch->bytes : 0);
	row->seconds = appended->seconds + (going_in ? batch->seconds : 0);
	row->updated = 0;
}

void
outcome_write(const Outcomes *outcomes, int index, int64 run_id, bool swapped)
{
	const Outcome *outcome = &outcomes->tables[index];
	AuditTable	row = {
		.plan = outcome->plan,
		.status = table_status(outcome, swapped),
		.error = outcome->error,
		.sqlerrcode = outcome->error ? outcome->sqlerrcode : 0,
		.rows = -1,
		.inserted = -1,
		.updated = -1
	};

	if (outcome->plan->mode == LAND_APPEND)
		fill_appended(&row, outcome, swapped);
	else if (outcome->loaded)
	{
		row.rows = outcome->result.rows;
		row.bytes = outcome->result.bytes;
		row.seconds = outcome->result.seconds;
		row.kept = outcome->plan->keep != NIL ? &outcome->result.kept : NULL;
	}
	if (swapped && outcome->merged)
	{
		row.inserted = outcome->inserted;
		row.updated = outcome->updated;
	}
	audit_table(run_id, &row);
}

void
outcomes_write(const Outcomes *outcomes, int64 run_id, bool swapped)
{
	for (int i = 0; i < outcomes->n; i++)
		outcome_write(outcomes, i, run_id, swapped);
}

/* One line for each failed table. */
static char *
failures_detail(const Outcomes *outcomes)
{
	StringInfoData text;
	int			named = 0;

	initStringInfo(&text);
	for (int i = 0; i < outcomes->n && named < NAMED_TABLES; i++)
	{
		const Outcome *outcome = &outcomes->tables[i];

		if (outcome->error != NULL)
		{
			appendStringInfo(&text, "%s%s: %s", named ? "\n" : "",
							 outcome->plan->display, outcome->error);
			named++;
		}
	}
	return text.data;
}

void
outcomes_raise(const Outcomes *outcomes, int64 run_id)
{
	int			failed = count_failed(outcomes);

	if (failed == 0)
		return;
	ereport(ERROR,
			(errcode(outcomes_sqlerrcode(outcomes)),
			 errmsg("%s", outcomes_error_text(outcomes)),
			 errdetail("%s", failures_detail(outcomes)),
			 outcomes->totals.tables > 0 && outcomes_any_merged(outcomes) ?
			 errhint("What has landed stays; see pgtunsync.run_tables for run_id " INT64_FORMAT ".", run_id) :
			 failed < outcomes->n ?
			 errhint("The other tables were replaced; see pgtunsync.run_tables for run_id " INT64_FORMAT ".", run_id) :
			 errhint("No table was changed; see pgtunsync.run_tables for run_id " INT64_FORMAT ".", run_id)));
}
