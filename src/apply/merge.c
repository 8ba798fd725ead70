/*-------------------------------------------------------------------------
 *
 * merge.c
 *	  Merges staged rows into a table that keeps its other rows.
 *
 * The loader has converted, completed and checked the rows as rows of the
 * target.  Here, each row is looked up in the target by its primary key index,
 * as logical replication does (execReplication.c).  It is then inserted, or
 * replaces the existing row.  Memory use does not depend on the number of
 * rows.
 *
 * - An existing row with the same values is not touched: there is no new row
 *   version, nothing to replicate, and no bloat.  Values are compared as bytes
 *   after detoasting.
 * - Columns that the source lacks keep their local values.  No one has checked
 *   such a mixed row yet.  So its generated columns are computed, and its
 *   constraints are checked (except those that are NOT VALID).
 * - Unique and exclusion constraints are checked after all rows are in, as if
 *   they were deferred, so that two rows may exchange their values.  Possible
 *   conflicts are stored and checked as unique_key_recheck() in constraint.c
 *   does.
 *
 * The executor's ModifyTable is not used, because it fires triggers and
 * applies rules.  Index expressions, generated columns and CHECK constraints
 * are the owner's code, and run as the owner.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/pg_type.h"
#include "commands/tablecmds.h"
#include "executor/executor.h"
#include "executor/nodeModifyTable.h"
#include "miscadmin.h"
#include "nodes/nodes.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#include "base/compat.h"
#include "apply/merge.h"
#include "base/user_context.h"
#include "plan/plan.h"
#include "schema/primary_key.h"
#include "schema/publication.h"
#include "eval/range_table.h"
#include "plan/rewrite.h"
#include "staging/staging.h"
#include "eval/not_valid.h"

/* The state of merging one table. */
typedef struct Merge
{
	StagedTable *table;
	Relation	target;
	Relation	staging;
	EState	   *estate;
	ResultRelInfo *result_rel;
	ExprState  *partition_check;
	bool	   *pulled;			/* by column: whether the staged row's value is used */
	bool		mixed;			/* whether other columns keep their local values */
	ResultRelInfo *checked;		/* the target with the constraints to check for mixed rows */

	/* looking up rows of the target by primary key */
	Relation	key_index;		/* NULL if nothing is looked up */
	IndexScanDesc scan;
	int			nkeys;
	ScanKeyData keys[INDEX_MAX_KEYS];
	TupleTableSlot *existing;

	TupleTableSlot *staged;
	TupleTableSlot *merged;

	/* possible conflicts: index and TID */
	TupleTableSlot *conflict;
	Tuplestorestate *conflicts;
} Merge;

/* ---- looking up ---- */

/* Initializes the scan key of one column.  The value is set for each row. */
static void
init_key(Merge *merge, int i)
{
	Relation	index = merge->key_index;
	Oid			opfamily = index->rd_opfamily[i];
	Oid			type = index->rd_opcintype[i];
	Oid			operator = get_opfamily_member(opfamily, type, type, BTEqualStrategyNumber);

	if (!OidIsValid(operator))
		elog(ERROR, "missing operator %d(%u,%u) in opfamily %u",
			 BTEqualStrategyNumber, type, type, opfamily);
	ScanKeyEntryInitialize(&merge->keys[i], 0, i + 1, BTEqualStrategyNumber, InvalidOid,
						   index->rd_indcollation[i], get_opcode(operator), (Datum) 0);
}

static void
begin_lookup(Merge *merge)
{
	Oid			index = primary_key_index(merge->target);

	if (!OidIsValid(index))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("table \"%s\" has no primary key any more",
						RelationGetRelationName(merge->target))));
	merge->key_index = index_open(index, AccessShareLock);
	merge->nkeys = IndexRelationGetNumberOfKeyAttributes(merge->key_index);
	for (int i = 0; i < merge->nkeys; i++)
		init_key(merge, i);
	merge->scan = compat_index_beginscan(merge->target, merge->key_index, GetActiveSnapshot(),
										 merge->nkeys);
	merge->existing = table_slot_create(merge->target, NULL);
}

static void
end_lookup(Merge *merge)
{
	ExecDropSingleTupleTableSlot(merge->existing);
	index_endscan(merge->scan);
	index_close(merge->key_index, NoLock);
}

/*
 * Finds the existing row with the key of the staged row, in the state before
 * the merge.  The scan runs in a longer-lived context, because it keeps
 * information across rows, such as about dead rows.
 */
