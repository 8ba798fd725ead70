/*-------------------------------------------------------------------------
 *
 * progress.c
 *	  Progress of a run, in shared memory.
 *
 * pgtunsync is not loaded at server start, so it has no named shared memory
 * for the progress.  Instead the audit row of the run has the handle of a
 * small dynamic segment, the handle segment.  The audit row is committed
 * before the run does anything else, and has row security.  When the plan is
 * made, the leader creates the progress segment, with an entry for each table,
 * and stores its handle in the handle segment.  Loaders update the entries.
 * Any session that can read the audit row can read them.  Both segments are
 * removed when the leader exits.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/dsm.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/text.h"
#include "load/progress.h"

#define HANDLE_MAGIC		0x70675444
#define PROGRESS_MAGIC	0x70675450
/* interval of the NOTICE about a table that is still copying, in us */
#define REPORT_INTERVAL	(INT64CONST(10) * USECS_PER_SEC)

typedef struct HandleSegment
{
	uint32		magic;
	int64		run_id;
	pg_atomic_uint32 handle;	/* of the progress segment, or DSM_HANDLE_INVALID */
} HandleSegment;

typedef struct ProgressTable
{
	char		name[2 * NAMEDATALEN + 8];
	uint64		bytes_total;
	pg_atomic_uint32 phase;
	pg_atomic_uint64 rows;
	pg_atomic_uint64 bytes;
	pg_atomic_uint64 asked;		/* start of querying, a TimestampTz; 0: not yet */
	pg_atomic_uint64 started;	/* start of copying; 0: not yet */
	pg_atomic_uint64 ended;		/* end of copying; 0: not yet */
	TimestampTz reported;		/* last NOTICE; only the leader uses it */
} ProgressTable;

typedef struct RunProgress
{
	uint32		magic;
	int64		run_id;
	int			ntables;
	ProgressTable tables[FLEXIBLE_ARRAY_MEMBER];
} RunProgress;

static HandleSegment *handle_segment = NULL;
static RunProgress *progress = NULL;

static const char *const phase_names[] = {"waiting", "querying", "copying", "indexing", "loaded", "failed"};

dsm_handle
progress_create_handle(int64 run_id)
{
	dsm_segment *segment = dsm_create(sizeof(HandleSegment), 0);

	dsm_pin_mapping(segment);
	handle_segment = dsm_segment_address(segment);
	handle_segment->run_id = run_id;
	pg_atomic_init_u32(&handle_segment->handle, DSM_HANDLE_INVALID);
	handle_segment->magic = HANDLE_MAGIC;
	return dsm_segment_handle(segment);
}

static void
init_table(ProgressTable *table, const TablePlan *plan)
{
	strlcpy(table->name, plan->display, sizeof(table->name));
	table->bytes_total = plan->expected_bytes > 0 ? (uint64) plan->expected_bytes : 0;
	pg_atomic_init_u32(&table->phase, PHASE_WAITING);
	pg_atomic_init_u64(&table->rows, 0);
	pg_atomic_init_u64(&table->bytes, 0);
	pg_atomic_init_u64(&table->asked, 0);
	pg_atomic_init_u64(&table->started, 0);
	pg_atomic_init_u64(&table->ended, 0);
	table->reported = 0;
}

dsm_handle
progress_publish(const RunPlan *plan)
{
	Size		size = offsetof(RunProgress, tables) +
		sizeof(ProgressTable) * Max(1, list_length(plan->tables));
	dsm_segment *segment = dsm_create(size, 0);
	ListCell   *lc;

	dsm_pin_mapping(segment);
	progress = dsm_segment_address(segment);
	progress->run_id = handle_segment->run_id;
	progress->ntables = 0;
	foreach(lc, plan->tables)
		init_table(&progress->tables[progress->ntables++], lfirst(lc));
	progress->magic = PROGRESS_MAGIC;
	pg_memory_barrier();
	pg_atomic_write_u32(&handle_segment->handle, dsm_segment_handle(segment));
	return dsm_segment_handle(segment);
}

void
progress_attach(dsm_handle handle)
{
	dsm_segment *segment = dsm_attach(handle);

	if (segment == NULL)
		return;
	dsm_pin_mapping(segment);
	progress = dsm_segment_address(segment);
}

/* Forgets what an attempt that failed has brought. */
static void
begin_table(ProgressTable *table)
{
	pg_atomic_write_u64(&table->rows, 0);
	pg_atomic_write_u64(&table->bytes, 0);
	pg_atomic_write_u64(&table->started, 0);
	pg_atomic_write_u64(&table->ended, 0);
	pg_atomic_write_u64(&table->asked, (uint64) GetCurrentTimestamp());
}

/* Several loaders may read one table; the first one's rows start the clock. */
static void
begin_copying(ProgressTable *table)
{
	uint64		none = 0;

	(void) pg_atomic_compare_exchange_u64(&table->started, &none, (uint64) GetCurrentTimestamp());
}

