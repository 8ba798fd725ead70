/*-------------------------------------------------------------------------
 *
 * loader_pool.c
 *	  The run's loaders, as the leader sees them.
 *
 * Each loader has a segment with two queues: orders go one way, reports and
 * errors come back the other.  The leader keeps the jobs, and a loader that is
 * free gets the largest that waits.  Small tables go out in batches: the
 * round trip to the source, which costs more than their rows, is then paid once
 * for all of them.  Large ones go out step by step (split.c), so that none of
 * them keeps the run waiting for one loader.
 *
 * Copying waits for the network and building indexes does not: while at least
 * half of the loaders copy, the others rather take an index.
 *
 * A loader that ends while it has a job (somebody terminated it) is an error
 * of the run: what became of its table cannot be known.
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
	Worker	   *worker;
	dsm_segment *segment;
	LoaderShared *shared;
	shm_mq_handle *orders;
	shm_mq_handle *reports;
	bool		served;			/* has had its first batch */
	int			busy;			/* how many tables it has */
	bool		copies;			/* it reads from the source */
	Split	   *split;			/* what its job is a step of, or NULL */
	bool		failing;		/* 'F' was read, the 'E' is to come */
	LoadFailure failure;
	List	   *unsent;			/* of StringInfo: orders that did not fit yet */
} Member;

struct Pool
{
	MemoryContext context;
	int			size;
	Member	   *members;
	List	   *jobs;			/* of WaitingJob *, in order: those that copy */
	List	   *others;			/* those that do not */
	StringInfoData body;
	bool		stopped;
};

/* A packed job that waits. */
typedef struct WaitingJob
{
	double		bytes;			/* expected */
	Split	   *split;			/* what it is a step of, or NULL */
	StringInfoData packed;
} WaitingJob;

/* A batch has so many tables at most, of so many expected bytes together. */
#define BATCH_TABLES	64
#define BATCH_BYTES		(4.0 * 1024.0 * 1024.0)
/* What a table costs beside its rows, as bytes. */
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
	shm_toc_insert(toc, LOADER_KEY_SHARED, shared);
	member->shared = shared;

	orders = create_queue(toc, LOADER_KEY_ORDERS);
	reports = create_queue(toc, LOADER_KEY_REPORTS);
	shm_mq_set_sender(orders, MyProc);
	shm_mq_set_receiver(reports, MyProc);
	member->orders = shm_mq_attach(orders, member->segment, NULL);
	member->reports = shm_mq_attach(reports, member->segment, NULL);
}

/* Starts one loader; false when there is no free slot. */
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
pool_start(const LoaderShared *facts, int loaders, int max_workers)
{
	Pool	   *pool = palloc0(sizeof(Pool));
	int			room;

	pool->context = CurrentMemoryContext;
	pool->members = palloc0(sizeof(Member) * loaders);
	initStringInfo(&pool->body);
	room = worker_begin_launch(max_workers);
	if (room < 1)
		worker_no_room(room, max_workers);
	while (pool->size < Min(loaders, room) &&
		   start_member(&pool->members[pool->size], facts))
		pool->size++;
	if (pool->size == 0)
		worker_no_slot("loaders");
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

/* Moves orders on that did not fit into the queue. */
static void
send_orders(Member *member)
{
	while (member->unsent != NIL)
	{
		StringInfo	order = linitial(member->unsent);

		if (compat_shm_mq_send(member->orders, order->len, order->data, true, true) == SHM_MQ_WOULD_BLOCK)
			return;
		/* secrets may be in it */
		explicit_bzero(order->data, order->len);
		pfree(order->data);
		pfree(order);
		member->unsent = list_delete_first(member->unsent);
	}
}

static void
order(Pool *pool, Member *member, char type, const char *data, int len)
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
order_all(Pool *pool, char type, const StringInfo buf)
{
	for (int i = 0; i < pool->size; i++)
		order(pool, &pool->members[i], type, buf->data, buf->len);
}

void
pool_connect(Pool *pool, const LoaderConnect *connect)
{
	StringInfoData buf;

	initStringInfo(&buf);
	loader_connect_pack(&buf, connect);
	order_all(pool, LOADER_ORDER_CONNECT, &buf);
	explicit_bzero(buf.data, buf.len);
	pfree(buf.data);
}

void
pool_snapshot(Pool *pool, const char *snapshot, dsm_handle progress)
{
	StringInfoData buf;

	initStringInfo(&buf);
	pack_string(&buf, snapshot);
	pack_int(&buf, progress);
	order_all(pool, LOADER_ORDER_SNAPSHOT, &buf);
	pfree(buf.data);
}

static WaitingJob *
make_waiting(const LoadJob *job, double bytes, Split *split)
{
	WaitingJob *waiting = palloc(sizeof(WaitingJob));

	waiting->bytes = bytes;
	waiting->split = split;
	initStringInfo(&waiting->packed);
	load_job_pack(&waiting->packed, job);
	return waiting;
}

static void
free_waiting(WaitingJob *waiting)
{
	pfree(waiting->packed.data);
	pfree(waiting);
}

void
pool_submit(Pool *pool, const LoadJob *job, double bytes)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(pool->context);

	pool->jobs = lappend(pool->jobs, make_waiting(job, bytes, NULL));
	MemoryContextSwitchTo(oldcontext);
}

