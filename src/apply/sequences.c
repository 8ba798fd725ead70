/*-------------------------------------------------------------------------
 *
 * sequences.c
 *	  Sets sequences to the source's state, or behind the rows.
 *
 * setval() takes effect immediately and is not rolled back.  ALTER SEQUENCE …
 * RESTART is transactional: it gives the sequence new storage in this
 * transaction.  So the sequence is restarted first.  setval() then writes the
 * exact state into storage that nobody else can see before the commit.
 *
 * Several tables may use one sequence, and each may ask for another state: the
 * one that is furthest ahead counts.  A sequence only moves forward if a local
 * row that stays may have one of its numbers: a table keeps rows of its own, or
 * a table that is not pulled uses the sequence, too.  The same holds if the
 * state is not the source's, but the highest key that was pulled.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_sequence.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "commands/sequence.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "parser/parse_node.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "apply/sequences.h"
#include "staging/column_max.h"

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
descends(Oid relid)
{
	return sequence_definition(relid).seqincrement < 0;
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

/* ---- the highest keys ---- */

/* The integer part of a numeric; false if it is no number. */
static bool
numeric_as_int64(Datum value, int64 *number)
{
	char	   *text = DatumGetCString(DirectFunctionCall1(numeric_out, value));
	char	   *end;

	*number = strtoll(text, &end, 10);	/* clamps what is too large */
	return end != text;
}

static bool
key_as_int64(Datum value, Oid typid, int64 *number)
{
	switch (typid)
	{
		case INT2OID:
			*number = DatumGetInt16(value);
			return true;
		case INT4OID:
			*number = DatumGetInt32(value);
			return true;
		case INT8OID:
			*number = DatumGetInt64(value);
			return true;
		case NUMERICOID:
			return numeric_as_int64(value, number);
		default:
			return false;
	}
}

/* The key of the sequence's column that is furthest in its direction. */
static void
consider_key(SequencePlan *sequence, TupleTableSlot *slot, bool down)
{
	Oid			typid = TupleDescAttr(slot->tts_tupleDescriptor, sequence->attnum - 1)->atttypid;
	bool		isnull;
	Datum		value = slot_getattr(slot, sequence->attnum, &isnull);
	int64		key;

	if (isnull || !key_as_int64(value, getBaseType(typid), &key))
		return;
	if (!sequence->has_key || (down ? key < sequence->key : key > sequence->key))
		sequence->key = key;
	sequence->has_key = true;
}

/* Reads one row by a btree index on the column, from the end that counts. */
static void
read_key_by_index(Relation heap, Oid indexoid, SequencePlan *sequence, bool down)
{
	Relation	index = index_open(indexoid, AccessShareLock);
	TupleTableSlot *slot = table_slot_create(heap, NULL);
	bool		falls = index->rd_indoption[0] & INDOPTION_DESC;
	IndexScanDesc scan = compat_index_beginscan(heap, index, GetActiveSnapshot(), 1);
	ScanKeyData not_null;

	ScanKeyEntryInitialize(&not_null, SK_ISNULL | SK_SEARCHNOTNULL, 1, InvalidStrategy,
						   InvalidOid, InvalidOid, InvalidOid, (Datum) 0);
	index_rescan(scan, &not_null, 1, NULL, 0);
	if (index_getnext_slot(scan, falls == down ? BackwardScanDirection : ForwardScanDirection, slot))
		consider_key(sequence, slot, down);
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, AccessShareLock);
}

static void
read_key_by_scan(Relation heap, SequencePlan *sequence, bool down)
{
	TableScanDesc scan = table_beginscan(heap, GetActiveSnapshot(), 0, NULL);
	TupleTableSlot *slot = table_slot_create(heap, NULL);

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		consider_key(sequence, slot, down);
	}
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
}

static void
read_key(Oid staging, SequencePlan *sequence)
{
	Relation	heap = table_open(staging, AccessShareLock);
	bool		unique;
	Oid			index = highest_index(staging, sequence->attnum, &unique);
	bool		down = descends(sequence->relid);

	sequence->has_key = false;
	if (OidIsValid(index))
		read_key_by_index(heap, index, sequence, down);
	else
		read_key_by_scan(heap, sequence, down);
	table_close(heap, NoLock);
}

void
sequences_read_keys(const List *staged)
{
	ListCell   *lc_table;
	ListCell   *lc;

	foreach(lc_table, staged)
	{
		const StagedTable *table = lfirst(lc_table);

		foreach(lc, table->plan->sequences)
		{
			SequencePlan *sequence = lfirst(lc);

			if (!sequence->follows && get_rel_relkind(sequence->relid) == RELKIND_SEQUENCE)
				read_key(table->staging, sequence);
		}
	}
}

/* ---- what becomes of each sequence ---- */

/* The state that a sequence shall have. */
typedef struct Change
{
	Oid			relid;			/* the key */
	const char *display;
	bool		known;			/* the state is set */
	bool		forward;		/* only if the sequence is behind it */
	int64		last_value;
	bool		is_called;
} Change;

/* Returns whether the first state is ahead of the second. */
static bool
is_ahead(int64 value, bool is_called, int64 other, bool other_called, bool down)
{
	if (value == other)
		return is_called && !other_called;
	return (value > other) != down;
}

