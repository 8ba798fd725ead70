/*-------------------------------------------------------------------------
 *
 * kept_rows.c
 *	  Kept rows: local rows that stay when their table is replaced.
 *
 * The swap must keep the rows that exist at that moment, and every reader must
 * see them.  A reader with an older snapshot sees all frozen rows of a staging
 * heap.  It also sees frozen rows that were deleted later, and no rows that
 * were inserted later as ordinary rows.  So the work is done twice:
 *
 *	- The loader copies the kept rows into the empty staging heap, frozen like
 *	  the pulled rows, and into a second heap with indexes.  It looks up each
 *	  pulled row in those indexes.  If a pulled row conflicts with a kept row
 *	  on a unique or exclusion constraint, the pulled row is dropped: it goes
 *	  into a third heap instead of the staging heap.
 *
 *	- The leader scans the local rows again when writers are locked out.
 *	  Usually it finds the same row versions, and nothing changes.  Otherwise
 *	  it deletes the old kept rows (the first rows of the staging heap),
 *	  inserts the new ones, and retries the dropped rows.  These are ordinary
 *	  deletes and inserts, so that a failed attempt can be rolled back.
 *
 * A row version is identified by its TID and its raw xmin.  VACUUM or a
 * rewrite may run between the two scans.  Neither creates a new version with
 * the xmin of a finished transaction, and freezing does not change the raw
 * xmin.  So if both scans find the same number of versions with the same TIDs
 * and xmins, they are the same versions.
 *
 * Rows are copied with all columns, including generated ones and those that
 * the source does not have.  The insert fetches values that are out of line.
 * The rows already satisfy the table's constraints.  Conditions and index
 * expressions run as the table's owner.
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
tid_number(ItemPointer tid)
{
	return ((int64) ItemPointerGetBlockNumber(tid) << 16) | ItemPointerGetOffsetNumber(tid);
}

/* ---- the scan for kept rows ---- */