void
pool_submit_parts(Pool *pool, const LoadJob *job, const List *parts)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(pool->context);
	Split	   *split = split_begin(job, parts);

	pool->jobs = lappend(pool->jobs, make_waiting(split_first_job(split), 0, split));
	MemoryContextSwitchTo(oldcontext);
}

/* Steps that have become possible go in front: their table has been begun. */
static void
queue_steps(Pool *pool, Split *split, const List *steps)
{
	List	   *copies = NIL;
	List	   *others = NIL;
	ListCell   *lc;

	foreach(lc, steps)
	{
		LoadJob    *job = lfirst(lc);
		WaitingJob *waiting = make_waiting(job, 0, split);

		if (job->step == LOAD_PART)
			copies = lappend(copies, waiting);
		else
			others = lappend(others, waiting);
	}
	pool->jobs = list_concat(copies, pool->jobs);
	pool->others = list_concat(others, pool->others);
}

static List *
without_steps(List *jobs, const Split *split)
{
	ListCell   *lc;

	foreach(lc, jobs)
	{
		WaitingJob *waiting = lfirst(lc);

		if (waiting->split != split)
			continue;
		free_waiting(waiting);
		jobs = foreach_delete_current(jobs, lc);
	}
	return jobs;
}

bool
pool_busy(const Pool *pool)
{
	if (pool->jobs != NIL || pool->others != NIL)
		return true;
	for (int i = 0; i < pool->size; i++)
		if (pool->members[i].busy > 0)
			return true;
	return false;
}

/* Takes the first job of a queue. */
static List *
take_first(List *jobs, Member *member, StringInfo batch)
{
	WaitingJob *first = linitial(jobs);

	member->split = first->split;
	member->busy++;
	appendBinaryStringInfo(batch, first->packed.data, first->packed.len);
	free_waiting(first);
	return list_delete_first(jobs);
}

/*
 * A loader's share, in bytes, of the work that waits.  At first that is divided among
 * those that have not had any: where all tables are small, each gets all of its
 * tables at once.  Later on, shares get smaller, so that all end together.
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
	return bytes / (member->served ? pool->size : unserved);
}

/*
 * Takes the next job off the queue, and those after it that fit into one batch with it:
 * no more than this loader's share of what is left.
 */
static void
take_batch(Pool *pool, Member *member, StringInfo batch)
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
		pool->jobs = take_first(pool->jobs, member, batch);
		if (member->split != NULL)
			break;
	}
	member->served = true;
}

