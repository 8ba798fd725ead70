/*-------------------------------------------------------------------------
 *
 * plan_columns.c
 *	  Columns, keys and sequences of both sides, matched by name.
 *
 *	  source and local	pulled; types may differ if the text can be read
 *	  source only			missing: left out
 *	  local only			extra: takes its default
 *	  local, generated	computed here, whatever the source has
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "plan/copy_sql.h"
#include "plan/plan_columns.h"
#include "plan/planner_state.h"
#include "plan/rewrite.h"
#include "plan/selection.h"
#include "schema/primary_key.h"

/* ---- columns ---- */

static int
compare_columns(const void *a, const void *b)
{
	return strcmp((*(CatalogColumn *const *) a)->name, (*(CatalogColumn *const *) b)->name);
}

/* The source's columns sorted by name, for bsearch(). */
static CatalogColumn **
sort_columns(List *columns)
{
	CatalogColumn **sorted = palloc(sizeof(CatalogColumn *) * (list_length(columns) + 1));
	ListCell   *lc;
	int			n = 0;

	foreach(lc, columns)
		sorted[n++] = lfirst(lc);
	qsort(sorted, n, sizeof(CatalogColumn *), compare_columns);
	return sorted;
}

static CatalogColumn *
find_column(CatalogColumn **sorted, int n, CatalogColumn *wanted)
{
	CatalogColumn **found = bsearch(&wanted, sorted, n, sizeof(CatalogColumn *), compare_columns);

	return found ? *found : NULL;
}

/* One column that both sides have. */
static void
share_column(TablePlan *table, const CatalogColumn *local, const CatalogColumn *source,
			 int source_version)
{
	ColumnPlan *column = palloc0(sizeof(ColumnPlan));

	column->name = local->name;
	column->attnum = local->attnum;
	column->source_type = source->type;
	column->local_type = local->type;
	table->columns = lappend(table->columns, column);
	if (strcmp(source->type, local->type) != 0)
		table->type_changes = lappend(table->type_changes,
									  psprintf("%s: %s -> %s", quote_identifier(local->name),
											   source->type, local->type));
	if (table->binary && !copy_column_binary(source, local, source_version))
		table->binary = false;
}

/*
 * An extra column must be able to do without a value; empty tables need none.
 */
static void
check_needed_values(TablePlan *table, List *needed)
{
	if (needed == NIL || (table->source_bytes == 0 && table->source_rows <= 0))
		return;
	table_fail(table, ERRCODE_NOT_NULL_VIOLATION,
			   psprintf("table %s has columns that are NOT NULL, have no default, and are not on the source",
						table->display),
			   psprintf("Columns: %s.", plan_join_names(needed, true)),
			   "Give them a default, or drop NOT NULL.");
}

/* The columns of the source that nothing here takes. */
static List *
missing_columns(List *source, List *local)
{
	CatalogColumn **sorted = sort_columns(local);
	int			n = list_length(local);
	List	   *missing = NIL;
	ListCell   *lc;

	foreach(lc, source)
	{
		CatalogColumn *column = lfirst(lc);

		if (find_column(sorted, n, column) == NULL)
			missing = lappend(missing, column->name);
	}
	return missing;
}

List *
plan_match_columns(TablePlan *table, const Choice *choice, int source_version)
{
	CatalogColumn **sorted = sort_columns(choice->source->columns);
	int			n = list_length(choice->source->columns);
	List	   *travel = NIL;
	List	   *needed = NIL;
	ListCell   *lc;

	table->binary = true;
	foreach(lc, choice->local->columns)
	{
		CatalogColumn *local = lfirst(lc);
		CatalogColumn *source = find_column(sorted, n, local);

		if (local->generated)
			continue;
		if (source != NULL)
		{
			share_column(table, local, source, source_version);
			travel = lappend(travel, source);
			continue;
		}
		table->extra_columns = lappend(table->extra_columns, local->name);
		if (local->needs_value && !rewrite_gives(table->rewrites, local->name))
			needed = lappend(needed, local->name);
	}
	table->missing_columns = missing_columns(choice->source->columns, choice->local->columns);
	check_needed_values(table, needed);
	if (travel == NIL && (table->missing_columns != NIL || table->extra_columns != NIL ||
						  choice->source->columns != NIL))
		table_fail(table, ERRCODE_UNDEFINED_COLUMN,
				   psprintf("table %s has no column in common with the source's", table->display),
				   NULL, NULL);
	return travel;
}

void
plan_report_differences(const TablePlan *table)
{
	StringInfoData detail;

	if (table->message != NULL)
		return;
	if (table->note != NULL)
		ereport(NOTICE, (errmsg("table %s comes %s", table->display, table->note)));
	if (table->missing_columns == NIL && table->extra_columns == NIL && table->type_changes == NIL)
		return;
	initStringInfo(&detail);
	if (table->missing_columns != NIL)
		appendStringInfo(&detail, " Left out, as only the source has them: %s.",
						 plan_join_names(table->missing_columns, true));
	if (table->extra_columns != NIL)
		appendStringInfo(&detail, " Filled with their defaults, as the source lacks them: %s.",
						 plan_join_names(table->extra_columns, true));
	if (table->type_changes != NIL)
		appendStringInfo(&detail, " Converted from the source's type: %s.",
						 plan_join_names(table->type_changes, false));
	ereport(NOTICE,
			(errmsg("columns of table %s differ from the source's", table->display),
			 errdetail("%s", detail.data + 1)));
}

