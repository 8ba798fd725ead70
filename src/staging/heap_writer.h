/*-------------------------------------------------------------------------
 *
 * heap_writer.h
 *	  Rows into a staging heap, as finished pages.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_HEAP_WRITER_H
#define PGTUNSYNC_HEAP_WRITER_H

#include "access/tupdesc.h"
#include "utils/rel.h"

typedef struct HeapWriter HeapWriter;

/*
 * Begins to write to the end of a heap, in the present transaction and memory
 * context.  Several processes may do so at the same time, and each
 * writes pages of its own; the caller holds RowExclusiveLock.  What was added is there
 * after heap_writer_end(), and after an error nobody knows how much of it.
 */
extern HeapWriter *heap_writer_begin(Relation heap);

/*
 * Adds a row, frozen; large values go to the toast table.  Allocates in the
 * current memory context, and needs none of it later.  Raises
 * PROGRAM_LIMIT_EXCEEDED for a row that fits on no page.
 */
extern void heap_writer_add(HeapWriter *writer, Datum *values, bool *isnull);

extern void heap_writer_end(HeapWriter *writer);

#endif							/* PGTUNSYNC_HEAP_WRITER_H */
