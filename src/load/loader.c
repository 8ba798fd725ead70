/*-------------------------------------------------------------------------
 *
 * loader.c
 *	  A loader copies tables from the source into staging heaps, one at a time.
 *
 * A loader executes the orders of the leader: connect to the source, import
 * the run's snapshot there, load tables.  Each table takes two transactions:
 *
 *	  transaction 1		create the staging heap, its toast table and empty
 *						indexes; with kept rows, two more heaps (kept_rows.c)
 *	  transaction 2		COPY into it, build the indexes, ANALYZE
 *
 * Then the loader reports rows and bytes, or the error.  Small tables arrive
 * in batches: their COPY commands are sent to the source in one message, and
 * their staging heaps are created in the same transaction 1.  A large table is
 * split into steps for several loaders (table_parts.c).
 *
 * On the source, each table has a transaction of its own with the run's
 * snapshot, so that no lock there outlives the reading of the table.  Which
 * locks are waited for, and for how long, is in the head of source_locks.c.  A
 * table that stays locked is given back to the leader, which tries it again
 * later.
 *
 * If a table fails, its staging heap is left to the leader.  If it fails in the
 * middle of a COPY, the loader closes its connection to the source.  The next
 * table gets a new connection with the same snapshot.
 *
 * The target is locked only while its definition is read (target.c), so nobody
 * waits for a loader.  If it was altered since it was planned, the table
 * fails.
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
#include "utils/timestamp.h"

#include "base/compat.h"
#include "load/load.h"
#include "load/load_messages.h"
#include "base/serialize.h"
#include "load/progress.h"
#include "base/worker_message.h"
#include "base/user_context.h"
#include "base/worker_session.h"
#include "source/mask_key.h"
#include "source/server_identity.h"
#include "source/result_reader.h"
#include "source/source.h"
#include "source/source_locks.h"
#include "staging/staging.h"
#include "staging/target.h"
#include "tunnel/tunnel_gate.h"
#include "base/worker.h"
#include "base/wait_event.h"

/* Longest time until the source answers the first query of a connection, in ms. */
#define SETUP_TIMEOUT	5000

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
	int64		start_time;		/* of the server that has it */
	char	   *mask_key;		/* mask_key_read(), or NULL */
	Source	   *source;
	bool		failed;			/* a transaction has failed there: ROLLBACK comes first */
	bool		connecting;		/* source_connect() has not returned */

	/* the current batch */
	LoadTerms	terms;
	bool		job_begun;		/* the time for the current job's locks has begun */
	TimestampTz lock_deadline;	/* when it ends */
	int			lock_pause;		/* ms: before the next attempt */
	bool		refused;		/* a lock was refused to the current job */
	ErrorData  *refusal;		/* the source's error that came with it */
	bool		looking;		/* for who is in the way */
	bool		gave_up;		/* its time is up */
	bool		source_gone;	/* the rest of the batch is of no use */
	int			njobs;
	LoadJob   **jobs;
	StagingHeaps *heaps;		/* for each job; all zero: not created yet */
	StagingHeaps unusable;		/* of a failed attempt, to be dropped */
	int			next;			/* current job */
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
		proc_exit(0);			/* the leader has exited */
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

/* Lets the leader know that the source is still busy with a COPY. */
static void
note_left(Loader *loader)
{
	for (int i = 0; i < LOADER_LEFT_MAX; i++)
	{
		uint32		none = 0;

		if (pg_atomic_compare_exchange_u32(&loader->shared->left[i], &none,
										   source_session(loader->source)))
			return;
	}
}

static void
disconnect(Loader *loader)
{
	if (loader->source != NULL && source_in_copy(loader->source))
		note_left(loader);
	pg_atomic_write_u32(&loader->shared->session, 0);
	loader->source = NULL;
	loader->failed = false;
	loader->connecting = false;
	MemoryContextReset(loader->source_context);
}

