/*-------------------------------------------------------------------------
 *
 * leader.c
 *	  The process of one run: signals, dispatch, failure.
 *
 * The leader is a background worker that lives for one run: a pull, a check or
 * a plan, each in a file of its own (pull_run.c, check_run.c, plan_run.c).
 *
 * Whatever fails, the run ends in run_fail(): abort, end the children, drop
 * the staging heaps, write the audit's final state, send the error to the
 * caller.  SIGINT (the caller gave up, pgtunsync.cancel()) and SIGTERM both
 * become an ERROR, so they end there too.  Only if the process itself breaks
 * does leader_exit() merely stop the children; the next call of any function
 * cleans up (see crash_cleanup.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/shm_toc.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/user_context.h"
#include "base/worker_message.h"
#include "base/worker_session.h"
#include "run/audit.h"
#include "run/check_run.h"
#include "run/crash_cleanup.h"
#include "run/plan_run.h"
#include "run/pull_run.h"
#include "run/request.h"
#include "run/run_steps.h"

/*
 * how long a failed run waits for the tunnel to report why a connection broke,
 * in ms
 */
#define TUNNEL_PATIENCE	1000
/* how long a failed run waits for a lock on its row of the audit, in ms */
#define FAILURE_PATIENCE	5000

PGDLLEXPORT void pgtunsync_leader_main(Datum arg);

/* ---- the process ---- */

/*
 * SIGINT: end the run by an ERROR, with all its clean-up. lock_timeout sends
 * it too, from this process to itself, and that is no cancel.
 */
static void
on_cancel(SIGNAL_ARGS)
{
	int			save_errno = errno;

	if (!get_timeout_indicator(LOCK_TIMEOUT, false))
	{
		run_note_cancel();
		owner_note_stop();
	}
	InterruptPending = true;
	QueryCancelPending = true;
	SetLatch(MyLatch);
	errno = save_errno;
}

/*
 * SIGTERM: the same at first.  An owner's function may swallow a cancel; it
 * cannot swallow the end of the process, which the second one brings.
 */
static void
on_terminate(SIGNAL_ARGS)
{
	static volatile sig_atomic_t before = false;

	if (before)
		die(postgres_signal_arg);
	else
		on_cancel(postgres_signal_arg);
	before = true;
}

/* The process ends in a way that run_fail() does not see. */
static void
leader_exit(int code, Datum arg)
{
	Run		   *run = (Run *) DatumGetPointer(arg);

	if (run->pool != NULL)
		pool_kill(run->pool);
	if (run->tunnel != NULL)
		tunnel_kill(run->tunnel);
}

static void
attach(Run *run, dsm_handle handle)
{
	dsm_segment *segment = dsm_attach(handle);
	shm_toc    *toc;
	shm_mq	   *mq;

	if (segment == NULL)
		proc_exit(0);			/* the caller is gone already */
	toc = shm_toc_attach(RUN_MAGIC, dsm_segment_address(segment));
	if (toc == NULL)
		elog(ERROR, "bad magic number in a run's segment");
	run->shared = shm_toc_lookup(toc, RUN_KEY_SHARED, false);
	run->request = request_unpack(shm_toc_lookup(toc, RUN_KEY_REQUEST, false));
	mq = shm_toc_lookup(toc, RUN_KEY_QUEUE, false);
	shm_mq_set_sender(mq, MyProc);
	relay_redirect(shm_mq_attach(mq, segment, NULL));
}

/* ---- failure ---- */

static void
write_failure(Run *run, const ErrorData *edata)
{
	AuditTotals landed = {0};	/* batches of an append */
	bool		cancelled = run_is_cancelled();	/* here, not on the source */

	run_begin_transaction(run);
	audit_lock(run->id, FAILURE_PATIENCE);
	if (run->outcomes != NULL)
	{
		outcomes_write(run->outcomes, run->id, false);
		if (run->request->plan.mode == LAND_APPEND)
			landed = *outcomes_appended(run->outcomes);
	}
	audit_finish(run->id, cancelled ? "cancelled" : landed.rows > 0 ? "partial" : "failed", &landed,
				 edata->message, edata->sqlerrcode);
	run_commit_transaction(run);
}

