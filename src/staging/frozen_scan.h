/*-------------------------------------------------------------------------
 *
 * frozen_scan.h
 *	  Scans a heap without writers, page by page.
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
	BlockNumber block;			/* current page */
	Buffer		buffer;			/* pinned while its tuples are in use */
	bool		frozen;			/* all rows of the page are frozen */
	int			ntuples;		/* 0 if not frozen */
	HeapTupleData tuples[MaxHeapTuplesPerPage];
} FrozenScan;

/* True if the relation is a table with the heap access method. */
extern bool frozen_scan_possible(Relation rel);

/*
 * Begins a scan.  The caller holds a lock that keeps writers away until the
 * end of the scan.  After an error, the end of the transaction releases the
 * pin.
 */
extern void frozen_scan_begin(FrozenScan *scan, Relation rel);

/*
 * Moves to the next page; returns false at the end.  If all rows of the page
 * are frozen and none was ever updated or deleted, "tuples" has them.
 * Otherwise "frozen" is false, and the caller must check the visibility of the
 * rows by itself.
 */
extern bool frozen_scan_page(FrozenScan *scan);

/* Makes the next frozen_scan_page() move to the given block. */
extern void frozen_scan_go_to(FrozenScan *scan, BlockNumber block);

extern void frozen_scan_end(FrozenScan *scan);

#endif							/* PGTUNSYNC_FROZEN_SCAN_H */
