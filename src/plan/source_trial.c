/*-------------------------------------------------------------------------
 *
 * source_trial.c
 *	  SQL from the configuration or the caller, tried on the source.
 *
 * EXPLAIN on the source tells whether a SELECT with a clause or a mask in it
 * could run.  All are tried at once.  Only if that fails, they are tried one
 * by one to find the table and the column.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"

#include "base/text.h"
#include "plan/copy_settings.h"
#include "plan/copy_sql.h"
#include "plan/plan_rights.h"
#include "plan/planner_state.h"
#include "plan/source_trial.h"
#include "schema/source_catalog.h"

/*
 * A SELECT with people's SQL or masks in it: the source is asked whether it
 * could run it.
 */
typedef struct Trial
{
	TablePlan  *table;
	CopyQuery  *query;
	SourceEstimate estimate;
} Trial;

/* True if there are values that nobody here may see. */
static bool
has_rules(const Planner *planner)
{
	return planner->request->rules && planner->config->data_rules != NIL;
}

static char *
trial_sql(const Planner *planner, Trial *trial)
{
	List	   *settings = copy_settings(planner, trial->table);

	trial->estimate.settings = list_length(settings);
	return psprintf("%sEXPLAIN %s", copy_settings_text(settings), copy_select(trial->query));
}

/* The same as a statement that is parsed, but neither planned nor run. */
static char *
parse_sql(const Planner *planner, const Trial *trial)
{
	return psprintf("%sPREPARE pgtunsync_trial AS %s; DEALLOCATE pgtunsync_trial",
					copy_settings_text(copy_settings(planner, trial->table)),
					copy_select(trial->query));
}

/*
 * Asks the source whether it could run the SELECT; returns its error or NULL.
 * The planner evaluates what a clause asks for in order to estimate
 * (table_to_xml(), for example), so that errors of EXPLAIN can hold values of
 * tables.  The parser reads no table: what it has to say is shown.  A table
 * that is locked there is not waited for: its loader will see.
 */
static ErrorData *
try_select(Planner *planner, Trial *trial)
{
	ErrorData  *error = NULL;
	bool		locked = false;

	if (has_rules(planner))
	{
		source_show_texts(planner->control);
		error = source_catalog_try(planner->control, parse_sql(planner, trial), &locked);
	}
	if (error == NULL)
		error = source_catalog_explain(planner->control, trial_sql(planner, trial),
									   list_make1(&trial->estimate), &locked);
	return locked ? NULL : error;
}

/*
 * The column whose mask the source refuses by itself, with its error; or NULL.
 */
static CatalogColumn *
find_bad_mask(Planner *planner, const Trial *trial, ErrorData **error)
{
	ListCell   *lc;

	foreach(lc, trial->query->columns)
	{
		CatalogColumn *column = lfirst(lc);
		CopyQuery	query = *trial->query;
		Trial		one = {.table = trial->table, .query = &query};

		if (column->mask == NULL && column->computed == NULL)
			continue;
		query.columns = list_make1(column);
		query.clause = NULL;
		*error = try_select(planner, &one);
		if (*error != NULL)
			return column;
	}
	return NULL;
}

/* True if the source's role lacks SELECT on a relation of that name. */
static bool
is_unreadable(Planner *planner, const TablePlan *table, const char *name)
{
	double		count = 0;
	char	   *sql = psprintf("SELECT FROM (VALUES (%s)) v (name)"
							   " WHERE NOT pg_catalog.has_table_privilege("
							   "pg_catalog.to_regclass(v.name)::pg_catalog.oid, 'SELECT')",
							   quote_literal_cstr(name));

	return source_catalog_count(planner->control, sql, copy_settings(planner, table), false,
								&count) == NULL && count > 0;
}

/*
 * The relations that a SELECT names and the source's role may not read, if the
 * error is about that.
 */
