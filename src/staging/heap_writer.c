/*-------------------------------------------------------------------------
 *
 * heap_writer.c
 *	  Rows into a staging heap, as finished pages.
 *
 * Nobody reads a staging heap before it is full, so its pages need not be
 * shared while they fill.  As a rewrite of a table does (rewriteheap.c), they
 * are made in memory of our own, a row is formed where it will lie, and the
 * finished page goes to the end of the file: one write, where an insert extends the file by
 * an empty page first and finds, pins and locks a buffer for each.
 *
 * Pages are written in batches, under the relation's extension lock, since
 * several loaders may write to the same heap.  Only then are they logged, as
 * full images.  The order matters: a checkpoint that begins between the two finds the
 * write in its list of files to sync, and one that begins before
 * them replays the log.  A rewrite logs first and must sync the file at its end.
 * The LSN of the pages on disk is the end of the WAL that was flushed when they
 * were written.  A base backup does not verify the checksum of a page whose LSN
 * is not older than the backup, because it may have read half of a write; with
 * an LSN of zero it would report such a page as corrupt.  A greater LSN than
 * the flushed one would be wrong after a crash that loses the rest of the WAL.
 *
 * All rows are frozen and all pages all-visible, which the visibility map has to say
 * as well.  Its bits are collected and set once for each of its pages.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/heaptoast.h"
#include "access/htup_details.h"
#include "access/visibilitymap.h"
#include "access/xact.h"
#include "access/xloginsert.h"
#include "catalog/pg_am.h"
#include "catalog/pg_control.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "storage/lmgr.h"
#include "storage/smgr.h"

#include "base/compat.h"
#include "staging/heap_writer.h"
#include "staging/toast_row.h"

/* of a batch: as many as one WAL record may hold */
#define BATCH_PAGES		32

/* what direct I/O asks for, where the server is set to it */
#define PAGE_ALIGNMENT	4096

/* of the visibility map, two bits for each page of the heap (visibilitymap.c) */
#define MAP_BYTES		(BLCKSZ - MAXALIGN(SizeOfPageHeaderData))
#define BLOCKS_PER_BYTE (BITS_PER_BYTE / BITS_PER_HEAPBLOCK)
#define BLOCKS_PER_MAP	(MAP_BYTES * BLOCKS_PER_BYTE)

struct HeapWriter
{
	Relation	heap;
	TransactionId xid;
	CommandId	cid;
	Size		reserved;		/* of a page, by the heap's fillfactor */
	char	   *memory;			/* holds the pages */
	char	   *pages;
	int			npages;			/* the last one is being filled */
	int64		rows;			/* of this batch */

	BlockNumber map_start;		/* first block that "map" speaks of */
	bool		map_used;
	uint8	   *map;			/* what to set in that page of the map */
};

static Page
batch_page(const HeapWriter *writer, int i)
{
	return (Page) (writer->pages + (Size) i * BLCKSZ);
}

HeapWriter *
heap_writer_begin(Relation heap)
{
	HeapWriter *writer = palloc0(sizeof(HeapWriter));

	/* other access methods have pages of their own */
	if (heap->rd_rel->relam != HEAP_TABLE_AM_OID)
		elog(ERROR, "\"%s\" is not a heap", RelationGetRelationName(heap));
	writer->heap = heap;
	writer->xid = GetCurrentTransactionId();
	writer->cid = GetCurrentCommandId(true);
	writer->reserved = RelationGetTargetPageFreeSpace(heap, HEAP_DEFAULT_FILLFACTOR);
	writer->memory = palloc(BATCH_PAGES * BLCKSZ + PAGE_ALIGNMENT);
	writer->pages = (char *) TYPEALIGN(PAGE_ALIGNMENT, writer->memory);
	writer->map = palloc0(MAP_BYTES);
	return writer;
}

/* ---- the visibility map ---- */

