/*-------------------------------------------------------------------------
 *
 * replace.h
 *	  The moment that changes anything: checks, locks, swap.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_REPLACE_H
#define PGTUNSYNC_REPLACE_H

#include "nodes/pg_list.h"
#include "storage/lock.h"

/*
 * Replaces the rows of all targets by those of their staging heaps (a List of
 * StagedTable *), and brings the sequences (SequencePlan *) to the source's
 * state, in the current transaction, which the caller commits at once: it holds
 * AccessExclusiveLock when this returns.  The waiting caller's transaction, or
 * NULL, is looked for among those that are in the way.
 *
 * Raises FOREIGN_KEY_VIOLATION, LOCK_NOT_AVAILABLE after lock_timeout ms,
 * OBJECT_IN_USE.
 */
extern void replace_tables(List *staged, List *sequences, int lock_timeout,
						   const VirtualTransactionId *caller);

/* The OIDs of the targets, and of their staging heaps. */
extern List *staged_targets(const List *staged);
extern List *staged_heaps(const List *staged);

#endif							/* PGTUNSYNC_REPLACE_H */
