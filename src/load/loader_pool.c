/*-------------------------------------------------------------------------
 *
 * loader_pool.c
 *	  The leader's pool of loaders.
 *
 * Each loader has a shared memory segment with two queues.  One carries orders
 * to the loader, the other carries reports and errors back.  The leader keeps
 * the queue of jobs.  A free loader gets the first job; the leader submits the
 * largest tables first.  Small tables are sent in batches, because the round
 * trip to the source costs more than their rows.  Large tables are sent in
 * steps (table_parts.c), so that the run does not wait for one loader at its
 * end.
 *
 * COPY waits for the network; an index build does not.  While at least half of
 * the loaders copy, the others prefer to build indexes.
 *
 * If the source has no connection for a loader, its jobs go back to the queue,
 * and it builds indexes only.  The run fails when that happens to all loaders.
 *
 * A table that is locked on the source goes behind all others.  As long as these
 * keep loaders busy, a loader without work looks now and then whether the lock
 * is free.  After that, all locked tables wait together: in each of a few
 * rounds, the first one waits as long as source_lock_timeout allows, and the
 * others for the rest of that time.
 *
 * If a loader ends during a job, for example because an administrator
 * terminated it, the run fails, since the state of the table is unknown.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/shm_toc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/serialize.h"
#include "load/loader_pool.h"
#include "base/worker_message.h"
#include "load/table_parts.h"
#include "base/worker.h"
#include "base/wait_event.h"

typedef struct Member
{
	MemoryContext context;		/* of the pool */
	Worker	   *worker;
	dsm_segment *segment;
	LoaderShared *shared;
	shm_mq_handle *orders;
	shm_mq_handle *reports;
	bool		served;			/* has got its first batch */
	bool		refused;		/* the source has no connection for it */
	int			busy;			/* number of tables in its batch */
	bool		copies;			/* its job is a COPY */
	Split	   *split;			/* the job is a step of this, or NULL */
	List	   *running;		/* of WaitingJob *: its batch, in order */
	bool		failing;		/* 'F' was read, 'E' follows */
	LoadFailure failure;
	List	   *unsent;			/* of StringInfo: orders not in the queue yet */
} Member;

struct Pool
{
	MemoryContext context;
	int			size;			/* loaders that work */
	int			started;		/* and those that were not needed */
	Member	   *members;
	List	   *jobs;			/* of WaitingJob *: jobs that copy, in order */
	List	   *others;			/* of WaitingJob *: jobs that do not copy */
	List	   *locked;			/* of WaitingJob *: set aside, see above */
	int			lock_wait;		/* ms: length of a round */
	List	   *told;			/* int: tables of which was told that they are locked */
	int			round;			/* number of the present round, 0: none yet */
	TimestampTz round_end;
	StringInfoData body;
	bool		stopped;
};

/* A serialized job in the queue. */
typedef struct WaitingJob
{
	double		bytes;			/* expected */
	Split	   *split;			/* the job is a step of this, or NULL */
	StringInfoData packed;

	/* only if it was locked on the source */
	int			rounds;			/* rounds in which it has waited */
	bool		aside;			/* it was set aside */
	TimestampTz next_look;		/* not to be tried before, while others are loaded */
	int			pause;			/* ms: until the one after */
} WaitingJob;

/* The longest wait for a lock of a table before it is set aside, in ms. */
#define LOCK_MOMENT		250
/* Rounds in which locked tables are waited for. */
#define LOCK_ROUNDS		3
/* Pauses between looks at a locked table, in ms: they double. */
#define FIRST_LOOK_PAUSE	1000
#define LONGEST_LOOK_PAUSE	30000

/* Limits of a batch: number of tables, and the sum of their expected bytes. */
#define BATCH_TABLES	64
#define BATCH_BYTES		(4.0 * 1024.0 * 1024.0)
/* The fixed cost of a table, in bytes of data that take as long. */
#define TABLE_BYTES		(64.0 * 1024.0)

static shm_mq *
create_queue(shm_toc *toc, uint64 key)
{
	shm_mq	   *mq = shm_mq_create(shm_toc_allocate(toc, RELAY_QUEUE_SIZE), RELAY_QUEUE_SIZE);

	shm_toc_insert(toc, key, mq);
	return mq;
}

