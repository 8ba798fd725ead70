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

#include "plan/copy_sql.h"
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
} Trial;

/* True if there are values that nobody here may see. */
static bool
has_rules(const Planner *planner)
{
	return planner->request->rules && planner->config->data_rules != NIL;
}

static char *
trial_sql(const Planner *planner, const Trial *trial)
{
	return psprintf("SET LOCAL search_path = %s; EXPLAIN %s",
					planner_copy_path(planner, trial->table), copy_select(trial->query));
}

/* The same as a statement that is parsed, but neither planned nor run. */
static char *
parse_sql(const Planner *planner, const Trial *trial)
{
	return psprintf("SET LOCAL search_path = %s; PREPARE pgtunsync_trial AS %s;"
					" DEALLOCATE pgtunsync_trial",
					planner_copy_path(planner, trial->table), copy_select(trial->query));
}

/*
 * Asks the source whether it could run the SELECT; returns its error or NULL.
 * The planner evaluates what a clause asks for in order to estimate
 * (table_to_xml(), for example), so that errors of EXPLAIN can hold values of
 * tables.  The parser reads no table: what it has to say is shown.  A table
 * that is locked there is not waited for: its loader will see.
 */
static ErrorData *
try_select(Planner *planner, const Trial *trial)
{
	ErrorData  *error = NULL;
	bool		locked = false;

	if (has_rules(planner))
	{
		source_show_texts(planner->control);
		error = source_catalog_try(planner->control, parse_sql(planner, trial), &locked);
	}
	if (error == NULL)
		error = source_catalog_try(planner->control, trial_sql(planner, trial), &locked);
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
		Trial		one = {trial->table, &query};

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

	return source_catalog_count(planner->control, sql, planner_copy_path(planner, table), &count) == NULL &&
		count > 0;
}

/*
 * "Permission denied" with its text hidden does not tell for what.  The names
 * of the relations are in the statement that we sent, so they can be shown.
 */
static char *
unreadable_detail(Planner *planner, const Trial *trial, const ErrorData *error)
{
	List	   *unreadable = NIL;
	ListCell   *lc;

	if (!has_rules(planner) || error->sqlerrcode != ERRCODE_INSUFFICIENT_PRIVILEGE)
		return error->detail;
	foreach(lc, clause_relations(copy_select(trial->query)))
	{
		if (is_unreadable(planner, trial->table, lfirst(lc)))
			unreadable = lappend(unreadable, lfirst(lc));
	}
	if (unreadable == NIL)
		return error->detail;
	return psprintf("The source's role may not read all columns of: %s.",
					plan_join_names(unreadable, false));
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
try_one(Planner *planner, const Trial *trial)
{
	TablePlan  *table = trial->table;
	ErrorData  *error;
	ErrorData  *mask_error;
	CatalogColumn *column;

	error = try_select(planner, trial);
	if (error == NULL)
		return;
	column = find_bad_mask(planner, trial, &mask_error);
	if (column != NULL)
		table_fail(table, mask_error->sqlerrcode,
				   psprintf("cannot pull %s: the data rule for column %s cannot work: %s", table->display,
							quote_identifier(column->name), mask_error->message),
				   with_detail(psprintf("The rule is %s.", plan_column_rule(table, column->name)),
							   unreadable_detail(planner, trial, mask_error)),
				   mask_error->hint);
	else
		table_fail(table, error->sqlerrcode,
				   psprintf("cannot pull %s by its clause: %s", table->display, error->message),
				   with_detail(table->filter ? psprintf("The clause is: %s", table->filter) : NULL,
							   unreadable_detail(planner, trial, error)),
				   error->hint);
}

void
trial_run_all(Planner *planner)
{
	StringInfoData sql;
	bool		locked;
	ListCell   *lc;

	if (planner->trials == NIL)
		return;
	initStringInfo(&sql);
	foreach(lc, planner->trials)
		appendStringInfo(&sql, "%s%s", sql.len > 0 ? "; " : "", trial_sql(planner, lfirst(lc)));
	if (source_catalog_try(planner->control, sql.data, &locked) == NULL)
		return;
	foreach(lc, planner->trials)
		try_one(planner, lfirst(lc));
}

void
trial_add(Planner *planner, TablePlan *table, const CopyQuery *query)
{
	Trial	   *trial = palloc(sizeof(Trial));

	trial->table = table;
	trial->query = palloc(sizeof(CopyQuery));
	*trial->query = *query;
	planner->trials = lappend(planner->trials, trial);
}