static void
connect_to_source(Loader *loader)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(loader->source_context);

	loader->connecting = true;
	loader->source = source_connect(&loader->params);
	loader->connecting = false;
	source_prepare(loader->source);
	pg_atomic_write_u32(&loader->shared->session, source_session(loader->source));
	MemoryContextSwitchTo(oldcontext);
}

/*
 * Looks after an idle connection.  If it is lost, another one is made when it is
 * needed: nothing depends on this one.
 */
static void
attend_source(Loader *loader, void (*attend) (Source *source))
{
	MemoryContext context = CurrentMemoryContext;

	if (loader->source == NULL)
		return;
	PG_TRY();
	{
		attend(loader->source);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		FlushErrorState();
		disconnect(loader);
	}
	PG_END_TRY();
}

/* Ends the transaction in which something has failed. */
static void
settle_source(Loader *loader)
{
	if (loader->source == NULL || !loader->failed)
		return;
	if (!source_usable(loader->source))
		disconnect(loader);
	else if (source_in_transaction(loader->source))
		result_run(loader->source, "ROLLBACK");
	loader->failed = false;
}

/*
 * Makes the connection ready for a message.  The set-up of a new one is a
 * message of its own (source_prepare()): the source sends no answer as long as
 * another statement of the same message waits or computes, and then a pooler
 * without a connection could not be told from a slow COPY.
 */
static void
prepare_source(Loader *loader)
{
	settle_source(loader);
	attend_source(loader, source_check_idle);
	if (loader->source == NULL)
		connect_to_source(loader);
}

/* ---- one table ---- */

/*
 * Drops the heaps of a failed attempt.  Frozen rows stay visible after the
 * transaction that wrote them was aborted, so the heaps must not be used
 * again.
 */
