/*-------------------------------------------------------------------------
 *
 * root_sequences.c
 *	  Sequences of partitioned tables.
 *
 * Only leaves hold rows, so only leaves have plans; but a serial or identity
 * column of a partitioned table belongs to the table, and so does its
 * sequence.  If it stayed behind, the next INSERT would take a number that was
 * pulled.  The sequence goes along with the leaves that the run pulls.  (The
 * leaves have the defaults of their own columns, so most of the time there is
 * nothing left to do here.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "base/compat.h"
#include "plan/root_sequences.h"
#include "plan/sequence_plan.h"
#include "schema/local_sequences.h"
#include "schema/source_catalog.h"
#include "source/result_reader.h"

/* A local sequence, the column that uses it, and the planned leaves below. */
typedef struct RootSequence
{
	CatalogSequence *local;
	Oid			root;
	List	   *leaves;			/* of TablePlan * */
	CatalogSequence *source;	/* NULL: none corresponds to it */
} RootSequence;

/* True if the leaf's own column uses the sequence, too. */
static bool
is_planned(const TablePlan *leaf, Oid sequence)
{
	ListCell   *lc;

	foreach(lc, leaf->sequences)
		if (((SequencePlan *) lfirst(lc))->relid == sequence)
			return true;
	return false;
}

/* Adds the leaf to each sequence of the partitioned table that it lacks. */
static void
add_leaf(List *items, Oid root, TablePlan *leaf)
{
	ListCell   *lc;

	foreach(lc, items)
	{
		RootSequence *item = lfirst(lc);

		if (item->root == root && !is_planned(leaf, item->local->oid))
			item->leaves = lappend(item->leaves, leaf);
	}
}

/* The partitioned tables above the planned ones, each with its planned leaves. */
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
			List	   *sequences = list_member_oid(roots, root) ? NIL : local_sequences(root);

			roots = list_append_unique_oid(roots, root);
			foreach(lc_sequence, sequences)
			{
				RootSequence *item = palloc0(sizeof(RootSequence));

				item->root = root;
				item->local = lfirst(lc_sequence);
				found = lappend(found, item);
			}
			add_leaf(found, root, table);
		}
	}
	return found;
}

/* Those of them that some leaf lacks. */
static List *
lacking(List *items)
{
	List	   *found = NIL;
	ListCell   *lc;

	foreach(lc, items)
		if (((RootSequence *) lfirst(lc))->leaves != NIL)
			found = lappend(found, lfirst(lc));
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
						   "SELECT v.n, s.seqstart, sn.nspname, sc.relname,"
						   " pg_catalog.has_sequence_privilege(s.seqrelid, 'SELECT'),"
						   " CASE WHEN pg_catalog.has_sequence_privilege(s.seqrelid, 'SELECT')"
						   " THEN pg_catalog.pg_sequence_last_value(s.seqrelid) END FROM (VALUES ");
	foreach(lc, items)
	{
		RootSequence *item = lfirst(lc);

		appendStringInfo(&sql, "%s(%d, %s, %s, %s)", n ? ", " : "", n,
						 quote_literal_cstr(get_namespace_name(get_rel_namespace(item->root))),
						 quote_literal_cstr(get_rel_name(item->root)),
						 quote_literal_cstr(get_attname(item->root, item->local->attnum, false)));
		n++;
	}
	appendStringInfoString(&sql,
						   ") v (n, schema, name, col)"
						   " JOIN pg_catalog.pg_namespace ns ON ns.nspname = v.schema"
						   " JOIN pg_catalog.pg_class c ON c.relnamespace = ns.oid AND c.relname = v.name"
						   " JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = v.col AND NOT a.attisdropped"
						   " CROSS JOIN LATERAL (SELECT d.objid FROM pg_catalog.pg_depend d"
						   " WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass"
						   " AND d.refobjid = c.oid AND d.refobjsubid = a.attnum"
						   " AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype IN ('a', 'i')"
						   " UNION SELECT d.refobjid FROM pg_catalog.pg_attrdef e JOIN pg_catalog.pg_depend d"
						   " ON d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.objid = e.oid"
						   " WHERE e.adrelid = c.oid AND e.adnum = a.attnum"
						   " AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass) u"
						   " JOIN pg_catalog.pg_sequence s ON s.seqrelid = u.objid"
						   " JOIN pg_catalog.pg_class sc ON sc.oid = s.seqrelid"
						   " JOIN pg_catalog.pg_namespace sn ON sn.oid = sc.relnamespace"
						   " ORDER BY v.n, s.seqrelid");
	return sql.data;
}

enum
{
	STATE_ITEM, STATE_START, STATE_SCHEMA, STATE_NAME, STATE_READABLE, STATE_LAST_VALUE
};

/* How many sequences a column of the source may use at most. */
#define SEQUENCES_PER_COLUMN	100

/* One row of the answer.  The name decides if the column uses several. */
static void
take_state(RootSequence *item, const ResultReader *reader)
{
	CatalogSequence *source = palloc0(sizeof(CatalogSequence));

	source->schema = result_text(reader, STATE_SCHEMA);
	source->name = result_text(reader, STATE_NAME);
	source->readable = result_bool(reader, STATE_READABLE);
	source->is_called = !result_is_null(reader, STATE_LAST_VALUE);
	source->last_value = result_int(reader, source->is_called ? STATE_LAST_VALUE : STATE_START);
	if (item->source == NULL || strcmp(source->name, item->local->name) == 0)
		item->source = source;
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
		[STATE_SCHEMA] = {"nspname", RESULT_NAME},
		[STATE_NAME] = {"relname", RESULT_NAME},
		[STATE_READABLE] = {"has_sequence_privilege", RESULT_BOOL, .nullable = true},
		[STATE_LAST_VALUE] = {"pg_sequence_last_value", RESULT_INT64, .nullable = true}
	};
	ResultShape shape = {"sequences of partitioned tables", columns, lengthof(columns)};
	ListCell   *lc;

	foreach(lc, items)
		((RootSequence *) lfirst(lc))->source = NULL;
	reader = result_begin(control, &shape, 0, (int64) list_length(items) * SEQUENCES_PER_COLUMN);
	while (result_next(reader))
		take_state(list_nth(items, result_int(reader, STATE_ITEM)), reader);
}

/* Adds the sequence to the leaf, whose column may have another number. */
static void
add_to_leaf(TablePlan *leaf, const RootSequence *item, List *users, Oid role,
			SequenceReport *report)
{
	CatalogSequence local = *item->local;
	char	   *column = get_attname(item->root, local.attnum, false);

	local.attnum = get_attnum(leaf->relid, column);
	if (local.attnum != InvalidAttrNumber)
		sequence_plan_add(leaf, &local, item->source, pstrdup(quote_identifier(local.name)), users,
						  role, report);
}

void
plan_root_sequences(RunPlan *plan, Oid role, Source *control)
{
	List	   *items = lacking(collect(plan));
	ListCell   *lc;
	ListCell   *lc_leaf;

	if (items == NIL)
		return;
	source_catalog_query(control, states_query(items), read_states, items);
	foreach(lc, items)
	{
		RootSequence *item = lfirst(lc);
		SequenceReport report = {0};
		SequenceReport same = {0};
		List	   *users = local_sequence_users(item->local->oid);

		foreach(lc_leaf, item->leaves)
			add_to_leaf(lfirst(lc_leaf), item, users, role,
						lc_leaf == list_head(item->leaves) ? &report : &same);
		sequence_plan_report(linitial(item->leaves), &report, source_user(control), role);
	}
}
