/*-------------------------------------------------------------------------
 *
 * row_checks.c
 *	  What only the rows on the source can tell before they are read.
 *
 * Whether a table can be pulled may depend on its rows:
 *
 * - A column here is NOT NULL, has no default, and is not on the source.  An
 *	 empty table can be pulled.  If the source does not know that the table has
 *	 rows (it was never analyzed), it is asked for one.
 * - A column here is of an enum type that lacks labels of the source's.  A
 *	 pull fails at the first row with such a label.  Only a survey asks, and
 *	 only if the types differ and the rows are not too many to be read.
 *
 * Each question is asked in a savepoint that is rolled back, so that no lock
 * on the table stays.  A table that is locked there is not waited for.  A
 * question that fails is no answer: the pull will tell.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_enum.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "base/text.h"
#include "plan/copy_settings.h"
#include "plan/plan_columns.h"
#include "plan/row_checks.h"
#include "plan/rewrite.h"
#include "plan/selection.h"
#include "schema/source_catalog.h"
#include "source/source_text.h"

/* up to how many bytes of rows a survey reads to look for labels */
#define READ_BYTES_MAX	(256.0 * 1024 * 1024)

typedef struct RowCheck
{
	TablePlan  *table;
	const Choice *choice;
	CopyQuery	query;
} RowCheck;

/* ---- columns that need a value ---- */

static void
check_needed(Planner *planner, const RowCheck *check)
{
	TablePlan  *table = check->table;
	char	   *sql = psprintf("SELECT FROM (%s) AS r LIMIT 1", copy_select(&check->query));
	List	   *settings = copy_settings(planner, table);
	double		count = 0;

	if (source_catalog_count(planner->control, sql, settings, false, &count) == NULL && count > 0)
		plan_fail_needed(table);
}

/* ---- labels of enum types ---- */

/* ARRAY['a', 'b'] */
static char *
text_array(const List *texts)
{
	StringInfoData sql;
	ListCell   *lc;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "ARRAY[");
	foreach(lc, texts)
		appendStringInfo(&sql, "%s%s", lc == list_head(texts) ? "" : ", ",
						 quote_literal_cstr(lfirst(lc)));
	appendStringInfoString(&sql, "]::pg_catalog.text[]");
	return sql.data;
}

/* The labels of a local enum type. */
static List *
local_labels(Oid typid)
{
	CatCList   *list = SearchSysCacheList1(ENUMTYPOIDNAME, ObjectIdGetDatum(typid));
	List	   *labels = NIL;

	for (int i = 0; i < list->n_members; i++)
	{
		Form_pg_enum label = (Form_pg_enum) GETSTRUCT(&list->members[i]->tuple);

		labels = lappend(labels, pstrdup(NameStr(label->enumlabel)));
	}
	ReleaseSysCacheList(list);
	return labels;
}

/* The source's labels that a local enum type does not have. */
static List *
missing_labels(Planner *planner, Oid local, Oid source)
{
	List	   *missing = NIL;
	char	   *sql = psprintf("SELECT e.enumlabel::pg_catalog.text FROM pg_catalog.pg_enum e"
							   " WHERE e.enumtypid = %u AND e.enumlabel::pg_catalog.text <> ALL (%s)",
							   source, text_array(local_labels(local)));

	(void) source_catalog_texts(planner->control, sql, copy_pinned_settings(), &missing);
	return missing;
}

/* True if the rows are few enough to be read for a plan. */
static bool
is_readable_size(Planner *planner, const RowCheck *check)
{
	List	   *settings = copy_settings(planner, check->table);
	SourceEstimate estimate = {-1, -1, list_length(settings)};
	bool		locked;
	char	   *sql = psprintf("%sEXPLAIN %s", copy_settings_text(settings),
							   copy_select(&check->query));

	return source_catalog_explain(planner->control, sql, list_make1(&estimate), &locked) == NULL &&
		estimate.rows >= 0 && estimate.rows * estimate.width <= READ_BYTES_MAX &&
		check->table->source_bytes <= READ_BYTES_MAX;
}

