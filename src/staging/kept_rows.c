/*-------------------------------------------------------------------------
 *
 * kept_rows.c
 *	  Local rows that stay when their table is replaced.
 *
 * The rows must be those that are there at the moment of the swap, and
 * every reader must find them, also one with an older snapshot; such readers see
 * all of a staging heap that is frozen, and nothing that was deleted from it or
 * added since.  So the work is done twice:
 *
 *	- The loader copies the kept rows into the empty staging heap, frozen like the
 *	  pulled ones, and into a heap of their own, with indexes.  Each pulled
 *	  row is looked up in those indexes.  One whose key a kept row has, by any unique index
 *	  or exclusion constraint, yields: it goes aside, into a third heap.
 *
 *	- The leader, when the writers are locked out, looks at the local rows
 *	  again.  As a rule they are the same versions of the same rows, and nothing is
 *	  to be done.  Else it takes the old kept rows (the first ones of the staging
 *	  heap) out, puts the new ones in, and tries the yielded ones again,
 *	  all by ordinary deletes and inserts that an attempt can undo.
 *
 * A row version is known by its place and its transaction.  VACUUM and rewrites
 * may come in between.  They make no new version of a transaction that is over, and
 * freezing leaves the number of the transaction (raw xmin) where it was.  So as
 * many versions with the same places and numbers are the same versions.
 *
 * Rows are copied as they are, generated and extra columns included; values
 * out of line are fetched by the insert.  They satisfy the table's
 * constraints already.  Conditions and index expressions run as the table's owner.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "common/hashfn.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#include "base/compat.h"
#include "staging/kept_rows.h"
#include "base/user_context.h"
#include "eval/row_query.h"
#include "staging/staging.h"
#include "staging/target.h"

static int64
place_number(ItemPointer tid)
{
	return ((int64) ItemPointerGetBlockNumber(tid) << 16) | ItemPointerGetOffsetNumber(tid);
}

/* ---- finding them ---- */

/* A scan of the target that gives the rows to keep, one by one. */
typedef struct KeptScan
{
	TableScanDesc scan;
	TupleTableSlot *slot;
	RowQuery   *query;
	int			nconditions;
	int64		rows;
	uint64		print;
} KeptScan;

static void
begin_scan(KeptScan *scan, Relation target, const char *row_name, List *conditions)
{
	memset(scan, 0, sizeof(KeptScan));
	scan->query = row_query_begin(target, row_name, conditions, true);
	scan->nconditions = list_length(conditions);
	scan->slot = table_slot_create(target, NULL);
	scan->scan = table_beginscan(target, GetActiveSnapshot(), 0, NULL);
}

static bool
is_kept(KeptScan *scan)
{
	TupleTableSlot *found = row_query_compute(scan->query, scan->slot);

	for (int i = 0; i < scan->nconditions; i++)
	{
		if (!found->tts_isnull[i] && DatumGetBool(found->tts_values[i]))
			return true;
	}
	return false;
}

/* Sums up which versions of which rows were found, in any order. */
static void
add_to_print(KeptScan *scan)
{
	bool		isnull;
	TransactionId xmin = DatumGetTransactionId(slot_getsysattr(scan->slot, MinTransactionIdAttributeNumber, &isnull));
	int64		version[] = {place_number(&scan->slot->tts_tid), xmin};

	scan->print += DatumGetUInt64(hash_any_extended((unsigned char *) version, sizeof(version), 0));
	scan->rows++;
}

/* The next row in scan->slot; false at the end. */
static bool
next_kept(KeptScan *scan)
{
	while (table_scan_getnextslot(scan->scan, ForwardScanDirection, scan->slot))
	{
		owner_allow_ms(OWNER_MS_PER_LOCKED_ROW);
		CHECK_FOR_INTERRUPTS();
		if (!is_kept(scan))
			continue;
		add_to_print(scan);
		return true;
	}
	return false;
}

static void
end_scan(KeptScan *scan)
{
	table_endscan(scan->scan);
	ExecDropSingleTupleTableSlot(scan->slot);
	row_query_end(scan->query);
}

/*
 * All columns of the row, as a tuple of the present definition: one from before
 * an ADD COLUMN has fewer.  What stood in a dropped column is gone.
 */
static void
complete_copy(TupleTableSlot *to, TupleTableSlot *from)
{
	TupleDesc	desc = to->tts_tupleDescriptor;

	slot_getallattrs(from);
	ExecClearTuple(to);
	for (int i = 0; i < desc->natts; i++)
	{
		to->tts_values[i] = from->tts_values[i];
		to->tts_isnull[i] = from->tts_isnull[i] || TupleDescAttr(desc, i)->attisdropped;
	}
	ExecStoreVirtualTuple(to);
	ExecMaterializeSlot(to);
}

/* ---- in a loader ---- */

