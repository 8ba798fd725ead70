/*-------------------------------------------------------------------------
 *
 * row_by_row.h
 *	  Replaces the rows of a table by deletes and inserts.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_ROW_BY_ROW_H
#define PGTUNSYNC_ROW_BY_ROW_H

/*
 * Deletes all rows of the target and inserts those of the staging heap.  Each
 * row is written and logged on its own, without triggers or rules.  The
 * staging heap is not changed.  The caller holds ExclusiveLock on the target
 * and AccessExclusiveLock on the staging heap.  Uses the active snapshot.
 */
extern void replace_row_by_row(Oid target, Oid staging);

#endif							/* PGTUNSYNC_ROW_BY_ROW_H */
