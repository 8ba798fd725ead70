/*-------------------------------------------------------------------------
 *
 * apply.h
 *	  Applies the staged rows: checks, locks, merge, swap.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_APPLY_H
#define PGTUNSYNC_APPLY_H

#include "apply/foreign_keys.h"
#include "storage/lock.h"

/*
 * Called when a table cannot be changed.  The table and the other partitions
 * of the same table stay unchanged.  The error is freed after the call.
 */
typedef void (*ReplaceFailed) (const StagedTable *table, const ErrorData *error, void *arg);

typedef struct Replacement Replacement;

/*
 * Checks the foreign keys between the staging heaps (a List of StagedTable *).
 * No target is locked, and the transaction may end before replace_tables().
 * role: the caller of the pull, whose rights are checked once more; lock_timeout
 * in ms.
 *
 * A table that was altered since its rows were loaded, or whose owner's code
 * fails, is reported to on_failure, here and by replace_tables().  Raises
 * FOREIGN_KEY_VIOLATION, and whatever on_failure raises.  The result lives in
 * the current memory context.
 */
extern Replacement *replace_begin(List *staged, Oid role, int lock_timeout,
								  ReplaceFailed on_failure, void *on_failure_arg);

/*
 * Brings the rows into their targets, each as its plan's mode says, and the
 * sequences to the source's state, in the current transaction, which the caller
 * commits at once: it may hold AccessExclusiveLock when this returns.  The
 * waiting caller's transaction, or NULL, is looked for among those that are in
 * the way.  Raises LOCK_NOT_AVAILABLE after lock_timeout, and as above.
 */
extern void replace_tables(Replacement *replacement, const VirtualTransactionId *caller);

/* Return the OIDs of the targets, and of their staging heaps. */
extern List *staged_targets(const List *staged);
extern List *staged_heaps(const List *staged);

#endif							/* PGTUNSYNC_APPLY_H */
