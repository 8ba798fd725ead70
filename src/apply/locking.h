/*-------------------------------------------------------------------------
 *
 * locking.h
 *	  The leader's locks: on the entrance, on the targets.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_LOCKING_H
#define PGTUNSYNC_LOCKING_H

#include "nodes/pg_list.h"
#include "storage/lock.h"

/*
 * Keeps two runs of this server from using one local port: the second waits up
 * to timeout_ms, then LOCK_NOT_AVAILABLE.  Held until it is unlocked, or the
 * process ends: a run may have several transactions.
 */
extern void lock_entrance(int local_port, int timeout_ms);
extern void unlock_entrance(int local_port);

/*
 * An append's claim to its tables (a List of Oid), held by the session over
 * all batches: two at once would bring the same rows.  Before any other lock
 * on them.  LOCK_NOT_AVAILABLE after timeout_ms.
 */
extern void lock_append(const List *targets, int timeout_ms);

/*
 * Claims targets (a List of Oid) for this run, to the end of the transaction:
 * no other run works on them meanwhile.  Nobody else is kept from anything.
 * Raises LOCK_NOT_AVAILABLE naming the table and the other run after
 * timeout_ms.
 */
extern void lock_against_runs(const List *targets, int timeout_ms);

/*
 * Locks targets (a List of Oid) and their toast tables, in OID order, to the
 * end of the transaction.  LOCK_NOT_AVAILABLE naming the table after
 * timeout_ms.
 */
extern void lock_targets(const List *targets, LOCKMODE mode, int timeout_ms);

/*
 * Raises CONFIGURATION_LIMIT_EXCEEDED when the swap of so many targets, with
 * their indexes and toast tables, takes more locks than the server's lock
 * table is made for: before it fills up and others fail too.
 */
extern void lock_check_capacity(const List *targets);

/*
 * Raises OBJECT_IN_USE if the caller's own transaction holds a lock on a
 * target; caller may be NULL.
 */
extern void lock_check_caller(const List *targets, const VirtualTransactionId *caller);

/*
 * Was somebody in the way who will be gone?  Then the attempt is worth another
 * one.
 */
extern bool lock_is_passing(const ErrorData *edata);

/*
 * Does an error of a step end the whole attempt: a lock that passes, or a
 * cancel?  Any other error is that of the table at hand.
 */
extern bool lock_ends_attempt(const ErrorData *edata);

/* What the last step of an attempt came to. */
typedef enum SwapResult
{
	SWAP_DONE,
	SWAP_STALE					/* what was prepared does not hold any more */
} SwapResult;

/* What is to be done, and with which relations locked (Lists of Oid). */
typedef struct LockedWork
{
	const List *targets;		/* all */
	const List *sequences;

	/*
	 * Does all that may take time, having locked the targets by
	 * lock_writers_out().  Gives back, in the memory context that was in
	 * force, the targets that readers must be kept from for the swap, and
	 * other relations that need AccessExclusiveLock, which nobody reads.
	 */
	void		(*prepare) (void *arg, List **swapped, List **others);
	SwapResult	(*swap) (void *arg);
	void	   *arg;
} LockedWork;

/*
 * In prepare(): takes ExclusiveLock on these targets, or ends the attempt.
 * Sets lock_timeout for the work that follows to timeout_ms.
 */
extern void lock_writers_out(const List *targets, int timeout_ms);

/*
 * Runs prepare(arg), then gets AccessExclusiveLock on those targets that are
 * swapped and ShareRowExclusiveLock on sequences, and runs swap(arg) with
 * them: all in short attempts, so that readers never queue for long.  An
 * attempt that would have to wait, or whose swap finds that it is stale, is
 * undone as a whole and made again; prepare and swap must stand that.
 * LOCK_NOT_AVAILABLE after timeout_ms.
 */
extern void lock_and_swap(const LockedWork *work, int timeout_ms,
						  const VirtualTransactionId *caller);

#endif							/* PGTUNSYNC_LOCKING_H */
