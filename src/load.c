/*-------------------------------------------------------------------------
 *
 * load.c
 *	  Rows of a COPY into a staging heap.
 *
 * The server's COPY parses and converts (BeginCopyFrom with a callback that
 * reads from libpq, NextCopyFrom), against the *target's* descriptor: columns that do
 * not travel take the target's defaults.  Then come rewrites (row_query.c), which
 * all see the row as it arrived, the target's generated columns, constraints and
 * partition bounds, as in CopyFrom() of copyfrom.c, except for what is NOT VALID
 * (unvalidated.c), and the finished rows go to the *staging* heap in batches of
 * table_multi_insert().
 *
 * Rows are written frozen.  After the swap they belong to a table that
 * readers with older snapshots know: those would find it empty if the rows were
 * younger than they are.  Local rows that are kept are written first.
 *
 * COPY allows FREEZE only for a table of its own
 * transaction, so that an abort takes the rows along; here a staging heap whose load failed is
 * dropped instead, and that is why several loaders may fill the same one.
 *
 * Everything between owner_enter() and owner_leave() can run what the table's
 * owner wrote; reading from the source in between does no harm.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/copy.h"
#include "executor/executor.h"
#include "executor/nodeModifyTable.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_node.h"
#include "rewrite/rewriteHandler.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "compat.h"
#include "load.h"
#include "owner.h"
#include "progress.h"
#include "range_table.h"
#include "rewrite.h"
#include "staging.h"
#include "unvalidated.h"

/* a batch goes out when it has this many rows or bytes */
#define BATCH_ROWS	1000
#define BATCH_BYTES	(256 * 1024)

/* Where NextCopyFrom's callback reads: it has no argument of its own. */
typedef struct CopyInput
{
	Source	   *source;
	char	   *data;
	int			left;
	bool		ended;
	uint64		bytes;
} CopyInput;

static CopyInput copy_input;

/* One table while it loads. */
typedef struct Load
{
	int			index;			/* in the plan */
	Relation	target;
	Relation	view;			/* the target without what is NOT VALID */
	Relation	staging;
	EState	   *estate;
	ResultRelInfo *result_rel;
	ExprState  *partition_check;
	List	   *domains;		/* for unvalidated_check_domains() */
	List	   *null_domains;	/* OIDs: see check_null_domains() */
	RowQuery   *rewrite;		/* or NULL */
	int			nrewrites;
	AttrNumber *rewritten;		/* the columns that it gives */
	KeptLoad   *kept;			/* or NULL */
	CopyFromState copy;
	BulkInsertState bulk;
	CommandId	cid;
	int			options;
	TupleTableSlot *slots[BATCH_ROWS];
	int			nslots;
	uint64		batch_start;	/* bytes read before the batch */
	uint64		batch_rows;		/* rows before it */
	uint64		rows;
} Load;

/* COPY's data source: at least minread bytes unless the data ends. */
static int
read_copy_data(void *outbuf, int minread, int maxread)
{
	CopyInput  *in = &copy_input;
	int			got = 0;

	while (got < minread && !in->ended)
	{
		int			n;

		if (in->left == 0)
		{
			in->left = source_copy_data(in->source, &in->data);
			if (in->left < 0)
			{
				in->left = 0;
				in->ended = true;
				break;
			}
			in->bytes += in->left;
		}
		n = Min(in->left, maxread - got);
		memcpy((char *) outbuf + got, in->data, n);
		got += n;
		in->data += n;
		in->left -= n;
		/* a large row exists often enough while its values are made */
		if (in->left == 0)
			source_copy_consumed(in->source);
	}
	return got;
}

/* Does the column take part in the COPY, or have a value of its own? */
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
 * COPY leaves a column that has neither data nor default null without asking
 * its type.  A domain may not allow that; an INSERT would ask it.
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
		load->rewritten[load->nrewrites++] = get_attnum(RelationGetRelid(load->target),
														((RowExpression *) lfirst(lc))->column);
}

static void
prepare_executor(Load *load, const LoadJob *job)
{
	ParseState *pstate = make_parsestate(NULL);
	List	   *columns = NIL;
	List	   *options = NIL;
	ListCell   *lc;

	load->estate = CreateExecutorState();
	range_table_init(load->estate, pstate, load->target);
	load->view = unvalidated_hide(load->target, job->columns, load->estate, &load->domains);
	load->result_rel = makeNode(ResultRelInfo);
	InitResultRelInfo(load->result_rel, load->view, 1, NULL, 0);

	if (job->partition_check != NULL)
		load->partition_check = ExecPrepareCheck((List *) stringToNode(job->partition_check),
												 load->estate);
	foreach(lc, job->columns)
		columns = lappend(columns, makeString(lfirst(lc)));
	if (job->binary)
		options = list_make1(makeDefElem("format", (Node *) makeString("binary"), -1));
	load->copy = BeginCopyFrom(pstate, load->view, NULL, NULL, false,
							   read_copy_data, columns, options);
	load->null_domains = find_null_domains(load, job);
	prepare_rewrites(load, job);
}

