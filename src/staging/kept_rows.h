/*-------------------------------------------------------------------------
 *
 * kept_rows.h
 *	  Kept rows: local rows that stay when their table is replaced.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_KEPT_ROWS_H
#define PGTUNSYNC_KEPT_ROWS_H

#include "executor/tuptable.h"
#include "nodes/execnodes.h"
#include "nodes/pg_list.h"
#include "utils/relcache.h"

/*
 * The kept rows of a table.  A pulled row that conflicts with a kept row on a
 * unique or exclusion constraint is dropped; it has yielded
 * (run_tables.rows_yielded).
 */
typedef struct Kept
{
	int64		rows;			/* kept rows */
	int64		yielded;		/* dropped pulled rows */
	int64		fingerprint;	/* of the versions of the kept rows */
	int64		last;			/* last kept row in the staging heap, 0: none */
	Oid			yielded_heap;	/* holds the dropped rows; InvalidOid: none */
} Kept;

/* ---- in a loader ---- */

typedef struct KeptLoad KeptLoad;

/*
 * Copies the rows to keep into the empty heap "staging" and into the heap
 * "copy", whose indexes then find conflicts.  "conditions" is a List of
 * RowExpression *.  Locks the target during the scan only.  Raises what
 * target_open() raises.
 */
extern KeptLoad *kept_load_begin(Oid target, const char *shape, Relation staging, Oid copy,
								 Oid yielded_heap, const char *row_name, List *conditions);

/*
 * Returns whether the pulled row conflicts with a kept row.  If so, the row is
 * saved in the heap of dropped rows, and the caller must not load it.  The
 * caller has entered the context of the owner.
 */
extern bool kept_load_conflicts(KeptLoad *load, EState *estate, TupleTableSlot *slot);

/* Drops "copy", and the heap of dropped rows if it is empty. */
extern Kept kept_load_end(KeptLoad *load);

/* ---- in the leader ---- */

/*
 * Updates the staging heap to the rows that the conditions select now.  The
 * caller keeps writers away from the target.  Returns true if the staging heap
 * was changed; *kept then has the new counts.
 */
extern bool kept_refresh(Oid target, Oid staging, const char *row_name, List *conditions,
						 Kept *kept);

#endif							/* PGTUNSYNC_KEPT_ROWS_H */