static List *
unreadable_relations(Planner *planner, const Trial *trial, const ErrorData *error)
{
	List	   *unreadable = NIL;
	ListCell   *lc;

	if (error->sqlerrcode != ERRCODE_INSUFFICIENT_PRIVILEGE)
		return NIL;
	foreach(lc, clause_relations(copy_select(trial->query)))
	{
		if (is_unreadable(planner, trial->table, lfirst(lc)))
			unreadable = lappend(unreadable, lfirst(lc));
	}
	return unreadable;
}

/*
 * "Permission denied" with its text hidden does not tell for what.  The names
 * of the relations are in the statement that we sent, so they can be shown.
 */
static char *
trial_detail(const Planner *planner, List *unreadable, const ErrorData *error)
{
	if (!has_rules(planner) || unreadable == NIL)
		return error->detail;
	return psprintf("The source's role may not read all columns of: %s.",
					names_text(unreadable, false));
}

static char *
trial_hint(const Planner *planner, List *unreadable, const ErrorData *error)
{
	return unreadable == NIL ? error->hint : plan_select_grant(planner, unreadable);
}

/* "DETAIL of the error", on a line of its own behind what we say. */
static char *
with_detail(char *text, const char *detail)
{
	if (text == NULL || detail == NULL)
		return text ? text : unconstify(char *, detail);
	return psprintf("%s\n%s", text, detail);
}

static void
try_one(Planner *planner, Trial *trial)
{
	TablePlan  *table = trial->table;
	ErrorData  *error;
	ErrorData  *mask_error;
	CatalogColumn *column;
	List	   *unreadable;

	error = try_select(planner, trial);
	if (error == NULL)
		return;
	column = find_bad_mask(planner, trial, &mask_error);
	unreadable = unreadable_relations(planner, trial, column ? mask_error : error);
	if (column != NULL)
		table_fail(table, mask_error->sqlerrcode,
				   psprintf("cannot pull %s: the data rule for column %s cannot work: %s", table->display,
							quote_identifier(column->name), mask_error->message),
				   with_detail(psprintf("The rule is %s.", plan_column_rule(table, column->name)),
							   trial_detail(planner, unreadable, mask_error)),
				   trial_hint(planner, unreadable, mask_error));
	else
		table_fail(table, error->sqlerrcode,
				   psprintf("cannot pull %s by its clause: %s", table->display, error->message),
				   with_detail(table->filter ? psprintf("The clause is: %s", table->filter) : NULL,
							   trial_detail(planner, unreadable, error)),
				   trial_hint(planner, unreadable, error));
}

/* A clause makes the catalog's numbers useless: the rows are the planner's. */
static void
expect_rows(const Trial *trial)
{
	TablePlan  *table = trial->table;

	if (!table->user_sql || table->mode == LAND_APPEND || trial->estimate.rows < 0)
		return;
	table->expected_rows = trial->estimate.rows;
	table->expected_bytes = trial->estimate.rows * trial->estimate.width;
}

/* Tries all at once; false if one cannot run, or a lock was refused. */
static bool
try_all(Planner *planner)
{
	StringInfoData sql;
	List	   *estimates = NIL;
	bool		locked;
	ListCell   *lc;

	initStringInfo(&sql);
	foreach(lc, planner->trials)
	{
		Trial	   *trial = lfirst(lc);

		appendStringInfo(&sql, "%s%s", sql.len > 0 ? "; " : "", trial_sql(planner, trial));
		estimates = lappend(estimates, &trial->estimate);
	}
	return source_catalog_explain(planner->control, sql.data, estimates, &locked) == NULL;
}

void
trial_run_all(Planner *planner)
{
	ListCell   *lc;

	if (planner->trials != NIL && !try_all(planner))
	{
		foreach(lc, planner->trials)
			try_one(planner, lfirst(lc));
	}
	foreach(lc, planner->trials)
		expect_rows(lfirst(lc));
}

void
trial_add(Planner *planner, TablePlan *table, const CopyQuery *query)
{
	Trial	   *trial = palloc(sizeof(Trial));

	trial->table = table;
	trial->estimate.rows = trial->estimate.width = -1;
	trial->query = palloc(sizeof(CopyQuery));
	*trial->query = *query;
	planner->trials = lappend(planner->trials, trial);
}