static void
drop_staged(Run *run, const ErrorData *edata)
{
	(void) crash_cleanup_drop(run->id);
}

/*
 * Takes one step of the way out; an error ends that step only, and is logged.
 */
static void
try_clean_up(Run *run, void (*step) (Run *run, const ErrorData *edata), const ErrorData *edata)
{
	PG_TRY();
	{
		step(run, edata);
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		MemoryContextSwitchTo(run->context);
		crash_cleanup_log_error();
		AbortOutOfAnyTransaction();
		MemoryContextSwitchTo(run->context);
	}
	PG_END_TRY();
}

/*
 * The way out of every failure before the commit.  Nothing may interrupt it.
 * The heaps are dropped even if the audit cannot be written; what cannot be
 * done now is done by the next call.
 */
static void
run_clean_up(Run *run, const ErrorData *edata)
{
	if (run->id == 0 || run->committed)
		return;
	try_clean_up(run, write_failure, edata);
	try_clean_up(run, drop_staged, edata);
}

/*
 * A broken connection is often just what is seen of a broken tunnel: if that
 * has ended, or is about to, its own error says why.  An answer that breaks
 * the protocol has come through a tunnel that works.
 */
static ErrorData *
root_cause(Run *run, ErrorData *edata)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), TUNNEL_PATIENCE);

	if (run->tunnel == NULL || edata->sqlerrcode == ERRCODE_PROTOCOL_VIOLATION ||
		ERRCODE_TO_CATEGORY(edata->sqlerrcode) != ERRCODE_CONNECTION_EXCEPTION)
		return edata;
	do
	{
		ErrorData  *cause = tunnel_error(run->tunnel);

		if (cause != NULL)
			return cause;
		pg_usleep(20000L);
	} while (GetCurrentTimestamp() < deadline);
	return edata;
}

static void
run_fail(Run *run)
{
	ErrorData  *edata;

	HOLD_INTERRUPTS();
	MemoryContextSwitchTo(run->context);
	edata = CopyErrorData();
	FlushErrorState();
	edata = root_cause(run, edata);
	/* in this order: the loaders work under our locks */
	run_stop_children(run);
	AbortOutOfAnyTransaction();
	run_leave_entrance(run);
	MemoryContextSwitchTo(run->context);
	run_clean_up(run, edata);
	if (!run->request->wait)
		ereport(LOG,
				(errmsg("pgtunsync run " INT64_FORMAT " failed: %s", run->id, edata->message)));
	relay_report_dropped();
	relay_send_error(edata);
	RESUME_INTERRUPTS();
}

/* ---- dispatch ---- */

void
pgtunsync_leader_main(Datum arg)
{
	Run		   *run;

	pqsignal(SIGTERM, on_terminate);
	pqsignal(SIGINT, on_cancel);
	BackgroundWorkerUnblockSignals();

	run = MemoryContextAllocZero(TopMemoryContext, sizeof(Run));
	run->context = AllocSetContextCreate(TopMemoryContext, "pgtunsync run",
										 ALLOCSET_DEFAULT_SIZES);
	INSTR_TIME_SET_CURRENT(run->start);
	MemoryContextSwitchTo(run->context);
	attach(run, DatumGetUInt32(arg));
	session_start(run->request->database);
	session_set_int("maintenance_work_mem", run->request->maintenance_work_mem);
	session_set_int("max_parallel_maintenance_workers",
					run->request->parallel_maintenance_workers);
	before_shmem_exit(leader_exit, PointerGetDatum(run));

	PG_TRY();
	{
		crash_cleanup();
		switch (run->request->purpose)
		{
			case RUN_PULL:
				run_pull(run);
				break;
			case RUN_CHECK:
				run_check(run);
				break;
			case RUN_PLAN:
				run_preview(run);
				break;
		}
		relay_report_dropped();
		relay_send(RUN_MSG_DONE, "", 0);
	}
	PG_CATCH();
	{
		run_fail(run);
	}
	PG_END_TRY();
	relay_flush_wait(5000);
	proc_exit(0);
}
