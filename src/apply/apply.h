/*-------------------------------------------------------------------------
 *
 * apply.h
 *	  The moment that changes anything: checks, locks, merge, swap.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_APPLY_H
#define PGTUNSYNC_APPLY_H

#include "apply/foreign_keys.h"
#include "storage/lock.h"

/*
 * A table could not be changed, which leaves it and the other parts of the
 * same partitioned table as they are.  The error does not outlive the call.
 */
typedef void (*ReplaceFailed) (const StagedTable *table, const ErrorData *error, void *arg);

/*
 * Brings the rows of the staging heaps (a List of StagedTable *) into their
 * targets, each as its plan's mode says, and the sequences to the source's
 * state, in the current transaction, which the caller commits at once: it may
 * hold AccessExclusiveLock when this returns.  role: the caller of the pull,
 * whose rights are checked once more.  The waiting caller's transaction, or
 * NULL, is looked for among those that are in the way.
 *
 * A table that was altered since its rows were loaded, or whose owner's code
 * fails, is reported to on_failure.  Raises FOREIGN_KEY_VIOLATION,
 * LOCK_NOT_AVAILABLE after lock_timeout ms, and whatever on_failure raises.
 */
extern void replace_tables(List *staged, Oid role, int lock_timeout,
						   const VirtualTransactionId *caller,
						   ReplaceFailed on_failure, void *on_failure_arg);

/* The OIDs of the targets, and of their staging heaps. */
extern List *staged_targets(const List *staged);
extern List *staged_heaps(const List *staged);

#endif							/* PGTUNSYNC_APPLY_H */
