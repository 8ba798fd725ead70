/*-------------------------------------------------------------------------
 *
 * frozen_scan.c
 *	  Scans a heap without writers, page by page.
 *
 * A staging heap is read once for each index and once for each foreign key.
 * All of its rows are frozen, so this scan skips the visibility checks and the
 * search for HOT chains that a heap scan makes for each row.  A page with
 * other rows is left to the caller.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/tableam.h"
#include "catalog/pg_am.h"
#include "miscadmin.h"

#include "staging/frozen_scan.h"

bool
frozen_scan_possible(Relation rel)
{
	return rel->rd_rel->relkind == RELKIND_RELATION && rel->rd_rel->relam == HEAP_TABLE_AM_OID;
}

/*
 * Like initscan() in heapam.c: a large heap must not displace the shared
 * buffers.
 */
void
frozen_scan_begin(FrozenScan *scan, Relation rel)
{
	scan->rel = rel;
	scan->nblocks = RelationGetNumberOfBlocks(rel);
	scan->strategy = scan->nblocks > NBuffers / 4 ? GetAccessStrategy(BAS_BULKREAD) : NULL;
	scan->block = InvalidBlockNumber;
	scan->buffer = InvalidBuffer;
	scan->ntuples = 0;
}

static void
release_page(FrozenScan *scan)
{
	if (BufferIsValid(scan->buffer))
		ReleaseBuffer(scan->buffer);
	scan->buffer = InvalidBuffer;
}

static bool
is_plain_row(HeapTupleHeader row)
{
	return HeapTupleHeaderXminFrozen(row) && (row->t_infomask & HEAP_XMAX_INVALID) != 0 &&
		!HeapTupleHeaderIsHeapOnly(row) && !HeapTupleHeaderIsHotUpdated(row);
}

/*
 * Adds the row of a line pointer.  Returns false if it is not a plain frozen
 * row.
 */
static bool
collect_row(FrozenScan *scan, Page page, OffsetNumber offset)
{
	ItemId		item = PageGetItemId(page, offset);
	HeapTuple	tuple;

	if (!ItemIdIsNormal(item))
		return !ItemIdIsRedirected(item);
	if (scan->ntuples == MaxHeapTuplesPerPage)
		return false;			/* corrupt page */
	tuple = &scan->tuples[scan->ntuples];
	tuple->t_data = (HeapTupleHeader) PageGetItem(page, item);
	tuple->t_len = ItemIdGetLength(item);
	tuple->t_tableOid = RelationGetRelid(scan->rel);
	ItemPointerSet(&tuple->t_self, scan->block, offset);
	if (!is_plain_row(tuple->t_data))
		return false;
	scan->ntuples++;
	return true;
}

static void
collect_page(FrozenScan *scan)
{
	Page		page = BufferGetPage(scan->buffer);
	OffsetNumber last;

	scan->frozen = true;
	scan->ntuples = 0;
	/* the pin keeps the rows in place; the lock protects the line pointers */
	LockBuffer(scan->buffer, BUFFER_LOCK_SHARE);
	last = PageGetMaxOffsetNumber(page);
	for (OffsetNumber offset = FirstOffsetNumber; offset <= last && scan->frozen; offset++)
		scan->frozen = collect_row(scan, page, offset);
	LockBuffer(scan->buffer, BUFFER_LOCK_UNLOCK);
	if (!scan->frozen)
		scan->ntuples = 0;
}

bool
frozen_scan_page(FrozenScan *scan)
{
	CHECK_FOR_INTERRUPTS();
	release_page(scan);
	/* InvalidBlockNumber + 1 is the first block */
	if (++scan->block >= scan->nblocks)
		return false;
	scan->buffer = ReadBufferExtended(scan->rel, MAIN_FORKNUM, scan->block, RBM_NORMAL,
									  scan->strategy);
	collect_page(scan);
	return true;
}

void
frozen_scan_go_to(FrozenScan *scan, BlockNumber block)
{
	/* block 0 makes this InvalidBlockNumber, as at the start */
	scan->block = block - 1;
}

void
frozen_scan_end(FrozenScan *scan)
{
	release_page(scan);
	if (scan->strategy != NULL)
		FreeAccessStrategy(scan->strategy);
	scan->strategy = NULL;
}
