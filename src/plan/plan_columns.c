/*-------------------------------------------------------------------------
 *
 * plan_columns.c
 *	  Columns and keys of both sides, matched by name.
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

#include "base/text.h"
#include "plan/copy_sql.h"
#include "plan/plan_columns.h"
#include "plan/planner_state.h"
#include "plan/rewrite.h"
#include "plan/selection.h"
#include "schema/primary_key.h"

/* up to how many tables whose columns differ have a NOTICE each */
#define DIFFERENCES_SHOWN	10

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

/* "ALTER TABLE … ALTER COLUMN a DROP NOT NULL, …", as a HINT. */
static char *
nullable_hint(const TablePlan *table)
{
	StringInfoData changes;
	ListCell   *lc;

	initStringInfo(&changes);
	foreach(lc, table->needed_columns)
		appendStringInfo(&changes, "%s ALTER COLUMN %s DROP NOT NULL",
						 changes.len > 0 ? "," : "", quote_identifier(lfirst(lc)));
	return psprintf("Give them a default, or run here: ALTER TABLE %s%s;",
					quote_qualified_identifier(table->schema, table->name), changes.data);
}

void
plan_fail_needed(TablePlan *table)
{
	table_fail(table, ERRCODE_NOT_NULL_VIOLATION,
			   psprintf("table %s has columns that are NOT NULL, have no default, and are not on the source",
						table->display),
			   psprintf("Columns: %s.", names_text(table->needed_columns, true)),
			   nullable_hint(table));
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

/* Says of each column why it is not pulled, for a table without any other. */
static char *
columns_text(const TablePlan *table, const Choice *choice)
{
	StringInfoData text;
	List	   *generated = NIL;
	ListCell   *lc;

	foreach(lc, choice->local->columns)
	{
		CatalogColumn *column = lfirst(lc);

		if (column->generated)
			generated = lappend(generated, column->name);
	}
	initStringInfo(&text);
	if (generated != NIL)
		appendStringInfo(&text, " Generated here: %s.", names_text(generated, true));
	if (table->missing_columns != NIL)
		appendStringInfo(&text, " Only on the source: %s.",
						 names_text(table->missing_columns, true));
	if (table->extra_columns != NIL)
		appendStringInfo(&text, " Only here: %s.", names_text(table->extra_columns, true));
	return text.len > 0 ? text.data + 1 : NULL;
}

List *
plan_match_columns(TablePlan *table, const Choice *choice, int source_version)
{
	CatalogColumn **sorted = sort_columns(choice->source->columns);
	int			n = list_length(choice->source->columns);
	List	   *travel = NIL;
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
			table->needed_columns = lappend(table->needed_columns, local->name);
	}
	table->missing_columns = missing_columns(choice->source->columns, choice->local->columns);
	/* row_checks.c asks about a table that seems empty */
	if (table->needed_columns != NIL && !choice->empty && table->source_rows > 0)
		plan_fail_needed(table);
	if (travel == NIL && (table->missing_columns != NIL || table->extra_columns != NIL ||
						  choice->source->columns != NIL))
		table_fail(table, ERRCODE_UNDEFINED_COLUMN,
				   psprintf("table %s has no column that can be pulled", table->display),
				   columns_text(table, choice), NULL);
	return travel;
}

static void
report_difference(const TablePlan *table)
{
	StringInfoData detail;

	initStringInfo(&detail);
	if (table->missing_columns != NIL)
		appendStringInfo(&detail, " Left out, as only the source has them: %s.",
						 names_text(table->missing_columns, true));
	if (table->extra_columns != NIL)
		appendStringInfo(&detail, " Filled with their defaults, as the source lacks them: %s.",
						 names_text(table->extra_columns, true));
	if (table->type_changes != NIL)
		appendStringInfo(&detail, " Converted from the source's type: %s.",
						 names_text(table->type_changes, false));
	ereport(NOTICE,
			(errmsg("columns of table %s differ from the source's", table->display),
			 errdetail("%s", detail.data + 1)));
}

static bool
differs(const TablePlan *table)
{
	return table->message == NULL && (table->missing_columns != NIL ||
									  table->extra_columns != NIL || table->type_changes != NIL);
}

void
plan_report_differences(const List *tables)
{
	List	   *names = NIL;
	ListCell   *lc;

	foreach(lc, tables)
	{
		TablePlan  *table = lfirst(lc);

		if (table->message == NULL && table->note != NULL)
			ereport(NOTICE, (errmsg("table %s comes %s", table->display, table->note)));
		if (differs(table))
			names = lappend(names, table->display);
	}
	if (list_length(names) > DIFFERENCES_SHOWN)
		ereport(NOTICE,
				(errmsg("columns of %d tables differ from the source's: %s",
						list_length(names), names_text(names, false)),
				 errhint("See columns_missing, columns_extra and columns_retyped of plan() or of pgtunsync.run_tables.")));
	foreach(lc, tables)
		if (list_length(names) <= DIFFERENCES_SHOWN && differs(lfirst(lc)))
			report_difference(lfirst(lc));
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
	ListCell   *lc;

	foreach(lc, local->primary_key)
	{
		if (names_include(table->extra_columns, lfirst(lc)))
			unsent = lappend(unsent, lfirst(lc));
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
				   psprintf("Columns: %s.", names_text(unsent, true)),
				   "Use mode => 'replace'.");
}
