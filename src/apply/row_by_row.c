/*-------------------------------------------------------------------------
 *
 * row_by_row.c
 *	  Replaces the rows of a table by deletes and inserts.
 *
 * A swap changes no row, so logical decoding does not see it, and subscribers
 * would keep the old rows.  The rows of such tables are deleted and inserted
 * instead.  The new rows come from the staging heap, where they have been
 * converted and checked.  Writers wait meanwhile; readers do not.
 *
 * The executor's ModifyTable is not used, because it fires triggers and
 * applies rules.  Index expressions are the owner's code, and run as the
 * owner.  A deferrable unique constraint needs no recheck: the index of the
 * staging heap has proven that the new rows are unique, and the old rows are
 * gone.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "commands/tablecmds.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/user_context.h"
#include "apply/row_by_row.h"
#include "staging/staging.h"

static void
delete_all(Relation target)
{
	Snapshot	snapshot = GetActiveSnapshot();
	TableScanDesc scan = table_beginscan(target, snapshot, 0, NULL);
	TupleTableSlot *slot = table_slot_create(target, NULL);

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		simple_table_tuple_delete(target, &slot->tts_tid, snapshot);
		owner_allow_ms(OWNER_MS_PER_LOCKED_ROW);
		CHECK_FOR_INTERRUPTS();
	}
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	CommandCounterIncrement();
}

static void
insert_all(Relation target, Relation staging)
{
	EState	   *estate = CreateExecutorState();
	ResultRelInfo *result_rel = makeNode(ResultRelInfo);
	TableScanDesc scan = table_beginscan(staging, GetActiveSnapshot(), 0, NULL);
	TupleTableSlot *slot = table_slot_create(staging, NULL);
	CommandId	cid = GetCurrentCommandId(true);

	InitResultRelInfo(result_rel, target, 1, NULL, 0);
	ExecOpenIndices(result_rel, false);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		ResetPerTupleExprContext(estate);
		ExecMaterializeSlot(slot);
		slot->tts_tableOid = RelationGetRelid(target);
		table_tuple_insert(target, slot, cid, 0, NULL);
		if (result_rel->ri_NumIndices > 0)
			(void) compat_insert_index_tuples(result_rel, slot, estate);
		owner_allow_ms(OWNER_MS_PER_LOCKED_ROW);
		CHECK_FOR_INTERRUPTS();
	}
	ExecCloseIndices(result_rel);
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	FreeExecutorState(estate);
	CommandCounterIncrement();
}

void
replace_row_by_row(Oid target_oid, Oid staging_oid)
{
	Relation	target = table_open(target_oid, NoLock);
	Relation	staging = table_open(staging_oid, NoLock);
	OwnerContext owner;

	CheckTableNotInUse(target, "pgtunsync.pull");
	CheckCmdReplicaIdentity(target, CMD_DELETE);
	staging_check_columns(target, staging);
	owner_enter(&owner, target->rd_rel->relowner);
	delete_all(target);
	insert_all(target, staging);
	owner_leave(&owner);
	table_close(staging, NoLock);
	table_close(target, NoLock);
}
