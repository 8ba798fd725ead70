/*-------------------------------------------------------------------------
 *
 * loader.c
 *	  A loader: one table at a time, from the source into a staging heap.
 *
 * A loader does what the leader orders: connect to the source, import the
 * run's snapshot there, load tables.  For each table
 *
 *	  transaction 1		staging heap with toast table and empty indexes; two more
 *						heaps where local rows are to be kept (kept.c)
 *	  transaction 2		COPY into it, build the indexes, ANALYZE
 *
 * and reports rows and bytes, or why it failed.  Small tables come in batches:
 * their COPYs travel to the source in one message, and their staging heaps share
 * transaction 1.  Of a large table a loader gets one step at a time, as
 * others do (split.c).
 *
 * A failed table leaves its staging heap to the leader and costs the
 * connection to the source, whose transaction is of no use in the middle of a
 * COPY; the next table gets a new one with the same snapshot.
 *
 * The target is locked only while we look at it (target.c): nobody waits for
 * a loader.  If it was altered since it was planned, the table fails.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "executor/spi.h"
#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "portability/instr_time.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "storage/procsignal.h"
#include "storage/shm_toc.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "load/load.h"
#include "load/load_messages.h"
#include "base/serialize.h"
#include "load/progress.h"
#include "base/worker_message.h"
#include "base/user_context.h"
#include "base/worker_session.h"
#include "source/source.h"
#include "staging/staging.h"
#include "staging/target.h"
#include "tunnel/tunnel_gate.h"
#include "base/worker.h"
#include "base/wait_event.h"

/*
 * What ANALYZE may take beyond OWNER_BASE_MS: it reads a sample, at most of 3,000,000
 * rows for the largest statistics target, and as a rule of 30,000.
 */
#define ANALYZE_MS		(30000 * OWNER_MS_PER_ROW)

/* This loader, for its lifetime. */
typedef struct Loader
{
	LoaderShared *shared;
	shm_mq_handle *orders;
	MemoryContext context;		/* lives as long as the process */
	MemoryContext job_context;	/* one order */
	MemoryContext source_context;	/* the connection */
	SourceParams params;
	char	   *snapshot;
	Source	   *source;
	bool		begun;			/* the source's transaction, with that snapshot */
	bool		connecting;		/* source_connect() has not returned */

	/* the batch in hand */
	int			njobs;
	LoadJob   **jobs;
	Stage	   *stages;			/* not created yet: all zero */
	Stage		spoilt;			/* of a failed attempt */
	int			next;			/* the job at work */
} Loader;

PGDLLEXPORT void pgtunsync_loader_main(Datum arg);

static void
attach(Loader *loader, dsm_handle handle)
{
	dsm_segment *segment = dsm_attach(handle);
	shm_toc    *toc;
	shm_mq	   *orders;
	shm_mq	   *reports;

	if (segment == NULL)
		proc_exit(0);			/* the leader is gone already */
	dsm_pin_mapping(segment);
	toc = shm_toc_attach(LOADER_MAGIC, dsm_segment_address(segment));
	if (toc == NULL)
		elog(ERROR, "bad magic number in a loader's segment");
	loader->shared = shm_toc_lookup(toc, LOADER_KEY_SHARED, false);
	orders = shm_toc_lookup(toc, LOADER_KEY_ORDERS, false);
	reports = shm_toc_lookup(toc, LOADER_KEY_REPORTS, false);
	shm_mq_set_receiver(orders, MyProc);
	shm_mq_set_sender(reports, MyProc);
	loader->orders = shm_mq_attach(orders, segment, NULL);
	relay_redirect(shm_mq_attach(reports, segment, NULL));
}

/* ---- the source ---- */

static void
disconnect(Loader *loader)
{
	loader->source = NULL;
	loader->begun = false;
	loader->connecting = false;
	MemoryContextReset(loader->source_context);
}

