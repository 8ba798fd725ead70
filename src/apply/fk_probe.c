/*-------------------------------------------------------------------------
 *
 * fk_probe.c
 *	  Checks a foreign key by looking up each reference in the unique index.
 *
 * A query that joins the two tables is faster.  But the planner evaluates
 * constant parts of all index expressions, index predicates and statistics
 * expressions of both tables, which are code of their owners.  While targets
 * are locked, everybody who writes to them would wait for that code.  So if a
 * table has such expressions, the references are looked up here one by one, as
 * the server's own triggers would do.  There is one heap scan, and for each
 * row a scan of the unique index of the key, which has neither expressions nor
 * a predicate.
 *
 * - The operators are those of the constraint (conpfeqop), which belong to the
 *   index's operator family.  If the type of the operator differs from the
 *   type of the column, the value is cast.
 * - With MATCH SIMPLE, a row with any NULL in the key is not a reference.
 *   With MATCH FULL, this needs all columns to be NULL; a mixed key never has
 *   a match.
 * - For a partitioned table, the index of each leaf is searched.
 *
 * An operator or a cast may itself be a user's function.  This is rare,
 * because only superusers can create operator classes.  Such functions run as
 * the owner of the referencing table, read-only and for at most OWNER_BASE_MS.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/nbtree.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "access/tableam.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_coerce.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "apply/fk_probe.h"
#include "base/compat.h"
#include "base/user_context.h"
#include "eval/user_code.h"

/* One column of the key. */
typedef struct ProbeColumn
{
	AttrNumber	attnum;			/* column of the referencing row */
	int			position;		/* position in the index, from 0 */
	Node	   *reference;		/* the referencing column, cast to the operator's type */
	ExprState  *value;			/* the same, initialized */
	Oid			output;			/* output function, for samples */
} ProbeColumn;

/* A heap that may contain referenced rows. */
typedef struct Referenced
{
	Relation	heap;
	Relation	index;
	IndexScanDesc scan;
	TupleTableSlot *slot;
} Referenced;

typedef struct Probe
{
	const KeyProbe *spec;
	Relation	referencing;
	TupleTableSlot *slot;
	EState	   *estate;
	int			nreferenced;
	Referenced *referenced;
	ProbeColumn columns[INDEX_MAX_KEYS];
	ScanKeyData keys[INDEX_MAX_KEYS];
	bool		user_code;		/* an operator or a cast is a user's function */

	int64		orphans;
	int			max_samples;
	RestrictedRows *samples;
} Probe;

static void pg_attribute_noreturn()
raise_unsupported(const ForeignKey *key, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("foreign key \"%s\" of table \"%s\" cannot be checked without a query",
					key->name, get_rel_name(key->fk_relid)),
			 errdetail("%s A query would run code of a table's owner, because an index or statistics object of the two tables calls a function that is not built in.",
					   detail),
			 errhint("Drop that index or statistics object during the pull, or pull both tables together.")));
}

/* ---- one column ---- */

/* Returns the position of the column in the index of the referenced table. */
static int
index_position(const ForeignKey *key, int i)
{
	Relation	index = index_open(key->index, AccessShareLock);
	int			position = -1;

	for (int j = 0; j < IndexRelationGetNumberOfKeyAttributes(index); j++)
		if (index->rd_index->indkey.values[j] == key->pk_attnums[i])
			position = j;
	index_close(index, NoLock);
	if (position < 0)
		elog(ERROR, "column %d of foreign key \"%s\" is not in index %u",
			 i + 1, key->name, key->index);
	return position;
}

/* Returns the referencing column, cast to the operator's type if necessary. */
static Node *
reference_value(const Probe *probe, AttrNumber attnum, Oid wanted)
{
	Form_pg_attribute attr = TupleDescAttr(RelationGetDescr(probe->referencing), attnum - 1);
	Node	   *value = (Node *) makeVar(1, attnum, attr->atttypid, attr->atttypmod,
										 attr->attcollation, 0);

	if (attr->atttypid == wanted || IsPolymorphicType(wanted))
		return value;
	value = coerce_to_target_type(NULL, value, attr->atttypid, wanted, -1, COERCION_EXPLICIT,
								  COERCE_EXPLICIT_CAST, -1);
	if (value == NULL)
		elog(ERROR, "no cast from type %u to %u", attr->atttypid, wanted);
	return value;
}

