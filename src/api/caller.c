/*-------------------------------------------------------------------------
 *
 * caller.c
 *	  The caller's side of a run.
 *
 * The caller's backend starts a leader, hands it the request in a dynamic
 * shared memory segment, and waits, showing the leader's messages as they
 * arrive.  It changes nothing itself: the run lives in the leader's
 * transactions, so its outcome and its audit row stay whatever becomes of the
 * caller's transaction.
 *
 * The caller may go away at any moment.  On an error (a cancel, a statement
 * timeout) it interrupts the leader and waits until the leader has cleaned up.
 * When the backend ends, the callback on the segment sets a flag, and the
 * leader cancels itself.  If the run was committed by then, the call succeeds
 * with a WARNING, because an error would mean that nothing has changed.
 *
 * A leader that waits for a lock of the caller's transaction would wait for
 * ever, because the deadlock detector does not see the caller wait.  So the
 * call is refused if this transaction has a lock on a table that is named in
 * it; the leader looks for our locks when it knows all targets; and we check
 * who blocks the leader while we wait.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/parallel.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "storage/shm_toc.h"
#include "tcop/utility.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "run/audit.h"
#include "base/compat.h"
#include "base/run_lock.h"
#include "plan/plan.h"
#include "plan/selection_request.h"
#include "api/caller.h"
#include "base/worker_message.h"
#include "run/request.h"
#include "base/worker.h"
#include "base/wait_event.h"

/* how often a waiting caller looks whether it blocks its own leader, in ms */
#define BLOCK_CHECK_INTERVAL 500
/* how long a cancelled caller waits for the leader to clean up, in ms */
#define CLEANUP_PATIENCE 15000

/* A leader as its caller sees it. */
typedef struct Pull
{
	RunShared  *shared;
	dsm_segment *segment;
	shm_mq_handle *queue;
	Worker	   *leader;
	int64		run_id;			/* 0: not known yet */
	bool		quiet;			/* no NOTICEs: the answer is a table */
	List	   *rows;			/* of CheckStep * or PlanRow *, by the run's purpose */
	bool		committed;		/* every table was replaced, whatever comes */
	bool		done;
	StringInfoData failure;		/* the body of an 'E' message */
} Pull;

/* Raises the errors of a writing function in a read-only context. */
static void
check_may_write(void)
{
	PreventCommandIfReadOnly("pgtunsync.pull()");
	PreventCommandIfParallelMode("pgtunsync.pull()");
	PreventCommandDuringRecovery("pgtunsync.pull()");
}

/* True if this backend holds any lock on the relation. */
static bool
holds_lock_on(Oid relid)
{
	LOCKTAG		tag;

	SET_LOCKTAG_RELATION(tag, MyDatabaseId, relid);
	for (LOCKMODE mode = AccessShareLock; mode <= AccessExclusiveLock; mode++)
		if (compat_lock_held_by_me(&tag, mode))
			return true;
	return false;
}

/* Refuses a table that this transaction has touched already. */
static void
check_name_not_locked(const char *name, List *search_path)
{
	ListCell   *lc;

	foreach(lc, search_path)
	{
		Oid			nspid = get_namespace_oid(lfirst(lc), true);
		Oid			relid = OidIsValid(nspid) ? get_relname_relid(name, nspid) : InvalidOid;

		if (!OidIsValid(relid))
			continue;
		if (holds_lock_on(relid))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("table \"%s\" is locked by this transaction", name),
					 errdetail("The pull runs in a transaction of its own and would wait for this one forever."),
					 errhint("Commit first, then call pull() in a transaction that has not used the table.")));
		return;
	}
}

static void
check_request(const RunRequest *request)
{
	ListCell   *lc;

	selection_check_request(&request->plan);
	if (!request->wait || request->purpose != RUN_PULL)
		return;					/* it will not wait for us, nor we for it */
	foreach(lc, request->plan.tables)
		check_name_not_locked(lfirst(lc), request->plan.search_path);
}

/* Lets the leader know that nobody waits any more, and why; the first reason stays. */
static void
end_waiting(Pull *pull, CallerEnd reason)
{
	uint32		expected = CALLER_WAITS;

	(void) pg_atomic_compare_exchange_u32(&pull->shared->caller_end, &expected, reason);
}