static TupleTableSlot *
next_slot(Load *load)
{
	TupleTableSlot **slot = &load->slots[load->nslots];

	if (*slot == NULL)
		*slot = MakeSingleTupleTableSlot(RelationGetDescr(load->target),
										 table_slot_callbacks(load->staging));
	return *slot;
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
			ExecPartitionCheckEmitError(load->result_rel, slot, load->estate);
	}
	ExecMaterializeSlot(slot);
}

/* Only once the row is complete do the new values need to last. */
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

/* Reads one row into the batch; false at the end. */
static bool
load_row(Load *load)
{
	TupleTableSlot *slot = next_slot(load);
	MemoryContext oldcontext;
	bool		more;

	ResetPerTupleExprContext(load->estate);
	ExecClearTuple(slot);
	oldcontext = MemoryContextSwitchTo(GetPerTupleMemoryContext(load->estate));
	more = NextCopyFrom(load->copy, GetPerTupleExprContext(load->estate),
						slot->tts_values, slot->tts_isnull);
	if (more)
	{
		ExecStoreVirtualTuple(slot);
		if (load->rows == 0)
			check_null_domains(load);
		unvalidated_check_domains(load->domains, slot, load->estate);
		if (load->rewrite != NULL)
			rewrite_row(load, slot);
		complete_row(load, slot);
		if (load->kept == NULL || !kept_load_yields(load->kept, load->estate, slot))
		{
			load->nslots++;
			load->rows++;
		}
	}
	MemoryContextSwitchTo(oldcontext);
	return more;
}

static void
flush_batch(Load *load)
{
	MemoryContext oldcontext;

	if (load->nslots == 0)
		return;
	ResetPerTupleExprContext(load->estate);
	oldcontext = MemoryContextSwitchTo(GetPerTupleMemoryContext(load->estate));
	table_multi_insert(load->staging, load->slots, load->nslots, load->cid,
					   load->options, load->bulk);
	MemoryContextSwitchTo(oldcontext);
	for (int i = 0; i < load->nslots; i++)
		ExecClearTuple(load->slots[i]);
	load->nslots = 0;
	progress_add(load->index, load->rows - load->batch_rows, copy_input.bytes - load->batch_start);
	load->batch_start = copy_input.bytes;
	load->batch_rows = load->rows;
	CHECK_FOR_INTERRUPTS();
}

static void
load_all(Load *load)
{
	ErrorContextCallback errcallback;

	errcallback.callback = CopyFromErrorCallback;
	errcallback.arg = (void *) load->copy;
	errcallback.previous = error_context_stack;
	error_context_stack = &errcallback;
	while (load_row(load))
	{
		if (load->nslots == BATCH_ROWS ||
			copy_input.bytes - load->batch_start >= BATCH_BYTES)
			flush_batch(load);
	}
	error_context_stack = errcallback.previous;
	flush_batch(load);
}

static void
finish_load(Load *load)
{
	FreeBulkInsertState(load->bulk);
	table_finish_bulk_insert(load->staging, load->options);
	for (int i = 0; i < BATCH_ROWS; i++)
		if (load->slots[i] != NULL)
			ExecDropSingleTupleTableSlot(load->slots[i]);
	EndCopyFrom(load->copy);
	ExecResetTupleTable(load->estate->es_tupleTable, false);
	FreeExecutorState(load->estate);
}

void
load_rows(Relation target, const LoadJob *job, const Stage *stage, Source *source,
		  LoadResult *result)
{
	Load	   *load = palloc0(sizeof(Load));
	OwnerContext owner;

	memset(&copy_input, 0, sizeof(copy_input));
	copy_input.source = source;

	load->index = job->index;
	progress_add(job->index, job->rows_before, job->bytes_before);
	load->target = target;
	load->staging = table_open(stage->staging, RowExclusiveLock);
	staging_check_columns(target, load->staging);
	load->cid = GetCurrentCommandId(true);
	load->options = TABLE_INSERT_SKIP_FSM | TABLE_INSERT_FROZEN;
	load->bulk = GetBulkInsertState();

	owner_enter(&owner, target->rd_rel->relowner);
	if (job->keep != NIL)
		load->kept = kept_load_begin(target, load->staging, stage->copy, stage->yielded,
									 job->row_name, job->keep);
	prepare_executor(load, job);
	load_all(load);
	if (load->rewrite != NULL)
		row_query_end(load->rewrite);
	owner_leave(&owner);

	finish_load(load);
	if (load->kept != NULL)
		result->kept = kept_load_end(load->kept);
	result->rows = load->rows;
	result->bytes = copy_input.bytes;
	table_close(load->staging, NoLock);
	pfree(load);
	CommandCounterIncrement();
}