static bool
find_existing(Merge *merge)
{
	int2vector *attnums = &merge->key_index->rd_index->indkey;
	MemoryContext oldcontext;
	bool		found;

	for (int i = 0; i < merge->nkeys; i++)
	{
		bool		isnull;

		merge->keys[i].sk_argument = slot_getattr(merge->staged, attnums->values[i], &isnull);
		if (isnull)
			elog(ERROR, "null value in a primary key");
	}
	oldcontext = MemoryContextSwitchTo(merge->estate->es_query_cxt);
	index_rescan(merge->scan, merge->keys, merge->nkeys, NULL, 0);
	found = index_getnext_slot(merge->scan, ForwardScanDirection, merge->existing);
	MemoryContextSwitchTo(oldcontext);
	return found;
}

/* ---- writing ---- */

/* Stores that the row may conflict with another row in these indexes. */
static void
remember_conflicts(Merge *merge, const List *indexes, const ItemPointerData *tid)
{
	ListCell   *lc;

	foreach(lc, indexes)
	{
		Datum		values[2] = {ObjectIdGetDatum(lfirst_oid(lc)), PointerGetDatum(tid)};
		bool		nulls[2] = {false, false};

		tuplestore_putvalues(merge->conflicts, merge->conflict->tts_tupleDescriptor, values, nulls);
	}
}

static void
insert_row(Merge *merge)
{
	TupleTableSlot *slot = merge->staged;

	ExecMaterializeSlot(slot);
	slot->tts_tableOid = RelationGetRelid(merge->target);
	table_tuple_insert(merge->target, slot, GetCurrentCommandId(true), 0, NULL);
	if (merge->result_rel->ri_NumIndices > 0)
		remember_conflicts(merge,
						   compat_insert_index_tuples_unchecked(merge->result_rel, slot,
																merge->estate, false),
						   &slot->tts_tid);
	merge->table->inserted++;
}

/*
 * Forms the existing row with the values of the staged row.  Returns false if
 * no value differs.  Equal values are not replaced, so that toasted values are
 * not stored again.
 */
static bool
mix_rows(Merge *merge)
{
	TupleDesc	desc = RelationGetDescr(merge->target);
	TupleTableSlot *merged = merge->merged;
	bool		differ = false;

	slot_getallattrs(merge->staged);
	slot_getallattrs(merge->existing);
	ExecClearTuple(merged);
	memcpy(merged->tts_values, merge->existing->tts_values, sizeof(Datum) * desc->natts);
	for (int i = 0; i < desc->natts; i++)
		merged->tts_isnull[i] = merge->existing->tts_isnull[i] || TupleDescAttr(desc, i)->attisdropped;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(desc, i);
		Datum		value = merge->staged->tts_values[i];
		bool		isnull = merge->staged->tts_isnull[i];

		if (!merge->pulled[i])
			continue;
		if (isnull == merged->tts_isnull[i] &&
			(isnull || datum_image_eq(merged->tts_values[i], value, attr->attbyval, attr->attlen)))
			continue;
		differ = true;
		merged->tts_values[i] = value;
		merged->tts_isnull[i] = isnull;
	}
	return differ;
}

/*
 * Sets the generated columns.  They come from the staged row, or are computed
 * if local values are involved.
 */
static void
set_generated(Merge *merge)
{
	TupleDesc	desc = RelationGetDescr(merge->target);

	if (desc->constr == NULL || !desc->constr->has_generated_stored)
		return;
	if (merge->mixed)
	{
		ExecComputeStoredGenerated(merge->result_rel, merge->estate, merge->merged, CMD_INSERT);
		return;
	}
	for (int i = 0; i < desc->natts; i++)
	{
		if (!TupleDescAttr(desc, i)->attgenerated)
			continue;
		merge->merged->tts_values[i] = merge->staged->tts_values[i];
		merge->merged->tts_isnull[i] = merge->staged->tts_isnull[i];
	}
}

/* Checks a mixed row.  The loader could not check it with local values. */
static void
check_mixed(Merge *merge)
{
	TupleTableSlot *slot = merge->merged;

	if (RelationGetDescr(merge->checked->ri_RelationDesc)->constr != NULL)
		ExecConstraints(merge->checked, slot, merge->estate);
	if (merge->partition_check != NULL)
	{
		ExprContext *econtext = GetPerTupleExprContext(merge->estate);

		econtext->ecxt_scantuple = slot;
		if (!ExecCheck(merge->partition_check, econtext))
			ExecPartitionCheckEmitError(merge->result_rel, slot, merge->estate);
	}
}

