/*-------------------------------------------------------------------------
 *
 * fk_bitmap_parallel.c
 *	  Checks references by one integer column in several processes.
 *
 * Between the last index and the swap, this check is the only work left.  In a
 * single process it would leave the other cores idle.  Each process takes the
 * largest unprocessed reference.  Parallel workers share the leader's locks.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/table.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

#include "apply/fk_bitmap.h"
#include "apply/fk_bitmap_parallel.h"
#include "base/compat.h"
#include "base/names.h"
#include "base/worker.h"

#define REFERENCES_KEY	UINT64CONST(1)

/* Starting a worker takes as long as reading this many pages. */
#define BLOCKS_OF_A_WORKER	8192

/* State in shared memory. */
typedef struct SharedReferences
{
	Size		bytes;			/* memory for keys per process */
	pg_atomic_uint32 next;		/* the next reference to check */
	int			count;
	IntegerReference references[FLEXIBLE_ARRAY_MEMBER];
} SharedReferences;

PGDLLEXPORT void pgtunsync_references_main(dsm_segment *segment, shm_toc *toc);

static void
check_reference(IntegerReference *reference, Size bytes)
{
	Relation	referencing = table_open(reference->referencing, AccessShareLock);
	Relation	referenced = table_open(reference->referenced, AccessShareLock);

	reference->match = integer_keys_match(referencing, reference->fk,
										  referenced, reference->pk, bytes);
	table_close(referenced, NoLock);
	table_close(referencing, NoLock);
}

static void
check_references(SharedReferences *shared)
{
	uint32		number;

	while ((number = pg_atomic_fetch_add_u32(&shared->next, 1)) < (uint32) shared->count)
		check_reference(&shared->references[number], shared->bytes);
}

/* The main function of a parallel worker. */
void
pgtunsync_references_main(dsm_segment *segment, shm_toc *toc)
{
	check_references(shm_toc_lookup(toc, REFERENCES_KEY, false));
}

static Size
shared_size(int count)
{
	return offsetof(SharedReferences, references) + count * sizeof(IntegerReference);
}

static void
fill_shared(SharedReferences *shared, const IntegerReference *references, int count, int processes)
{
	shared->bytes = maintenance_work_mem * (Size) 1024 / processes;
	pg_atomic_init_u32(&shared->next, 0);
	shared->count = count;
	memcpy(shared->references, references, count * sizeof(IntegerReference));
}

static void
check_in_parallel(IntegerReference *references, int count, int workers)
{
	ParallelContext *context;
	SharedReferences *shared;

	EnterParallelMode();
	context = CreateParallelContext(PGTUNSYNC_LIBRARY, "pgtunsync_references_main", workers);
	shm_toc_estimate_chunk(&context->estimator, shared_size(count));
	shm_toc_estimate_keys(&context->estimator, 1);
	InitializeParallelDSM(context);
	shared = shm_toc_allocate(context->toc, shared_size(count));
	fill_shared(shared, references, count, workers + 1);
	shm_toc_insert(context->toc, REFERENCES_KEY, shared);
	LaunchParallelWorkers(context);
	check_references(shared);
	WaitForParallelWorkersToFinish(context);
	memcpy(references, shared->references, count * sizeof(IntegerReference));
	DestroyParallelContext(context);
	ExitParallelMode();
}

static void
measure(IntegerReference *reference)
{
	Relation	referencing = table_open(reference->referencing, AccessShareLock);
	Relation	referenced = table_open(reference->referenced, AccessShareLock);

	reference->blocks = (uint64) RelationGetNumberOfBlocks(referencing) +
		RelationGetNumberOfBlocks(referenced);
	table_close(referenced, NoLock);
	table_close(referencing, NoLock);
}

/* Sorts by descending size. */
static int
by_blocks(const void *a, const void *b)
{
	uint64		x = ((const IntegerReference *) a)->blocks;
	uint64		y = ((const IntegerReference *) b)->blocks;

	return (x < y) - (x > y);
}

/* Returns how many additional processes are useful. */
static int
useful_workers(const IntegerReference *references, int count)
{
	uint64		blocks = 0;
	int			processes = Min(count, worker_cores());

	for (int i = 0; i < count; i++)
		blocks += references[i].blocks;
	processes = Min(processes, (int) Min(blocks / BLOCKS_OF_A_WORKER, INT_MAX));
	return Max(0, Min(processes - 1, max_parallel_maintenance_workers));
}

void
integer_references_check(IntegerReference *references, int count)
{
	int			workers;

	for (int i = 0; i < count; i++)
		measure(&references[i]);
	qsort(references, count, sizeof(IntegerReference), by_blocks);
	workers = useful_workers(references, count);
	if (workers > 0)
	{
		check_in_parallel(references, count, workers);
		return;
	}
	for (int i = 0; i < count; i++)
		check_reference(&references[i], maintenance_work_mem * (Size) 1024);
}