static void
write_map(HeapWriter *writer)
{
	Buffer		buffer = InvalidBuffer;
	uint8	   *bytes;

	if (!writer->map_used)
		return;
	visibilitymap_pin(writer->heap, writer->map_start, &buffer);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	bytes = (uint8 *) PageGetContents(BufferGetPage(buffer));
	START_CRIT_SECTION();
	for (int i = 0; i < MAP_BYTES; i++)
		bytes[i] |= writer->map[i];
	MarkBufferDirty(buffer);
	if (RelationNeedsWAL(writer->heap))
		log_newpage_buffer(buffer, false);
	END_CRIT_SECTION();
	UnlockReleaseBuffer(buffer);
	memset(writer->map, 0, MAP_BYTES);
	writer->map_used = false;
}

static void
mark_visible(HeapWriter *writer, BlockNumber block)
{
	BlockNumber start = block - block % BLOCKS_PER_MAP;
	int			bit = block % BLOCKS_PER_BYTE * BITS_PER_HEAPBLOCK;

	if (start != writer->map_start)
		write_map(writer);
	writer->map_start = start;
	writer->map[(block - start) / BLOCKS_PER_BYTE] |= VISIBILITYMAP_VALID_BITS << bit;
	writer->map_used = true;
}

/* ---- a batch of pages ---- */

/* What a page can only know when its place is known. */
static void
place_page(Page page, BlockNumber block, XLogRecPtr lsn)
{
	OffsetNumber last = PageGetMaxOffsetNumber(page);

	for (OffsetNumber offset = FirstOffsetNumber; offset <= last; offset++)
	{
		HeapTupleHeader row = (HeapTupleHeader) PageGetItem(page, PageGetItemId(page, offset));

		ItemPointerSet(&row->t_ctid, block, offset);
	}
	PageSetLSN(page, lsn);
	PageSetChecksumInplace(page, block);
}

/* Appends the pages to the file and returns where they begin. */
static BlockNumber
extend_heap(HeapWriter *writer)
{
	XLogRecPtr	lsn = RelationNeedsWAL(writer->heap) ? compat_flushed_wal() : InvalidXLogRecPtr;
	BlockNumber first;

	LockRelationForExtension(writer->heap, ExclusiveLock);
	first = RelationGetNumberOfBlocks(writer->heap);
	for (int i = 0; i < writer->npages; i++)
	{
		BlockNumber block = first + i;
		/* the checkpointer is asked once for each file, behind the last write to it */
		bool		last = i == writer->npages - 1 || (block + 1) % RELSEG_SIZE == 0;

		place_page(batch_page(writer, i), block, lsn);
		smgrextend(compat_smgr(writer->heap), MAIN_FORKNUM, block,
				   (char *) batch_page(writer, i), !last);
	}
	UnlockRelationForExtension(writer->heap, ExclusiveLock);
	return first;
}

static void
log_pages(const HeapWriter *writer, BlockNumber first)
{
	XLogEnsureRecordSpace(BATCH_PAGES - 1, 0);
	XLogBeginInsert();
	for (int i = 0; i < writer->npages; i++)
		XLogRegisterBlock(i, compat_locator(writer->heap), MAIN_FORKNUM, first + i,
						  batch_page(writer, i), REGBUF_FORCE_IMAGE | REGBUF_STANDARD);
	(void) XLogInsert(RM_XLOG_ID, XLOG_FPI);
}

static void
write_batch(HeapWriter *writer)
{
	BlockNumber first;

	if (writer->npages == 0)
		return;
	first = extend_heap(writer);
	if (RelationNeedsWAL(writer->heap))
		log_pages(writer, first);
	for (int i = 0; i < writer->npages; i++)
		mark_visible(writer, first + i);
	pgstat_count_heap_insert(writer->heap, writer->rows);
	writer->npages = 0;
	writer->rows = 0;
}

/* ---- a row ---- */

/* A page with room for a row of that length. */
static Page
find_page(HeapWriter *writer, Size len)
{
	Page		page;

	if (writer->npages > 0)
	{
		page = batch_page(writer, writer->npages - 1);
		if (PageIsEmpty(page) || PageGetHeapFreeSpace(page) >= MAXALIGN(len) + writer->reserved)
			return page;
	}
	if (writer->npages == BATCH_PAGES)
		write_batch(writer);
	page = batch_page(writer, writer->npages++);
	PageInit(page, BLCKSZ, 0);
	PageSetAllVisible(page);
	return page;
}

