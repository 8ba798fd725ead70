/*-------------------------------------------------------------------------
 *
 * progress.c
 *	  How far a run is, for anybody who may know.
 *
 * Nothing of pgtunsync is loaded at server start, so there is no shared memory
 * with a name to look progress up in.  Instead the run's audit row, which is
 * committed before anything else happens and has row security, holds the handle of a small segment,
 * the door.  When the plan is made, the door gets the handle of the segment
 * with a row for each table.  Loaders count in it; any session that can read the audit
 * row can read along.  Both segments vanish with the leader.
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

#define DOOR_MAGIC		0x70675444
#define PROGRESS_MAGIC	0x70675450
/* how long a table has to be at it to be told of, and how often then, in us */
#define TELL_INTERVAL	(INT64CONST(10) * USECS_PER_SEC)

typedef struct Door
{
	uint32		magic;
	int64		run_id;
	pg_atomic_uint32 handle;	/* of the RunProgress, or DSM_HANDLE_INVALID */
} Door;

typedef struct ProgressTable
{
	char		name[2 * NAMEDATALEN + 8];
	uint64		bytes_total;
	pg_atomic_uint32 phase;
	pg_atomic_uint64 rows;
	pg_atomic_uint64 bytes;
	pg_atomic_uint64 started;	/* TimestampTz, 0: not yet */
	pg_atomic_uint64 ended;		/* of the copying */
	TimestampTz told;			/* the leader's */
} ProgressTable;

typedef struct RunProgress
{
	uint32		magic;
	int64		run_id;
	int			ntables;
	ProgressTable tables[FLEXIBLE_ARRAY_MEMBER];
} RunProgress;

static Door *door = NULL;
static RunProgress *progress = NULL;

static const char *const phase_names[] = {"waiting", "copying", "indexing", "loaded", "failed"};

dsm_handle
progress_open_door(int64 run_id)
{
	dsm_segment *segment = dsm_create(sizeof(Door), 0);

	dsm_pin_mapping(segment);
	door = dsm_segment_address(segment);
	door->run_id = run_id;
	pg_atomic_init_u32(&door->handle, DSM_HANDLE_INVALID);
	door->magic = DOOR_MAGIC;
	return dsm_segment_handle(segment);
}

static void
init_table(ProgressTable *table, const TablePlan *plan)
{
	strlcpy(table->name, plan->display, sizeof(table->name));
	table->bytes_total = plan->source_bytes > 0 ? (uint64) plan->source_bytes : 0;
	pg_atomic_init_u32(&table->phase, PHASE_WAITING);
	pg_atomic_init_u64(&table->rows, 0);
	pg_atomic_init_u64(&table->bytes, 0);
	pg_atomic_init_u64(&table->started, 0);
	pg_atomic_init_u64(&table->ended, 0);
	table->told = 0;
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
	progress->run_id = door->run_id;
	progress->ntables = 0;
	foreach(lc, plan->tables)
		init_table(&progress->tables[progress->ntables++], lfirst(lc));
	progress->magic = PROGRESS_MAGIC;
	pg_memory_barrier();
	pg_atomic_write_u32(&door->handle, dsm_segment_handle(segment));
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

void
progress_phase(int index, ProgressPhase phase)
{
	ProgressTable *table;

	if (progress == NULL)
		return;
	table = &progress->tables[index];
	if (pg_atomic_read_u32(&table->phase) == PHASE_FAILED)
		return;					/* other steps of it may still be under way */
	if (phase == PHASE_COPYING)
	{
		pg_atomic_write_u64(&table->rows, 0);
		pg_atomic_write_u64(&table->bytes, 0);
		pg_atomic_write_u64(&table->started, (uint64) GetCurrentTimestamp());
	}
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

void
progress_tell(void)
{
	TimestampTz now = GetCurrentTimestamp();

	for (int i = 0; progress != NULL && i < progress->ntables; i++)
	{
		ProgressTable *table = &progress->tables[i];
		TimestampTz since = Max(table->told, (TimestampTz) pg_atomic_read_u64(&table->started));

		if (pg_atomic_read_u32(&table->phase) != PHASE_COPYING ||
			since == 0 || now - since < TELL_INTERVAL)
			continue;
		table->told = now;
		ereport(NOTICE,
				(errmsg("%s: " UINT64_FORMAT " rows, %s so far", table->name,
						pg_atomic_read_u64(&table->rows),
						size_text((int64) pg_atomic_read_u64(&table->bytes)))));
	}
}

/* ---- reading from outside ---- */

/* Bytes a second while it copied, or copies. */
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

/* A handle may have been given to somebody else's segment by now. */
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
progress_read(dsm_handle door_handle, int64 run_id)
{
	dsm_segment *segment = dsm_attach(door_handle);
	dsm_handle	handle = DSM_HANDLE_INVALID;
	List	   *rows = NIL;

	if (segment == NULL)
		return NIL;
	if (dsm_segment_map_length(segment) >= sizeof(Door))
	{
		Door	   *found = dsm_segment_address(segment);

		if (found->magic == DOOR_MAGIC && found->run_id == run_id)
			handle = pg_atomic_read_u32(&found->handle);
	}
	dsm_detach(segment);
	if (handle == DSM_HANDLE_INVALID || (segment = dsm_attach(handle)) == NULL)
		return NIL;
	rows = read_progress(segment, run_id);
	dsm_detach(segment);
	return rows;
}
