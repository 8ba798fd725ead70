/*-------------------------------------------------------------------------
 *
 * copy_settings.c
 *	  The settings under which the source runs a COPY.
 *
 * A clause means what it means in psql on the source: TimeZone, DateStyle,
 * search_path and the like are those that the source's role gets when it logs
 * in.  SET LOCAL ... TO DEFAULT brings them back (source.c has pinned all of
 * them for our own queries).  But a COPY is one statement with one set of
 * settings, and the form in which rows travel must not depend on them.  So a
 * COPY with people's SQL pins just what its rows need:
 *
 *		binary			nothing
 *		text			DateStyle ISO (the order of day and month stays the
 *						role's), extra_float_digits; IntervalStyle and
 *						lc_monetary if a column may hold such values
 *		masks			all of that, and bytea_output: they are computed from
 *						texts, and must be the same in each COPY
 *
 * TimeZone is never pinned.  The text of a timestamptz carries its offset.
 * Where a local column of another type would drop that, and where a mask is
 * computed from it, the value is sent as UTC shows it.
 *
 * The search_path is pg_catalog, then the role's own path, then the schemas of
 * the caller's path.  Names of tables do not depend on it: relation_names.c
 * has put the schema in front of those that the caller's path finds.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"

#include "base/text.h"
#include "plan/copy_settings.h"

/* Settings that source.c pins, and a clause may depend on. */
static const struct
{
	const char *name;
	const char *pinned;
}			settings[] = {
	{"datestyle", "'ISO'"},
	{"extra_float_digits", "3"},
	{"intervalstyle", "'postgres'"},
	{"lc_monetary", "'C'"},
	{"bytea_output", "'hex'"},
	{"timezone", "'UTC'"},
	{"xmloption", "'content'"}
};

enum
{
	SET_DATESTYLE, SET_FLOAT_DIGITS, SET_INTERVALSTYLE, SET_MONETARY, SET_BYTEA
};

static List *
add_default(List *list, int setting)
{
	return lappend(list, psprintf("SET LOCAL %s TO DEFAULT", settings[setting].name));
}

static List *
add_pinned(List *list, int setting)
{
	return lappend(list, psprintf("SET LOCAL %s = %s", settings[setting].name,
								  settings[setting].pinned));
}

/* ---- the search path ---- */

/* SET LOCAL search_path for people's SQL. */
static char *
set_own_path(const Planner *planner)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	appendStringInfoString(&buf, "SET LOCAL search_path = pg_catalog");
	foreach(lc, planner->source_path)
		appendStringInfo(&buf, ", %s", catalog_sql_identifier(lfirst(lc)));
	foreach(lc, planner->request->search_path)
		if (!names_include(planner->source_path, lfirst(lc)))
			appendStringInfo(&buf, ", %s", catalog_sql_identifier(lfirst(lc)));
	appendStringInfoString(&buf, ", pg_temp");
	return buf.data;
}

/* ---- lists of settings ---- */

List *
copy_own_settings(const Planner *planner)
{
	List	   *list = list_make1(set_own_path(planner));

	for (int i = 0; i < lengthof(settings); i++)
		list = add_default(list, i);
	return list;
}

List *
copy_pinned_settings(void)
{
	List	   *list = list_make1(pstrdup("SET LOCAL search_path = pg_catalog, pg_temp"));

	for (int i = 0; i < lengthof(settings); i++)
		list = add_pinned(list, i);
	return list;
}

List *
copy_settings(const Planner *planner, const TablePlan *table)
{
	bool		masked = table->masked_columns != NIL;
	List	   *list;

	if (!table->user_sql)
		return copy_pinned_settings();
	list = copy_own_settings(planner);
	if (table->binary && !masked)
		return list;
	list = add_pinned(list, SET_DATESTYLE);
	list = add_pinned(list, SET_FLOAT_DIGITS);
	if (masked || table->sends_intervals)
		list = add_pinned(list, SET_INTERVALSTYLE);
	if (masked || table->sends_money)
		list = add_pinned(list, SET_MONETARY);
	if (masked)
		list = add_pinned(list, SET_BYTEA);
	return list;
}

char *
copy_settings_text(const List *list)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, list)
		appendStringInfo(&buf, "%s; ", (char *) lfirst(lc));
	return buf.data;
}

/* ---- columns ---- */

/* True if values of the type may hold such a one, as far as we know. */
static bool
may_hold(const CatalogColumn *column, Oid type, Oid array)
{
	return column->base_typid == type || column->base_typid == array ||
		column->base_typid >= FirstGenbkiObjectId;
}

void
copy_note_settings(TablePlan *table, CopyQuery *query)
{
	List	   *columns = NIL;
	ListCell   *lc_plan;
	ListCell   *lc;

	forboth(lc_plan, table->columns, lc, query->columns)
	{
		const ColumnPlan *plan = lfirst(lc_plan);
		CatalogColumn *column = palloc(sizeof(CatalogColumn));

		*column = *(CatalogColumn *) lfirst(lc);
		table->sends_intervals |= may_hold(column, INTERVALOID, INTERVALARRAYOID);
		table->sends_money |= may_hold(column, CASHOID, MONEYARRAYOID);
		column->as_utc = !table->binary && column->mask == NULL &&
			column->base_typid == TIMESTAMPTZOID && strcmp(plan->source_type, plan->local_type) != 0;
		columns = lappend(columns, column);
	}
	query->columns = columns;
}