static void
create_member_segment(Member *member, const LoaderShared *facts)
{
	shm_toc_estimator estimator;
	shm_toc    *toc;
	shm_mq	   *orders;
	shm_mq	   *reports;
	LoaderShared *shared;

	shm_toc_initialize_estimator(&estimator);
	shm_toc_estimate_chunk(&estimator, sizeof(LoaderShared));
	shm_toc_estimate_chunk(&estimator, RELAY_QUEUE_SIZE);
	shm_toc_estimate_chunk(&estimator, RELAY_QUEUE_SIZE);
	shm_toc_estimate_keys(&estimator, 3);
	member->segment = dsm_create(shm_toc_estimate(&estimator), 0);
	dsm_pin_mapping(member->segment);
	toc = shm_toc_create(LOADER_MAGIC, dsm_segment_address(member->segment),
						 shm_toc_estimate(&estimator));

	shared = shm_toc_allocate(toc, sizeof(LoaderShared));
	*shared = *facts;
	pg_atomic_init_u32(&shared->session, 0);
	for (int i = 0; i < LOADER_LEFT_MAX; i++)
		pg_atomic_init_u32(&shared->left[i], 0);
	shm_toc_insert(toc, LOADER_KEY_SHARED, shared);
	member->shared = shared;

	orders = create_queue(toc, LOADER_KEY_ORDERS);
	reports = create_queue(toc, LOADER_KEY_REPORTS);
	shm_mq_set_sender(orders, MyProc);
	shm_mq_set_receiver(reports, MyProc);
	member->orders = shm_mq_attach(orders, member->segment, NULL);
	member->reports = shm_mq_attach(reports, member->segment, NULL);
}

/* Starts one loader.  Returns false if there is no free worker slot. */
static bool
start_member(Member *member, const LoaderShared *facts)
{
	create_member_segment(member, facts);
	member->worker = worker_launch("pgtunsync_loader_main", LOADER_TITLE,
								   dsm_segment_handle(member->segment), true);
	if (member->worker == NULL)
	{
		dsm_detach(member->segment);
		member->segment = NULL;
		return false;
	}
	return true;
}

Pool *
pool_start(const LoaderShared *facts, int loaders, int max_workers, int lock_wait)
{
	Pool	   *pool = palloc0(sizeof(Pool));
	int			slots;

	pool->context = CurrentMemoryContext;
	pool->lock_wait = lock_wait;
	pool->members = palloc0(sizeof(Member) * loaders);
	initStringInfo(&pool->body);
	slots = worker_begin_launch(max_workers);
	if (slots < 1)
		worker_no_room(slots, max_workers);
	for (int i = 0; i < loaders; i++)
		pool->members[i].context = pool->context;
	while (pool->size < Min(loaders, slots) &&
		   start_member(&pool->members[pool->size], facts))
		pool->size++;
	if (pool->size == 0)
		worker_no_slot("loaders");
	pool->started = pool->size;
	worker_end_launch();
	if (pool->size < loaders)
		ereport(NOTICE,
				(errmsg("going on with %d of %d loaders", pool->size, loaders),
				 errhint("Raise \"max_worker_processes\" and \"pgtunsync.max_workers\" "
						 "for more.")));
	return pool;
}

int
pool_size(const Pool *pool)
{
	return pool->size;
}

/* Sends the orders that did not fit into the queue before. */
static void
send_orders(Member *member)
{
	while (member->unsent != NIL)
	{
		StringInfo	order = linitial(member->unsent);

		if (compat_shm_mq_send(member->orders, order->len, order->data, true, true) ==
			SHM_MQ_WOULD_BLOCK)
			return;
		/* it may contain secrets */
		explicit_bzero(order->data, order->len);
		pfree(order->data);
		pfree(order);
		member->unsent = list_delete_first(member->unsent);
	}
}

static void
send_order(Pool *pool, Member *member, char type, const char *data, int len)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(pool->context);
	StringInfo	msg = makeStringInfo();

	appendStringInfoChar(msg, type);
	appendBinaryStringInfo(msg, data, len);
	member->unsent = lappend(member->unsent, msg);
	MemoryContextSwitchTo(oldcontext);
	send_orders(member);
}

static void
send_order_to_all(Pool *pool, char type, const StringInfo buf)
{
	for (int i = 0; i < pool->size; i++)
		send_order(pool, &pool->members[i], type, buf->data, buf->len);
}

void
pool_connect(Pool *pool, const LoaderConnect *connect)
{
	StringInfoData buf;

	initStringInfo(&buf);
	loader_connect_pack(&buf, connect);
	send_order_to_all(pool, LOADER_ORDER_CONNECT, &buf);
	explicit_bzero(buf.data, buf.len);
	pfree(buf.data);
}

