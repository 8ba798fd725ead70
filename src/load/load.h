/*-------------------------------------------------------------------------
 *
 * load.h
 *	  Rows of a COPY into a staging heap.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_LOAD_H
#define PGTUNSYNC_LOAD_H

#include "load/load_messages.h"
#include "source/source.h"

/* What a table is loaded into; InvalidOid: not needed. */
typedef struct Stage
{
	Oid			staging;
	Oid			copy;			/* of kept rows, while pulled ones are compared with them */
	Oid			yielded;		/* for pulled rows that yield to them */
} Stage;

/*
 * Reads the COPY that was started on the source to its end and puts the rows
 * into the staging heap, as rows of the target: defaults, generated columns,
 * constraints and the partition's bounds are the target's.  No lock on the
 * target is held meanwhile.  Fills in result->rows, result->bytes and
 * result->kept, and reports progress meanwhile.  Raises what COPY would
 * raise, with its context (table, line, column).
 */
extern void load_rows(const LoadJob *job, const Stage *stage, Source *source,
					  LoadResult *result);

#endif							/* PGTUNSYNC_LOAD_H */
