/*-------------------------------------------------------------------------
 *
 * swap.h
 *	  Exchanges the storage of a table and its staging heap.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_SWAP_H
#define PGTUNSYNC_SWAP_H

/*
 * Gives the target the storage of the staging heap, with TOAST table, indexes
 * and statistics.  Then drops the staging heap with the old storage, whose
 * files are removed at commit.  The caller holds AccessExclusiveLock on both.
 * Raises OBJECT_IN_USE if this session still uses the target.
 */
extern void swap_table(Oid target, Oid staging);

#endif							/* PGTUNSYNC_SWAP_H */
