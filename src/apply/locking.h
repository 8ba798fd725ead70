/*-------------------------------------------------------------------------
 *
 * locking.h
 *	  Takes the leader's locks on the local port and on the targets.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_LOCKING_H
#define PGTUNSYNC_LOCKING_H

#include "nodes/pg_list.h"
#include "storage/lock.h"

/*
 * Keeps two runs of this server from using the same local port.  If another
 * run has it, reports that run at this level, and waits up to timeout_ms; then
 * raises LOCK_NOT_AVAILABLE.  Must be called in a transaction.  The lock is held until it is
 * unlocked or the process ends, because a run may have several transactions.
 */
extern void lock_local_port(int local_port, int timeout_ms, int level);
extern void unlock_local_port(int local_port);

/*
 * Claims tables (a List of Oid) for an append.  The session holds the claim
 * over all batches, because two appends at once would bring the same rows.
 * Call it before any other lock is taken on the tables.  Raises
 * LOCK_NOT_AVAILABLE after timeout_ms.
 */
extern void lock_append(const List *targets, int timeout_ms);

/*
 * Claims targets (a List of Oid) for this run until the end of the transaction
 * or of the session.  Other runs wait; nobody else is blocked.  After
 * timeout_ms, raises LOCK_NOT_AVAILABLE with the table and the other run.
 */
extern void lock_against_runs(const List *targets, bool for_session, int timeout_ms);

/* Releases claims of the session. */
extern void unlock_against_runs(const List *targets);

/*
 * Waits until no command that changes a target is running (such as CREATE
 * INDEX CONCURRENTLY or VACUUM).  Keeps no lock.  After timeout_ms, raises
 * LOCK_NOT_AVAILABLE with the table.
 */
extern void lock_await_maintenance(const List *targets, int timeout_ms);

/*
 * Locks targets (a List of Oid) and their TOAST tables in OID order, until the
 * end of the transaction.  After timeout_ms, raises LOCK_NOT_AVAILABLE with
 * the table.
 */
extern void lock_targets(const List *targets, LOCKMODE mode, int timeout_ms);

/*
 * Raises CONFIGURATION_LIMIT_EXCEEDED if swapping these targets, with their
 * indexes and TOAST tables, needs more locks than the server's lock table has
 * room for.  Otherwise the table could fill up and make other sessions fail,
 * too.
 */
extern void lock_check_capacity(const List *targets);

/*
 * Raises OBJECT_IN_USE if the caller's own transaction holds a lock on a
 * target.  caller may be NULL.
 */
extern void lock_check_caller(const List *targets, const VirtualTransactionId *caller);

/*
 * Returns whether the error is temporary, so that another attempt is
 * worthwhile: a lock timeout, a deadlock, or a concurrent update.
 */
extern bool lock_is_passing(const ErrorData *edata);

/*
 * Returns whether the error ends the whole attempt: a temporary error or a
 * cancel.  Any other error belongs to the current table.
 */
extern bool lock_ends_attempt(const ErrorData *edata);

/* The result of the last step of an attempt. */
typedef enum SwapResult
{
	SWAP_DONE,
	SWAP_STALE					/* what was prepared is no longer valid */
} SwapResult;

/* The work to do, and the relations to lock for it (Lists of Oid). */
typedef struct LockedWork
{
	const List *targets;		/* all targets */
	const List *sequences;

	/*
	 * Does the work that may take time.  It locks the targets with
	 * lock_writers_out().  *swapped receives the targets to lock against
	 * readers for the swap, and *others the other relations that need
	 * AccessExclusiveLock, which nobody reads.  Both are allocated in the
	 * caller's memory context.
	 */
	void		(*prepare) (void *arg, List **swapped, List **others);
	SwapResult	(*swap) (void *arg);

	/* A target is locked by a process that waits for this pull: leaves it out. */
	void		(*give_way) (void *arg, Oid target, int pid);
	void	   *arg;
} LockedWork;

/*
 * Takes ExclusiveLock on these targets, or ends the attempt.  Sets
 * lock_timeout to timeout_ms for the work that follows.  Called by prepare().
 */
extern void lock_writers_out(const List *targets, int timeout_ms);

/*
 * Runs prepare(arg), takes AccessExclusiveLock on the targets to swap and
 * ShareRowExclusiveLock on sequences, and runs swap(arg).  All this is done in
 * short attempts, so that readers never wait long.  If an attempt would have
 * to wait, or if its swap returns SWAP_STALE, it is rolled back completely and
 * repeated; prepare and swap must allow that.  Raises LOCK_NOT_AVAILABLE after
 * timeout_ms.
 */
extern void lock_and_swap(const LockedWork *work, int timeout_ms,
						  const VirtualTransactionId *caller);

#endif							/* PGTUNSYNC_LOCKING_H */
