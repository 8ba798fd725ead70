/*-------------------------------------------------------------------------
 *
 * column_max.c
 *	  The highest value of a column.
 *
 * Like max(), this reads the last entry of a btree index, so the size of the
 * table does not matter.  The staging heap of a batch may have no such index,
 * and is scanned.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_am.h"
#include "catalog/pg_index.h"
#include "commands/defrem.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "base/compat.h"
#include "staging/column_max.h"

static bool
is_btree(Oid indexoid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(indexoid));
	bool		result = false;

	if (HeapTupleIsValid(tuple))
	{
		result = ((Form_pg_class) GETSTRUCT(tuple))->relam == BTREE_AM_OID;
		ReleaseSysCache(tuple);
	}
	return result;
}

/* The operator class of an index's first column. */
static Oid
first_opclass(HeapTuple tuple)
{
	bool		isnull;
	Datum		classes = SysCacheGetAttr(INDEXRELID, tuple, Anum_pg_index_indclass, &isnull);

	return ((oidvector *) DatumGetPointer(classes))->values[0];
}

static bool
is_ordered_by(HeapTuple tuple, Oid opclass, AttrNumber attnum)
{
	Form_pg_index index = (Form_pg_index) GETSTRUCT(tuple);

	return index->indisvalid && index->indkey.values[0] == attnum &&
		heap_attisnull(tuple, Anum_pg_index_indpred, NULL) &&
		is_btree(index->indexrelid) && first_opclass(tuple) == opclass;
}

Oid
highest_index(Oid relid, AttrNumber attnum, bool *unique)
{
	Oid			opclass = GetDefaultOpClass(get_atttype(relid, attnum), BTREE_AM_OID);
	Relation	pg_index = table_open(IndexRelationId, AccessShareLock);
	Oid			found = InvalidOid;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	*unique = false;
	ScanKeyInit(&key, Anum_pg_index_indrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	scan = systable_beginscan(pg_index, IndexIndrelidIndexId, true, NULL, 1, &key);
	while (!*unique && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_index index = (Form_pg_index) GETSTRUCT(tuple);

		if (!is_ordered_by(tuple, opclass, attnum))
			continue;
		found = index->indexrelid;
		*unique = index->indisunique && index->indnkeyatts == 1 && index->indimmediate;
	}
	systable_endscan(scan);
	table_close(pg_index, AccessShareLock);
	return found;
}

static char *
datum_text(Datum value, Oid typid)
{
	Oid			output;
	bool		varlena;

	getTypeOutputInfo(typid, &output, &varlena);
	return OidOutputFunctionCall(output, value);
}

static char *
value_text(TupleTableSlot *slot, AttrNumber attnum)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, attnum, &isnull);

	if (isnull)
		elog(ERROR, "the highest value is null");
	return datum_text(value, TupleDescAttr(slot->tts_tupleDescriptor, attnum - 1)->atttypid);
}

char *
highest_value(Oid relid, AttrNumber attnum)
{
	/* without this lock the index could be dropped while it is read */
	Relation	rel = table_open(relid, AccessShareLock);
	bool		unique;
	Oid			indexoid = highest_index(relid, attnum, &unique);
	char	   *value = NULL;
	Relation	index;
	IndexScanDesc scan;
	TupleTableSlot *slot;
	bool		descends;

	if (!OidIsValid(indexoid))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("the index on column \"%s\" of table \"%s\" no longer exists",
						get_attname(relid, attnum, false), get_rel_name(relid))));
	index = index_open(indexoid, AccessShareLock);
	descends = index->rd_indoption[0] & INDOPTION_DESC;
	slot = table_slot_create(rel, NULL);
	scan = compat_index_beginscan(rel, index, GetActiveSnapshot(), 0);
	index_rescan(scan, NULL, 0, NULL, 0);
	if (index_getnext_slot(scan, descends ? ForwardScanDirection : BackwardScanDirection, slot))
		value = value_text(slot, attnum);
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, AccessShareLock);
	table_close(rel, AccessShareLock);
	return value;
}

char *
highest_of_batch(Oid relid, AttrNumber attnum)
{
	Relation	rel = table_open(relid, AccessShareLock);
	Form_pg_attribute attr = TupleDescAttr(RelationGetDescr(rel), attnum - 1);
	TypeCacheEntry *type = lookup_type_cache(attr->atttypid, TYPECACHE_CMP_PROC_FINFO);
	TableScanDesc scan = table_beginscan(rel, GetActiveSnapshot(), 0, NULL);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	bool		found = false;
	Datum		highest = (Datum) 0;
	char	   *value = NULL;

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		bool		isnull;
		Datum		next = slot_getattr(slot, attnum, &isnull);

		Assert(!isnull);
		CHECK_FOR_INTERRUPTS();
		if (found && DatumGetInt32(FunctionCall2Coll(&type->cmp_proc_finfo, InvalidOid,
													 next, highest)) <= 0)
			continue;
		if (found && !attr->attbyval)
			pfree(DatumGetPointer(highest));
		highest = datumCopy(next, attr->attbyval, attr->attlen);
		found = true;
	}
	if (found)
		value = datum_text(highest, attr->atttypid);
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	table_close(rel, NoLock);
	return value;
}