/* Returns whether comparing this column calls a user's function. */
static bool
is_user_comparison(Node *value, Oid operator, Oid opfamily, Oid left, Oid right)
{
	Oid			support = get_opfamily_proc(opfamily, left, right, BTORDER_PROC);
	FuncExpr   *equality = makeFuncExpr(get_opcode(operator), BOOLOID, NIL, InvalidOid,
										InvalidOid, COERCE_EXPLICIT_CALL);
	List	   *calls = list_make2(value, equality);

	if (OidIsValid(support))
		calls = lappend(calls, makeFuncExpr(support, INT4OID, NIL, InvalidOid, InvalidOid,
											COERCE_EXPLICIT_CALL));
	return user_code_in((Node *) calls);
}

/*
 * Raises an error if the index has another collation than its column, unless
 * both are deterministic.  All deterministic collations have the same
 * equality.
 */
static void
check_collation(const ForeignKey *key, int i, Oid index_collation)
{
	Oid			type;
	int32		typmod;
	Oid			collation;

	get_atttypetypmodcoll(key->pk_relid, key->pk_attnums[i], &type, &typmod, &collation);
	if (collation == index_collation || !OidIsValid(collation) || !OidIsValid(index_collation))
		return;
	if (!get_collation_isdeterministic(collation) ||
		!get_collation_isdeterministic(index_collation))
		raise_unsupported(key, "The referenced index has another collation than its column.");
}

static void
init_column(Probe *probe, int i)
{
	const ForeignKey *key = probe->spec->key;
	ProbeColumn *column = &probe->columns[i];
	Form_pg_attribute attr;
	bool		varlena;
	Relation	index;
	Oid			left;
	Oid			right;

	column->attnum = key->fk_attnums[i];
	attr = TupleDescAttr(RelationGetDescr(probe->referencing), column->attnum - 1);
	getTypeOutputInfo(attr->atttypid, &column->output, &varlena);
	if (probe->nreferenced == 0)
		return;					/* there is nothing to look up in */
	column->position = index_position(key, i);
	index = probe->referenced[0].index;
	check_collation(key, i, index->rd_indcollation[column->position]);
	op_input_types(key->operators[i], &left, &right);
	column->reference = reference_value(probe, column->attnum, right);
	probe->user_code |= is_user_comparison(column->reference, key->operators[i],
										   index->rd_opfamily[column->position], left, right);
	ScanKeyEntryInitialize(&probe->keys[column->position], 0, column->position + 1,
						   BTEqualStrategyNumber, right,
						   index->rd_indcollation[column->position],
						   get_opcode(key->operators[i]), (Datum) 0);
}

/* ---- begin and end ---- */

static void
open_referenced(Probe *probe)
{
	ListCell   *lc_heap;
	ListCell   *lc_index;

	probe->referenced = palloc0(sizeof(Referenced) * Max(1, list_length(probe->spec->referenced)));
	forboth(lc_heap, probe->spec->referenced, lc_index, probe->spec->indexes)
	{
		Referenced *referenced = &probe->referenced[probe->nreferenced++];

		referenced->heap = table_open(lfirst_oid(lc_heap), AccessShareLock);
		referenced->index = index_open(lfirst_oid(lc_index), AccessShareLock);
		referenced->slot = table_slot_create(referenced->heap, NULL);
		referenced->scan = compat_index_beginscan(referenced->heap, referenced->index,
												  GetActiveSnapshot(), probe->spec->key->nkeys);
	}
}

static void
close_referenced(Probe *probe)
{
	for (int i = 0; i < probe->nreferenced; i++)
	{
		Referenced *referenced = &probe->referenced[i];

		index_endscan(referenced->scan);
		ExecDropSingleTupleTableSlot(referenced->slot);
		index_close(referenced->index, NoLock);
		table_close(referenced->heap, NoLock);
	}
}

static void
begin_probe(Probe *probe)
{
	if (probe->spec->key->period)
		raise_unsupported(probe->spec->key, "It has a PERIOD.");
	probe->referencing = table_open(probe->spec->referencing, AccessShareLock);
	probe->slot = table_slot_create(probe->referencing, NULL);
	probe->estate = CreateExecutorState();
	probe->samples = palloc0(sizeof(RestrictedRows));
	probe->samples->ncolumns = probe->spec->key->nkeys;
	probe->samples->values = palloc0(sizeof(char **) * Max(1, probe->max_samples));
	open_referenced(probe);
	for (int i = 0; i < probe->spec->key->nkeys; i++)
		init_column(probe, i);
}

/*
 * Initializes the casts.  This checks privileges, and calls the hook that
 * rejects functions, so it must happen as the owner.
 */
