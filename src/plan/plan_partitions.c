/*-------------------------------------------------------------------------
 *
 * plan_partitions.c
 *	  Tables that stand for partitions, here or on the source.
 *
 * If the partitions differ between the two sides, the rows of each local
 * partition are chosen on the source by its bounds (partition_map.c).  Rows
 * that belong to no local partition fail all of them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "plan/copy_settings.h"
#include "plan/copy_sql.h"
#include "plan/partition_group.h"
#include "plan/plan_partitions.h"
#include "plan/planner_state.h"
#include "plan/selection.h"
#include "schema/source_catalog.h"

char *
plan_map_condition(TablePlan *table, const Choice *choice)
{
	PartitionCondition *condition = partition_map_find(choice->map, choice->local);
	List	   *lacking = NIL;
	ListCell   *lc;

	foreach(lc, condition->columns)
	{
		CatalogColumn *column = catalog_find_column(choice->source, lfirst(lc));

		if (column == NULL || !(column->readable || choice->source->readable))
			lacking = lappend(lacking, lfirst(lc));
	}
	if (lacking != NIL && table->message == NULL)
		table_fail(table, ERRCODE_UNDEFINED_COLUMN,
				   psprintf("cannot pull %s: the source has no column for its partition key, or it may not be read",
							table->display),
				   psprintf("Its rows are chosen by: %s.", condition->sql), NULL);
	return condition->sql;
}

/* Fails all partitions of a map if there are rows that none of them takes. */
static void
check_rest(Planner *planner, const Choice *choice, List *tables)
{
	const PartitionMap *map = choice->map;
	char	   *rest = partition_map_rest(map);
	char	   *display = selection_display(planner->request, planner->local, planner->source,
											map->local->schema, map->local->name);
	ErrorData  *error = NULL;
	CopyQuery	query = {map->source};
	double		count = 0;
	ListCell   *lc;

	if (rest != NULL)
	{
		query.condition = rest;
		plan_set_clause(planner, choice, &query);
		plan_set_tree(choice, &query);
		error = source_catalog_count(planner->control, copy_select(&query),
									 choice->clause ? copy_own_settings(planner) : copy_pinned_settings(),
									 true, &count);
	}
	if (count == 0 && error == NULL)
		return;
	foreach(lc, tables)
	{
		TablePlan  *table = lfirst(lc);

		if (table->partition_root != map->local->oid || table->message != NULL)
			continue;
		if (error != NULL)
			table_fail(table, error->sqlerrcode,
					   psprintf("cannot pull %s: the source cannot tell which rows belong into the partitions of %s",
								table->display, display), error->message, error->hint);
		else
			table_fail(table, ERRCODE_CHECK_VIOLATION,
					   psprintf("cannot pull %s: no partition of %s takes %.0f of its rows on the source",
								table->display, display, count),
					   NULL, psprintf("Create the partitions that are missing, or a default partition of %s.", display));
	}
}

void
plan_check_maps(Planner *planner, List *tables, List *choices)
{
	List	   *checked = NIL;
	ListCell   *lc_table;
	ListCell   *lc_choice;

	forboth(lc_table, tables, lc_choice, choices)
	{
		const Choice *choice = lfirst(lc_choice);
		const PartitionMap *map = choice->map;

		if (map == NULL || choice->empty || ((TablePlan *) lfirst(lc_table))->message != NULL ||
			list_member_ptr(checked, map))
			continue;
		checked = lappend(checked, (void *) map);
		check_rest(planner, choice, tables);
	}
}

static bool
has_failed(const TablePlan *table, void *arg)
{
	return table->message != NULL;
}

static void
fail_part(TablePlan *table, const TablePlan *failed, char *message, void *arg)
{
	table_fail(table, failed->sqlerrcode, message, NULL, NULL);
}

void
plan_fail_together(List *tables)
{
	partitions_fail_together(tables, has_failed, fail_part, NULL);
}

void
plan_ungroup_partitions(List *tables)
{
	ListCell   *lc;

	foreach(lc, tables)
		((TablePlan *) lfirst(lc))->partition_root = InvalidOid;
}