struct KeptLoad
{
	Kept		kept;
	Relation	copy;
	Relation	yielded;
	ResultRelInfo *indexes;		/* of the copy */
};

static void
copy_rows(KeptLoad *load, Relation target, Relation staging, const char *row_name, List *conditions)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(target),
													table_slot_callbacks(staging));
	BulkInsertState bulk = GetBulkInsertState();
	CommandId	cid = GetCurrentCommandId(true);
	KeptScan	scan;

	begin_scan(&scan, target, row_name, conditions);
	while (next_kept(&scan))
	{
		complete_copy(slot, scan.slot);
		table_tuple_insert(load->copy, slot, cid, TABLE_INSERT_SKIP_FSM, NULL);
		table_tuple_insert(staging, slot, cid, TABLE_INSERT_SKIP_FSM | TABLE_INSERT_FROZEN, bulk);
		load->kept.last = place_number(&slot->tts_tid);
	}
	load->kept.rows = scan.rows;
	load->kept.print = (int64) scan.print;
	end_scan(&scan);
	FreeBulkInsertState(bulk);
	ExecDropSingleTupleTableSlot(slot);
	CommandCounterIncrement();
}

/* Opens the indexes of a heap for lookups as INSERT … ON CONFLICT makes them. */
static ResultRelInfo *
open_indexes(Relation heap)
{
	ResultRelInfo *result_rel = makeNode(ResultRelInfo);

	InitResultRelInfo(result_rel, heap, 1, NULL, 0);
	ExecOpenIndices(result_rel, true);
	return result_rel;
}

/* The row, if any, that has the key of the one in the slot. */
static bool
find_clash(ResultRelInfo *indexes, EState *estate, TupleTableSlot *slot, ItemPointer clash)
{
	return indexes->ri_NumIndices > 0 &&
		!compat_check_index_constraints(indexes, slot, estate, clash);
}

KeptLoad *
kept_load_begin(Oid relid, const char *shape, Relation staging, Oid copy, Oid yielded_heap,
				const char *row_name, List *conditions)
{
	KeptLoad   *load = palloc0(sizeof(KeptLoad));
	Relation	target = target_open(relid, shape);
	OwnerContext owner;

	load->copy = table_open(copy, AccessExclusiveLock);
	load->yielded = table_open(yielded_heap, AccessExclusiveLock);
	staging_check_columns(target, load->copy);
	staging_check_columns(target, load->yielded);
	owner_enter(&owner, target->rd_rel->relowner);
	copy_rows(load, target, staging, row_name, conditions);
	owner_leave(&owner);
	target_close(target);
	staging_build_indexes(copy);
	owner_enter(&owner, load->copy->rd_rel->relowner);
	load->indexes = open_indexes(load->copy);
	owner_leave(&owner);
	return load;
}

bool
kept_load_yields(KeptLoad *load, EState *estate, TupleTableSlot *slot)
{
	ItemPointerData clash;

	if (load->kept.rows == 0 || !find_clash(load->indexes, estate, slot, &clash))
		return false;
	table_tuple_insert(load->yielded, slot, GetCurrentCommandId(true), TABLE_INSERT_SKIP_FSM, NULL);
	load->kept.yielded++;
	return true;
}

Kept
kept_load_end(KeptLoad *load)
{
	Oid			copy = RelationGetRelid(load->copy);
	Oid			yielded = RelationGetRelid(load->yielded);

	ExecCloseIndices(load->indexes);
	table_close(load->copy, NoLock);
	table_close(load->yielded, NoLock);
	CommandCounterIncrement();
	staging_drop(copy);
	if (load->kept.yielded == 0)
		staging_drop(yielded);
	else
		load->kept.yielded_heap = yielded;
	return load->kept;
}

/* ---- in the leader ---- */

/* The staging heap while it is brought up to date. */
typedef struct Refresh
{
	Relation	staging;
	ResultRelInfo *indexes;
	EState	   *estate;
	TupleTableSlot *slot;		/* of the staging heap */
	Kept		kept;
} Refresh;

/* What the loader put in: the first rows of the heap. */
static void
take_out_old(Refresh *refresh, int64 last)
{
	Snapshot	snapshot = GetActiveSnapshot();
	TableScanDesc scan;
	ItemPointerData from;
	ItemPointerData to;

	if (last == 0)
		return;
	ItemPointerSet(&from, 0, FirstOffsetNumber);
	ItemPointerSet(&to, (BlockNumber) (last >> 16), (OffsetNumber) (last & 0xffff));
	scan = table_beginscan_tidrange(refresh->staging, snapshot, &from, &to);
	while (table_scan_getnextslot_tidrange(scan, ForwardScanDirection, refresh->slot))
	{
		simple_table_tuple_delete(refresh->staging, &refresh->slot->tts_tid, snapshot);
		owner_allow_ms(OWNER_MS_PER_LOCKED_ROW);
		CHECK_FOR_INTERRUPTS();
	}
	table_endscan(scan);
	CommandCounterIncrement();
}