static void
drop_unusable_heaps(Loader *loader)
{
	const StagingHeaps *heaps = &loader->unusable;
	Oid			oids[] = {heaps->staging, heaps->copy, heaps->yielded};

	if (!OidIsValid(heaps->staging))
		return;
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	for (int i = 0; i < lengthof(oids); i++)
	{
		if (!OidIsValid(oids[i]))
			continue;
		LockRelationOid(oids[i], AccessExclusiveLock);
		staging_drop(oids[i]);
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	memset(&loader->unusable, 0, sizeof(StagingHeaps));
}

static StagingHeaps
create_heaps(const Loader *loader, const LoadJob *job)
{
	Relation	target = target_open(job->relid, job->shape);
	int64		run_id = loader->shared->run_id;
	StagingHeaps heaps = {0};

	relay_set_subject(job->display);
	heaps.staging = staging_create(target, run_id, job->mode);
	if (job->keep != NIL)
	{
		heaps.copy = staging_create_auxiliary(target, run_id, "kept", true);
		heaps.yielded = staging_create_auxiliary(target, run_id, "yielded", false);
	}
	target_close(target);
	return heaps;
}

/* Transaction 1, for the jobs before "last". */
static void
create_all_heaps(Loader *loader, int last)
{
	StagingHeaps *heaps = palloc(sizeof(StagingHeaps) * loader->njobs);

	memcpy(heaps, loader->heaps, sizeof(StagingHeaps) * loader->njobs);
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	for (int i = loader->next; i < last; i++)
	{
		if (!OidIsValid(heaps[i].staging))
			heaps[i] = create_heaps(loader, loader->jobs[i]);
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	/* only after the commit: after an error they do not exist */
	memcpy(loader->heaps, heaps, sizeof(StagingHeaps) * loader->njobs);
	pfree(heaps);
}

/*
 * ANALYZE switches to the table's owner by itself and evaluates index
 * expressions.  So the limits on owner code must be active, although we enter
 * as the current user.
 */
static void
analyze_staging(Oid staging)
{
	char	   *sql = psprintf("ANALYZE %s", staging_name(staging));
	OwnerContext context;

	owner_enter(&context, GetUserId());
	owner_allow_ms(OWNER_ANALYZE_MS);
	SPI_connect();
	owner_pass_statement();
	if (SPI_execute(sql, false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "could not analyze a staging heap");
	SPI_finish();
	owner_leave(&context);
	pfree(sql);
}

/*
 * Begins a transaction that fills a staging heap.  Its commit need not wait
 * for the WAL flush: the leader's final commit flushes all earlier WAL.
 */
static void
begin_filling(void)
{
	StartTransactionCommand();
	(void) set_config_option("synchronous_commit", "off", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
	PushActiveSnapshot(GetTransactionSnapshot());
}

static void
end_filling(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/*
 * Loads the rows of a COPY that has been started, and reads the result of
 * verify_sql.
 */
static void
copy_rows(Loader *loader, const LoadJob *job, const StagingHeaps *heaps, LoadResult *result)
{
	load_rows(job, heaps, loader->source, result);
	result->rewritten = job->verify_sql != NULL && source_copy_rows_behind(loader->source);
}

/* Transaction 2.  Fills in the result. */
static void
fill_staging(Loader *loader, const LoadJob *job, const StagingHeaps *heaps, LoadResult *result)
{
	begin_filling();
	progress_phase(job->index, PHASE_COPYING);
	copy_rows(loader, job, heaps, result);
	progress_phase(job->index, PHASE_INDEXING);
	staging_build_indexes(result->staging);
	if (job->mode != LAND_APPEND)
		analyze_staging(result->staging);
	result->fingerprint = staging_fingerprint(result->staging);
	end_filling();
	progress_phase(job->index, PHASE_LOADED);
}

/*
 * Must precede the report that ends a job: the leader may stop reading after
 * it.
 */
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
load_table(Loader *loader, const LoadJob *job, const StagingHeaps *heaps)
{
	LoadResult	result = {.index = job->index, .staging = heaps->staging};
	instr_time	start;
	instr_time	end;

	relay_set_subject(job->display);
	INSTR_TIME_SET_CURRENT(start);
	fill_staging(loader, job, heaps, &result);
	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, start);

	result.seconds = INSTR_TIME_GET_DOUBLE(end);
	report_result(loader, &result);
}

/* ---- COPY commands ---- */

/* True if the job computes pseudonyms. */
static bool
needs_mask_key(const Loader *loader, const LoadJob *job)
{
	return loader->mask_key != NULL && strstr(job->copy_sql, MASK_KEY_INNER) != NULL;
}

/* How long the next lock may be waited for, in ms. */
static int
lock_wait(const Loader *loader)
{
	long		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), loader->lock_deadline);

	return (int) Max(SOURCE_LOCK_MOMENT, left);
}

/*
 * Appends the transaction of a job: the table's own lock, which is waited for,
 * and the COPY, which may not wait.  key: the statement that hands the mask key
 * over.
 */
static void
append_transaction(const Loader *loader, const LoadJob *job, const char *key, StringInfo sql)
{
	(void) source_append_begin(loader->source, sql, loader->snapshot);
	server_append_check(sql, loader->start_time);
	if (needs_mask_key(loader, job))
		appendStringInfoString(sql, key);
	if (job->lock_sql != NULL)
	{
		source_append_lock_timeout(loader->source, sql, lock_wait(loader));
		appendStringInfo(sql, "%s; ", job->lock_sql);
	}
	appendStringInfo(sql, "SET LOCAL lock_timeout = %d; %s; ", SOURCE_LOCK_MOMENT, job->copy_sql);
	if (job->verify_sql != NULL)
		appendStringInfo(sql, "%s; ", job->verify_sql);
	appendStringInfoString(sql, "COMMIT; ");
}

/*
 * Prepares the source for the mask key, if one of the jobs before "last" needs
 * it.  Returns the statement for their transactions, or NULL.  A transaction
 * keeps the session for us, whose end is the beginning of the message.
 */
static char *
hand_over_key(Loader *loader, int last, StringInfo sql)
{
	for (int i = loader->next; i < last; i++)
	{
		if (!needs_mask_key(loader, loader->jobs[i]))
			continue;
		appendStringInfoString(sql, "COMMIT; ");
		return mask_key_hand_over(loader->source, loader->mask_key);
	}
	return NULL;
}

/* Starts the COPY commands of the jobs before "last", in one message. */
static void
start_copies(Loader *loader, int last)
{
	StringInfoData sql;
	char	   *key;

	prepare_source(loader);
	initStringInfo(&sql);
	key = hand_over_key(loader, last, &sql);
	for (int i = loader->next; i < last; i++)
		append_transaction(loader, loader->jobs[i], key, &sql);
	if (key != NULL)
		appendStringInfoString(&sql, MASK_KEY_FORGET);
	source_copy_start(loader->source, sql.data);
}

/* ---- locks on the source ---- */

#define FIRST_LOCK_PAUSE	100 /* ms; pauses double */
#define LONGEST_LOCK_PAUSE	1000

/* Looks for who is in the way of a job.  Returns NULL if nobody is. */
static char *
find_blocker(Loader *loader, const LoadJob *job, int *pid)
{
	prepare_source(loader);
	return source_find_blocker(loader->source, job->source_oids,
							   "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",
							   "COMMIT", pid);
}

static void
begin_lock_wait(Loader *loader)
{
	loader->lock_deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
														loader->terms.lock_wait);
	loader->lock_pause = FIRST_LOCK_PAUSE;
}

/* True if the current job is not to be waited for any longer. */
static bool
time_is_up(const Loader *loader)
{
	return loader->terms.look_first || GetCurrentTimestamp() >= loader->lock_deadline;
}

/*
 * Waits, without any lock, until nobody is known to be in the way of the job.
 * Raises an error when the time is up.  After a refusal there is a pause in any
 * case, as not every lock is known that a COPY needs.
 */
static void
await_locks(Loader *loader, const LoadJob *job)
{
	bool		pause = loader->refused;
	int			pid;
	char	   *blocker;

	loader->looking = true;
	while ((blocker = find_blocker(loader, job, &pid)) != NULL || pause)
	{
		if (time_is_up(loader))
		{
			loader->gave_up = true;
			if (blocker == NULL && loader->refusal != NULL)
				ThrowErrorData(loader->refusal);
			source_raise_locked(loader->source, job->display, blocker, pid);
		}
		source_pause(Min(loader->lock_pause, lock_wait(loader)));
		loader->lock_pause = Min(loader->lock_pause * 2, LONGEST_LOCK_PAUSE);
		pause = false;
		if (blocker == NULL)
			break;
	}
	loader->looking = false;
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
	progress_phase(job->index, PHASE_QUERYING);
}

static void
part_step(Loader *loader, const LoadJob *job, LoadResult *result)
{
	StagingHeaps heaps = {.staging = job->staging};

	start_copies(loader, loader->next + 1);
	begin_filling();
	progress_phase(job->index, PHASE_COPYING);
	copy_rows(loader, job, &heaps, result);
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
execute_step(Loader *loader, const LoadJob *job)
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

/* Loads up to "count" jobs, starting with the next one. */
static void
load_some(Loader *loader, int count)
{
	int			last = Min(loader->next + count, loader->njobs);
	bool		several = last - loader->next > 1;

	if (loader->jobs[loader->next]->step != LOAD_TABLE)
	{
		Assert(loader->njobs == 1);
		execute_step(loader, loader->jobs[loader->next]);
		loader->next++;
		return;
	}
	progress_phase(loader->jobs[loader->next]->index, PHASE_QUERYING);
	start_copies(loader, last);
	create_all_heaps(loader, last);
	while (loader->next < last)
	{
		load_table(loader, loader->jobs[loader->next], &loader->heaps[loader->next]);
		loader->next++;
		if (loader->next < last)
			progress_phase(loader->jobs[loader->next]->index, PHASE_QUERYING);
		if (several)
			(void) source_copy_next(loader->source);
	}
}

/*
 * Finds out whether an error comes from a connection that leads to another
 * server than the leader's.  Then that is the error, and the run cannot go on.
 */
static ErrorData *
find_cause(Loader *loader, ErrorData *edata, bool *source_gone)
{
	ErrorData  *volatile cause = edata;

	if (*source_gone || loader->source == NULL || !server_may_differ(edata->sqlerrcode) ||
		!source_usable(loader->source))
		return edata;
	PG_TRY();
	{
		server_check(loader->source, loader->start_time);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(loader->job_context);
		cause = CopyErrorData();
		FlushErrorState();
		*source_gone = true;
	}
	PG_END_TRY();
	return cause;
}

/*
 * Recovers from an error: aborts the transaction, and closes the connection if
 * it cannot be used again.
 */
static ErrorData *
recover(Loader *loader, bool *source_gone)
{
	ErrorData  *edata;

	MemoryContextSwitchTo(loader->job_context);
	edata = CopyErrorData();
	FlushErrorState();
	/* do not rely on the SQLSTATE: code of a table's owner can raise any */
	*source_gone = loader->connecting ||
		(loader->source != NULL && source_is_lost(loader->source));
	AbortOutOfAnyTransaction();
	MemoryContextSwitchTo(loader->job_context);
	edata = find_cause(loader, edata, source_gone);
	if (loader->source == NULL || *source_gone || source_in_copy(loader->source))
		disconnect(loader);
	else
		loader->failed = true;
	return edata;
}

static void
report_failure(Loader *loader, const ErrorData *edata, const LoadFailure *failure)
{
	StringInfoData buf;

	report_dropped();
	initStringInfo(&buf);
	load_failure_pack(&buf, failure);
	relay_send(LOADER_REPORT_FAILED, buf.data, buf.len);
	relay_send_error(unconstify(ErrorData *, edata));
}

/*
 * After an error: true if the source has no connection for this loader.  No
 * code of an owner has run at that point, so the SQLSTATE can be relied on.
 */
static bool
was_refused_connection(const Loader *loader)
{
	if (geterrcode() != ERRCODE_TOO_MANY_CONNECTIONS)
		return false;
	return loader->connecting || (loader->source != NULL && !source_is_ready(loader->source));
}

/* A heap that rows were written to must not be used by another attempt. */
static void
abandon_heaps(Loader *loader)
{
	loader->unusable = loader->heaps[loader->next];
	memset(&loader->heaps[loader->next], 0, sizeof(StagingHeaps));
}

/*
 * After an error: decides what becomes of the current job.  Reports it as
 * failed, or leaves it as the next one, to be loaded alone.
 */
static void
handle_error(Loader *loader, bool alone)
{
	const LoadJob *job = loader->jobs[loader->next];
	LoadFailure failure = {.index = job->index, .locked = loader->gave_up};
	bool		refused = loader->source != NULL && source_lock_refused(loader->source);
	bool		written = loader->source != NULL && source_copy_got_data(loader->source);
	ErrorData  *edata;

	failure.no_room = was_refused_connection(loader);
	edata = recover(loader, &failure.source_gone);
	failure.source_gone &= !failure.no_room;
	failure.locked |= refused && loader->looking;
	failure.written = refused && written && job->step == LOAD_PART;
	if (!failure.source_gone && !failure.no_room && !failure.locked && !failure.written &&
		(refused || !alone))
	{
		loader->refused = refused && alone;
		loader->refusal = refused ? edata : NULL;
		loader->job_begun = alone;
		abandon_heaps(loader);
		return;
	}
	failure.locked |= failure.written;
	report_failure(loader, edata, &failure);
	loader->source_gone = failure.source_gone || failure.no_room;
	loader->next++;
	loader->job_begun = false;
}

/*
 * Gets ready for the next job: nothing is left of an attempt before, and nobody
 * is known to be in the way.
 */
static void
begin_attempt(Loader *loader)
{
	const LoadJob *job = loader->jobs[loader->next];

	/* first, as it also forgets that a lock was refused */
	settle_source(loader);
	drop_unusable_heaps(loader);
	if (!loader->job_begun)
	{
		begin_lock_wait(loader);
		loader->refusal = NULL;
	}
	if (loader->refused || (!loader->job_begun && loader->terms.look_first))
		await_locks(loader, job);
	loader->job_begun = true;
	loader->refused = false;
}

static void
begin_batch(Loader *loader, List *jobs)
{
	ListCell   *lc;

	loader->njobs = 0;
	loader->next = 0;
	loader->jobs = palloc(sizeof(LoadJob *) * list_length(jobs));
	loader->heaps = palloc0(sizeof(StagingHeaps) * list_length(jobs));
	foreach(lc, jobs)
		loader->jobs[loader->njobs++] = lfirst(lc);
	memset(&loader->unusable, 0, sizeof(StagingHeaps));
	loader->source_gone = loader->job_begun = loader->refused = false;
	loader->refusal = NULL;
}

/*
 * Loads a batch.  If an error occurs, the rest of the batch, starting with the
 * current table, is loaded one table at a time.  A table that fails alone is
 * reported.  This also finds the table whose error made a common first step
 * fail.
 */
static void
load_batch(Loader *loader, List *jobs)
{
	volatile int count = list_length(jobs);

	begin_batch(loader, jobs);
	while (loader->next < loader->njobs && !loader->source_gone)
	{
		PG_TRY();
		{
			begin_attempt(loader);
			load_some(loader, count);
			loader->job_begun = false;
		}
		PG_CATCH();
		{
			HOLD_INTERRUPTS();
			handle_error(loader, count == 1);
			loader->gave_up = loader->looking = false;
			count = 1;
			RESUME_INTERRUPTS();
		}
		PG_END_TRY();
	}
	settle_source(loader);
}

/* ---- orders ---- */

static void
execute_connect(Loader *loader, StringInfo body)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(loader->context);
	LoaderConnect *connect = loader_connect_unpack(body);

	loader->params.conninfo = connect->conninfo;
	loader->params.display = connect->display;
	loader->params.connect_timeout = connect->connect_timeout;
	loader->params.setup_timeout = SETUP_TIMEOUT;
	loader->params.row_security = connect->row_security;
	loader->params.lock_timeout = connect->lock_timeout;
	loader->params.password_rule = connect->password_rule;
	loader->params.hide_texts = connect->hide_texts;
	owner_keep_settings(connect->settings);
	loader->mask_key = connect->mask_key;
	if (connect->gate != DSM_HANDLE_INVALID)
	{
		tunnel_gate_attach(connect->gate);
		loader->params.gate = &tunnel_connection_gate;
		loader->params.gate_handle = connect->gate;
	}
	MemoryContextSwitchTo(oldcontext);
	/* connect before the first job, while the leader plans */
	connect_to_source(loader);
}

static void
execute_snapshot(Loader *loader, StringInfo body)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(loader->context);

	loader->snapshot = unpack_string(body);
	loader->start_time = unpack_int(body);
	progress_attach(unpack_int(body));
	MemoryContextSwitchTo(oldcontext);
}

