/*-------------------------------------------------------------------------
 *
 * kept_rows.h
 *	  Local rows that stay when their table is replaced.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_KEPT_ROWS_H
#define PGTUNSYNC_KEPT_ROWS_H

#include "executor/tuptable.h"
#include "nodes/execnodes.h"
#include "nodes/pg_list.h"
#include "utils/relcache.h"

/* What a loader kept of a table. */
typedef struct Kept
{
	int64		rows;			/* local rows that were copied */
	int64		yielded;		/* pulled rows that yielded to them */
	int64		print;			/* which versions of which rows they were */
	int64		last;			/* place of the last one in the staging heap, 0: none */
	Oid			yielded_heap;	/* the pulled rows that yielded; InvalidOid: there are none */
} Kept;

/* ---- in a loader ---- */

typedef struct KeptLoad KeptLoad;

/*
 * Copies the rows that are to be kept into staging, which is empty, and into the
 * heap "copy", to compare with.  conditions: a List of RowExpression *.  Raises what
 * target_open() raises; the lock on the target lasts no longer than the scan.
 */
extern KeptLoad *kept_load_begin(Oid target, const char *shape, Relation staging, Oid copy,
								 Oid yielded_heap, const char *row_name, List *conditions);

/*
 * Does a kept row have the key of this pulled row?  Then it must not be loaded.  The
 * caller has entered the context of the owner.
 */
extern bool kept_load_yields(KeptLoad *load, EState *estate, TupleTableSlot *slot);

/* Drops "copy", and the other heap if there is nothing in it. */
extern Kept kept_load_end(KeptLoad *load);

/* ---- in the leader ---- */

/*
 * Brings staging up to date with the rows that are to be kept now, while
 * nobody writes to target.  Returns true if it had to be changed; *kept then has
 * the new counts.
 */
extern bool kept_refresh(Oid target, Oid staging, const char *row_name, List *conditions,
						 Kept *kept);

#endif							/* PGTUNSYNC_KEPT_ROWS_H */