static void
insert_row(Refresh *refresh)
{
	table_tuple_insert(refresh->staging, refresh->slot, GetCurrentCommandId(true), 0, NULL);
	if (refresh->indexes->ri_NumIndices > 0)
		(void) compat_insert_index_tuples(refresh->indexes, refresh->slot, refresh->estate);
}

/* Puts one row in, before which pulled ones yield. */
static void
put_in_row(Refresh *refresh)
{
	ItemPointerData clash;

	while (find_clash(refresh->indexes, refresh->estate, refresh->slot, &clash))
	{
		simple_table_tuple_delete(refresh->staging, &clash, GetActiveSnapshot());
		refresh->kept.yielded++;
		owner_allow_ms(OWNER_MS_PER_LOCKED_ROW);
		CHECK_FOR_INTERRUPTS();
	}
	insert_row(refresh);
	refresh->kept.rows++;
}

/* Puts one row in unless it yields. */
static void
try_row(Refresh *refresh)
{
	ItemPointerData clash;

	if (find_clash(refresh->indexes, refresh->estate, refresh->slot, &clash))
		refresh->kept.yielded++;
	else
		insert_row(refresh);
	owner_allow_ms(OWNER_MS_PER_LOCKED_ROW);
	CHECK_FOR_INTERRUPTS();
}

/* Takes a row in hand, with memory that goes with it. */
static void
with_row(Refresh *refresh, TupleTableSlot *row, void (*action) (Refresh *refresh))
{
	MemoryContext oldcontext;

	ResetPerTupleExprContext(refresh->estate);
	oldcontext = MemoryContextSwitchTo(GetPerTupleMemoryContext(refresh->estate));
	complete_copy(refresh->slot, row);
	action(refresh);
	MemoryContextSwitchTo(oldcontext);
}

/* The rows in the store. */
static void
put_in_new(Refresh *refresh, Relation target, Tuplestorestate *store)
{
	TupleTableSlot *stored = MakeSingleTupleTableSlot(RelationGetDescr(target),
													  &TTSOpsMinimalTuple);

	while (tuplestore_gettupleslot(store, true, false, stored))
		with_row(refresh, stored, put_in_row);
	ExecDropSingleTupleTableSlot(stored);
	CommandCounterIncrement();
}

/* What has yielded in the loader may have its key now. */
static void
try_yielded(Refresh *refresh, Relation yielded)
{
	TableScanDesc scan = table_beginscan(yielded, GetActiveSnapshot(), 0, NULL);
	TupleTableSlot *slot = table_slot_create(yielded, NULL);

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
		with_row(refresh, slot, try_row);
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	CommandCounterIncrement();
}

/* The caller holds AccessExclusiveLock on both heaps. */
static void
refresh_staging(Relation target, Relation staging, Tuplestorestate *store, Kept *kept)
{
	Refresh		refresh = {
		.staging = staging,
		.indexes = open_indexes(staging),
		.estate = CreateExecutorState(),
		.slot = table_slot_create(staging, NULL)
	};

	take_out_old(&refresh, kept->last);
	put_in_new(&refresh, target, store);
	if (OidIsValid(kept->yielded_heap))
	{
		Relation	yielded = table_open(kept->yielded_heap, NoLock);

		staging_check_columns(target, yielded);
		try_yielded(&refresh, yielded);
		table_close(yielded, NoLock);
	}
	ExecDropSingleTupleTableSlot(refresh.slot);
	ExecCloseIndices(refresh.indexes);
	FreeExecutorState(refresh.estate);
	kept->rows = refresh.kept.rows;
	kept->yielded = refresh.kept.yielded;
}

bool
kept_refresh(Oid target_oid, Oid staging_oid, const char *row_name, List *conditions, Kept *kept)
{
	Relation	target = table_open(target_oid, NoLock);
	Relation	staging = table_open(staging_oid, NoLock);
	Tuplestorestate *store = tuplestore_begin_heap(false, false, work_mem);
	OwnerContext owner;
	KeptScan	scan;
	bool		changed;

	PushActiveSnapshot(GetTransactionSnapshot());
	owner_enter(&owner, target->rd_rel->relowner);
	begin_scan(&scan, target, row_name, conditions);
	while (next_kept(&scan))
		tuplestore_puttupleslot(store, scan.slot);
	end_scan(&scan);
	changed = scan.rows != kept->rows || (int64) scan.print != kept->print;
	if (changed)
		refresh_staging(target, staging, store, kept);
	owner_leave(&owner);
	PopActiveSnapshot();
	tuplestore_end(store);
	table_close(staging, NoLock);
	table_close(target, NoLock);
	return changed;
}