void
pool_disconnect(Pool *pool)
{
	for (int i = 0; i < pool->size; i++)
		send_order(pool, &pool->members[i], LOADER_ORDER_DISCONNECT, "", 0);
}

int
pool_refused(const Pool *pool)
{
	int			refused = 0;

	for (int i = 0; i < pool->size; i++)
		refused += pool->members[i].refused;
	return refused;
}

void
pool_snapshot(Pool *pool, const char *snapshot, int64 start_time, dsm_handle progress)
{
	StringInfoData buf;

	initStringInfo(&buf);
	pack_string(&buf, snapshot);
	pack_int(&buf, start_time);
	pack_int(&buf, progress);
	send_order_to_all(pool, LOADER_ORDER_SNAPSHOT, &buf);
	pfree(buf.data);
}

static WaitingJob *
make_waiting_job(const LoadJob *job, double bytes, Split *split)
{
	WaitingJob *waiting = palloc0(sizeof(WaitingJob));

	waiting->bytes = bytes;
	waiting->split = split;
	waiting->pause = FIRST_LOOK_PAUSE;
	initStringInfo(&waiting->packed);
	load_job_pack(&waiting->packed, job);
	return waiting;
}

static void
free_waiting_job(WaitingJob *waiting)
{
	pfree(waiting->packed.data);
	pfree(waiting);
}

void
pool_submit(Pool *pool, const LoadJob *job, double bytes)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(pool->context);

	pool->jobs = lappend(pool->jobs, make_waiting_job(job, bytes, NULL));
	MemoryContextSwitchTo(oldcontext);
}

void
pool_submit_parts(Pool *pool, const LoadJob *job, const List *parts)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(pool->context);
	Split	   *split = split_begin(job, parts);

	pool->jobs = lappend(pool->jobs, make_waiting_job(split_first_job(split), 0, split));
	MemoryContextSwitchTo(oldcontext);
}

/*
 * Adds new steps at the front of the queue, so that a started table is
 * finished soon.
 */
static void
queue_steps(Pool *pool, Split *split, const List *steps)
{
	List	   *copies = NIL;
	List	   *others = NIL;
	ListCell   *lc;

	foreach(lc, steps)
	{
		LoadJob    *job = lfirst(lc);
		WaitingJob *waiting = make_waiting_job(job, 0, split);

		if (job->step == LOAD_PART)
			copies = lappend(copies, waiting);
		else
			others = lappend(others, waiting);
	}
	pool->jobs = list_concat(copies, pool->jobs);
	pool->others = list_concat(others, pool->others);
}

static List *
remove_steps(List *jobs, const Split *split)
{
	ListCell   *lc;

	foreach(lc, jobs)
	{
		WaitingJob *waiting = lfirst(lc);

		if (waiting->split != split)
			continue;
		free_waiting_job(waiting);
		jobs = foreach_delete_current(jobs, lc);
	}
	return jobs;
}

bool
pool_busy(const Pool *pool)
{
	if (pool->jobs != NIL || pool->others != NIL || pool->locked != NIL)
		return true;
	for (int i = 0; i < pool->size; i++)
		if (pool->members[i].busy > 0)
			return true;
	return false;
}

/* Adds a job to the loader's batch. */
static void
start_job(Member *member, WaitingJob *job, StringInfo batch)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(member->context);

	member->split = job->split;
	member->busy++;
	appendBinaryStringInfo(batch, job->packed.data, job->packed.len);
	member->running = lappend(member->running, job);
	MemoryContextSwitchTo(oldcontext);
}

/* Takes the job that a loader has reported on out of its batch. */
static WaitingJob *
end_job(Member *member)
{
	WaitingJob *job = linitial(member->running);

	member->running = list_delete_first(member->running);
	member->busy--;
	return job;
}

/*
 * Moves the first job of a queue to the loader's batch.  Returns the rest of
 * the queue.
 */
static List *
dequeue_first(List *jobs, Member *member, StringInfo batch)
{
	WaitingJob *first = linitial(jobs);

	start_job(member, first, batch);
	return list_delete_first(jobs);
}

/*
 * The loader's share of the waiting work, in bytes.  First batches divide the
 * work among the loaders without one: if all tables are small, each loader
 * gets all of its tables at once.  Later shares get smaller, so that all
 * loaders end at about the same time.
 */