/* Those of the labels that are in column n (from 1 on) of the rows. */
static List *
used_labels(Planner *planner, const RowCheck *check, int n, const List *labels)
{
	List	   *used = NIL;
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT DISTINCT r.c%d::pg_catalog.text FROM (%s) AS r (",
					 n, copy_select(&check->query));
	for (int i = 1; i <= n; i++)
		appendStringInfo(&sql, "%sc%d", i > 1 ? ", " : "", i);
	appendStringInfo(&sql, ") WHERE r.c%d::pg_catalog.text = ANY (%s) ORDER BY 1",
					 n, text_array(labels));
	(void) source_catalog_texts(planner->control, sql.data,
								copy_settings(planner, check->table), &used);
	return used;
}

static void
fail_labels(TablePlan *table, const char *column, Oid typid, const List *used)
{
	char	   *type = format_type_extended(typid, -1, FORMAT_TYPE_FORCE_QUALIFY);
	List	   *labels = NIL;
	StringInfoData hint;
	ListCell   *lc;

	initStringInfo(&hint);
	foreach(lc, used)
	{
		char	   *label = source_text(lfirst(lc));

		labels = lappend(labels, label);
		appendStringInfo(&hint, "%sALTER TYPE %s ADD VALUE %s;", hint.len > 0 ? " " : "",
						 type, quote_literal_cstr(label));
	}
	table_fail(table, ERRCODE_INVALID_TEXT_REPRESENTATION,
			   psprintf("column %s of table %s has labels on the source that its type lacks here: %s",
						quote_identifier(column), table->display, names_text(labels, false)),
			   NULL, psprintf("Use %s", hint.data));
}

/* The enum type of a column's values here, or InvalidOid. */
static Oid
local_enum(const RowCheck *check, const ColumnPlan *column)
{
	const CatalogColumn *local = catalog_find_column(check->choice->local, column->name);

	if (local == NULL || get_typtype(local->base_typid) != TYPTYPE_ENUM ||
		rewrite_gives(check->table->rewrites, column->name))
		return InvalidOid;
	return local->base_typid;
}

static void
check_labels(Planner *planner, const RowCheck *check)
{
	TablePlan  *table = check->table;
	ListCell   *lc_plan;
	ListCell   *lc;
	int			n = 0;

	forboth(lc_plan, table->columns, lc, check->query.columns)
	{
		const ColumnPlan *column = lfirst(lc_plan);
		const CatalogColumn *source = lfirst(lc);
		Oid			typid = local_enum(check, column);
		List	   *labels;

		n++;
		if (table->message != NULL || !OidIsValid(typid) || source->mask != NULL)
			continue;
		labels = missing_labels(planner, typid, source->base_typid);
		if (labels == NIL || !is_readable_size(planner, check))
			continue;
		labels = used_labels(planner, check, n, labels);
		if (labels != NIL)
			fail_labels(table, column->name, typid, labels);
	}
}

/* ---- all of them ---- */

static bool
has_enum(const RowCheck *check)
{
	ListCell   *lc;

	foreach(lc, check->table->columns)
		if (OidIsValid(local_enum(check, lfirst(lc))))
			return true;
	return false;
}

void
row_checks_add(Planner *planner, TablePlan *table, const Choice *choice, const CopyQuery *query)
{
	RowCheck   *check = palloc(sizeof(RowCheck));

	check->table = table;
	check->choice = choice;
	check->query = *query;
	if (table->needed_columns != NIL || (planner->request->survey && has_enum(check)))
		planner->row_checks = lappend(planner->row_checks, check);
}

void
row_checks_run(Planner *planner)
{
	ListCell   *lc;

	foreach(lc, planner->row_checks)
	{
		RowCheck   *check = lfirst(lc);

		CHECK_FOR_INTERRUPTS();
		if (check->table->message == NULL && check->table->needed_columns != NIL)
			check_needed(planner, check);
		if (check->table->message == NULL && planner->request->survey)
			check_labels(planner, check);
	}
}
