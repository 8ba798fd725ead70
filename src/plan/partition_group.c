/*-------------------------------------------------------------------------
 *
 * partition_group.c
 *	  Partitions of one table that are pulled together.
 *
 * A partitioned table is planned as one table for each local partition.  All
 * of them are pulled or none is (TablePlan.partition_root), so that a query of
 * the partitioned table never sees old rows beside new ones.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "plan/partition_group.h"

/*
 * The table in the list that belongs to the same partitioned table, or NULL.
 */
static const TablePlan *
find_part(const List *tables, Oid partition_root)
{
	ListCell   *lc;

	foreach(lc, tables)
		if (((TablePlan *) lfirst(lc))->partition_root == partition_root)
			return lfirst(lc);
	return NULL;
}

/* The first failed partition of each table. */
static List *
failed_parts(const List *tables, PartFailed has_failed, void *arg)
{
	List	   *failed = NIL;
	ListCell   *lc;

	foreach(lc, tables)
	{
		TablePlan  *table = lfirst(lc);

		if (OidIsValid(table->partition_root) && has_failed(table, arg) &&
			find_part(failed, table->partition_root) == NULL)
			failed = lappend(failed, table);
	}
	return failed;
}

void
partitions_fail_together(const List *tables, PartFailed has_failed, FailPart fail_part, void *arg)
{
	List	   *failed = failed_parts(tables, has_failed, arg);
	ListCell   *lc;

	foreach(lc, tables)
	{
		TablePlan  *table = lfirst(lc);
		const TablePlan *culprit = find_part(failed, table->partition_root);

		if (culprit == NULL || has_failed(table, arg))
			continue;
		fail_part(table, culprit,
				  psprintf("partition %s is left as it is, because %s of the same table failed",
						   table->display, culprit->display), arg);
	}
}