/* The segment goes away with this backend's interest in the run. */
static void
on_segment_detach(dsm_segment *segment, Datum arg)
{
	Pull	   *pull = (Pull *) DatumGetPointer(arg);

	if (pull->done)
		return;
	end_waiting(pull, ClientConnectionLost ? CALLER_LOST_CLIENT : CALLER_TERMINATED);
	if (pull->leader != NULL)
		worker_interrupt(pull->leader);
}

/* Lays out request, flags and message queue for the leader. */
static void
create_segment(Pull *pull, const RunRequest *request)
{
	StringInfoData packed;
	shm_toc_estimator estimator;
	shm_toc    *toc;
	char	   *space;
	shm_mq	   *mq;

	initStringInfo(&packed);
	request_pack(&packed, request);

	shm_toc_initialize_estimator(&estimator);
	shm_toc_estimate_chunk(&estimator, sizeof(RunShared));
	shm_toc_estimate_chunk(&estimator, packed.len);
	shm_toc_estimate_chunk(&estimator, RELAY_QUEUE_SIZE);
	shm_toc_estimate_keys(&estimator, 3);

	pull->segment = dsm_create(shm_toc_estimate(&estimator), 0);
	toc = shm_toc_create(RUN_MAGIC, dsm_segment_address(pull->segment),
						 shm_toc_estimate(&estimator));

	pull->shared = shm_toc_allocate(toc, sizeof(RunShared));
	GET_VXID_FROM_PGPROC(pull->shared->caller, *MyProc);
	pg_atomic_init_u32(&pull->shared->caller_end, CALLER_WAITS);
	shm_toc_insert(toc, RUN_KEY_SHARED, pull->shared);

	space = shm_toc_allocate(toc, packed.len);
	memcpy(space, packed.data, packed.len);
	shm_toc_insert(toc, RUN_KEY_REQUEST, space);

	mq = shm_mq_create(shm_toc_allocate(toc, RELAY_QUEUE_SIZE), RELAY_QUEUE_SIZE);
	shm_mq_set_receiver(mq, MyProc);
	shm_toc_insert(toc, RUN_KEY_QUEUE, mq);
	pull->queue = shm_mq_attach(mq, pull->segment, NULL);
}

/* True if the leader waits for a lock of ours. */
static bool
leader_waits_for_us(pid_t leader_pid)
{
	ArrayType  *blockers;
	int32	   *pids;
	int			n;

	blockers = DatumGetArrayTypeP(DirectFunctionCall1(pg_blocking_pids,
													  Int32GetDatum((int32) leader_pid)));
	pids = (int32 *) ARR_DATA_PTR(blockers);
	n = ArrayGetNItems(ARR_NDIM(blockers), ARR_DIMS(blockers));
	for (int i = 0; i < n; i++)
		if (pids[i] == MyProcPid)
			return true;
	return false;
}

static void
check_not_blocking(Pull *pull)
{
	pid_t		pid = worker_alive(pull->leader) ? worker_pid(pull->leader) : 0;

	if (pid != 0 && leader_waits_for_us(pid))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("the pull waits for a lock that this transaction holds"),
				 errhint("Commit first, then call pull() in a transaction that has not used the tables.")));
}

/* The run ended early, but not before its commit. */
static void
warn_ended_early(Pull *pull, const char *reason)
{
	pull->done = true;
	ereport(WARNING,
			(errmsg("the tables of run " INT64_FORMAT " were replaced, but it ended early: %s",
					pull->run_id, reason)));
}

static void
take_error(Pull *pull, StringInfo body)
{
	ErrorData	edata;

	if (pull->committed)
	{
		relay_parse_report(body, &edata);
		warn_ended_early(pull, edata.message);
		return;
	}
	pull->done = true;
	resetStringInfo(&pull->failure);
	appendBinaryStringInfo(&pull->failure, body->data, body->len);
}

/*
 * Handles one message; a NOTICE is shown at once.  Cancels are held off,
 * because check_cancel() must see them first.
 */
static void
handle_message(Pull *pull, char type, StringInfo body)
{
	HOLD_CANCEL_INTERRUPTS();
	switch (type)
	{
		case RUN_MSG_ID:
			pull->run_id = pq_getmsgint64(body);
			break;
		case RUN_MSG_COMMITTED:
			pull->committed = true;
			break;
		case RUN_MSG_DONE:
			pull->done = true;
			break;
		case RUN_MSG_STEP:
			pull->rows = lappend(pull->rows, check_step_unpack(body));
			break;
		case RUN_MSG_PLANNED:
			pull->rows = lappend(pull->rows, plan_row_unpack(body));
			break;
		case 'N':
			relay_throw_report(body, pull->quiet ? WARNING : DEBUG5);
			break;
		case 'E':
			take_error(pull, body);
			break;
		default:
			elog(ERROR, "unexpected message type %d from the leader", type);
	}
	RESUME_CANCEL_INTERRUPTS();
}

