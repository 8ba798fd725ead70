/*-------------------------------------------------------------------------
 *
 * run_lock.c
 *	  The lock by which every process can see that a run's leader lives.
 *
 * A leader takes the lock of its run before it commits the run's audit row,
 * and holds it until the process ends.  If the lock is free, the leader is
 * gone: whatever the run has left may be dropped, and a row that says
 * "running" is wrong.  The lock does not depend on the audit tables, which may
 * be damaged, on pg_class.relrewrite, which pg_upgrade resets, or on a process
 * id, which another process may have by now.
 *
 * It is an advisory lock of the session: the server releases it at the end of
 * the process, also outside a transaction.  The last field of the lock tag is
 * one that no SQL function sets, so no user can take it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lock.h"

#include "base/run_lock.h"

/* "tunr"; pg_advisory_lock() sets the last field of a tag to 1 or 2 */
#define RUN_LOCK_CLASS	0x74756e72
#define RUN_LOCK_TYPE	5
#define CLEAN_LOCK_TYPE	6

/* Two runs whose ids differ by 2^32 share a lock: one of them looks alive. */
static void
run_tag(LOCKTAG *tag, int64 run_id)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, RUN_LOCK_CLASS, (uint32) run_id, RUN_LOCK_TYPE);
}

void
run_lock_take(int64 run_id)
{
	LOCKTAG		tag;

	run_tag(&tag, run_id);
	(void) LockAcquire(&tag, ExclusiveLock, true, false);
}

bool
run_lock_is_held(int64 run_id)
{
	LOCKTAG		tag;

	run_tag(&tag, run_id);
	/* two processes that test at the same time do not meet */
	if (LockAcquire(&tag, ShareLock, true, true) == LOCKACQUIRE_NOT_AVAIL)
		return true;
	(void) LockRelease(&tag, ShareLock, true);
	return false;
}

bool
run_lock_try_clean(void)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, RUN_LOCK_CLASS, 0, CLEAN_LOCK_TYPE);
	return LockAcquire(&tag, ExclusiveLock, true, true) != LOCKACQUIRE_NOT_AVAIL;
}
