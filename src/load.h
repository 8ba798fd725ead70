/*-------------------------------------------------------------------------
 *
 * load.h
 *	  Rows of a COPY into a staging heap.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_LOAD_H
#define PGTUNSYNC_LOAD_H

#include "load_messages.h"
#include "source.h"
#include "utils/relcache.h"

/*
 * Reads the COPY that was started on the source to its end and puts the rows
 * into result->staging, as rows of the target: defaults, generated columns,
 * constraints and the partition's bounds are the target's.  Fills in
 * result->rows and result->bytes, and reports progress meanwhile.  Raises what COPY would
 * raise, with its context (table, line, column).
 */
extern void load_rows(Relation target, const LoadJob *job, Source *source,
					  LoadResult *result);

#endif							/* PGTUNSYNC_LOAD_H */