/* Sleeps until a message arrives, or the time is up. */
static void
wait_for_leader(long timeout_ms)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 timeout_ms, wait_event(WAIT_LEADER));
	ResetLatch(MyLatch);
}

/* Stops a leader whose caller gives up, and waits until it has tidied up. */
static void
abandon_leader(Pull *pull, CallerEnd reason)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), CLEANUP_PATIENCE);

	if (pull->leader == NULL || pull->done)
		return;
	/* one that has not started yet cannot be interrupted, and looks at this */
	end_waiting(pull, reason);
	worker_interrupt(pull->leader);
	HOLD_INTERRUPTS();
	while (worker_alive(pull->leader) && GetCurrentTimestamp() < deadline)
		wait_for_leader(50);
	RESUME_INTERRUPTS();
}

/*
 * A cancel or a timeout while we wait.  The leader is stopped first: only then
 * is it known whether it had committed.
 */
static void
check_cancel(Pull *pull)
{
	StringInfoData body;
	char		type;

	if (!QueryCancelPending || ProcDiePending)
		return;
	abandon_leader(pull, get_timeout_indicator(STATEMENT_TIMEOUT, false) ?
				   CALLER_TIMED_OUT : CALLER_CANCELED);
	initStringInfo(&body);
	while (!pull->done && relay_receive(pull->queue, &type, &body) == RELAY_MESSAGE)
		handle_message(pull, type, &body);
	pfree(body.data);
	if (!pull->committed)
		return;
	pull->done = true;
	QueryCancelPending = false;
	(void) get_timeout_indicator(STATEMENT_TIMEOUT, true);
	ereport(WARNING,
			(errmsg("run " INT64_FORMAT " was not cancelled: its tables had already been replaced",
					pull->run_id)));
}

/* Reads messages until the run has ended, or has begun if that is enough. */
static void
follow_leader(Pull *pull, bool until_end)
{
	StringInfoData body;
	char		type;
	TimestampTz next_check = GetCurrentTimestamp();

	initStringInfo(&body);
	while (!pull->done && (until_end || pull->run_id == 0))
	{
		RelayResult result = relay_receive(pull->queue, &type, &body);

		if (result == RELAY_MESSAGE)
		{
			handle_message(pull, type, &body);
			continue;
		}
		if (result == RELAY_CLOSED || !worker_alive(pull->leader))
		{
			/* what it said before it ended is still to be read */
			if (relay_receive(pull->queue, &type, &body) == RELAY_MESSAGE)
			{
				handle_message(pull, type, &body);
				continue;
			}
			if (pull->committed)
			{
				warn_ended_early(pull, "its leader vanished");
				break;
			}
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("the leader of the pull ended unexpectedly"),
					 errdetail("No table was changed unless the run is marked as succeeded."),
					 errhint("See the server log and table pgtunsync.runs.")));
		}
		if (GetCurrentTimestamp() >= next_check)
		{
			check_not_blocking(pull);
			next_check = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													 BLOCK_CHECK_INTERVAL);
		}
		wait_for_leader(BLOCK_CHECK_INTERVAL);
		check_cancel(pull);
		CHECK_FOR_INTERRUPTS();
	}
	pfree(body.data);
}

/*
 * A leader that would find no room for its tunnel and loaders is not started.
 */
static void
start_leader(Pull *pull, int max_workers)
{
	int			room = worker_begin_launch(max_workers);

	if (room < WORKERS_OF_RUN)
		worker_no_room(room, max_workers);
	pull->leader = worker_launch("pgtunsync_leader_main", LEADER_TITLE,
								 dsm_segment_handle(pull->segment), true);
	if (pull->leader == NULL)
		worker_no_slot("leader");
	/* one that has ended already has left its error in the queue */
	(void) worker_pid(pull->leader);
	worker_end_launch();
}

/*
 * Hands the request to a leader of its own and follows it; raises its error.
 */
