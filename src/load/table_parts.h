/*-------------------------------------------------------------------------
 *
 * table_parts.h
 *	  Splits the load of a large table into steps for several loaders.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_TABLE_PARTS_H
#define PGTUNSYNC_TABLE_PARTS_H

#include "load/load_messages.h"

typedef struct Split Split;

/*
 * Splits a job.  "parts" is a List of char *, one COPY for each part.  The
 * Split and its jobs are allocated in the current memory context.
 */
extern Split *split_begin(const LoadJob *job, const List *parts);

/* Returns the first step, LOAD_CREATE. */
extern LoadJob *split_first_job(Split *split);

/*
 * Records that a step is done.  If it was the last step of its stage, returns
 * the steps of the next stage, a List of LoadJob *; otherwise NIL.  The last
 * step of all sets *complete and fills in *total.
 */
extern List *split_done(Split *split, const LoadResult *result, bool *complete,
						LoadResult *total);

/* Records that a step failed.  Returns false if one had failed before. */
extern bool split_fail(Split *split);

/* True if a step has failed. */
extern bool split_failed(const Split *split);

#endif							/* PGTUNSYNC_TABLE_PARTS_H */