/* A scan of the target that returns the rows to keep. */
typedef struct KeptScan
{
	TableScanDesc scan;
	TupleTableSlot *slot;
	RowQuery   *query;
	int			nconditions;
	int64		rows;
	uint64		fingerprint;
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

/* Adds the version of the row to the fingerprint, which ignores the order. */
static void
add_to_fingerprint(KeptScan *scan)
{
	bool		isnull;
	Datum		xmin = slot_getsysattr(scan->slot, MinTransactionIdAttributeNumber, &isnull);
	int64		version[] = {tid_number(&scan->slot->tts_tid), DatumGetTransactionId(xmin)};

	scan->fingerprint += DatumGetUInt64(hash_any_extended((unsigned char *) version,
														  sizeof(version), 0));
	scan->rows++;
}

/* Fetches the next row to keep into scan->slot.  Returns false at the end. */
static bool
next_kept(KeptScan *scan)
{
	while (table_scan_getnextslot(scan->scan, ForwardScanDirection, scan->slot))
	{
		owner_allow_ms(OWNER_MS_PER_LOCKED_ROW);
		CHECK_FOR_INTERRUPTS();
		if (!is_kept(scan))
			continue;
		add_to_fingerprint(scan);
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
 * Copies a row with all columns of the current definition.  A tuple that is
 * older than an ADD COLUMN has fewer.  Dropped columns become null.
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
	ResultRelInfo *indexes;		/* on the copy */
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
		load->kept.last = tid_number(&slot->tts_tid);
	}
	load->kept.rows = scan.rows;
	load->kept.fingerprint = (int64) scan.fingerprint;
	end_scan(&scan);
	FreeBulkInsertState(bulk);
	ExecDropSingleTupleTableSlot(slot);
	CommandCounterIncrement();
}

/*
 * Opens the indexes of a heap to find conflicts as INSERT ... ON CONFLICT
 * does.
 */
static ResultRelInfo *
open_indexes(Relation heap)
{
	ResultRelInfo *result_rel = makeNode(ResultRelInfo);

	InitResultRelInfo(result_rel, heap, 1, NULL, 0);
	ExecOpenIndices(result_rel, true);
	return result_rel;
}

/*
 * Returns whether a row conflicts with the one in the slot; *conflict is its
 * TID.
 */
static bool
find_conflict(ResultRelInfo *indexes, EState *estate, TupleTableSlot *slot, ItemPointer conflict)
{
	return indexes->ri_NumIndices > 0 &&
		!compat_check_index_constraints(indexes, slot, estate, conflict);
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
kept_load_conflicts(KeptLoad *load, EState *estate, TupleTableSlot *slot)
{
	ItemPointerData conflict;

	if (load->kept.rows == 0 || !find_conflict(load->indexes, estate, slot, &conflict))
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

/* The staging heap during kept_refresh(). */
typedef struct Refresh
{
	Relation	staging;
	ResultRelInfo *indexes;
	EState	   *estate;
	TupleTableSlot *slot;		/* of the staging heap */
	Kept		kept;
} Refresh;

/* Deletes the kept rows that the loader copied: the first rows of the heap. */
static void
delete_old(Refresh *refresh, int64 last)
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

/* Inserts a kept row and deletes the pulled rows that conflict with it. */
static void
insert_kept_row(Refresh *refresh)
{
	ItemPointerData conflict;

	while (find_conflict(refresh->indexes, refresh->estate, refresh->slot, &conflict))
	{
		simple_table_tuple_delete(refresh->staging, &conflict, GetActiveSnapshot());
		refresh->kept.yielded++;
		owner_allow_ms(OWNER_MS_PER_LOCKED_ROW);
		CHECK_FOR_INTERRUPTS();
	}
	insert_row(refresh);
	refresh->kept.rows++;
}

/* Inserts a dropped row unless it conflicts with a row of the heap. */
static void
retry_dropped_row(Refresh *refresh)
{
	ItemPointerData conflict;

	if (find_conflict(refresh->indexes, refresh->estate, refresh->slot, &conflict))
		refresh->kept.yielded++;
	else
		insert_row(refresh);
	owner_allow_ms(OWNER_MS_PER_LOCKED_ROW);
	CHECK_FOR_INTERRUPTS();
}

/*
 * Calls the action for a row, in a memory context that is reset for each row.
 */
static void
process_row(Refresh *refresh, TupleTableSlot *row, void (*action) (Refresh *refresh))
{
	MemoryContext oldcontext;

	ResetPerTupleExprContext(refresh->estate);
	oldcontext = MemoryContextSwitchTo(GetPerTupleMemoryContext(refresh->estate));
	complete_copy(refresh->slot, row);
	action(refresh);
	MemoryContextSwitchTo(oldcontext);
}

/* Inserts the kept rows from the tuplestore. */
static void
insert_kept_rows(Refresh *refresh, Relation target, Tuplestorestate *store)
{
	TupleTableSlot *stored = MakeSingleTupleTableSlot(RelationGetDescr(target),
													  &TTSOpsMinimalTuple);

	while (tuplestore_gettupleslot(store, true, false, stored))
		process_row(refresh, stored, insert_kept_row);
	ExecDropSingleTupleTableSlot(stored);
	CommandCounterIncrement();
}

/*
 * Retries the rows that the loader dropped: the conflicting row may be gone
 * now.
 */
static void
retry_dropped_rows(Refresh *refresh, Relation yielded)
{
	TableScanDesc scan = table_beginscan(yielded, GetActiveSnapshot(), 0, NULL);
	TupleTableSlot *slot = table_slot_create(yielded, NULL);

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
		process_row(refresh, slot, retry_dropped_row);
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

	delete_old(&refresh, kept->last);
	insert_kept_rows(&refresh, target, store);
	if (OidIsValid(kept->yielded_heap))
	{
		Relation	yielded = table_open(kept->yielded_heap, NoLock);

		staging_check_columns(target, yielded);
		retry_dropped_rows(&refresh, yielded);
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
	changed = scan.rows != kept->rows || (int64) scan.fingerprint != kept->fingerprint;
	if (changed)
		refresh_staging(target, staging, store, kept);
	owner_leave(&owner);
	PopActiveSnapshot();
	tuplestore_end(store);
	table_close(staging, NoLock);
	table_close(target, NoLock);
	return changed;
}
