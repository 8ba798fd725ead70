/*-------------------------------------------------------------------------
 *
 * load.c
 *	  Loads the rows of a COPY into a staging heap.
 *
 * Rows are read with the tuple descriptor of the target (copy_reader.c).
 * Columns that the COPY does not have get the target's defaults.  Then each
 * row is completed in these steps:
 *
 *	1. rewrites (row_query.c), all of which see the row as it arrived;
 *	2. generated columns, constraints and partition bounds of the target, like
 *	   CopyFrom() in copyfrom.c, except for constraints that are NOT VALID
 *	   (not_valid.c);
 *	3. the row is written to the staging heap (heap_writer.c).
 *
 * Rows are written frozen.  After the swap they belong to a table that readers
 * with older snapshots can use.  If the rows were not frozen, these readers
 * would see an empty table.  Kept rows are written first.
 *
 * COPY allows FREEZE only for a table that was created in the same
 * transaction, because an abort then drops the rows as well.  Here, a staging
 * heap is dropped if its load fails.  For that reason several loaders can fill
 * the same heap.
 *
 * Code of the table's owner can run between owner_enter() and owner_leave().
 * Reading from the source in between is safe, and does not count as time of
 * that code.  The target is not locked: the load uses a copy of its relcache
 * entry (target.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "executor/executor.h"
#include "executor/nodeModifyTable.h"
#include "parser/parse_node.h"
#include "rewrite/rewriteHandler.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "load/copy_reader.h"
#include "staging/heap_writer.h"
#include "load/load.h"
#include "base/user_context.h"
#include "load/progress.h"
#include "eval/range_table.h"
#include "plan/rewrite.h"
#include "staging/staging.h"
#include "staging/target.h"
#include "eval/not_valid.h"

/* report progress after this many new rows or bytes */
#define PROGRESS_ROWS	1000
#define PROGRESS_BYTES	(256 * 1024)

/* One table while it loads. */
typedef struct Load
{
	int			index;			/* in the plan */
	Relation	target;			/* a copy: see target.c */
	Relation	view;			/* the same without NOT VALID constraints */
	Relation	staging;
	EState	   *estate;
	ResultRelInfo *result_rel;
	ExprState  *partition_check;
	const char *masked_key;		/* a masked column in it, with its rule, or NULL */
	List	   *domains;		/* for unvalidated_check_domains() */
	List	   *null_domains;	/* OIDs: see check_null_domains() */
	RowQuery   *rewrite;		/* or NULL */
	int			nrewrites;
	AttrNumber *rewritten;		/* the columns that it computes */
	KeptLoad   *kept;			/* or NULL */
	CopyReader *reader;
	HeapWriter *writer;
	TupleTableSlot *slot;
	uint64		rows;
	uint64		reported_rows;	/* reported as progress */
	uint64		reported_bytes;
	uint64		allowed_bytes;	/* already counted for the owner's time limit */
} Load;

/*
 * True if the column gets a value: from the COPY, a rewrite, or an expression.
 */
static bool
has_value(const Load *load, const LoadJob *job, Form_pg_attribute attr)
{
	ListCell   *lc;

	if (attr->attisdropped || attr->attgenerated ||
		rewrite_gives(job->rewrites, NameStr(attr->attname)))
		return true;
	foreach(lc, job->columns)
		if (strcmp(lfirst(lc), NameStr(attr->attname)) == 0)
			return true;
	return build_column_default(load->target, attr->attnum) != NULL;
}

/* The domains of columns that will be null in every row. */
static List *
find_null_domains(const Load *load, const LoadJob *job)
{
	TupleDesc	desc = RelationGetDescr(load->target);
	List	   *domains = NIL;

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(desc, i);

		if (!has_value(load, job, attr) && get_typtype(attr->atttypid) == TYPTYPE_DOMAIN)
			domains = list_append_unique_oid(domains, attr->atttypid);
	}
	return domains;
}

/*
 * COPY sets a column without data or default to null and does not check its
 * type.  But a domain may forbid null, and an INSERT would check it.
 */
static void
check_null_domains(Load *load)
{
	ListCell   *lc;

	foreach(lc, load->null_domains)
		domain_check((Datum) 0, true, lfirst_oid(lc), NULL, load->estate->es_query_cxt);
}

static void
prepare_rewrites(Load *load, const LoadJob *job)
{
	ListCell   *lc;

	if (job->rewrites == NIL)
		return;
	load->rewrite = row_query_begin(load->target, job->row_name, job->rewrites, false);
	load->rewritten = palloc(sizeof(AttrNumber) * list_length(job->rewrites));
	foreach(lc, job->rewrites)
		load->rewritten[load->nrewrites++] =
			row_query_column(load->target, ((RowExpression *) lfirst(lc))->column);
}

static void
prepare_executor(Load *load, const LoadJob *job, Source *source)
{
	ParseState *pstate = make_parsestate(NULL);

	load->estate = CreateExecutorState();
	range_table_init(load->estate, pstate, load->target);
	load->view = unvalidated_hide(load->target, job->columns, load->estate, &load->domains);
	load->result_rel = makeNode(ResultRelInfo);
	InitResultRelInfo(load->result_rel, load->view, 1, NULL, 0);

	load->masked_key = job->masked_key;
	if (job->partition_check != NULL)
		load->partition_check = ExecPrepareCheck((List *) stringToNode(job->partition_check),
												 load->estate);
	load->reader = copy_reader_begin(load->view, pstate, job->columns, job->binary, source);
	load->null_domains = find_null_domains(load, job);
	prepare_rewrites(load, job);
}

