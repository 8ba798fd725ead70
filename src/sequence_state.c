/*-------------------------------------------------------------------------
 *
 * sequence_state.c
 *	  Sequences, brought to the source's state.
 *
 * setval() takes effect at once and is not rolled back.  ALTER SEQUENCE …
 * RESTART is: it gives the sequence new storage in this transaction.  So the sequence is
 * restarted first, and setval() then writes the exact state into storage that
 * nobody else can see before the commit.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_sequence.h"
#include "commands/defrem.h"
#include "commands/sequence.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "parser/parse_node.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "compat.h"
#include "sequence_state.h"

static bool
in_range(Oid relid, int64 value)
{
	HeapTuple	tuple = SearchSysCache1(SEQRELID, ObjectIdGetDatum(relid));
	Form_pg_sequence form;
	bool		result;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for sequence %u", relid);
	form = (Form_pg_sequence) GETSTRUCT(tuple);
	result = value >= form->seqmin && value <= form->seqmax;
	ReleaseSysCache(tuple);
	return result;
}

/* ALTER SEQUENCE … RESTART WITH value, as an internal call. */
static void
restart(Oid relid, int64 value)
{
	AlterSeqStmt *stmt = makeNode(AlterSeqStmt);

	stmt->sequence = makeRangeVar(get_namespace_name(get_rel_namespace(relid)),
								  get_rel_name(relid), -1);
	/* its schema may have been renamed: no lock of ours stands against that */
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

void
sequence_restore(const SequencePlan *sequence)
{
	if (!in_range(sequence->relid, sequence->last_value))
	{
		ereport(WARNING,
				(errmsg("sequence \"%s\" was left as it is", sequence->display),
				 errdetail("The source's value " INT64_FORMAT " is outside the local sequence's range.",
						   sequence->last_value)));
		return;
	}
	restart(sequence->relid, sequence->last_value);
	DirectFunctionCall3(setval3_oid, ObjectIdGetDatum(sequence->relid),
						Int64GetDatum(sequence->last_value),
						BoolGetDatum(sequence->is_called));
}