static void
init_values(Probe *probe)
{
	for (int i = 0; i < probe->spec->key->nkeys && probe->nreferenced > 0; i++)
		probe->columns[i].value = ExecInitExpr((Expr *) probe->columns[i].reference, NULL);
}

static void
end_probe(Probe *probe)
{
	close_referenced(probe);
	FreeExecutorState(probe->estate);
	ExecDropSingleTupleTableSlot(probe->slot);
	table_close(probe->referencing, NoLock);
}

/* ---- samples ---- */

static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool
is_new_sample(const RestrictedRows *samples, char **row)
{
	for (int i = 0; i < samples->nrows; i++)
	{
		bool		same = true;

		for (int j = 0; j < samples->ncolumns; j++)
			same &= same_text(samples->values[i][j], row[j]);
		if (same)
			return false;
	}
	return true;
}

static void
add_sample(Probe *probe)
{
	char	  **row = palloc0(sizeof(char *) * probe->spec->key->nkeys);

	for (int i = 0; i < probe->spec->key->nkeys; i++)
	{
		bool		isnull;
		Datum		value = slot_getattr(probe->slot, probe->columns[i].attnum, &isnull);

		if (!isnull)
			row[i] = OidOutputFunctionCall(probe->columns[i].output, value);
	}
	if (is_new_sample(probe->samples, row))
		probe->samples->values[probe->samples->nrows++] = row;
}

/* ---- rows ---- */

/* Fills in the scan keys from the current row. */
static void
set_keys(Probe *probe)
{
	ExprContext *econtext = GetPerTupleExprContext(probe->estate);

	econtext->ecxt_scantuple = probe->slot;
	for (int i = 0; i < probe->spec->key->nkeys; i++)
	{
		ProbeColumn *column = &probe->columns[i];
		bool		isnull;
		Datum		value = ExecEvalExprSwitchContext(column->value, econtext, &isnull);

		probe->keys[column->position].sk_argument = value;
		probe->keys[column->position].sk_flags = isnull ? SK_ISNULL : 0;
	}
}

static bool
find_referenced(Probe *probe)
{
	MemoryContext oldcontext;
	bool		found = false;

	if (probe->nreferenced == 0)
		return false;
	set_keys(probe);
	/* the scan keeps information about dead rows across rows */
	oldcontext = MemoryContextSwitchTo(probe->estate->es_query_cxt);
	for (int i = 0; i < probe->nreferenced && !found; i++)
	{
		Referenced *referenced = &probe->referenced[i];

		index_rescan(referenced->scan, probe->keys, probe->spec->key->nkeys, NULL, 0);
		found = index_getnext_slot(referenced->scan, ForwardScanDirection, referenced->slot);
		ExecClearTuple(referenced->slot);
	}
	MemoryContextSwitchTo(oldcontext);
	return found;
}

/* Returns whether the current row refers to a row that does not exist. */
static bool
is_orphan(Probe *probe)
{
	const ForeignKey *key = probe->spec->key;
	int			nulls = 0;

	for (int i = 0; i < key->nkeys; i++)
		nulls += slot_attisnull(probe->slot, probe->columns[i].attnum);
	if (key->match_full ? nulls == key->nkeys : nulls > 0)
		return false;
	return nulls > 0 || !find_referenced(probe);
}

static bool
is_wanted(Probe *probe)
{
	bool		isnull;

	return !TransactionIdIsValid(probe->spec->written) ||
		DatumGetTransactionId(slot_getsysattr(probe->slot, MinTransactionIdAttributeNumber,
											  &isnull)) == probe->spec->written;
}

static void
probe_rows(Probe *probe)
{
	TableScanDesc scan = table_beginscan(probe->referencing, GetActiveSnapshot(), 0, NULL);

	while (table_scan_getnextslot(scan, ForwardScanDirection, probe->slot))
	{
		CHECK_FOR_INTERRUPTS();
		ResetPerTupleExprContext(probe->estate);
		if (!is_wanted(probe) || !is_orphan(probe))
			continue;
		probe->orphans++;
		if (probe->samples->nrows < probe->max_samples)
			add_sample(probe);
	}
	table_endscan(scan);
}

int64
fk_probe(const KeyProbe *spec, int max_samples, RestrictedRows **samples)
{
	Probe		probe = {.spec = spec, .max_samples = max_samples};
	OwnerContext owner;

	begin_probe(&probe);
	if (probe.user_code)
		owner_enter(&owner, spec->owner);
	init_values(&probe);
	probe_rows(&probe);
	if (probe.user_code)
		owner_leave(&owner);
	end_probe(&probe);
	*samples = probe.samples;
	return probe.orphans;
}
