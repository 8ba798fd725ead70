/*-------------------------------------------------------------------------
 *
 * planner_state.c
 *	  What the parts of the planner share.
 *
 * Each part of the planner looks at one side of a table: rights, columns,
 * rules, partitions.  A part that finds that the table cannot be pulled says
 * so in the table's plan by table_fail(); the others then leave the table
 * alone.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"

#include "plan/copy_sql.h"
#include "plan/planner_state.h"
#include "plan/selection.h"

void
table_fail(TablePlan *table, int sqlerrcode, char *message, char *detail, char *hint)
{
	table->sqlerrcode = sqlerrcode;
	table->message = message;
	table->detail = detail;
	table->hint = hint;
}

char *
plan_column_rule(const TablePlan *table, const char *name)
{
	char	   *prefix = psprintf("%s: ", quote_identifier(name));
	ListCell   *lc;

	foreach(lc, table->masked_columns)
	{
		if (strncmp(lfirst(lc), prefix, strlen(prefix)) == 0)
			return lfirst(lc);
	}
	return NULL;
}

void
plan_note_unmasked(Planner *planner, TablePlan *table, char *column)
{
	table->unmasked_columns = lappend(table->unmasked_columns, column);
	planner->unmasked = lappend(planner->unmasked,
								psprintf("%s.%s", table->display, quote_identifier(column)));
}

char *
plan_join_names(List *names, bool quote)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, names)
		appendStringInfo(&buf, "%s%s", buf.len > 0 ? ", " : "",
						 quote ? quote_identifier(lfirst(lc)) : (char *) lfirst(lc));
	return buf.data;
}

char *
planner_user_path(const Planner *planner)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	appendStringInfoString(&buf, "pg_catalog");
	foreach(lc, planner->request->search_path)
		appendStringInfo(&buf, ", %s", catalog_sql_identifier(lfirst(lc)));
	appendStringInfoString(&buf, ", pg_temp");
	return buf.data;
}

const char *
planner_copy_path(const Planner *planner, const TablePlan *table)
{
	return table->user_sql ? planner_user_path(planner) : "pg_catalog, pg_temp";
}

void
plan_set_clause(const Choice *choice, CopyQuery *query)
{
	query->clause = choice->clause;
	if (choice->clause == NULL)
		return;
	if (choice->clause_table != NULL)
		query->alias = choice->clause_table;
	else if (choice->map == NULL && choice->root != NULL)
		query->alias = choice->root->name;
	else if ((choice->map != NULL || choice->source->members != NIL) && choice->clause->where == NULL)
		query->alias = choice->source->name;	/* append_rows() needs one */
}

void
plan_set_tree(const Choice *choice, CopyQuery *query)
{
	StringInfoData tables;
	ListCell   *lc;

	query->tree = choice->source->members != NIL;
	if (!query->tree)
		return;
	initStringInfo(&tables);
	appendStringInfo(&tables, "%u", choice->source->oid);
	foreach(lc, choice->source->members)
		appendStringInfo(&tables, ",%u", ((CatalogRelation *) lfirst(lc))->oid);
	query->condition = psprintf("%s%s%stableoid OPERATOR(pg_catalog.=) ANY ('{%s}'::pg_catalog.oid[])",
								query->condition ? "(" : "", query->condition ? query->condition : "",
								query->condition ? ") AND " : "", tables.data);
}
