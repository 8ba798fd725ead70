/*-------------------------------------------------------------------------
 *
 * root_sequences.c
 *	  Sequences of partitioned tables.
 *
 * Only leaves hold rows, so only leaves have plans; but a serial or identity
 * column of a partitioned table belongs to the table, and so does its sequence.
 * If it stayed behind, the next INSERT would take a number that was pulled.
 * The sequence goes along with the first leaf that the run pulls.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/dependency.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "base/compat.h"
#include "plan/root_sequences.h"

/* A local sequence, its owning column, and the table it goes along with. */
typedef struct RootSequence
{
	Oid			sequence;
	Oid			root;
	AttrNumber	attnum;
	TablePlan  *table;
} RootSequence;

/* The partitioned tables above the planned ones, each with a planned leaf. */
static List *
collect(const RunPlan *plan)
{
	List	   *found = NIL;
	List	   *roots = NIL;
	ListCell   *lc;
	ListCell   *lc_root;
	ListCell   *lc_sequence;

	foreach(lc, plan->tables)
	{
		TablePlan  *table = lfirst(lc);

		if (table->message != NULL || !get_rel_relispartition(table->relid))
			continue;
		foreach(lc_root, get_partition_ancestors(table->relid))
		{
			Oid			root = lfirst_oid(lc_root);

			if (list_member_oid(roots, root))
				continue;
			roots = lappend_oid(roots, root);
			foreach(lc_sequence, getOwnedSequences(root))
			{
				RootSequence *item = palloc0(sizeof(RootSequence));
				int32		column;

				item->sequence = lfirst_oid(lc_sequence);
				item->table = table;
				if (sequenceIsOwned(item->sequence, DEPENDENCY_AUTO, &item->root, &column) ||
					sequenceIsOwned(item->sequence, DEPENDENCY_INTERNAL, &item->root, &column))
				{
					item->attnum = column;
					found = lappend(found, item);
				}
			}
		}
	}
	return found;
}

/* The states of all of them, by number in the list. */
static char *
states_query(const List *items)
{
	StringInfoData sql;
	ListCell   *lc;
	int			n = 0;

	initStringInfo(&sql);
	appendStringInfoString(&sql,
						   "SELECT v.n, s.seqstart,"
						   " pg_catalog.has_sequence_privilege(s.seqrelid, 'SELECT'),"
						   " CASE WHEN pg_catalog.has_sequence_privilege(s.seqrelid, 'SELECT')"
						   " THEN pg_catalog.pg_sequence_last_value(s.seqrelid) END FROM (VALUES ");
	foreach(lc, items)
	{
		RootSequence *item = lfirst(lc);

		appendStringInfo(&sql, "%s(%d, %s, %s, %s)", n ? ", " : "", n,
						 quote_literal_cstr(get_namespace_name(get_rel_namespace(item->root))),
						 quote_literal_cstr(get_rel_name(item->root)),
						 quote_literal_cstr(get_attname(item->root, item->attnum, false)));
		n++;
	}
	appendStringInfoString(&sql,
						   ") v (n, schema, name, col)"
						   " JOIN pg_catalog.pg_namespace ns ON ns.nspname = v.schema"
						   " JOIN pg_catalog.pg_class c ON c.relnamespace = ns.oid AND c.relname = v.name"
						   " JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = v.col AND NOT a.attisdropped"
						   " JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass"
						   " AND d.refobjid = c.oid AND d.refobjsubid = a.attnum"
						   " AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype IN ('a', 'i')"
						   " JOIN pg_catalog.pg_sequence s ON s.seqrelid = d.objid");
	return sql.data;
}

/* One row of the answer. */
static void
take_state(const List *items, PGresult *result, int row)
{
	RootSequence *item = list_nth(items, atoi(PQgetvalue(result, row, 0)));
	SequencePlan *plan = palloc0(sizeof(SequencePlan));

	plan->relid = item->sequence;
	plan->display = pstrdup(quote_identifier(get_rel_name(item->sequence)));
	if (PQgetvalue(result, row, 2)[0] != 't')
	{
		ereport(NOTICE,
				(errmsg("sequence %s is left as it is", plan->display),
				 errdetail("The source's role has no SELECT on it.")));
		return;
	}
	plan->is_called = !PQgetisnull(result, row, 3);
	plan->last_value = strtoll(PQgetvalue(result, row, plan->is_called ? 3 : 1), NULL, 10);
	item->table->sequences = lappend(item->table->sequences, plan);
}

void
plan_root_sequences(RunPlan *plan, Source *control)
{
	List	   *items = collect(plan);
	PGresult   *result;

	if (items == NIL)
		return;
	source_show_texts(control);
	result = source_query(control, states_query(items));
	if (PQresultStatus(result) != PGRES_TUPLES_OK || PQnfields(result) != 4)
		source_raise(control, result, "sequences of partitioned tables");
	for (int row = 0; row < PQntuples(result); row++)
	{
		int			n = atoi(PQgetvalue(result, row, 0));

		if (n >= 0 && n < list_length(items))
			take_state(items, result, row);
	}
	source_clear(control, result);
}
