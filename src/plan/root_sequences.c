/*-------------------------------------------------------------------------
 *
 * root_sequences.c
 *	  Sequences of partitioned tables.
 *
 * Only leaves hold rows, so only leaves have plans; but a serial or identity
 * column of a partitioned table belongs to the table, and so does its
 * sequence.  If it stayed behind, the next INSERT would take a number that was
 * pulled.  The sequence goes along with the first leaf that the run pulls.
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
#include "schema/source_catalog.h"
#include "source/result_reader.h"

/* A local sequence, its owning column, and the table it goes along with. */
typedef struct RootSequence
{
	Oid			sequence;
	Oid			root;
	AttrNumber	attnum;
	TablePlan  *table;
	List	   *states;			/* of SequencePlan *: as the source says */
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

enum
{
	STATE_ITEM, STATE_START, STATE_READABLE, STATE_LAST_VALUE
};

/* How many sequences a column of the source may own at most. */
#define SEQUENCES_PER_COLUMN	100

/* One row of the answer. */
static void
take_state(RootSequence *item, const ResultReader *reader)
{
	SequencePlan *plan = palloc0(sizeof(SequencePlan));

	plan->relid = item->sequence;
	plan->display = pstrdup(quote_identifier(get_rel_name(item->sequence)));
	if (!result_bool(reader, STATE_READABLE))
	{
		ereport(NOTICE,
				(errmsg("sequence %s is left as it is", plan->display),
				 errdetail("The source's role has no SELECT on it.")));
		return;
	}
	plan->is_called = !result_is_null(reader, STATE_LAST_VALUE);
	plan->last_value = result_int(reader, plan->is_called ? STATE_LAST_VALUE : STATE_START);
	item->states = lappend(item->states, plan);
}

/* Reads the states anew. */
static void
read_states(Source *control, void *arg)
{
	List	   *items = arg;
	ResultReader *reader;
	ResultColumn columns[] = {
		[STATE_ITEM] = {"n", RESULT_INT, .min = 0, .max = list_length(items) - 1},
		[STATE_START] = {"seqstart", RESULT_INT64},
		[STATE_READABLE] = {"has_sequence_privilege", RESULT_BOOL, .nullable = true},
		[STATE_LAST_VALUE] = {"pg_sequence_last_value", RESULT_INT64, .nullable = true}
	};
	ResultShape shape = {"sequences of partitioned tables", columns, lengthof(columns)};
	ListCell   *lc;

	foreach(lc, items)
		((RootSequence *) lfirst(lc))->states = NIL;
	reader = result_begin(control, &shape, 0, (int64) list_length(items) * SEQUENCES_PER_COLUMN);
	while (result_next(reader))
		take_state(list_nth(items, result_int(reader, STATE_ITEM)), reader);
}

void
plan_root_sequences(RunPlan *plan, Source *control)
{
	List	   *items = collect(plan);
	ListCell   *lc;

	if (items == NIL)
		return;
	source_catalog_query(control, states_query(items), read_states, items);
	foreach(lc, items)
	{
		RootSequence *item = lfirst(lc);

		item->table->sequences = list_concat(item->table->sequences, item->states);
	}
}
