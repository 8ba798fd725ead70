/*-------------------------------------------------------------------------
 *
 * sequences.c
 *	  Sets sequences to the source's state.
 *
 * setval() takes effect immediately and is not rolled back.  ALTER SEQUENCE …
 * RESTART is transactional: it gives the sequence new storage in this
 * transaction.  So the sequence is restarted first.  setval() then writes the
 * exact state into storage that nobody else can see before the commit.
 *
 * If a table keeps rows of its own, their numbers have already been used.
 * Then the sequence only moves forward.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_sequence.h"
#include "commands/defrem.h"
#include "commands/sequence.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "parser/parse_node.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "apply/sequences.h"

static FormData_pg_sequence
sequence_definition(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(SEQRELID, ObjectIdGetDatum(relid));
	FormData_pg_sequence form;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for sequence %u", relid);
	form = *(Form_pg_sequence) GETSTRUCT(tuple);
	ReleaseSysCache(tuple);
	return form;
}

static bool
in_range(Oid relid, int64 value)
{
	FormData_pg_sequence form = sequence_definition(relid);

	return value >= form.seqmin && value <= form.seqmax;
}

/*
 * Returns the current state of the sequence, read from its one row like
 * read_seq_tuple() does.
 */
static FormData_pg_sequence_data
current_state(Oid relid)
{
	Relation	rel = relation_open(relid, AccessShareLock);
	FormData_pg_sequence_data state;
	HeapTupleHeader row;
	Buffer		buffer;
	Page		page;

	if (rel->rd_rel->relkind != RELKIND_SEQUENCE)
		elog(ERROR, "relation %u is not a sequence", relid);
	buffer = ReadBuffer(rel, 0);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(buffer);
	row = (HeapTupleHeader) PageGetItem(page, PageGetItemId(page, FirstOffsetNumber));
	state = *(Form_pg_sequence_data) ((char *) row + row->t_hoff);
	UnlockReleaseBuffer(buffer);
	relation_close(rel, AccessShareLock);
	return state;
}

/* Runs ALTER SEQUENCE … RESTART WITH value, as an internal call. */
static void
restart(Oid relid, int64 value)
{
	AlterSeqStmt *stmt = makeNode(AlterSeqStmt);

	stmt->sequence = makeRangeVar(get_namespace_name(get_rel_namespace(relid)),
								  get_rel_name(relid), -1);
	/* its schema may have been renamed, since no lock prevents that */
	if (RangeVarGetRelid(stmt->sequence, NoLock, true) != relid)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("sequence \"%s\" was renamed meanwhile", get_rel_name(relid))));
	stmt->options = list_make1(makeDefElem("restart",
										   (Node *) makeFloat(psprintf(INT64_FORMAT, value)),
										   -1));
	stmt->for_identity = true;
	(void) AlterSequence(make_parsestate(NULL), stmt);
	CommandCounterIncrement();
}

/*
 * Returns whether the sequence is already in the source's state; a restart
 * would cost a file.  With a cache, other sessions may hold cached values that
 * only a restart invalidates.
 */
static bool
is_in_state(const SequencePlan *sequence)
{
	FormData_pg_sequence_data state = current_state(sequence->relid);

	return sequence_definition(sequence->relid).seqcache == 1 &&
		state.last_value == sequence->last_value && state.is_called == sequence->is_called;
}

void
sequence_restore(const SequencePlan *sequence)
{
	if (is_in_state(sequence))
		return;
	if (!in_range(sequence->relid, sequence->last_value))
	{
		ereport(WARNING,
				(errmsg("sequence %s was left as it is", sequence->display),
				 errdetail("The source's value " INT64_FORMAT " is outside the local sequence's range.",
						   sequence->last_value)));
		return;
	}
	restart(sequence->relid, sequence->last_value);
	DirectFunctionCall3(setval3_oid, ObjectIdGetDatum(sequence->relid),
						Int64GetDatum(sequence->last_value),
						BoolGetDatum(sequence->is_called));
}

bool
sequence_is_behind(const SequencePlan *sequence)
{
	FormData_pg_sequence_data local = current_state(sequence->relid);
	bool		descends = sequence_definition(sequence->relid).seqincrement < 0;

	if (sequence->last_value == local.last_value)
		return sequence->is_called && !local.is_called;
	return (sequence->last_value > local.last_value) != descends;
}

void
sequence_advance(const SequencePlan *sequence)
{
	if (sequence_is_behind(sequence))
		sequence_restore(sequence);
}
