/*-------------------------------------------------------------------------
 *
 * primary_key.c
 *	  Finds the primary key of a table, deferrable or not.
 *
 * RelationGetPrimaryKeyIndex() returns only keys that are checked immediately;
 * some versions return no others.  Deferrable keys also serve here: the key is
 * used to look up rows, and uniqueness is checked after all rows are in.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_index.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "schema/primary_key.h"

static bool
is_plain_key(Form_pg_index index)
{
	return index->indisprimary && index->indisvalid && !index->indisexclusion;
}

Oid
primary_key_index(Relation rel)
{
	ListCell   *lc;

	foreach(lc, RelationGetIndexList(rel))
	{
		HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(lc)));
		bool		found;

		if (!HeapTupleIsValid(tuple))
			elog(ERROR, "cache lookup failed for index %u", lfirst_oid(lc));
		found = is_plain_key((Form_pg_index) GETSTRUCT(tuple));
		ReleaseSysCache(tuple);
		if (found)
			return lfirst_oid(lc);
	}
	return InvalidOid;
}

bool
primary_key_exists(Oid relid)
{
	Relation	pg_index = table_open(IndexRelationId, AccessShareLock);
	bool		found = false;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_index_indrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	scan = systable_beginscan(pg_index, IndexIndrelidIndexId, true, NULL, 1, &key);
	while (!found && HeapTupleIsValid(tuple = systable_getnext(scan)))
		found = is_plain_key((Form_pg_index) GETSTRUCT(tuple));
	systable_endscan(scan);
	table_close(pg_index, AccessShareLock);
	return found;
}