/* Replaces the existing row by the staged row. */
static void
update_row(Merge *merge)
{
	ItemPointerData tid = merge->existing->tts_tid;
	TupleTableSlot *slot = merge->merged;
	compat_update_indexes update;

	if (!mix_rows(merge))
		return;
	if (merge->table->updated == 0 && published_has_slots())
		CheckCmdReplicaIdentity(merge->target, CMD_UPDATE);
	ExecStoreVirtualTuple(slot);
	slot->tts_tableOid = RelationGetRelid(merge->target);
	set_generated(merge);
	if (merge->mixed)
		check_mixed(merge);
	simple_table_tuple_update(merge->target, &tid, slot, GetActiveSnapshot(), &update);
	if (compat_must_update_indexes(update))
		remember_conflicts(merge,
						   compat_insert_index_tuples_unchecked(merge->result_rel, slot,
																merge->estate,
																compat_summarizing_only(update)),
						   &slot->tts_tid);
	merge->table->updated++;
}

static void
merge_row(Merge *merge)
{
	if (merge->key_index == NULL || !find_existing(merge))
		insert_row(merge);
	else if (merge->table->plan->mode == LAND_OVERWRITE)
		update_row(merge);
}

static void
merge_rows(Merge *merge)
{
	TableScanDesc scan = table_beginscan(merge->staging, GetActiveSnapshot(), 0, NULL);

	while (table_scan_getnextslot(scan, ForwardScanDirection, merge->staged))
	{
		MemoryContext oldcontext;

		ResetPerTupleExprContext(merge->estate);
		oldcontext = MemoryContextSwitchTo(GetPerTupleMemoryContext(merge->estate));
		merge_row(merge);
		MemoryContextSwitchTo(oldcontext);
		owner_allow_ms(OWNER_MS_PER_LOCKED_ROW);
		CHECK_FOR_INTERRUPTS();
	}
	table_endscan(scan);
}

/* ---- unique and exclusion constraints ---- */

/* Returns the position of an index in the array of open indexes. */
static int
open_index(const Merge *merge, Oid index)
{
	for (int i = 0; i < merge->result_rel->ri_NumIndices; i++)
	{
		if (RelationGetRelid(merge->result_rel->ri_IndexRelationDescs[i]) == index)
			return i;
	}
	elog(ERROR, "index %u is not open", index);
	return -1;
}

/* Raises an error if a row that was written conflicts with another row. */
static void
check_conflict(Merge *merge, Oid indexoid, ItemPointer tid, TupleTableSlot *row)
{
	int			i = open_index(merge, indexoid);
	Relation	index = merge->result_rel->ri_IndexRelationDescs[i];
	IndexInfo  *info = merge->result_rel->ri_IndexRelationInfo[i];
	Datum		values[INDEX_MAX_KEYS];
	bool		isnull[INDEX_MAX_KEYS];

	if (!table_tuple_fetch_row_version(merge->target, tid, SnapshotSelf, row))
		elog(ERROR, "a merged row has vanished");
	GetPerTupleExprContext(merge->estate)->ecxt_scantuple = row;
	FormIndexDatum(info, row, merge->estate, values, isnull);
	if (info->ii_ExclusionOps == NULL)
		(void) index_insert(index, values, isnull, tid, merge->target,
							UNIQUE_CHECK_EXISTING, false, info);
	else
		check_exclusion_constraint(merge->target, index, info, tid, values, isnull,
								   merge->estate, false);
}

static void
check_conflicts(Merge *merge)
{
	TupleTableSlot *row = table_slot_create(merge->target, NULL);

	while (tuplestore_gettupleslot(merge->conflicts, true, false, merge->conflict))
	{
		MemoryContext oldcontext;
		bool		isnull;
		Oid			index = DatumGetObjectId(slot_getattr(merge->conflict, 1, &isnull));
		ItemPointerData tid = *(ItemPointer) DatumGetPointer(slot_getattr(merge->conflict, 2,
																		  &isnull));

		ResetPerTupleExprContext(merge->estate);
		oldcontext = MemoryContextSwitchTo(GetPerTupleMemoryContext(merge->estate));
		check_conflict(merge, index, &tid, row);
		MemoryContextSwitchTo(oldcontext);
		owner_allow_ms(OWNER_MS_PER_LOCKED_ROW);
		CHECK_FOR_INTERRUPTS();
	}
	ExecDropSingleTupleTableSlot(row);
}

