/*-------------------------------------------------------------------------
 *
 * crash_cleanup.c
 *	  Removes what runs have left whose server or leader crashed.
 *
 * Such a run leaves staging heaps, which take up space, and a row in the audit
 * that says "running".  The first call of any function of ours that finds them
 * removes them:
 *
 *	  pull(), check(), plan()		their leader does so before anything else
 *	  wait(), cancel(), progress	the backend looks whether there is something
 *									to do, and starts a worker that does it
 *
 * The caller needs no right on what is dropped, and cannot choose it: only
 * heaps and rows of runs that no process leads are touched (see run_lock.c).
 * The work is done in a worker's transactions, so that it does not depend on
 * the caller's, which may be read-only, may be rolled back or may last long.
 * Looking costs an index probe and a short query when there is nothing to do.
 *
 * The two steps are independent: heaps are dropped even if the audit tables
 * cannot be used.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/run_lock.h"
#include "base/wait_event.h"
#include "base/worker.h"
#include "base/worker_session.h"
#include "run/audit.h"
#include "run/crash_cleanup.h"
#include "staging/staging.h"

/* the longest wait for somebody else's lock on an audit row, in ms */
#define CLEANUP_LOCK_TIMEOUT	2000
/* how long a caller waits for the worker, in ms */
#define CLEANUP_PATIENCE		10000
/* a backend tries again after this time, in ms: what is in use stays in use */
#define CLEANUP_PAUSE			10000

PGDLLEXPORT void pgtunsync_cleaner_main(Datum arg);

void
crash_cleanup_log_error(void)
{
	ErrorData  *edata = CopyErrorData();

	FlushErrorState();
	ereport(LOG,
			(errcode(edata->sqlerrcode),
			 errmsg("pgtunsync could not clean up after a run: %s", edata->message)));
	FreeErrorData(edata);
}

static void
drop_leftovers(void)
{
	int			dropped = staging_drop_leftovers();

	if (dropped > 0)
		ereport(LOG,
				(errmsg("pgtunsync dropped %d staging heaps of a run that crashed", dropped)));
}

/* Takes one step in a transaction of its own; an error ends that step only. */
static void
take_step(void (*step) (void))
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		StartTransactionCommand();
		PushActiveSnapshot(GetTransactionSnapshot());
		step();
		PopActiveSnapshot();
		CommitTransactionCommand();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		if (geterrcode() == ERRCODE_QUERY_CANCELED)
			PG_RE_THROW();
		crash_cleanup_log_error();
		AbortOutOfAnyTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
}

void
crash_cleanup(void)
{
	session_set_int("lock_timeout", CLEANUP_LOCK_TIMEOUT);
	take_step(drop_leftovers);
	take_step(audit_mark_crashed);
	session_set_int("lock_timeout", 0);
}

/* The worker that a caller's backend starts; its argument is a database. */
void
pgtunsync_cleaner_main(Datum arg)
{
	BackgroundWorkerUnblockSignals();
	session_start(DatumGetObjectId(arg));
	if (run_lock_try_clean())
		crash_cleanup();
	proc_exit(0);
}

static void
wait_for_cleaner(Worker *cleaner)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), CLEANUP_PATIENCE);

	while (worker_alive(cleaner) && GetCurrentTimestamp() < deadline)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 100, wait_event(WAIT_CRASH_CLEANUP));
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

void
crash_cleanup_if_due(void)
{
	static TimestampTz next_try = 0;
	TimestampTz now = GetCurrentTimestamp();
	Worker	   *cleaner;

	if (now < next_try || RecoveryInProgress() || IsInParallelMode())
		return;
	if (!staging_has_leftovers() && !audit_has_crashed())
		return;
	next_try = TimestampTzPlusMilliseconds(now, CLEANUP_PAUSE);
	cleaner = worker_launch("pgtunsync_cleaner_main", "pgtunsync cleaner",
							(dsm_handle) MyDatabaseId, true);
	if (cleaner == NULL)
		return;
	PG_TRY();
	{
		wait_for_cleaner(cleaner);
	}
	PG_FINALLY();
	{
		worker_free(cleaner);
	}
	PG_END_TRY();
}
