/*-------------------------------------------------------------------------
 *
 * row_by_row.h
 *	  Replacing a table's rows the ordinary way.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_ROW_BY_ROW_H
#define PGTUNSYNC_ROW_BY_ROW_H

/*
 * Deletes all rows of the target and inserts those of the staging heap, row by
 * row and logged as such, without any trigger or rule.  The staging heap stays
 * as it is.  The caller holds ExclusiveLock on the target and
 * AccessExclusiveLock on the staging heap.  Uses the active snapshot.
 */
extern void plain_replace(Oid target, Oid staging);

#endif							/* PGTUNSYNC_ROW_BY_ROW_H */
