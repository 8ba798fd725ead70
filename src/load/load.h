/*-------------------------------------------------------------------------
 *
 * load.h
 *	  Loads the rows of a COPY into a staging heap.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_LOAD_H
#define PGTUNSYNC_LOAD_H

#include "load/load_messages.h"
#include "source/source.h"

/* The heaps into which a table is loaded; InvalidOid if not needed. */
typedef struct StagingHeaps
{
	Oid			staging;
	Oid			copy;			/* copy of kept rows, to find conflicts */
	Oid			yielded;		/* for dropped rows (see kept_rows.h) */
} StagingHeaps;

/*
 * Reads the COPY that was started on the source to its end and loads the rows
 * into the staging heap.  Rows get the target's defaults and generated
 * columns, and are checked against its constraints and partition bounds.  No
 * lock on the target is held during the load.  Fills in result->rows,
 * result->bytes and result->kept, and updates the progress.  Raises what COPY
 * raises, with its context (table, line, column).
 */
extern void load_rows(const LoadJob *job, const StagingHeaps *heaps, Source *source,
					  LoadResult *result);

#endif							/* PGTUNSYNC_LOAD_H */