/* The source's transaction, the one snapshot of the run, opened in the first COPY's message. */
static void
append_begin(const Loader *loader, StringInfo sql)
{
	if (loader->begun)
		return;
	appendStringInfoString(sql, "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; ");
	if (loader->snapshot != NULL)
		appendStringInfo(sql, "SET TRANSACTION SNAPSHOT %s; ",
						 quote_literal_cstr(loader->snapshot));
}

static void
connect_to_source(Loader *loader)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(loader->source_context);

	loader->connecting = true;
	loader->source = source_connect(&loader->params);
	loader->connecting = false;
	MemoryContextSwitchTo(oldcontext);
}

/* ---- one table ---- */

/*
 * Frozen rows are seen even when their transaction is not: a staging heap that
 * an attempt has begun to fill must not be filled again.
 */
static void
drop_spoilt(Loader *loader)
{
	Oid			heaps[] = {loader->spoilt.staging, loader->spoilt.copy, loader->spoilt.yielded};

	if (!OidIsValid(loader->spoilt.staging))
		return;
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	for (int i = 0; i < lengthof(heaps); i++)
	{
		if (!OidIsValid(heaps[i]))
			continue;
		LockRelationOid(heaps[i], AccessExclusiveLock);
		staging_drop(heaps[i]);
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	memset(&loader->spoilt, 0, sizeof(Stage));
}

static Stage
create_stage(const Loader *loader, const LoadJob *job)
{
	Relation	target = target_open(job->relid, job->shape);
	int64		run_id = loader->shared->run_id;
	Stage		stage = {0};

	relay_set_subject(job->display);
	stage.staging = staging_create(target, run_id, job->mode);
	if (job->keep != NIL)
	{
		stage.copy = staging_create_beside(target, run_id, "kept", true);
		stage.yielded = staging_create_beside(target, run_id, "yielded", false);
	}
	target_close(target);
	return stage;
}

/* Transaction 1, for jobs up to "last". */
static void
create_stages(Loader *loader, int last)
{
	Stage	   *stages = palloc(sizeof(Stage) * loader->njobs);

	memcpy(stages, loader->stages, sizeof(Stage) * loader->njobs);
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	for (int i = loader->next; i < last; i++)
	{
		if (!OidIsValid(stages[i].staging))
			stages[i] = create_stage(loader, loader->jobs[i]);
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	/* not before they are there to stay */
	memcpy(loader->stages, stages, sizeof(Stage) * loader->njobs);
	pfree(stages);
}

/*
 * ANALYZE switches to the table's owner by itself, and then evaluates index
 * expressions: it needs an entry, although made as ourselves.
 */
static void
analyze_staging(Oid staging)
{
	char	   *sql = psprintf("ANALYZE %s", staging_name(staging));
	OwnerContext context;

	owner_enter(&context, GetUserId());
	owner_allow_ms(ANALYZE_MS);
	SPI_connect();
	owner_pass_statement();
	if (SPI_execute(sql, false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "could not analyze a staging heap");
	SPI_finish();
	owner_leave(&context);
	pfree(sql);
}

/*
 * A transaction whose commit need not wait for the disk: the leader's last
 * commit is written after it.
 */
static void
begin_filling(void)
{
	StartTransactionCommand();
	(void) set_config_option("synchronous_commit", "off", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
	PushActiveSnapshot(GetTransactionSnapshot());
}

/* Its end. */
static void
end_filling(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/* The rows of a COPY that has been started. */
static void
copy_rows(Loader *loader, const LoadJob *job, const Stage *stage, LoadResult *result)
{
	load_rows(job, stage, loader->source, result);
	result->rewritten = job->verify_sql != NULL && source_copy_rows_behind(loader->source) > 0;
}

/* Transaction 2; fills in the result. */
static void
fill_staging(Loader *loader, const LoadJob *job, const Stage *stage, LoadResult *result)
{
	begin_filling();
	progress_phase(job->index, PHASE_COPYING);
	copy_rows(loader, job, stage, result);
	progress_phase(job->index, PHASE_INDEXING);
	staging_build_indexes(result->staging);
	if (job->mode != LAND_APPEND)
		analyze_staging(result->staging);
	result->fingerprint = staging_fingerprint(result->staging);
	end_filling();
	progress_phase(job->index, PHASE_LOADED);
}

/* Comes ahead of a job's end, after which the leader may stop reading. */
static void
report_dropped(void)
{
	int64		count = relay_take_dropped();
	StringInfoData buf;

	if (count == 0)
		return;
	initStringInfo(&buf);
	pack_int(&buf, count);
	relay_send(LOADER_REPORT_DROPPED, buf.data, buf.len);
}

static void
report_result(Loader *loader, const LoadResult *result)
{
	StringInfoData buf;

	MemoryContextSwitchTo(loader->job_context);
	report_dropped();
	initStringInfo(&buf);
	load_result_pack(&buf, result);
	relay_send(LOADER_REPORT_LOADED, buf.data, buf.len);
}

static void
load_table(Loader *loader, const LoadJob *job, const Stage *stage)
{
	LoadResult	result = {.index = job->index, .staging = stage->staging};
	instr_time	start;
	instr_time	end;

	relay_set_subject(job->display);
	INSTR_TIME_SET_CURRENT(start);
	fill_staging(loader, job, stage, &result);
	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, start);

	result.seconds = INSTR_TIME_GET_DOUBLE(end);
	report_result(loader, &result);
}

/* ---- what the source is asked ---- */

/* The COPYs of some jobs as one message. */
static char *
joined_copies(const Loader *loader, int last)
{
	StringInfoData sql;

	initStringInfo(&sql);
	append_begin(loader, &sql);
	for (int i = loader->next; i < last; i++)
	{
		const LoadJob *job = loader->jobs[i];

		appendStringInfo(&sql, "%s%s", i > loader->next ? "; " : "", job->copy_sql);
		if (job->verify_sql != NULL)
			appendStringInfo(&sql, "; %s", job->verify_sql);
	}
	return sql.data;
}

/* Starts the COPYs of the jobs up to "last". */
static void
start_copies(Loader *loader, int last)
{
	if (loader->source == NULL)
		connect_to_source(loader);
	source_copy_start(loader->source, joined_copies(loader, last));
	loader->begun = true;
}

/* ---- a step of a large table ---- */

static void
create_step(Loader *loader, const LoadJob *job, LoadResult *result)
{
	Relation	target;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	target = target_open(job->relid, job->shape);
	result->staging = staging_create(target, loader->shared->run_id, job->mode);
	target_close(target);
	result->indexes = staging_count_indexes(result->staging);
	result->fingerprint = staging_fingerprint(result->staging);
	PopActiveSnapshot();
	CommitTransactionCommand();
	progress_phase(job->index, PHASE_COPYING);
}

static void
part_step(Loader *loader, const LoadJob *job, LoadResult *result)
{
	Stage		stage = {.staging = job->staging};

	start_copies(loader, loader->next + 1);
	begin_filling();
	copy_rows(loader, job, &stage, result);
	end_filling();
}

static void
index_step(const LoadJob *job)
{
	begin_filling();
	progress_phase(job->index, PHASE_INDEXING);
	staging_build_index(job->staging, job->index_number);
	end_filling();
}

static void
finish_step(const LoadJob *job)
{
	begin_filling();
	progress_phase(job->index, PHASE_INDEXING);
	analyze_staging(job->staging);
	staging_check_files(job->staging, job->fingerprint);
	end_filling();
	progress_phase(job->index, PHASE_LOADED);
}

static void
take_step(Loader *loader, const LoadJob *job)
{
	LoadResult	result = {.index = job->index, .staging = job->staging};

	relay_set_subject(job->display);
	switch (job->step)
	{
		case LOAD_CREATE:
			create_step(loader, job, &result);
			break;
		case LOAD_PART:
			part_step(loader, job, &result);
			break;
		case LOAD_INDEX:
			index_step(job);
			break;
		default:
			finish_step(job);
			break;
	}
	report_result(loader, &result);
}

/* ---- a batch ---- */

/* Loads up to "count" jobs from the next one on. */
static void
load_some(Loader *loader, int count)
{
	int			last = Min(loader->next + count, loader->njobs);
	bool		several = last - loader->next > 1;

	if (loader->jobs[loader->next]->step != LOAD_WHOLE)
	{
		Assert(loader->njobs == 1);
		take_step(loader, loader->jobs[loader->next]);
		loader->next++;
		return;
	}
	drop_spoilt(loader);
	start_copies(loader, last);
	create_stages(loader, last);
	while (loader->next < last)
	{
		load_table(loader, loader->jobs[loader->next], &loader->stages[loader->next]);
		loader->next++;
		if (several)
			(void) source_copy_next(loader->source);
	}
}

/* Leaves the error behind: transaction and connection are of no use any more. */
static ErrorData *
recover(Loader *loader, bool *source_gone)
{
	ErrorData  *edata;

	MemoryContextSwitchTo(loader->job_context);
	edata = CopyErrorData();
	FlushErrorState();
	/* the SQLSTATE says nothing: a table's owner can raise any */
	*source_gone = loader->connecting ||
		(loader->source != NULL && source_is_lost(loader->source));
	AbortOutOfAnyTransaction();
	MemoryContextSwitchTo(loader->job_context);
	disconnect(loader);
	return edata;
}

static void
report_failure(Loader *loader, const ErrorData *edata, bool source_gone)
{
	LoadFailure failure = {
		.index = loader->jobs[loader->next]->index,
		.source_gone = source_gone
	};
	StringInfoData buf;

	report_dropped();
	initStringInfo(&buf);
	load_failure_pack(&buf, &failure);
	relay_send(LOADER_REPORT_FAILED, buf.data, buf.len);
	relay_send_error(unconstify(ErrorData *, edata));
}

/*
 * Loads a batch.  A table that fails is reported, and the rest of the batch is
 * tried one by one from there: that also tells which table it was when their
 * common first steps failed.
 */
static void
load_batch(Loader *loader, List *jobs)
{
	volatile int count = list_length(jobs);
	volatile bool source_gone = false;
	ListCell   *lc;

	loader->njobs = 0;
	loader->next = 0;
	loader->jobs = palloc(sizeof(LoadJob *) * list_length(jobs));
	loader->stages = palloc0(sizeof(Stage) * list_length(jobs));
	foreach(lc, jobs)
		loader->jobs[loader->njobs++] = lfirst(lc);

	memset(&loader->spoilt, 0, sizeof(Stage));
	while (loader->next < loader->njobs && !source_gone)
	{
		PG_TRY();
		{
			load_some(loader, count);
		}
		PG_CATCH();
		{
			bool		gone;
			ErrorData  *edata;

			HOLD_INTERRUPTS();
			edata = recover(loader, &gone);
			if (count == 1 || gone)
			{
				report_failure(loader, edata, gone);
				loader->next++;
			}
			else
			{
				loader->spoilt = loader->stages[loader->next];
				memset(&loader->stages[loader->next], 0, sizeof(Stage));
			}
			count = 1;
			source_gone = gone;
			RESUME_INTERRUPTS();
		}
		PG_END_TRY();
	}
}

/* ---- orders ---- */

static void
take_connect_order(Loader *loader, StringInfo body)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(loader->context);
	LoaderConnect *connect = loader_connect_unpack(body);

	loader->params.conninfo = connect->conninfo;
	loader->params.display = connect->display;
	loader->params.connect_timeout = connect->connect_timeout;
	loader->params.row_security = connect->row_security;
	loader->params.password_rule = connect->password_rule;
	loader->params.hide_texts = connect->hide_texts;
	if (connect->gate != DSM_HANDLE_INVALID)
	{
		tunnel_gate_attach(connect->gate);
		loader->params.gate = &tunnel_connection_gate;
		loader->params.gate_handle = connect->gate;
	}
	MemoryContextSwitchTo(oldcontext);
	/* ahead of the first table: the round trips overlap with the planning */
	connect_to_source(loader);
}

static void
take_snapshot_order(Loader *loader, StringInfo body)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(loader->context);

	loader->snapshot = unpack_string(body);
	progress_attach(unpack_int(body));
	MemoryContextSwitchTo(oldcontext);
}

/* Parallel workers cost more than they give where all cores have work. */
static void
take_spare_cores(Loader *loader, int spare)
{
	session_set_int("max_parallel_maintenance_workers",
					Min(spare, loader->shared->parallel_maintenance_workers));
}

static void
take_order(Loader *loader, char type, StringInfo body)
{
	switch (type)
	{
		case LOADER_ORDER_CONNECT:
			take_connect_order(loader, body);
			break;
		case LOADER_ORDER_SNAPSHOT:
			take_snapshot_order(loader, body);
			break;
		case LOADER_ORDER_LOAD:
			take_spare_cores(loader, unpack_int(body));
			load_batch(loader, load_jobs_unpack(body));
			break;
		default:
			elog(ERROR, "unknown order %d", type);
	}
}

/* An order that failed outside of a table's load: the reason is in the server log. */
static void
give_up_order(Loader *loader, char type)
{
	ErrorData  *edata;

	MemoryContextSwitchTo(loader->job_context);
	edata = CopyErrorData();
	FlushErrorState();
	disconnect(loader);
	ereport(DEBUG1,
			(errcode(edata->sqlerrcode),
			 errmsg_internal("the loader's order \"%c\" failed: %s", type, edata->message)));
}

/*
 * Executes orders until the leader closes the queue.  An error while connecting
 * ends only that order: the next table connects again and reports it.
 */
static void
obey(Loader *loader)
{
	StringInfoData body;
	char		type;

	MemoryContextSwitchTo(loader->context);
	initStringInfo(&body);
	for (;;)
	{
		RelayResult result;

		CHECK_FOR_INTERRUPTS();
		result = relay_receive(loader->orders, &type, &body);
		if (result == RELAY_CLOSED)
			return;
		if (result == RELAY_EMPTY)
		{
			relay_flush();
			(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
							 1000, wait_event(WAIT_LOADER_ORDER));
			ResetLatch(MyLatch);
			continue;
		}
		MemoryContextSwitchTo(loader->job_context);
		PG_TRY();
		{
			take_order(loader, type, &body);
		}
		PG_CATCH();
		{
			give_up_order(loader, type);
		}
		PG_END_TRY();
		relay_flush();
		MemoryContextSwitchTo(loader->context);
		MemoryContextReset(loader->job_context);
	}
}

void
pgtunsync_loader_main(Datum arg)
{
	Loader		loader = {0};

	pqsignal(SIGTERM, die);
	pqsignal(SIGINT, StatementCancelHandler);
	BackgroundWorkerUnblockSignals();
	worker_keep_memory();

	loader.context = AllocSetContextCreate(TopMemoryContext, "pgtunsync loader",
										   ALLOCSET_DEFAULT_SIZES);
	loader.job_context = AllocSetContextCreate(loader.context, "pgtunsync order",
											   ALLOCSET_DEFAULT_SIZES);
	loader.source_context = AllocSetContextCreate(loader.context, "pgtunsync source",
												  ALLOCSET_SMALL_SIZES);
	MemoryContextSwitchTo(loader.context);
	attach(&loader, DatumGetUInt32(arg));
	session_start(loader.shared->database);
	session_set_int("lock_timeout", loader.shared->lock_timeout);
	session_set_int("maintenance_work_mem", loader.shared->maintenance_work_mem);
	pgstat_report_appname("pgtunsync loader");

	obey(&loader);
	relay_flush_wait(1000);
	proc_exit(0);
}