/* ---- one table ---- */

/*
 * Marks the columns that come from the source or are computed for the pulled
 * row.
 */
static void
find_pulled(Merge *merge)
{
	const TablePlan *plan = merge->table->plan;
	TupleDesc	desc = RelationGetDescr(merge->target);
	ListCell   *lc;

	merge->pulled = palloc0(sizeof(bool) * Max(1, desc->natts));
	foreach(lc, plan->columns)
		merge->pulled[((ColumnPlan *) lfirst(lc))->attnum - 1] = true;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(desc, i);

		if (attr->attisdropped || attr->attgenerated)
			continue;
		merge->pulled[i] |= rewrite_gives(plan->rewrites, NameStr(attr->attname));
		merge->mixed |= !merge->pulled[i];
	}
}

/*
 * Excludes NOT VALID constraints from the checks of mixed rows, as in a load.
 */
static void
prepare_checks(Merge *merge)
{
	List	   *names = NIL;
	List	   *domains;
	ListCell   *lc;

	foreach(lc, merge->table->plan->columns)
		names = lappend(names, ((ColumnPlan *) lfirst(lc))->name);
	merge->checked = makeNode(ResultRelInfo);
	InitResultRelInfo(merge->checked,
					  unvalidated_hide(merge->target, names, merge->estate, &domains),
					  1, NULL, 0);
}

static void
begin_merge(Merge *merge)
{
	const TablePlan *plan = merge->table->plan;
	TupleDesc	conflict = CreateTemplateTupleDesc(2);

	merge->estate = CreateExecutorState();
	merge->result_rel = makeNode(ResultRelInfo);
	range_table_init(merge->estate, make_parsestate(NULL), merge->target);
	InitResultRelInfo(merge->result_rel, merge->target, 1, NULL, 0);
	ExecOpenIndices(merge->result_rel, false);
	find_pulled(merge);
	if (merge->mixed)
		prepare_checks(merge);
	if (plan->partition_check != NULL)
		merge->partition_check = ExecPrepareCheck((List *) stringToNode(plan->partition_check),
												  merge->estate);
	merge->staged = table_slot_create(merge->staging, NULL);
	merge->merged = MakeSingleTupleTableSlot(RelationGetDescr(merge->target), &TTSOpsVirtual);
	if (plan->mode != LAND_APPEND)
		begin_lookup(merge);

	TupleDescInitEntry(conflict, 1, "index", OIDOID, -1, 0);
	TupleDescInitEntry(conflict, 2, "tid", TIDOID, -1, 0);
	merge->conflict = MakeSingleTupleTableSlot(conflict, &TTSOpsMinimalTuple);
	merge->conflicts = tuplestore_begin_heap(false, false, work_mem);
}

static void
end_merge(Merge *merge)
{
	tuplestore_end(merge->conflicts);
	ExecDropSingleTupleTableSlot(merge->conflict);
	if (merge->key_index != NULL)
		end_lookup(merge);
	ExecDropSingleTupleTableSlot(merge->merged);
	ExecDropSingleTupleTableSlot(merge->staged);
	ExecCloseIndices(merge->result_rel);
	ExecResetTupleTable(merge->estate->es_tupleTable, false);
	FreeExecutorState(merge->estate);
}

void
merge_table(StagedTable *table)
{
	Merge		merge = {.table = table};
	OwnerContext owner;

	table->written = GetCurrentTransactionId();
	table->inserted = table->updated = 0;
	merge.target = table_open(table->target, NoLock);
	merge.staging = table_open(table->staging, NoLock);
	CheckTableNotInUse(merge.target, "pgtunsync.pull");
	staging_check_columns(merge.target, merge.staging);
	PushActiveSnapshot(GetTransactionSnapshot());

	owner_enter(&owner, merge.target->rd_rel->relowner);
	begin_merge(&merge);
	merge_rows(&merge);
	check_conflicts(&merge);
	end_merge(&merge);
	owner_leave(&owner);

	PopActiveSnapshot();
	table_close(merge.staging, NoLock);
	table_close(merge.target, NoLock);
	CommandCounterIncrement();
}
