/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  Dynamic background workers, each owned by one process.
 *
 * The caller's backend starts the leader.  The leader starts the tunnel and
 * the loaders.  Each parent owns its children through Worker objects and must
 * wait for their end before it ends itself, on every path.  Only this file
 * uses BackgroundWorkerHandle.
 *
 * Worker slots belong to the whole server: parallel queries and logical
 * replication need them, too.  So pgtunsync.max_workers limits the workers of
 * all runs together.  A process that wants to start workers takes a lock and
 * counts the existing ones.  It holds the lock until the workers it started
 * can be counted.  The count comes from the server's own process table, which
 * no user can change.  The lock belongs to the transaction, so
 * pg_advisory_unlock_all() does not release it.
 *
 * Handles live in TopMemoryContext, because they are still needed after an
 * error has reset all other contexts.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <limits.h>
#include <signal.h>
#include <unistd.h>

#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "postmaster/bgworker.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/lock_tags.h"
#include "base/names.h"
#include "base/worker.h"

/* Time for a started worker to appear in the process table, in ms. */
#define COUNT_TIMEOUT		5000

struct Worker
{
	BackgroundWorkerHandle *handle;
};

/* ---- counting workers ---- */

static List *launched = NIL;	/* of Worker *, started since worker_begin_launch() */

static void
launch_tag(LOCKTAG *tag)
{
	SET_LOCKTAG_ADVISORY(*tag, 0, OUR_LOCK_CLASS, 0, LAUNCH_LOCK_TYPE);
}

/*
 * Returns the number of the extension's workers of one kind in all databases.
 */
static int
count_workers(const char *title)
{
	int			count = 0;

	for (uint32 i = 0; i < ProcGlobal->allProcCount; i++)
	{
		pid_t		pid = ProcGlobal->allProcs[i].pid;
		const char *type = pid != 0 ? GetBackgroundWorkerTypeByPid(pid) : NULL;

		count += type != NULL && strcmp(type, title) == 0;
	}
	return count;
}

/*
 * Returns the number of existing workers, and of those that leaders without a
 * tunnel still need.
 */
static int
count_all(void)
{
	int			leaders = count_workers(LEADER_TITLE);
	int			tunnels = count_workers(TUNNEL_TITLE);

	return leaders + tunnels + count_workers(LOADER_TITLE) +
		Max(0, leaders - tunnels) * (WORKERS_OF_RUN - 1);
}

static bool
is_counted(pid_t pid)
{
	for (uint32 i = 0; i < ProcGlobal->allProcCount; i++)
	{
		if (ProcGlobal->allProcs[i].pid == pid)
			return true;
	}
	return false;
}

int
worker_begin_launch(int max_workers)
{
	LOCKTAG		tag;

	launch_tag(&tag);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
	list_free(launched);
	launched = NIL;
	return max_workers - count_all();
}

/*
 * Waits for a worker to appear in the process table, shortly after its start.
 */
static void
wait_counted(Worker *worker)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), COUNT_TIMEOUT);
	pid_t		pid = worker_pid(worker);

	while (pid != 0 && worker_alive(worker) && !is_counted(pid) &&
		   GetCurrentTimestamp() < deadline)
	{
		CHECK_FOR_INTERRUPTS();
		pg_usleep(1000L);
	}
}

void
worker_end_launch(void)
{
	LOCKTAG		tag;
	ListCell   *lc;

	foreach(lc, launched)
		wait_counted(lfirst(lc));
	list_free(launched);
	launched = NIL;
	launch_tag(&tag);
	(void) LockRelease(&tag, ExclusiveLock, false);
}

void
worker_no_room(int room, int max_workers)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("too many workers of pgtunsync run on this server"),
			 errdetail("%d workers run or are about to start, \"pgtunsync.max_workers\" allows %d, "
					   "and a pull needs %d.",
					   max_workers - room, max_workers, WORKERS_OF_RUN),
			 errhint("Wait for another pull to end, or let a superuser raise the setting.")));
	pg_unreachable();
}

/* ---- one worker ---- */

Worker *
worker_launch(const char *function, const char *title, dsm_handle segment,
			  bool with_database)
{
	BackgroundWorker bgw;
	BackgroundWorkerHandle *handle;
	MemoryContext oldcontext;
	Worker	   *worker = NULL;

	memset(&bgw, 0, sizeof(bgw));
	bgw.bgw_flags = BGWORKER_SHMEM_ACCESS;
	if (with_database)
		bgw.bgw_flags |= BGWORKER_BACKEND_DATABASE_CONNECTION;
	bgw.bgw_start_time = BgWorkerStart_RecoveryFinished;
	bgw.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(bgw.bgw_library_name, PGTUNSYNC_LIBRARY, sizeof(bgw.bgw_library_name));
	strlcpy(bgw.bgw_function_name, function, sizeof(bgw.bgw_function_name));
	strlcpy(bgw.bgw_name, title, sizeof(bgw.bgw_name));
	strlcpy(bgw.bgw_type, title, sizeof(bgw.bgw_type));
	bgw.bgw_main_arg = UInt32GetDatum(segment);
	bgw.bgw_notify_pid = MyProcPid;

	oldcontext = MemoryContextSwitchTo(TopMemoryContext);
	if (RegisterDynamicBackgroundWorker(&bgw, &handle))
	{
		worker = palloc0(sizeof(Worker));
		worker->handle = handle;
		launched = lappend(launched, worker);
	}
	MemoryContextSwitchTo(oldcontext);
	return worker;
}

pid_t
worker_pid(Worker *worker)
{
	pid_t		pid;

	if (WaitForBackgroundWorkerStartup(worker->handle, &pid) != BGWH_STARTED)
		return 0;
	return pid;
}

bool
worker_alive(Worker *worker)
{
	pid_t		pid;
	BgwHandleStatus status = GetBackgroundWorkerPid(worker->handle, &pid);

	return status == BGWH_STARTED || status == BGWH_NOT_YET_STARTED;
}

void
worker_interrupt(Worker *worker)
{
	pid_t		pid;

	if (GetBackgroundWorkerPid(worker->handle, &pid) == BGWH_STARTED)
		kill(pid, SIGINT);
}

void
worker_terminate(Worker *worker)
{
	TerminateBackgroundWorker(worker->handle);
}

void
worker_wait_end(Worker *worker)
{
	HOLD_INTERRUPTS();
	WaitForBackgroundWorkerShutdown(worker->handle);
	RESUME_INTERRUPTS();
}

void
worker_free(Worker *worker)
{
	launched = list_delete_ptr(launched, worker);
	pfree(worker->handle);
	pfree(worker);
}

/*
 * Sorts allocate memory in blocks of 8 MB, and the kernel zeroes each page
 * that it provides.  This is a tenth of the cost of building an index if the
 * previous build returned all its memory.  Allocations above the threshold are
 * still returned at once.
 */
void
worker_keep_memory(void)
{
#ifdef __GLIBC__
	(void) mallopt(M_MMAP_THRESHOLD, 32 * 1024 * 1024);	/* the maximum */
	(void) mallopt(M_TRIM_THRESHOLD, INT_MAX);
#endif
}

int
worker_cores(void)
{
	return (int) Max(1, sysconf(_SC_NPROCESSORS_ONLN));
}

void
worker_no_slot(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("no free background worker slot for the %s", what),
			 errdetail("A run needs at least three workers: a leader, a tunnel and one loader."),
			 errhint("Raise \"max_worker_processes\" and restart the server, or wait for other workers to end.")));
	pg_unreachable();
}
