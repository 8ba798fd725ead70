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
 * cannot be used.  If the heaps cannot be dropped in one transaction, because
 * the lock table is full or one of them cannot be dropped, each is dropped in
 * a transaction of its own.
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

/* Staging heaps to be dropped. */
typedef struct Heaps
{
	int64		run_id;			/* of this run, or 0: of crashed ones */
	MemoryContext context;		/* for the list */
	List	   *oids;
	int			dropped;
} Heaps;

/* Finds the heaps. */
static void
find_heaps(Heaps *heaps)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(heaps->context);

	heaps->oids = heaps->run_id == 0 ? staging_leftovers() : staging_heaps_of_run(heaps->run_id);
	MemoryContextSwitchTo(oldcontext);
}

/* Finds the heaps and drops all of them. */
static void
drop_all(Heaps *heaps)
{
	ListCell   *lc;

	find_heaps(heaps);
	foreach(lc, heaps->oids)
		heaps->dropped += staging_drop_unless_in_use(lfirst_oid(lc));
}

static void
drop_first(Heaps *heaps)
{
	heaps->dropped += staging_drop_unless_in_use(linitial_oid(heaps->oids));
}

static void
mark_crashed(Heaps *heaps)
{
	audit_mark_crashed();
}

/*
 * Takes one step in a transaction of its own; an error ends that step only.
 * Returns false then.  If the caller holds interrupts, they stay held.
 */
static bool
take_step(void (*step) (Heaps *heaps), Heaps *heaps)
{
	MemoryContext context = CurrentMemoryContext;
	uint32		holdoff = InterruptHoldoffCount;
	volatile bool done = false;

	PG_TRY();
	{
		StartTransactionCommand();
		PushActiveSnapshot(GetTransactionSnapshot());
		step(heaps);
		PopActiveSnapshot();
		CommitTransactionCommand();
		done = true;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		if (geterrcode() == ERRCODE_QUERY_CANCELED)
			PG_RE_THROW();
		InterruptHoldoffCount = holdoff;
		crash_cleanup_log_error();
		AbortOutOfAnyTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	return done;
}

static void
drop_one_by_one(Heaps *heaps)
{
	heaps->dropped = 0;
	(void) take_step(find_heaps, heaps);
	for (; heaps->oids != NIL; heaps->oids = list_delete_first(heaps->oids))
		(void) take_step(drop_first, heaps);
}

int
crash_cleanup_drop(int64 run_id)
{
	Heaps		heaps = {.run_id = run_id, .context = CurrentMemoryContext};

	if (!take_step(drop_all, &heaps))
		drop_one_by_one(&heaps);
	return heaps.dropped;
}

void
crash_cleanup(void)
{
	int			dropped;

	session_set_int("lock_timeout", CLEANUP_LOCK_TIMEOUT);
	dropped = crash_cleanup_drop(0);
	if (dropped > 0)
		ereport(LOG,
				(errmsg("pgtunsync dropped %d staging heaps of a run that crashed", dropped)));
	(void) take_step(mark_crashed, NULL);
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
