/*-------------------------------------------------------------------------
 *
 * heap_writer.h
 *	  Writes rows to a staging heap as complete pages.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_HEAP_WRITER_H
#define PGTUNSYNC_HEAP_WRITER_H

#include "access/tupdesc.h"
#include "utils/rel.h"

typedef struct HeapWriter HeapWriter;

/*
 * Begins to append rows to a heap.  Uses the current transaction and memory
 * context.  The caller holds RowExclusiveLock.  Several processes may append
 * to the same heap; each writes its own pages.  All added rows are in the heap
 * after heap_writer_end().  After an error, any part of them may be.
 */
extern HeapWriter *heap_writer_begin(Relation heap);

/*
 * Adds a frozen row.  Large values go to the toast table.  What it allocates
 * in the current memory context may be freed on return.  Raises
 * PROGRAM_LIMIT_EXCEEDED if the row does not fit on a page.
 */
extern void heap_writer_add(HeapWriter *writer, Datum *values, bool *isnull);

/* Writes the remaining rows and the visibility map, and frees the writer. */
extern void heap_writer_end(HeapWriter *writer);

#endif							/* PGTUNSYNC_HEAP_WRITER_H */
