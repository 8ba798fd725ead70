/*-------------------------------------------------------------------------
 *
 * index_build.c
 *	  Builds an index on a staging heap from its frozen rows.
 *
 * An index access method gets its rows from the table access method of the
 * heap.  During a build we replace the table access method of the staging heap
 * by one whose build scan relies on frozen rows (frozen_scan.c).  The
 * replacement scan serves indexes on plain columns.  Expression indexes,
 * partial indexes and parallel builds use the scan of the heap's own method.
 * Index access methods of extensions never see the replacement, because they
 * may read the heap in ways that require its own method.
 *
 * A btree build sorts its rows.  If the rows can be sorted by key cheaply, the
 * scan passes them to the build in that order (key_order.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/tableam.h"
#include "catalog/index.h"
#include "catalog/pg_am.h"
#include "commands/progress.h"
#include "miscadmin.h"
#include "pgstat.h"

#include "staging/frozen_scan.h"
#include "staging/index_build.h"
#include "staging/key_order.h"

/* Limit on the memory for ordered rows, regardless of maintenance_work_mem. */
#define ORDER_BYTES		(32 * 1024 * 1024)

static bool
has_plain_columns(const IndexInfo *info)
{
	if (info->ii_Expressions != NIL || info->ii_Predicate != NIL)
		return false;
	for (int i = 0; i < info->ii_NumIndexAttrs; i++)
		if (info->ii_IndexAttrNumbers[i] <= 0)
			return false;
	return true;
}

/* The server's own methods read the heap only through the build scan. */
static bool
is_built_in_method(Oid method)
{
	switch (method)
	{
		case BTREE_AM_OID:
		case HASH_AM_OID:
		case GIST_AM_OID:
		case GIN_AM_OID:
		case SPGIST_AM_OID:
		case BRIN_AM_OID:
			return true;
		default:
			return false;
	}
}

static void
report_progress(bool progress, int param, BlockNumber value)
{
	if (progress)
		pgstat_progress_update_param(param, value);
}

/* Passes rows to the index build and counts them. */
typedef struct Receiver
{
	IndexBuildCallback callback;
	void	   *state;
	double		rows;
} Receiver;

static void
pass_row(Relation index, ItemPointer tid, Datum *values, bool *isnull, bool alive, void *state)
{
	Receiver   *receiver = state;

	receiver->callback(index, tid, values, isnull, alive, receiver->state);
	receiver->rows++;
}

/* Passes the rows of the current page to the index build. */
static void
pass_page(FrozenScan *page, Relation index, const IndexInfo *info, Receiver *receiver)
{
	TupleDesc	desc = RelationGetDescr(page->rel);
	Datum		values[INDEX_MAX_KEYS];
	bool		isnull[INDEX_MAX_KEYS];

	for (int row = 0; row < page->ntuples; row++)
	{
		HeapTuple	tuple = &page->tuples[row];

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < info->ii_NumIndexAttrs; i++)
			values[i] = heap_getattr(tuple, info->ii_IndexAttrNumbers[i], desc, &isnull[i]);
		pass_row(index, &tuple->t_self, values, isnull, true, receiver);
	}
}

/*
 * The memory limit for ordered rows.  It comes on top of maintenance_work_mem,
 * which the sort of the index build uses.
 */
static Size
order_bytes(void)
{
	return Min(maintenance_work_mem * (Size) 1024 / 2, ORDER_BYTES);
}

/*
 * Adds the rows of the current page to the ordered rows.  Returns NULL if they
 * can no longer be ordered; then the scan goes back to the first page not yet
 * passed on.
 */
static KeyOrder *
add_to_order(KeyOrder *order, FrozenScan *page)
{
	BlockNumber block;
	bool		again;

	if (key_order_add(order, page))
		return order;
	again = key_order_revise(order, &block);
	frozen_scan_go_to(page, block);
	if (again)
		return order;
	key_order_end(order);
	return NULL;
}

/* Restores the heap's own access method, which heap_getnext() requires. */
static const TableAmRoutine *
own_method(Relation heap)
{
	heap->rd_tableam = GetHeapamTableAmRoutine();
	return heap->rd_tableam;
}

/* Passes on the rows of all pages up to the first page that is not frozen. */
static void
pass_frozen_pages(FrozenScan *page, Relation index, const IndexInfo *info, bool progress,
				  Receiver *receiver)
{
	KeyOrder   *order = key_order_begin(page->rel, index, info, page->nblocks, order_bytes(),
										pass_row, receiver);

	report_progress(progress, PROGRESS_SCAN_BLOCKS_TOTAL, page->nblocks);
	while (frozen_scan_page(page) && page->frozen)
	{
		if (order != NULL)
			order = add_to_order(order, page);
		else
			pass_page(page, index, info, receiver);
		report_progress(progress, PROGRESS_SCAN_BLOCKS_DONE, page->block + 1);
	}
	if (order != NULL)
	{
		key_order_flush(order);
		key_order_end(order);
	}
}

/*
 * Replaces index_build_range_scan() of a staging heap.  Returns the number of
 * rows.
 */
static double
scan_frozen(Relation heap, Relation index, IndexInfo *info, bool allow_sync, bool anyvisible,
			bool progress, BlockNumber start, BlockNumber count,
			IndexBuildCallback callback, void *state, TableScanDesc parallel_scan)
{
	Receiver	receiver = {.callback = callback,.state = state};
	FrozenScan	page;

	if (parallel_scan != NULL || anyvisible || start != 0 || count != InvalidBlockNumber ||
		!has_plain_columns(info))
		return own_method(heap)->index_build_range_scan(heap, index, info, allow_sync, anyvisible,
														progress, start, count, callback,
														state, parallel_scan);
	frozen_scan_begin(&page, heap);
	pass_frozen_pages(&page, index, info, progress, &receiver);
	frozen_scan_end(&page);
	/* the heap's own scan reads on from the first page that is not frozen */
	if (page.block < page.nblocks)
		receiver.rows += own_method(heap)->index_build_range_scan(heap, index, info, false, false,
																  false, page.block,
																  page.nblocks - page.block,
																  callback, state, NULL);
	return receiver.rows;
}

/*
 * Returns the heap access method with that scan, valid until the process
 * exits.
 */
static const TableAmRoutine *
frozen_heap(void)
{
	static TableAmRoutine routine;

	routine = *GetHeapamTableAmRoutine();
	routine.index_build_range_scan = scan_frozen;
	return &routine;
}

/*
 * If the relcache rebuilds the entry of the heap during the build, the heap
 * gets its own access method back early.  This is safe.
 */
void
index_build_frozen(Relation heap, Relation index, IndexInfo *info, bool parallel)
{
	const TableAmRoutine *own = heap->rd_tableam;

	if (frozen_scan_possible(heap) && is_built_in_method(index->rd_rel->relam))
		heap->rd_tableam = frozen_heap();
	PG_TRY();
	{
		index_build(heap, index, info, false, parallel);
	}
	PG_FINALLY();
	{
		heap->rd_tableam = own;
	}
	PG_END_TRY();
}
