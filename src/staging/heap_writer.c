/*-------------------------------------------------------------------------
 *
 * heap_writer.c
 *	  Writes rows to a staging heap as complete pages.
 *
 * Nobody reads a staging heap while it is loaded, so its pages need not be in
 * shared buffers.  Like a table rewrite (rewriteheap.c), we fill pages in
 * private memory, form each row in its place on the page, and append the
 * complete page to the file.  This is one write for each page.  An insert
 * would extend the file by an empty page first, and find, pin and lock a
 * buffer for it.
 *
 * Pages are written in batches, under the extension lock of the relation,
 * since several loaders may write to the same heap.  They are logged after
 * that, as full images.  This order matters.  A checkpoint that begins after
 * the write syncs the file.  After a crash, recovery from a checkpoint that
 * began before the write replays the images.  A table rewrite logs first and
 * must sync the file at its end.
 *
 * The LSN of a page on disk is the end of the WAL that was flushed when the
 * page was written.  A base backup does not verify the checksum of a page
 * whose LSN is not older than the backup, because it may have read a page that
 * was half written.  If the LSN were zero, it would report such a page as
 * corrupt.  An LSN beyond the flushed WAL would be wrong after a crash that
 * loses the rest of the WAL.
 *
 * All rows are frozen and all pages are all-visible.  The visibility map must
 * match.  Its bits are collected and set once for each page of the map.
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

/* in a batch: the most that one WAL record may hold */
#define BATCH_PAGES		32

/* required by direct I/O, if the server is configured for it */
#define PAGE_ALIGNMENT	4096

/* the visibility map has two bits for each heap page (visibilitymap.c) */
#define MAP_BYTES		(BLCKSZ - MAXALIGN(SizeOfPageHeaderData))
#define BLOCKS_PER_BYTE (BITS_PER_BYTE / BITS_PER_HEAPBLOCK)
#define BLOCKS_PER_MAP	(MAP_BYTES * BLOCKS_PER_BYTE)

struct HeapWriter
{
	Relation	heap;
	TransactionId xid;
	CommandId	cid;
	Size		reserved;		/* free space that fillfactor leaves on a page */
	char	   *memory;			/* allocation that contains "pages" */
	char	   *pages;			/* aligned for direct I/O */
	int			npages;			/* the last one is being filled */
	int64		rows;			/* in this batch */

	BlockNumber map_start;		/* first heap block of the current map page */
	bool		map_used;
	uint8	   *map;			/* bits to set on the current map page */
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

	/* other access methods have other page formats */
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

/*
 * Sets what depends on the block number and the WAL: addresses, LSN, checksum.
 */
static void
finish_page(Page page, BlockNumber block, XLogRecPtr lsn)
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

/* Appends the pages to the file and returns the first block number. */
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
		/* request one sync for each file, with the last write to it */
		bool		last = i == writer->npages - 1 || (block + 1) % RELSEG_SIZE == 0;

		finish_page(batch_page(writer, i), block, lsn);
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

/* Returns a page with room for a row of the given length. */
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

/*
 * The position of the next row on the page.  Its bytes are zero since
 * PageInit().
 */
static HeapTupleHeader
next_row_position(Page page, Size len)
{
	return (HeapTupleHeader) ((char *) page + ((PageHeader) page)->pd_upper - MAXALIGN(len));
}

/* Adds the row that was formed at the next position; see PageAddItem(). */
static void
add_to_page(HeapWriter *writer, Page page, Size len)
{
	PageHeader	header = (PageHeader) page;
	HeapTupleHeader row = next_row_position(page, len);

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

/*
 * Like heap_form_tuple(), but forms the row on the page.  The header takes
 * hoff bytes, the values take data_len bytes.
 */
static HeapTupleHeader
form_row(HeapWriter *writer, Page page, Size hoff, Size data_len, Datum *values, bool *isnull)
{
	TupleDesc	desc = RelationGetDescr(writer->heap);
	HeapTupleHeader row = next_row_position(page, hoff + data_len);

	row->t_hoff = hoff;
	HeapTupleHeaderSetNatts(row, desc->natts);
	heap_fill_tuple(desc, values, isnull, (char *) row + hoff, data_len, &row->t_infomask,
					has_nulls(writer, isnull) ? row->t_bits : NULL);
	return row;
}

/*
 * Returns false if the row must be toasted first: large, or with external
 * values.
 */
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
	add_to_page(writer, page, hoff + data_len);
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
	add_to_page(writer, page, hoff + data_len);
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