/* Parallel workers do not help if all cores are busy. */
static void
limit_parallel_workers(Loader *loader, int idle_cores)
{
	session_set_int("max_parallel_maintenance_workers",
					Min(idle_cores, loader->shared->parallel_maintenance_workers));
}

static void
execute_order(Loader *loader, char type, StringInfo body)
{
	switch (type)
	{
		case LOADER_ORDER_CONNECT:
			execute_connect(loader, body);
			break;
		case LOADER_ORDER_DISCONNECT:
			disconnect(loader);
			break;
		case LOADER_ORDER_SNAPSHOT:
			execute_snapshot(loader, body);
			break;
		case LOADER_ORDER_LOAD:
			loader->terms = load_terms_unpack(body);
			limit_parallel_workers(loader, loader->terms.idle_cores);
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
 * ends only that order: the next job connects again and reports its error.
 */
static void
execute_orders(Loader *loader)
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
			attend_source(loader, source_keep);
			(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
							 500, wait_event(WAIT_LOADER_ORDER));
			ResetLatch(MyLatch);
			continue;
		}
		MemoryContextSwitchTo(loader->job_context);
		PG_TRY();
		{
			execute_order(loader, type, &body);
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

	execute_orders(&loader);
	relay_flush_wait(1000);
	proc_exit(0);
}
