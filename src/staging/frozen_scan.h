/*-------------------------------------------------------------------------
 *
 * frozen_scan.h
 *	  The rows of a heap that nobody writes to any more, page by page.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_FROZEN_SCAN_H
#define PGTUNSYNC_FROZEN_SCAN_H

#include "access/htup_details.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

typedef struct FrozenScan
{
	Relation	rel;
	BufferAccessStrategy strategy;
	BlockNumber nblocks;
	BlockNumber block;			/* the page that is looked at */
	Buffer		buffer;			/* pinned while its tuples are in use */
	bool		frozen;			/* are all of its rows frozen? */
	int			ntuples;		/* 0 unless they are */
	HeapTupleData tuples[MaxHeapTuplesPerPage];
} FrozenScan;

/* Can the relation be read so at all: does it use the heap access method? */
extern bool frozen_scan_possible(Relation rel);

/*
 * Begins a scan.  The caller holds a lock that keeps writers away until the end.
 * After an error there is nothing to do: the transaction's end releases the pin.
 */
extern void frozen_scan_begin(FrozenScan *scan, Relation rel);

/*
 * Goes on to the next page; false at the end.  Its rows are in "tuples", if
 * all of them are frozen and none was ever updated or deleted; else "frozen" is
 * false, and what is visible there has to be found out in another way.
 */
extern bool frozen_scan_page(FrozenScan *scan);

/* frozen_scan_page() goes on to that one. */
extern void frozen_scan_go_to(FrozenScan *scan, BlockNumber block);

extern void frozen_scan_end(FrozenScan *scan);

#endif							/* PGTUNSYNC_FROZEN_SCAN_H */
