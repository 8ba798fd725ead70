/*-------------------------------------------------------------------------
 *
 * swap.h
 *	  The exchange of storage between a table and its staging heap.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_SWAP_H
#define PGTUNSYNC_SWAP_H

/*
 * Gives the target the storage of the staging heap, with toast table, indexes
 * and statistics, and drops the staging heap, which then holds the old
 * storage: its files go when the transaction commits.  The caller holds
 * AccessExclusiveLock on both.  Raises OBJECT_IN_USE when this session still
 * uses the target.
 */
extern void swap_table(Oid target, Oid staging);

#endif							/* PGTUNSYNC_SWAP_H */
