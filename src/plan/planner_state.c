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
#include "plan/relation_names.h"
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

void
plan_set_clause(const Planner *planner, const Choice *choice, CopyQuery *query)
{
	if (choice->clause == NULL)
		return;
	query->clause = relations_resolve_clause(choice->clause, planner->source,
											 planner->request->search_path);
	if (choice->map == NULL && choice->root != NULL)
		query->alias = choice->root->name;
	else if (choice->map != NULL && choice->clause->where == NULL)
		query->alias = choice->map->source->name;
}
