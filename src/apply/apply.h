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

/*
 * Called with the foreign keys that the new rows would violate (KeyViolation
 * *).  Must raise an error.
 */
typedef void (*KeysViolated) (const List *violations, void *arg);

typedef struct Replacement Replacement;

/*
 * Checks the foreign keys between the staging heaps (a List of StagedTable *).
 * No target is locked, and the transaction may end before replace_tables().
 * role is the caller of the pull, whose privileges are checked again.
 * lock_timeout is in ms.
 *
 * Tables that were altered since their rows were loaded, or whose owner's code
 * fails, are reported to on_failure, here and by replace_tables(), and violated
 * keys to on_violation.  Raises the errors of these two.  The result lives in
 * the current memory context.
 */
extern Replacement *replace_begin(List *staged, Oid role, int lock_timeout,
								  ReplaceFailed on_failure, KeysViolated on_violation, void *arg);

/*
 * Moves the rows into their targets, according to the mode of each plan, and
 * sets the sequences.  All is done in the current transaction.  The caller
 * must commit at once, because the function may return with
 * AccessExclusiveLocks held.  caller is the waiting caller's transaction, or
 * NULL; an error is raised if it blocks the pull.  Raises LOCK_NOT_AVAILABLE
 * after lock_timeout, and the errors of replace_begin().
 */
extern void replace_tables(Replacement *replacement, const VirtualTransactionId *caller);

/* Return the OIDs of the targets, and of their staging heaps. */
extern List *staged_targets(const List *staged);
extern List *staged_heaps(const List *staged);

#endif							/* PGTUNSYNC_APPLY_H */