static Pull *
run_leader(const RunRequest *request)
{
	Pull	   *pull;

	/* outlives the statement's contexts: the segment's callback needs it */
	pull = MemoryContextAllocZero(TopTransactionContext, sizeof(Pull));
	pull->quiet = request->purpose != RUN_PULL;
	initStringInfo(&pull->failure);
	create_segment(pull, request);
	on_dsm_detach(pull->segment, on_segment_detach, PointerGetDatum(pull));
	PG_TRY();
	{
		start_leader(pull, request->max_workers);
		follow_leader(pull, request->wait);
	}
	PG_CATCH();
	{
		abandon_leader(pull, geterrcode() == ERRCODE_QUERY_CANCELED ? CALLER_CANCELED : CALLER_FAILED);
		PG_RE_THROW();
	}
	PG_END_TRY();

	pull->done = true;			/* nothing to abandon any more */
	dsm_detach(pull->segment);
	worker_free(pull->leader);
	if (pull->failure.len > 0)
		relay_throw_report(&pull->failure, DEBUG5);
	return pull;
}

int64
caller_pull(RunRequest *request)
{
	check_may_write();
	check_request(request);
	return run_leader(request)->run_id;
}

List *
caller_check(RunRequest *request)
{
	/* it writes nothing, but needs a worker with a transaction */
	PreventCommandIfParallelMode("pgtunsync.check()");
	PreventCommandDuringRecovery("pgtunsync.check()");
	return run_leader(request)->rows;
}

List *
caller_plan(RunRequest *request)
{
	PreventCommandIfParallelMode("pgtunsync.plan()");
	PreventCommandDuringRecovery("pgtunsync.plan()");
	check_request(request);
	return run_leader(request)->rows;
}

/* Looks the run up, if the current user may see it. */
static AuditRun *
read_run(int64 run_id)
{
	AuditRun   *run = audit_read(run_id);

	if (run == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("there is no run " INT64_FORMAT, run_id),
				 errhint("Runs of other roles are visible to members of pg_monitor only.")));
	return run;
}

/* Raises the error that the audit holds for a run that did not succeed. */
static void
raise_run_error(int64 run_id, const AuditRun *state)
{
	int			code = ERRCODE_INTERNAL_ERROR;

	if (state->sqlstate != NULL && strlen(state->sqlstate) == 5)
		code = MAKE_SQLSTATE(state->sqlstate[0], state->sqlstate[1], state->sqlstate[2],
							 state->sqlstate[3], state->sqlstate[4]);
	ereport(ERROR,
			(errcode(code),
			 errmsg("run " INT64_FORMAT " %s: %s", run_id,
					strcmp(state->status, "partial") == 0 ? "succeeded in part" : state->status,
					state->error ? state->error : "its leader vanished"),
			 errhint("See table pgtunsync.run_tables for run_id " INT64_FORMAT ".", run_id)));
}

/* Has the run ended?  Raises its error if it failed. */
static bool
has_ended(int64 run_id)
{
	AuditRun   *state = read_run(run_id);

	if (strcmp(state->status, "succeeded") == 0)
		return true;
	if (strcmp(state->status, "running") != 0)
		raise_run_error(run_id, state);
	if (run_lock_is_held(run_id))
		return false;

	/* it may have ended between our two looks */
	state = read_run(run_id);
	if (strcmp(state->status, "running") == 0)
	{
		state->status = "crashed";
		raise_run_error(run_id, state);
	}
	return has_ended(run_id);
}

void
caller_wait(int64 run_id)
{
	MemoryContext look = AllocSetContextCreate(CurrentMemoryContext, "pgtunsync wait",
											   ALLOCSET_SMALL_SIZES);
	MemoryContext oldcontext = MemoryContextSwitchTo(look);

	while (!has_ended(run_id))
	{
		MemoryContextReset(look);
		wait_for_leader(100);
		CHECK_FOR_INTERRUPTS();
	}
	MemoryContextSwitchTo(oldcontext);
	MemoryContextDelete(look);
}

bool
caller_cancel(int64 run_id)
{
	AuditRun   *state = read_run(run_id);

	if (strcmp(state->status, "running") != 0 || !run_lock_is_held(run_id))
		return false;
	audit_check_may_cancel(run_id);
	/* never a process that is no server process, whatever the row says */
	if (BackendPidGetProc(state->leader_pid) == NULL)
		return false;
	return kill(state->leader_pid, SIGINT) == 0;
}