static double
share_of_work(const Pool *pool, const Member *member)
{
	double		bytes = 0;
	int			unserved = 0;
	ListCell   *lc;

	foreach(lc, pool->jobs)
		bytes += ((WaitingJob *) lfirst(lc))->bytes + TABLE_BYTES;
	for (int i = 0; i < pool->size; i++)
		unserved += !pool->members[i].served;
	return bytes / (member->served ? pool->size - pool_refused(pool) : unserved);
}

/*
 * Moves the next job, and those after it that fit into the same batch, from
 * the queue to the loader.  The batch is limited to the loader's share of the
 * waiting work.
 */
static void
dequeue_batch(Pool *pool, Member *member, StringInfo batch)
{
	double		share = share_of_work(pool, member);
	double		bytes = 0;
	double		work = 0;

	while (pool->jobs != NIL && member->busy < BATCH_TABLES)
	{
		WaitingJob *next = linitial(pool->jobs);

		bytes += next->bytes;
		work += next->bytes + TABLE_BYTES;
		if (member->busy > 0 && (next->split != NULL || bytes > BATCH_BYTES ||
								 work > share + TABLE_BYTES / 2))
			break;
		pool->jobs = dequeue_first(pool->jobs, member, batch);
		if (member->split != NULL)
			break;
	}
	member->served = true;
}

/* True if at least half of the loaders copy. */
static bool
enough_loaders_copy(const Pool *pool)
{
	int			copying = 0;

	for (int i = 0; i < pool->size; i++)
		if (pool->members[i].busy > 0 && pool->members[i].copies)
			copying++;
	return copying * 2 >= pool->size;
}

static void
dequeue_work(Pool *pool, Member *member, StringInfo batch)
{
	member->copies = !member->refused &&
		(pool->others == NIL || (pool->jobs != NIL && !enough_loaders_copy(pool)));
	if (member->copies)
		dequeue_batch(pool, member, batch);
	else
		pool->others = dequeue_first(pool->others, member, batch);
}

/* The number of cores left idle when the waiting jobs have loaders. */
static int
idle_cores(const Pool *pool)
{
	int			working = list_length(pool->jobs) + list_length(pool->others);

	for (int i = 0; i < pool->size; i++)
		working += pool->members[i].busy > 0;
	return Max(0, worker_cores() - Min(working, pool->size));
}

/* ---- tables that are locked on the source ---- */

/* True if a loader is busy with a table that was not set aside. */
static bool
others_are_loaded(const Pool *pool)
{
	for (int i = 0; i < pool->size; i++)
	{
		const Member *member = &pool->members[i];

		if (member->busy > 0 && !((WaitingJob *) linitial(member->running))->aside)
			return true;
	}
	return pool->jobs != NIL || pool->others != NIL;
}

/*
 * While others are loaded: picks a locked table to look at; NULL if it is too
 * early.
 */
static WaitingJob *
job_to_look_at(const Pool *pool)
{
	TimestampTz now = GetCurrentTimestamp();
	ListCell   *lc;

	foreach(lc, pool->locked)
	{
		WaitingJob *job = lfirst(lc);

		if (job->next_look <= now)
			return job;
	}
	return NULL;
}

/*
 * Sets the terms for a job of the present round, or begins the next round with
 * it.
 */
static void
join_round(Pool *pool, WaitingJob *job, LoadTerms *terms)
{
	TimestampTz now = GetCurrentTimestamp();

	if (++job->rounds > pool->round)
	{
		pool->round = job->rounds;
		pool->round_end = TimestampTzPlusMilliseconds(now, pool->lock_wait);
	}
	terms->lock_wait = Max(Min(LOCK_MOMENT, pool->lock_wait),
						   TimestampDifferenceMilliseconds(now, pool->round_end));
}

/* Picks a locked table for a free loader, if one is to be tried now. */
static bool
dequeue_locked(Pool *pool, Member *member, LoadTerms *terms, StringInfo batch)
{
	bool		look = others_are_loaded(pool);
	WaitingJob *job;

	if (pool->locked == NIL)
		return false;
	job = look ? job_to_look_at(pool) : linitial(pool->locked);
	if (job == NULL)
		return false;
	terms->look_first = look;
	if (!look)
		join_round(pool, job, terms);
	pool->locked = list_delete_ptr(pool->locked, job);
	load_terms_pack(batch, terms);
	start_job(member, job, batch);
	return true;
}

