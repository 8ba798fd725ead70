/*-------------------------------------------------------------------------
 *
 * index_build.c
 *	  Where an index of a staging heap gets its rows from.
 *
 * An index access method does not read the heap itself: it asks the table
 * access method for the rows.  For the time of a build, the staging heap's
 * answers with a scan that knows that the rows are frozen (frozen_scan.c), where the
 * index is over plain columns.  Everything else, the participants of a
 * parallel build too, gets the heap's own answer; and so do access methods of
 * extensions, which may read the heap in ways that ask for its own method.
 *
 * A b-tree gets them in the order of its keys where that can be had cheaply
 * (key_order.c), since it is about to sort them.
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

/* As much as rows that are put in order may take, whatever maintenance_work_mem is. */
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

/* Does it read the heap in no other way? */
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
report(bool progress, int param, BlockNumber value)
{
	if (progress)
		pgstat_progress_update_param(param, value);
}

/* The index, and how many rows it has been given. */
typedef struct Receiver
{
	IndexBuildCallback callback;
	void	   *state;
	double		rows;
} Receiver;

static void
receive(Relation index, ItemPointer tid, Datum *values, bool *isnull, bool alive, void *state)
{
	Receiver   *receiver = state;

	receiver->callback(index, tid, values, isnull, alive, receiver->state);
	receiver->rows++;
}

/* The rows of the page under the scan, to the index. */
static void
hand_over(FrozenScan *page, Relation index, const IndexInfo *info, Receiver *receiver)
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
		receive(index, &tuple->t_self, values, isnull, true, receiver);
	}
}

/*
 * Memory for rows that are put in order.  The build's own sort takes maintenance_work_mem
 * besides.
 */
static Size
order_bytes(void)
{
	return Min(maintenance_work_mem * (Size) 1024 / 2, ORDER_BYTES);
}

/* A page's rows to what puts them in order; NULL if that can no longer be. */
static KeyOrder *
put_in_order(KeyOrder *order, FrozenScan *page)
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

/* Gives the heap its own access method back: heap_getnext() insists on it. */
static const TableAmRoutine *
own_method(Relation heap)
{
	heap->rd_tableam = GetHeapamTableAmRoutine();
	return heap->rd_tableam;
}

/* The rows of the heap's frozen pages; the scan ends at the first that is not. */
static void
hand_over_all(FrozenScan *page, Relation index, const IndexInfo *info, bool progress,
			  Receiver *receiver)
{
	KeyOrder   *order = key_order_begin(page->rel, index, info, page->nblocks, order_bytes(),
										receive, receiver);

	report(progress, PROGRESS_SCAN_BLOCKS_TOTAL, page->nblocks);
	while (frozen_scan_page(page) && page->frozen)
	{
		if (order != NULL)
			order = put_in_order(order, page);
		else
			hand_over(page, index, info, receiver);
		report(progress, PROGRESS_SCAN_BLOCKS_DONE, page->block + 1);
	}
	if (order != NULL)
	{
		key_order_flush(order);
		key_order_end(order);
	}
}

/* The index_build_range_scan() of a staging heap: returns how many rows there were. */
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
	hand_over_all(&page, index, info, progress, &receiver);
	frozen_scan_end(&page);
	/* from the first page on that is not frozen */
	if (page.block < page.nblocks)
		receiver.rows += own_method(heap)->index_build_range_scan(heap, index, info, false, false,
																  false, page.block,
																  page.nblocks - page.block,
																  callback, state, NULL);
	return receiver.rows;
}

/* The heap's access method with that scan; it stays valid for as long as the process. */
static const TableAmRoutine *
frozen_heap(void)
{
	static TableAmRoutine routine;

	routine = *GetHeapamTableAmRoutine();
	routine.index_build_range_scan = scan_frozen;
	return &routine;
}

/*
 * Should the relcache build the heap's entry anew meanwhile, it gets its own access
 * method back a little earlier.
 */
void
index_source_build(Relation heap, Relation index, IndexInfo *info, bool parallel)
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
