/*-------------------------------------------------------------------------
 *
 * local_rows.c
 *	  How many rows a local table has, about.
 *
 * ANALYZE counts, and the table may have grown since: its rows per page, times
 * the pages that it has now.  The tables of a development database are often
 * never analyzed.  Then the rows of the first pages are counted, which is
 * exact for a small table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "plan/local_rows.h"

/* how many pages are counted of a table that was never analyzed */
#define COUNTED_PAGES	100

/* The visible rows of its first pages. */
static double
count_rows(Relation rel, BlockNumber pages)
{
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = table_beginscan_strat(rel, GetActiveSnapshot(), 0, NULL, true, false);
	double		count = 0;

	heap_setscanlimits(scan, 0, pages);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
		count++;
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	return count;
}

double
local_rows_estimate(Oid relid)
{
	Relation	rel = table_open(relid, NoLock);
	BlockNumber pages = RelationGetNumberOfBlocks(rel);
	double		rows;

	if (rel->rd_rel->reltuples >= 0 && rel->rd_rel->relpages > 0)
		rows = (double) rel->rd_rel->reltuples / rel->rd_rel->relpages * pages;
	else if (pages == 0)
		rows = 0;
	else
		rows = count_rows(rel, Min(pages, COUNTED_PAGES)) / Min(pages, COUNTED_PAGES) * pages;
	table_close(rel, NoLock);
	return rint(rows);
}