/* True if the text of its values depends on the search_path. */
static bool
is_name_type(Oid typid)
{
	Oid			element = get_element_type(typid);

	switch (OidIsValid(element) ? element : typid)
	{
		case REGCLASSOID:
		case REGCOLLATIONOID:
		case REGCONFIGOID:
		case REGDICTIONARYOID:
		case REGOPEROID:
		case REGOPERATOROID:
		case REGPROCOID:
		case REGPROCEDUREOID:
		case REGTYPEOID:
			return true;
		default:
			return false;
	}
}

void
plan_check_name_types(TablePlan *table, const CopyQuery *query)
{
	ListCell   *lc;

	foreach(lc, query->columns)
	{
		CatalogColumn *column = lfirst(lc);

		if (is_name_type(column->base_typid))
			table_fail(table, ERRCODE_FEATURE_NOT_SUPPORTED,
					   psprintf("cannot pull %s by a clause or statement: column %s has type %s",
								table->display, quote_identifier(column->name), column->type),
					   "Such values are names, which read differently while people's SQL is in force.", NULL);
	}
}

/* ---- keys ---- */

/* The columns of the primary key that the source does not send. */
static List *
unsent_key_columns(const TablePlan *table, const CatalogRelation *local)
{
	List	   *unsent = NIL;
	ListCell   *lc_key;
	ListCell   *lc;

	foreach(lc_key, local->primary_key)
	{
		foreach(lc, table->extra_columns)
			if (strcmp(lfirst(lc), lfirst(lc_key)) == 0)
				unsent = lappend(unsent, lfirst(lc_key));
	}
	return unsent;
}

void
plan_check_key(TablePlan *table, const Choice *choice)
{
	List	   *unsent = unsent_key_columns(table, choice->local);

	if (table->message != NULL || (table->mode != LAND_OVERWRITE && table->mode != LAND_PRESERVE))
		return;
	if (!primary_key_exists(choice->local->oid) ||
		(choice->root != NULL && !primary_key_exists(choice->root->oid)))
		table_fail(table, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
				   psprintf("cannot pull %s in mode \"%s\": it has no primary key",
							table->display, landing_name(table->mode)),
				   "Rows that are there already are found by their primary key, and one WITHOUT OVERLAPS finds none.",
				   "Add a primary key, or use mode => 'replace'.");
	else if (unsent != NIL)
		table_fail(table, ERRCODE_UNDEFINED_COLUMN,
				   psprintf("cannot pull %s in mode \"%s\": the source lacks columns of its primary key",
							table->display, landing_name(table->mode)),
				   psprintf("Columns: %s.", plan_join_names(unsent, true)),
				   "Use mode => 'replace'.");
}

/* ---- sequences ---- */

/*
 * The source's sequence that belongs to a column's; names decide if it has
 * several.
 */
static CatalogSequence *
find_sequence(List *sequences, AttrNumber attnum, const char *name)
{
	CatalogSequence *first = NULL;
	ListCell   *lc;

	foreach(lc, sequences)
	{
		CatalogSequence *sequence = lfirst(lc);

		if (sequence->attnum != attnum)
			continue;
		if (strcmp(sequence->name, name) == 0)
			return sequence;
		if (first == NULL)
			first = sequence;
	}
	return first;
}

void
plan_match_sequences(Planner *planner, TablePlan *table, const Choice *choice, List *travel)
{
	List	   *unreadable = NIL;
	ListCell   *lc;

	foreach(lc, choice->local->sequences)
	{
		CatalogSequence *local = lfirst(lc);
		CatalogSequence *source = NULL;
		SequencePlan *plan;
		ListCell   *lc_column;
		ListCell   *lc_travel;

		forboth(lc_column, table->columns, lc_travel, travel)
		{
			if (((ColumnPlan *) lfirst(lc_column))->attnum == local->attnum)
				source = find_sequence(choice->source->sequences,
									   ((CatalogColumn *) lfirst(lc_travel))->attnum,
									   local->name);
		}
		if (source == NULL)
			continue;
		if (!source->readable)
		{
			unreadable = lappend(unreadable, local->name);
			continue;
		}
		plan = palloc0(sizeof(SequencePlan));
		plan->relid = local->oid;
		plan->display = selection_display(planner->request, planner->local, planner->source,
										  local->schema, local->name);
		plan->last_value = source->last_value;
		plan->is_called = source->is_called;
		table->sequences = lappend(table->sequences, plan);
	}
	if (unreadable != NIL)
		ereport(NOTICE,
				(errmsg("sequences of table %s are left as they are: %s", table->display,
						plan_join_names(unreadable, true)),
				 errdetail("The source's role has no SELECT on them.")));
}