/* Where on the page the row will lie: all zeros, as PageInit() has left it. */
static HeapTupleHeader
next_place(Page page, Size len)
{
	return (HeapTupleHeader) ((char *) page + ((PageHeader) page)->pd_upper - MAXALIGN(len));
}

/* The row at the next place belongs to the page from now on; see PageAddItem(). */
static void
take_in(HeapWriter *writer, Page page, Size len)
{
	PageHeader	header = (PageHeader) page;
	HeapTupleHeader row = next_place(page, len);

	row->t_infomask &= ~HEAP_XACT_MASK;
	row->t_infomask |= HEAP_XMAX_INVALID | HEAP_XMIN_FROZEN;
	HeapTupleHeaderSetXmin(row, writer->xid);
	HeapTupleHeaderSetXmax(row, InvalidTransactionId);
	HeapTupleHeaderSetCmin(row, writer->cid);

	header->pd_upper -= MAXALIGN(len);
	ItemIdSetNormal((ItemId) ((char *) page + header->pd_lower), header->pd_upper, len);
	header->pd_lower += sizeof(ItemIdData);
	writer->rows++;
}

static bool
has_nulls(const HeapWriter *writer, const bool *isnull)
{
	return memchr(isnull, true, RelationGetNumberOfAttributes(writer->heap)) != NULL;
}

static Size
header_size(const HeapWriter *writer, const bool *isnull)
{
	Size		bitmap = BITMAPLEN(RelationGetNumberOfAttributes(writer->heap));

	return MAXALIGN(SizeofHeapTupleHeader + (has_nulls(writer, isnull) ? bitmap : 0));
}

/* As heap_form_tuple(), but in its place: header and values take hoff and data_len bytes. */
static HeapTupleHeader
form_row(HeapWriter *writer, Page page, Size hoff, Size data_len, Datum *values, bool *isnull)
{
	TupleDesc	desc = RelationGetDescr(writer->heap);
	HeapTupleHeader row = next_place(page, hoff + data_len);

	row->t_hoff = hoff;
	HeapTupleHeaderSetNatts(row, desc->natts);
	heap_fill_tuple(desc, values, isnull, (char *) row + hoff, data_len, &row->t_infomask,
					has_nulls(writer, isnull) ? row->t_bits : NULL);
	return row;
}

/* False if the row must be toasted first: it is large, or has values from elsewhere. */
static bool
add_plain(HeapWriter *writer, Datum *values, bool *isnull)
{
	Size		hoff = header_size(writer, isnull);
	Size		data_len = heap_compute_data_size(RelationGetDescr(writer->heap), values, isnull);
	Page		page;
	HeapTupleHeader row;

	if (hoff + data_len > TOAST_TUPLE_THRESHOLD)
		return false;
	page = find_page(writer, hoff + data_len);
	row = form_row(writer, page, hoff, data_len, values, isnull);
	if ((row->t_infomask & HEAP_HASEXTERNAL) != 0)
	{
		memset(row, 0, hoff + data_len);
		return false;
	}
	take_in(writer, page, hoff + data_len);
	return true;
}

static void
add_toasted(HeapWriter *writer, Datum *values, bool *isnull)
{
	Size		hoff = header_size(writer, isnull);
	Size		data_len;
	Page		page;

	toast_row(writer->heap, values, isnull, HEAP_INSERT_SKIP_FSM | HEAP_INSERT_FROZEN);
	data_len = heap_compute_data_size(RelationGetDescr(writer->heap), values, isnull);
	if (MAXALIGN(hoff + data_len) > MaxHeapTupleSize)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("row is too big: size %zu, maximum size %zu",
						MAXALIGN(hoff + data_len), MaxHeapTupleSize)));
	page = find_page(writer, hoff + data_len);
	(void) form_row(writer, page, hoff, data_len, values, isnull);
	take_in(writer, page, hoff + data_len);
}

void
heap_writer_add(HeapWriter *writer, Datum *values, bool *isnull)
{
	if (!add_plain(writer, values, isnull))
		add_toasted(writer, values, isnull);
}

void
heap_writer_end(HeapWriter *writer)
{
	write_batch(writer);
	write_map(writer);
	pfree(writer->map);
	pfree(writer->memory);
	pfree(writer);
}