/* The values are masked, but those of a "value" or statement are known. */
static void
refuse_partition(Load *load, TupleTableSlot *slot)
{
	if (load->masked_key == NULL)
		ExecPartitionCheckEmitError(load->result_rel, slot, load->estate);
	ereport(ERROR,
			(errcode(ERRCODE_CHECK_VIOLATION),
			 errmsg("a row does not belong into this partition once its partition key is masked"),
			 errdetail("The data rule is %s.", load->masked_key),
			 errhint("Use \"untouched\", or a statement whose values stay in the partition.")));
}

/* Completes and checks a row as an INSERT into the target would. */
static void
complete_row(Load *load, TupleTableSlot *slot)
{
	TupleConstr *constr = RelationGetDescr(load->view)->constr;

	slot->tts_tableOid = RelationGetRelid(load->target);
	if (constr != NULL && constr->has_generated_stored)
		ExecComputeStoredGenerated(load->result_rel, load->estate, slot, CMD_INSERT);
	if (constr != NULL)
		ExecConstraints(load->result_rel, slot, load->estate);
	if (load->partition_check != NULL)
	{
		ExprContext *econtext = GetPerTupleExprContext(load->estate);

		econtext->ecxt_scantuple = slot;
		if (!ExecCheck(load->partition_check, econtext))
			refuse_partition(load, slot);
	}
}

/* The new values are valid until the next row. */
static void
rewrite_row(Load *load, TupleTableSlot *slot)
{
	TupleTableSlot *computed = row_query_compute(load->rewrite, slot);

	for (int i = 0; i < load->nrewrites; i++)
	{
		slot->tts_values[load->rewritten[i] - 1] = computed->tts_values[i];
		slot->tts_isnull[load->rewritten[i] - 1] = computed->tts_isnull[i];
	}
}

/*
 * Extends the time limit of the owner's code by the number and size of the
 * rows.
 */
static void
allow_time(Load *load)
{
	uint64		bytes = copy_reader_bytes(load->reader);

	owner_allow_ms(OWNER_MS_PER_ROW +
				   (bytes - load->allowed_bytes) * OWNER_MS_PER_PAGE / BLCKSZ);
	load->allowed_bytes = bytes;
}

static void
store_row(Load *load, TupleTableSlot *slot)
{
	slot_getallattrs(slot);
	heap_writer_add(load->writer, slot->tts_values, slot->tts_isnull);
	load->rows++;
}

/* Loads one row.  Returns false at the end. */
static bool
load_row(Load *load)
{
	TupleTableSlot *slot = load->slot;
	MemoryContext oldcontext;
	bool		more;

	ExecClearTuple(slot);
	ResetPerTupleExprContext(load->estate);
	oldcontext = MemoryContextSwitchTo(GetPerTupleMemoryContext(load->estate));
	more = copy_reader_next(load->reader, GetPerTupleExprContext(load->estate),
							slot->tts_values, slot->tts_isnull);
	if (more)
	{
		ExecStoreVirtualTuple(slot);
		allow_time(load);
		if (load->rows == 0)
			check_null_domains(load);
		unvalidated_check_domains(load->domains, slot, load->estate);
		if (load->rewrite != NULL)
			rewrite_row(load, slot);
		complete_row(load, slot);
		if (load->kept == NULL || !kept_load_conflicts(load->kept, load->estate, slot))
			store_row(load, slot);
	}
	MemoryContextSwitchTo(oldcontext);
	return more;
}

static void
report_progress(Load *load)
{
	uint64		bytes = copy_reader_bytes(load->reader);

	progress_add(load->index, load->rows - load->reported_rows, bytes - load->reported_bytes);
	load->reported_rows = load->rows;
	load->reported_bytes = bytes;
}

static bool
progress_is_due(const Load *load)
{
	return load->rows - load->reported_rows >= PROGRESS_ROWS ||
		copy_reader_bytes(load->reader) - load->reported_bytes >= PROGRESS_BYTES;
}

static void
load_all(Load *load)
{
	ErrorContextCallback errcallback;

	copy_reader_push_context(load->reader, &errcallback);
	while (load_row(load))
	{
		if (progress_is_due(load))
			report_progress(load);
	}
	error_context_stack = errcallback.previous;
	heap_writer_end(load->writer);
	report_progress(load);
}

static void
finish_load(Load *load)
{
	ExecDropSingleTupleTableSlot(load->slot);
	copy_reader_end(load->reader);
	ExecResetTupleTable(load->estate->es_tupleTable, false);
	FreeExecutorState(load->estate);
}

void
load_rows(const LoadJob *job, const StagingHeaps *heaps, Source *source, LoadResult *result)
{
	Load	   *load = palloc0(sizeof(Load));
	OwnerContext owner;

	load->index = job->index;
	progress_add(job->index, job->rows_before, job->bytes_before);
	load->target = target_copy(job->relid, job->shape);
	load->staging = table_open(heaps->staging, RowExclusiveLock);
	staging_check_columns(load->target, load->staging);
	load->slot = MakeSingleTupleTableSlot(RelationGetDescr(load->target),
										  table_slot_callbacks(load->staging));
	if (job->keep != NIL)
		load->kept = kept_load_begin(job->relid, job->shape, load->staging, heaps->copy,
									 heaps->yielded, job->row_name, job->keep);

	owner_enter(&owner, load->target->rd_rel->relowner);
	load->writer = heap_writer_begin(load->staging);
	prepare_executor(load, job, source);
	load_all(load);
	if (load->rewrite != NULL)
		row_query_end(load->rewrite);
	owner_leave(&owner);

	result->bytes = copy_reader_bytes(load->reader);
	finish_load(load);
	if (load->kept != NULL)
		result->kept = kept_load_end(load->kept);
	result->rows = load->rows;
	table_close(load->staging, NoLock);
	pfree(load);
	CommandCounterIncrement();
}