/* Sets a locked table aside.  Returns false if its time is up. */
static bool
set_aside(Pool *pool, WaitingJob *job)
{
	MemoryContext oldcontext;

	if (job->rounds >= LOCK_ROUNDS || (job->split != NULL && split_failed(job->split)))
		return false;
	job->aside = true;
	job->next_look = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), job->pause);
	job->pause = Min(job->pause * 2, LONGEST_LOOK_PAUSE);
	oldcontext = MemoryContextSwitchTo(pool->context);
	pool->locked = lappend(pool->locked, job);
	MemoryContextSwitchTo(oldcontext);
	return true;
}

/* True if nothing was told of this table before. */
static bool
tell_once(Pool *pool, int index)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(pool->context);
	int			before = list_length(pool->told);

	pool->told = list_append_unique_int(pool->told, index);
	MemoryContextSwitchTo(oldcontext);
	return list_length(pool->told) > before;
}

/* ---- dispatch ---- */

/* Fills a batch for a free loader.  Returns false if there is nothing to do. */
static bool
make_batch(Pool *pool, Member *member, StringInfo batch)
{
	LoadTerms	terms = {
		.idle_cores = idle_cores(pool),
		.lock_wait = Min(LOCK_MOMENT, pool->lock_wait)
	};

	if (member->refused && pool->others == NIL)
		return false;
	if (pool->jobs == NIL && pool->others == NIL)
		return dequeue_locked(pool, member, &terms, batch);
	load_terms_pack(batch, &terms);
	dequeue_work(pool, member, batch);
	return true;
}

/* Sends new jobs to each free loader. */
static void
dispatch(Pool *pool)
{
	for (int i = 0; i < pool->size; i++)
	{
		Member	   *member = &pool->members[i];
		StringInfoData batch;

		send_orders(member);
		if (member->busy > 0)
			continue;
		initStringInfo(&batch);
		if (make_batch(pool, member, &batch))
			send_order(pool, member, LOADER_ORDER_LOAD, batch.data, batch.len);
		pfree(batch.data);
	}
}

/*
 * Handles the end of a step.  Returns true, with an event, if the table is
 * complete.
 */
static bool
handle_step(Pool *pool, Split *split, PoolEvent *event)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(pool->context);
	LoadResult	step = event->result;
	bool		complete;

	queue_steps(pool, split, split_done(split, &step, &complete, &event->result));
	MemoryContextSwitchTo(oldcontext);
	return complete;
}

/*
 * Removes the other steps of a failed table.  Returns true if this failure is
 * its first.
 */
static bool
handle_failed_step(Pool *pool, Split *split)
{
	pool->jobs = remove_steps(pool->jobs, split);
	pool->locked = remove_steps(pool->locked, split);
	pool->others = remove_steps(pool->others, split);
	return split_fail(split);
}

/*
 * The source has no connection for this loader.  Its jobs go back to the front
 * of the queue; the loader does not report on the others of its batch.
 */
static void
retire(Pool *pool, Member *member, WaitingJob *job)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(pool->context);

	pool->jobs = list_concat(lcons(job, member->running), pool->jobs);
	MemoryContextSwitchTo(oldcontext);
	member->running = NIL;
	member->busy = 0;
	member->refused = true;
}

/*
 * Handles the error of a job, whose failure was read before.  Returns true,
 * with an event, if there is something to tell.
 */
static bool
handle_failure(Pool *pool, Member *member, PoolEvent *event)
{
	WaitingJob *job = end_job(member);

	event->type = POOL_FAILED;
	event->index = member->failure.index;
	event->source_gone = member->failure.source_gone;
	event->source_locked = member->failure.locked;
	event->error = palloc0(sizeof(ErrorData));
	relay_parse_report(&pool->body, event->error);
	member->failing = false;
	if (member->failure.no_room)
	{
		retire(pool, member, job);
		event->source_gone = pool_refused(pool) == pool->size;
		return event->source_gone;
	}
	if (member->failure.locked && !event->source_gone && !member->failure.written &&
		set_aside(pool, job))
	{
		event->type = POOL_LOCKED;
		return tell_once(pool, event->index);
	}
	free_waiting_job(job);
	return member->split == NULL || handle_failed_step(pool, member->split) || event->source_gone;
}