static void
ask_for(Change *change, int64 value, bool is_called)
{
	if (!change->known ||
		is_ahead(value, is_called, change->last_value, change->is_called, descends(change->relid)))
	{
		change->last_value = value;
		change->is_called = is_called;
	}
	change->known = true;
}

/*
 * A key that the sequence never reaches keeps nothing from it, and one beyond
 * its end uses it up.
 */
static void
ask_behind_key(Change *change, int64 key)
{
	FormData_pg_sequence form = sequence_definition(change->relid);

	change->forward = true;
	if (form.seqincrement > 0 ? key >= form.seqmin : key <= form.seqmax)
		ask_for(change, Max(form.seqmin, Min(form.seqmax, key)), true);
}

/* Returns the targets whose rows are all replaced, sorted by OID. */
static List *
replaced_targets(const List *staged)
{
	List	   *oids = NIL;
	ListCell   *lc;

	foreach(lc, staged)
	{
		const StagedTable *table = lfirst(lc);

		if (!table->failed && !staged_merges(table) && table->kept_now.rows == 0)
			oids = lappend_oid(oids, table->target);
	}
	list_sort(oids, list_oid_cmp);
	return oids;
}

static bool
is_replaced(const List *replaced, Oid relid)
{
	int			low = 0;
	int			high = list_length(replaced);

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (list_nth_oid(replaced, middle) < relid)
			low = middle + 1;
		else
			high = middle;
	}
	return low < list_length(replaced) && list_nth_oid(replaced, low) == relid;
}

/* Returns whether no row stays that uses the sequence. */
static bool
replaces_all_users(const List *replaced, const SequencePlan *sequence)
{
	ListCell   *lc;

	foreach(lc, sequence->users)
		if (!is_replaced(replaced, lfirst_oid(lc)))
			return false;
	return true;
}

static HTAB *
create_changes(void)
{
	HASHCTL		ctl = {
		.keysize = sizeof(Oid),
		.entrysize = sizeof(Change),
		.hcxt = CurrentMemoryContext
	};

	return hash_create("pgtunsync sequences", 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static void
add_change(HTAB *changes, const SequencePlan *sequence, const List *replaced)
{
	bool		found;
	Change	   *change = hash_search(changes, &sequence->relid, HASH_ENTER, &found);

	if (!found)
	{
		change->display = sequence->display;
		change->known = false;
		change->forward = !replaces_all_users(replaced, sequence);
	}
	change->forward |= !sequence->may_lower;
	if (sequence->follows)
		ask_for(change, sequence->last_value, sequence->is_called);
	else if (sequence->has_key)
		ask_behind_key(change, sequence->key);
}

/* Returns the Changes by OID, one for each sequence. */
static HTAB *
find_changes(const List *staged)
{
	HTAB	   *changes = create_changes();
	List	   *replaced = replaced_targets(staged);
	ListCell   *lc_table;
	ListCell   *lc;

	foreach(lc_table, staged)
	{
		const StagedTable *table = lfirst(lc_table);

		foreach(lc, table->failed ? NIL : table->plan->sequences)
		{
			SequencePlan *sequence = lfirst(lc);

			if (get_rel_relkind(sequence->relid) == RELKIND_SEQUENCE)
				add_change(changes, sequence, replaced);
		}
	}
	return changes;
}

/* Returns whether the sequence has to be set. */
static bool
is_due(const Change *change)
{
	FormData_pg_sequence_data state;

	if (!change->known)
		return false;
	if (!change->forward)
		return true;
	state = current_state(change->relid);
	return is_ahead(change->last_value, change->is_called, state.last_value, state.is_called,
					descends(change->relid));
}

List *
sequences_to_change(const List *staged)
{
	HTAB	   *changes = find_changes(staged);
	HASH_SEQ_STATUS status;
	Change	   *change;
	List	   *oids = NIL;

	hash_seq_init(&status, changes);
	while ((change = hash_seq_search(&status)) != NULL)
		if (is_due(change))
			oids = lappend_oid(oids, change->relid);
	hash_destroy(changes);
	return oids;
}

/* ---- setting them ---- */

/*
 * Returns whether the sequence is already in that state; a restart would cost
 * a file.  With a cache, other sessions may hold cached values that only a
 * restart invalidates.
 */
static bool
is_in_state(const Change *change)
{
	FormData_pg_sequence_data state = current_state(change->relid);

	return sequence_definition(change->relid).seqcache == 1 &&
		state.last_value == change->last_value && state.is_called == change->is_called;
}

static void
set_sequence(const Change *change)
{
	FormData_pg_sequence form = sequence_definition(change->relid);

	if (is_in_state(change))
		return;
	if (change->last_value < form.seqmin || change->last_value > form.seqmax)
	{
		ereport(WARNING,
				(errmsg("sequence %s was left as it is", change->display),
				 errdetail("The source's value " INT64_FORMAT " is outside the local sequence's range.",
						   change->last_value)));
		return;
	}
	restart(change->relid, change->last_value);
	DirectFunctionCall3(setval3_oid, ObjectIdGetDatum(change->relid),
						Int64GetDatum(change->last_value), BoolGetDatum(change->is_called));
}

void
sequences_restore(const List *staged)
{
	HTAB	   *changes = find_changes(staged);
	HASH_SEQ_STATUS status;
	Change	   *change;

	hash_seq_init(&status, changes);
	while ((change = hash_seq_search(&status)) != NULL)
		if (is_due(change))
			set_sequence(change);
	hash_destroy(changes);
}
