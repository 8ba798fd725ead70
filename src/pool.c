/*-------------------------------------------------------------------------
 *
 * pool.c
 *	  The run's loaders, as the leader sees them.
 *
 * Each loader has a segment with two queues: orders go one way, reports and
 * errors come back the other.  The leader keeps the jobs, and a loader that is
 * free gets the largest that waits.  Small tables go out in batches: the
 * round trip to the source, which costs more than their rows, is then paid once
 * for all of them.
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

#include "compat.h"
#include "pack.h"
#include "pool.h"
#include "relay.h"
#include "worker.h"

typedef struct Member
{
	Worker	   *worker;
	dsm_segment *segment;
	LoaderShared *shared;
	shm_mq_handle *orders;
	shm_mq_handle *reports;
	bool		served;			/* has had its first batch */
	int			busy;			/* how many tables it has */
	bool		failing;		/* 'F' was read, the 'E' is to come */
	LoadFailure failure;
	List	   *unsent;			/* of StringInfo: orders that did not fit yet */
} Member;

struct Pool
{
	MemoryContext context;
	int			size;
	Member	   *members;
	List	   *jobs;			/* of WaitingJob *, in order */
	StringInfoData body;
	bool		stopped;
};

/* A packed job that waits. */
typedef struct WaitingJob
{
	double		bytes;			/* expected */
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
create_member_segment(Member *member, const RunRequest *request, int64 run_id, int loaders)
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
	shared->database = request->database;
	shared->run_id = run_id;
	shared->lock_timeout = request->lock_timeout;
	shared->maintenance_work_mem = Max(1024, request->maintenance_work_mem / loaders);
	shared->parallel_maintenance_workers = request->parallel_maintenance_workers;
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
start_member(Member *member, const RunRequest *request, int64 run_id, int loaders)
{
	create_member_segment(member, request, run_id, loaders);
	member->worker = worker_launch("pgtunsync_loader_main", "pgtunsync loader",
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
pool_start(const RunRequest *request, int64 run_id, int loaders)
{
	Pool	   *pool = palloc0(sizeof(Pool));

	pool->context = CurrentMemoryContext;
	pool->members = palloc0(sizeof(Member) * loaders);
	initStringInfo(&pool->body);
	while (pool->size < loaders &&
		   start_member(&pool->members[pool->size], request, run_id, loaders))
		pool->size++;
	if (pool->size == 0)
		worker_no_slot("loaders");
	if (pool->size < loaders)
		ereport(NOTICE,
				(errmsg("going on with %d of %d loaders", pool->size, loaders),
				 errhint("Raise \"max_worker_processes\" for more.")));
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

void
pool_submit(Pool *pool, const LoadJob *job, double bytes)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(pool->context);
	WaitingJob *waiting = palloc(sizeof(WaitingJob));

	waiting->bytes = bytes;
	initStringInfo(&waiting->packed);
	load_job_pack(&waiting->packed, job);
	pool->jobs = lappend(pool->jobs, waiting);
	MemoryContextSwitchTo(oldcontext);
}

bool
pool_busy(const Pool *pool)
{
	if (pool->jobs != NIL)
		return true;
	for (int i = 0; i < pool->size; i++)
		if (pool->members[i].busy > 0)
			return true;
	return false;
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
static int
take_batch(Pool *pool, Member *member, StringInfo batch)
{
	double		share = share_of_work(pool, member);
	double		bytes = 0;
	double		work = 0;
	int			taken = 0;

	while (pool->jobs != NIL && taken < BATCH_TABLES)
	{
		WaitingJob *next = linitial(pool->jobs);

		bytes += next->bytes;
		work += next->bytes + TABLE_BYTES;
		if (taken > 0 && (bytes > BATCH_BYTES || work > share + TABLE_BYTES / 2))
			break;
		appendBinaryStringInfo(batch, next->packed.data, next->packed.len);
		pool->jobs = list_delete_first(pool->jobs);
		pfree(next->packed.data);
		pfree(next);
		taken++;
	}
	member->served = true;
	return taken;
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
		if (member->busy > 0 || pool->jobs == NIL)
			continue;
		initStringInfo(&batch);
		member->busy = take_batch(pool, member, &batch);
		order(pool, member, LOADER_ORDER_LOAD, batch.data, batch.len);
		pfree(batch.data);
	}
}

/* Turns a message of a loader into an event; false if it was none. */
static bool
handle_report(Pool *pool, Member *member, char type, PoolEvent *event)
{
	switch (type)
	{
		case 'N':
			relay_throw_report(&pool->body, DEBUG5);
			return false;
		case LOADER_REPORT_LOADED:
			event->type = POOL_LOADED;
			event->result = load_result_unpack(&pool->body);
			event->index = event->result.index;
			member->busy--;
			return true;
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
			return true;
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
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 timeout_ms, PG_WAIT_EXTENSION);
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