/* Handles a message from a loader.  Returns true if it completes an event. */
static bool
handle_report(Pool *pool, Member *member, char type, PoolEvent *event)
{
	switch (type)
	{
		case 'N':
			relay_forward(&pool->body);
			return false;
		case LOADER_REPORT_DROPPED:
			relay_add_dropped(unpack_int(&pool->body));
			return false;
		case LOADER_REPORT_LOADED:
			event->type = POOL_LOADED;
			event->result = load_result_unpack(&pool->body);
			event->index = event->result.index;
			free_waiting_job(end_job(member));
			return member->split == NULL || handle_step(pool, member->split, event);
		case LOADER_REPORT_FAILED:
			member->failing = true;
			member->failure = load_failure_unpack(&pool->body);
			return false;
		case 'E':
			/* an error outside a job ends the loader */
			if (!member->failing)
				relay_throw_report(&pool->body, DEBUG5);
			return handle_failure(pool, member, event);
		default:
			elog(ERROR, "unexpected message type %d from a loader", type);
	}
	return false;
}

/* Reads the reports of all loaders until one completes an event. */
static bool
poll_members(Pool *pool, PoolEvent *event)
{
	for (int i = 0; i < pool->size; i++)
	{
		Member	   *member = &pool->members[i];
		RelayResult result;
		bool		alive = worker_alive(member->worker);
		char		type;

		while ((result = relay_receive(member->reports, &type, &pool->body)) == RELAY_MESSAGE)
			if (handle_report(pool, member, type, event))
				return true;
		if (member->busy > 0 && (result == RELAY_CLOSED || !alive))
			ereport(ERROR,
					(errcode(ERRCODE_ADMIN_SHUTDOWN),
					 errmsg("a loader ended unexpectedly"),
					 errhint("See the server log. An administrator may have terminated it.")));
	}
	return false;
}

PoolEvent
pool_next(Pool *pool, long timeout_ms)
{
	PoolEvent	event = {.type = POOL_IDLE};

	dispatch(pool);
	if (poll_members(pool, &event))
	{
		dispatch(pool);
		return event;
	}
	/* finished steps may have queued new ones */
	dispatch(pool);
	event.type = POOL_IDLE;
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 timeout_ms, wait_event(WAIT_LOADERS));
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	return event;
}

List *
pool_take_left(Pool *pool)
{
	List	   *pids = NIL;

	for (int i = 0; i < pool->size * LOADER_LEFT_MAX; i++)
	{
		LoaderShared *shared = pool->members[i / LOADER_LEFT_MAX].shared;
		int			pid = (int) pg_atomic_exchange_u32(&shared->left[i % LOADER_LEFT_MAX], 0);

		if (pid != 0)
			pids = lappend_int(pids, pid);
	}
	return pids;
}

List *
pool_busy_sessions(const Pool *pool)
{
	List	   *pids = NIL;

	for (int i = 0; i < pool->size; i++)
	{
		int			pid = (int) pg_atomic_read_u32(&pool->members[i].shared->session);

		if (pid != 0 && pool->members[i].busy > 0)
			pids = lappend_int(pids, pid);
	}
	return pids;
}

/* The others are waited for at the end. */
void
pool_shrink(Pool *pool, int size)
{
	for (int i = size; i < pool->size; i++)
	{
		dsm_detach(pool->members[i].segment);
		pool->members[i].segment = NULL;
	}
	pool->size = Min(pool->size, size);
}

/*
 * Detaching the segment closes the queue of orders, which ends an idle loader.
 */
void
pool_stop(Pool *pool, bool now)
{
	if (pool->stopped)
		return;
	for (int i = 0; i < pool->started; i++)
	{
		if (now || pool->members[i].segment == NULL)
			worker_terminate(pool->members[i].worker);
		if (pool->members[i].segment != NULL)
			dsm_detach(pool->members[i].segment);
	}
	for (int i = 0; i < pool->started; i++)
	{
		worker_wait_end(pool->members[i].worker);
		worker_free(pool->members[i].worker);
	}
	pool->size = pool->started = 0;
	pool->stopped = true;
}

void
pool_kill(Pool *pool)
{
	for (int i = 0; i < pool->started; i++)
		worker_terminate(pool->members[i].worker);
	for (int tries = 0; tries < 100; tries++)
	{
		bool		alive = false;

		for (int i = 0; i < pool->started; i++)
			alive |= worker_alive(pool->members[i].worker);
		if (!alive)
			break;
		pg_usleep(20000L);
	}
}
