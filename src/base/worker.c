/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  Dynamic background workers as objects with one owner.
 *
 * A run is a small family of processes: the caller's backend starts the
 * leader, the leader starts the tunnel and the loaders.  Each parent owns its
 * children through a Worker and must see them end before it ends itself, on
 * every path; nothing else in the extension touches a
 * BackgroundWorkerHandle.
 *
 * Handles live in TopMemoryContext, because they are needed most after an
 * error has thrown every other context away.
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
#include "postmaster/bgworker.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "base/names.h"
#include "base/worker.h"

struct Worker
{
	BackgroundWorkerHandle *handle;
};

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
	pfree(worker->handle);
	pfree(worker);
}

/*
 * Sorts take their memory in blocks of 8 MB, and the kernel zeroes each page that
 * it hands out: a tenth of what building an index costs, when the one before
 * gave all of it back.  What is larger than the threshold still goes back at once.
 */
void
worker_keep_memory(void)
{
#ifdef __GLIBC__
	(void) mallopt(M_MMAP_THRESHOLD, 32 * 1024 * 1024);	/* the most that it takes */
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
			 errdetail("A run needs three workers at least: a leader, a tunnel and one loader."),
			 errhint("Raise \"max_worker_processes\" and restart the server, or wait for other workers to end.")));
	pg_unreachable();
}