void
progress_phase(int index, ProgressPhase phase)
{
	ProgressTable *table;

	if (progress == NULL)
		return;
	table = &progress->tables[index];
	if (pg_atomic_read_u32(&table->phase) == PHASE_FAILED)
		return;					/* another step may still be running */
	if (phase == PHASE_QUERYING)
		begin_table(table);
	if (phase == PHASE_COPYING)
		begin_copying(table);
	if (phase == PHASE_INDEXING && pg_atomic_read_u32(&table->phase) == PHASE_COPYING)
		pg_atomic_write_u64(&table->ended, (uint64) GetCurrentTimestamp());
	pg_atomic_write_u32(&table->phase, phase);
}

void
progress_add(int index, uint64 rows, uint64 bytes)
{
	if (progress == NULL)
		return;
	pg_atomic_fetch_add_u64(&progress->tables[index].rows, rows);
	pg_atomic_fetch_add_u64(&progress->tables[index].bytes, bytes);
}

/* The process that reads the table has been at it since then; 0: none is. */
static TimestampTz
busy_since(ProgressTable *table)
{
	switch (pg_atomic_read_u32(&table->phase))
	{
		case PHASE_QUERYING:
			return (TimestampTz) pg_atomic_read_u64(&table->asked);
		case PHASE_COPYING:
			return (TimestampTz) pg_atomic_read_u64(&table->started);
		default:
			return 0;
	}
}

static void
report_table(ProgressTable *table, TimestampTz now)
{
	if (pg_atomic_read_u32(&table->phase) == PHASE_QUERYING)
		ereport(NOTICE,
				(errmsg("%s: no row so far, the source has been computing for %d s", table->name,
						(int) ((now - busy_since(table)) / USECS_PER_SEC))));
	else
		ereport(NOTICE,
				(errmsg("%s: " UINT64_FORMAT " rows, %s so far", table->name,
						pg_atomic_read_u64(&table->rows),
						size_text((int64) pg_atomic_read_u64(&table->bytes)))));
}

void
progress_report(void)
{
	TimestampTz now = GetCurrentTimestamp();

	for (int i = 0; progress != NULL && i < progress->ntables; i++)
	{
		ProgressTable *table = &progress->tables[i];
		TimestampTz since = busy_since(table);

		if (since == 0 || now - Max(table->reported, since) < REPORT_INTERVAL)
			continue;
		table->reported = now;
		report_table(table, now);
	}
}

/* ---- reading in any session ---- */

/* The average rate of copying in bytes per second. */
static double
rate_of(ProgressTable *table)
{
	TimestampTz started = (TimestampTz) pg_atomic_read_u64(&table->started);
	TimestampTz ended = (TimestampTz) pg_atomic_read_u64(&table->ended);

	if (started == 0)
		return 0;
	if (ended == 0)
		ended = GetCurrentTimestamp();
	if (ended <= started)
		return 0;
	return pg_atomic_read_u64(&table->bytes) * (double) USECS_PER_SEC / (ended - started);
}

static ProgressRow *
read_table(ProgressTable *table)
{
	ProgressRow *row = palloc0(sizeof(ProgressRow));
	uint32		phase = pg_atomic_read_u32(&table->phase);

	row->table_name = pnstrdup(table->name, sizeof(table->name) - 1);
	row->phase = phase_names[Min(phase, PHASE_FAILED)];
	row->rows = (int64) pg_atomic_read_u64(&table->rows);
	row->bytes = (int64) pg_atomic_read_u64(&table->bytes);
	row->bytes_total = (int64) table->bytes_total;
	row->bytes_per_second = rate_of(table);
	return row;
}

/* The handle may belong to another segment by now, so check what it holds. */
static List *
read_progress(dsm_segment *segment, int64 run_id)
{
	RunProgress *found = dsm_segment_address(segment);
	List	   *rows = NIL;

	if (dsm_segment_map_length(segment) < sizeof(RunProgress) ||
		found->magic != PROGRESS_MAGIC || found->run_id != run_id)
		return NIL;
	for (int i = 0; i < found->ntables; i++)
		rows = lappend(rows, read_table(&found->tables[i]));
	return rows;
}

List *
progress_read(dsm_handle segment_handle, int64 run_id)
{
	dsm_segment *segment = dsm_attach(segment_handle);
	dsm_handle	handle = DSM_HANDLE_INVALID;
	List	   *rows = NIL;

	if (segment == NULL)
		return NIL;
	if (dsm_segment_map_length(segment) >= sizeof(HandleSegment))
	{
		HandleSegment	   *found = dsm_segment_address(segment);

		if (found->magic == HANDLE_MAGIC && found->run_id == run_id)
			handle = pg_atomic_read_u32(&found->handle);
	}
	dsm_detach(segment);
	if (handle == DSM_HANDLE_INVALID || (segment = dsm_attach(handle)) == NULL)
		return NIL;
	rows = read_progress(segment, run_id);
	dsm_detach(segment);
	return rows;
}