/* Do as many loaders copy as should? */
static bool
enough_copy(const Pool *pool)
{
	int			copying = 0;

	for (int i = 0; i < pool->size; i++)
		if (pool->members[i].busy > 0 && pool->members[i].copies)
			copying++;
	return copying * 2 >= pool->size;
}

static void
take_work(Pool *pool, Member *member, StringInfo batch)
{
	member->copies = pool->others == NIL || (pool->jobs != NIL && !enough_copy(pool));
	if (member->copies)
		take_batch(pool, member, batch);
	else
		pool->others = take_first(pool->others, member, batch);
}

/* The cores that have nothing to do once the jobs that wait have loaders. */
static int
spare_cores(const Pool *pool)
{
	int			working = list_length(pool->jobs) + list_length(pool->others);

	for (int i = 0; i < pool->size; i++)
		working += pool->members[i].busy > 0;
	return Max(0, worker_cores() - Min(working, pool->size));
}

/* Gives each loader that has nothing to do its next jobs. */
static void
dispatch(Pool *pool)
{
	for (int i = 0; i < pool->size; i++)
	{
		Member	   *member = &pool->members[i];
		StringInfoData batch;

		send_orders(member);
		if (member->busy > 0 || (pool->jobs == NIL && pool->others == NIL))
			continue;
		initStringInfo(&batch);
		pack_int(&batch, spare_cores(pool));
		take_work(pool, member, &batch);
		order(pool, member, LOADER_ORDER_LOAD, batch.data, batch.len);
		pfree(batch.data);
	}
}

/* A step of a table is done; is it the last one, and so an event? */
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

/* A table failed in one of its steps: an event the first time, and no more steps of it. */
static bool
handle_failed_step(Pool *pool, Split *split)
{
	pool->jobs = without_steps(pool->jobs, split);
	pool->others = without_steps(pool->others, split);
	return split_fail(split);
}

/* Turns a message of a loader into an event; false if it was none. */
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
			member->busy--;
			return member->split == NULL || handle_step(pool, member->split, event);
		case LOADER_REPORT_FAILED:
			member->failing = true;
			member->failure = load_failure_unpack(&pool->body);
			return false;
		case 'E':
			/* an error outside a job: the loader ends by it */
			if (!member->failing)
				relay_throw_report(&pool->body, DEBUG5);
			event->type = POOL_FAILED;
			event->index = member->failure.index;
			event->source_gone = member->failure.source_gone;
			event->error = palloc0(sizeof(ErrorData));
			relay_parse_report(&pool->body, event->error);
			member->failing = false;
			member->busy--;
			return member->split == NULL || handle_failed_step(pool, member->split) ||
				event->source_gone;
		default:
			elog(ERROR, "unexpected message type %d from a loader", type);
	}
	return false;
}

/* Looks through the loaders' reports for an event. */
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
					 errhint("See the server log; somebody may have terminated it.")));
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
	/* steps that are done may have made others possible */
	dispatch(pool);
	event.type = POOL_IDLE;
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 timeout_ms, wait_event(WAIT_LOADERS));
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	return event;
}

/*
 * Detaching the segment closes the queue of orders: a loader that is idle
 * ends by itself.
 */
void
pool_stop(Pool *pool, bool now)
{
	if (pool->stopped)
		return;
	for (int i = 0; i < pool->size; i++)
	{
		if (now)
			worker_terminate(pool->members[i].worker);
		dsm_detach(pool->members[i].segment);
	}
	for (int i = 0; i < pool->size; i++)
	{
		worker_wait_end(pool->members[i].worker);
		worker_free(pool->members[i].worker);
	}
	pool->size = 0;
	pool->stopped = true;
}

void
pool_kill(Pool *pool)
{
	for (int i = 0; i < pool->size; i++)
		worker_terminate(pool->members[i].worker);
	for (int tries = 0; tries < 100; tries++)
	{
		bool		alive = false;

		for (int i = 0; i < pool->size; i++)
			alive |= worker_alive(pool->members[i].worker);
		if (!alive)
			break;
		pg_usleep(20000L);
	}
}
