/*-------------------------------------------------------------------------
 *
 * run_lock.c
 *	  A lock that shows whether the leader of a run is alive.
 *
 * A leader takes the lock of its run before it commits the run's audit row,
 * and holds it until its process ends.  If the lock is free, the leader is
 * gone.  Everything that the run has left behind may then be dropped, and an
 * audit row with status "running" is outdated.  The lock does not depend on
 * the audit tables, which may be damaged.  Nor does it depend on
 * pg_class.relrewrite, which pg_upgrade resets, or on a process ID, which
 * another process may have by now.
 *
 * It is a session-level advisory lock: the server releases it at the end of
 * the process, also outside a transaction.  No SQL function can set the last
 * field of the lock tag to this value, so no user can take the lock.
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

/*
 * Two runs whose IDs differ by 2^32 share a lock.  One of them then appears to
 * be alive.
 */
static void
set_run_tag(LOCKTAG *tag, int64 run_id)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, RUN_LOCK_CLASS, (uint32) run_id, RUN_LOCK_TYPE);
}

void
run_lock_take(int64 run_id)
{
	LOCKTAG		tag;

	set_run_tag(&tag, run_id);
	(void) LockAcquire(&tag, ExclusiveLock, true, false);
}

bool
run_lock_is_held(int64 run_id)
{
	LOCKTAG		tag;

	set_run_tag(&tag, run_id);
	/* a share lock, so that concurrent tests do not conflict */
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
