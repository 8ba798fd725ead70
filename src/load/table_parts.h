/*-------------------------------------------------------------------------
 *
 * table_parts.h
 *	  A large table as steps that several loaders take.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_TABLE_PARTS_H
#define PGTUNSYNC_TABLE_PARTS_H

#include "load/load_messages.h"

typedef struct Split Split;

/*
 * A table that comes in parts, a COPY each.  Lives in the current memory
 * context; so do the jobs that come out of it.
 */
extern Split *split_begin(const LoadJob *job, const List *parts);

/* The step that comes before all others. */
extern LoadJob *split_first_job(Split *split);

/*
 * Takes note of a step that is done.  Returns the steps that can be taken now
 * (List of LoadJob *), NIL while others of the same stage are under way and after the
 * last one, which sets *complete and fills in *total.
 */
extern List *split_done(Split *split, const LoadResult *result, bool *complete,
						LoadResult *total);

/* A step failed, and the table with it.  False if it had failed before. */
extern bool split_fail(Split *split);
extern bool split_failed(const Split *split);

#endif							/* PGTUNSYNC_TABLE_PARTS_H */
