/*-------------------------------------------------------------------------
 *
 * swap.c
 *	  Exchanges the storage of a table and its staging heap.
 *
 * A pg_class row names the file of a relation.  Exchanging these entries
 * between target and staging heap, and between each index and its counterpart,
 * replaces the table with a few catalog updates, whatever its size.  OIDs do
 * not change, so views, functions, grants, triggers and foreign keys are kept.
 * This is swap_relation_files() of PostgreSQL's cluster.c with these
 * differences:
 *
 * - Indexes are swapped, not rebuilt.  finish_heap_swap() would reindex under
 *   the lock.
 * - TOAST tables are swapped by link, never by content.
 * - No storage is marked as new.  It was created by another transaction and
 *   has been logged completely.
 * - pg_statistic is swapped, too, because the new rows have already been
 *   analyzed.
 *
 * The staging heap receives the old storage, which is dropped with it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/multixact.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/toast_internals.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/catalog.h"
#include "catalog/dependency.h"
#include "catalog/heap.h"
#include "catalog/index.h"
#include "catalog/indexing.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "catalog/pg_statistic.h"
#include "commands/cluster.h"
#include "commands/tablecmds.h"
#include "pgstat.h"
#include "storage/lmgr.h"
#include "storage/predicate.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "staging/staging.h"
#include "apply/swap.h"

#define EXCHANGE(type, a, b) \
	do { type exchange_ = (a); (a) = (b); (b) = exchange_; } while (0)

/* Raises an error if the two relations cannot exchange their files. */
static void
check_same_kind(Form_pg_class a, Form_pg_class b)
{
	if (a->relkind != b->relkind || a->relam != b->relam ||
		a->relpersistence != b->relpersistence ||
		a->relisshared != b->relisshared ||
		!OidIsValid(a->relfilenode) || !OidIsValid(b->relfilenode))
		elog(ERROR, "relations %u and %u cannot exchange their storage", a->oid, b->oid);
}

/* Exchanges the fields of pg_class that belong to the storage. */
static void
exchange_storage(Form_pg_class a, Form_pg_class b)
{
	EXCHANGE(Oid, a->relfilenode, b->relfilenode);
	EXCHANGE(Oid, a->reltablespace, b->reltablespace);
	EXCHANGE(int32, a->relpages, b->relpages);
	EXCHANGE(float4, a->reltuples, b->reltuples);
	EXCHANGE(int32, a->relallvisible, b->relallvisible);
	compat_exchange_relallfrozen(a, b);
	if (a->relkind == RELKIND_RELATION)
	{
		EXCHANGE(Oid, a->reltoastrelid, b->reltoastrelid);
		EXCHANGE(TransactionId, a->relfrozenxid, b->relfrozenxid);
		EXCHANGE(MultiXactId, a->relminmxid, b->relminmxid);
	}
}

/* Removes the dependency of a TOAST table on its heap. */
static void
remove_toast_dependency(Oid toast)
{
	if (OidIsValid(toast) &&
		deleteDependencyRecordsFor(RelationRelationId, toast, false) != 1)
		elog(ERROR, "unexpected dependencies of toast table %u", toast);
}

static void
add_toast_dependency(Oid heap, Oid toast)
{
	ObjectAddress base;
	ObjectAddress dependent;

	if (!OidIsValid(toast))
		return;
	ObjectAddressSet(base, RelationRelationId, heap);
	ObjectAddressSet(dependent, RelationRelationId, toast);
	recordDependencyOn(&dependent, &base, DEPENDENCY_INTERNAL);
}

static void
exchange_toast_dependencies(Form_pg_class a, Form_pg_class b)
{
	remove_toast_dependency(a->reltoastrelid);
	remove_toast_dependency(b->reltoastrelid);
	add_toast_dependency(a->oid, a->reltoastrelid);
	add_toast_dependency(b->oid, b->reltoastrelid);
}

/* Exchanges the storage of two relations of one kind, heaps or indexes. */
static void
swap_relations(Oid target, Oid staging)
{
	Relation	class_rel = table_open(RelationRelationId, RowExclusiveLock);
	HeapTuple	target_tuple = SearchSysCacheCopy1(RELOID, ObjectIdGetDatum(target));
	HeapTuple	staging_tuple = SearchSysCacheCopy1(RELOID, ObjectIdGetDatum(staging));
	CatalogIndexState indexes;
	Form_pg_class a;
	Form_pg_class b;

	if (!HeapTupleIsValid(target_tuple) || !HeapTupleIsValid(staging_tuple))
		elog(ERROR, "cache lookup failed for relation %u or %u", target, staging);
	a = (Form_pg_class) GETSTRUCT(target_tuple);
	b = (Form_pg_class) GETSTRUCT(staging_tuple);
	check_same_kind(a, b);
	exchange_storage(a, b);

	indexes = CatalogOpenIndexes(class_rel);
	CatalogTupleUpdateWithInfo(class_rel, &target_tuple->t_self, target_tuple, indexes);
	CatalogTupleUpdateWithInfo(class_rel, &staging_tuple->t_self, staging_tuple, indexes);
	CatalogCloseIndexes(indexes);
	InvokeObjectPostAlterHookArg(RelationRelationId, target, 0, InvalidOid, true);
	InvokeObjectPostAlterHookArg(RelationRelationId, staging, 0, InvalidOid, true);
	if (a->relkind == RELKIND_RELATION)
		exchange_toast_dependencies(a, b);
	table_close(class_rel, RowExclusiveLock);
	compat_close_smgr(target);
	compat_close_smgr(staging);
	CommandCounterIncrement();
}

/*
 * Deletes the statistics of the relation's own rows.  RemoveStatistics() would
 * also delete those of the table with its inheritance children.
 */
static void
remove_own_statistics(Oid relid)
{
	Relation	statistics = table_open(StatisticRelationId, RowExclusiveLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_statistic_starelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	scan = systable_beginscan(statistics, StatisticRelidAttnumInhIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		if (!((Form_pg_statistic) GETSTRUCT(tuple))->stainherit)
			CatalogTupleDelete(statistics, &tuple->t_self);
	systable_endscan(scan);
	table_close(statistics, RowExclusiveLock);
	CommandCounterIncrement();
}

/* Replaces the statistics of the target by those of the new rows. */
static void
move_statistics(Oid target, Oid staging)
{
	remove_own_statistics(target);
	CopyStatistics(staging, target);
	CommandCounterIncrement();
}

static void
swap_index(Oid target_index, Oid staging_heap)
{
	Oid			counterpart = staging_index(staging_heap, target_index);

	if (!OidIsValid(counterpart))
		elog(ERROR, "index %u has no counterpart in staging", target_index);
	LockRelationOid(target_index, AccessExclusiveLock);
	LockRelationOid(counterpart, AccessExclusiveLock);
	swap_relations(target_index, counterpart);
	move_statistics(target_index, counterpart);
}

/* Names the TOAST table after its new owner, as finish_heap_swap() does. */
static void
rename_toast(Oid target)
{
	Relation	rel = table_open(target, NoLock);
	Oid			toast = rel->rd_rel->reltoastrelid;
	Oid			toast_index;
	char		name[NAMEDATALEN];

	table_close(rel, NoLock);
	if (!OidIsValid(toast))
		return;
	toast_index = toast_get_valid_index(toast, AccessExclusiveLock);
	snprintf(name, sizeof(name), "pg_toast_%u", target);
	RenameRelationInternal(toast, name, true, false);
	snprintf(name, sizeof(name), "pg_toast_%u_index", target);
	RenameRelationInternal(toast_index, name, true, true);
	CommandCounterIncrement();
	ResetRelRewrite(toast);
	CommandCounterIncrement();
}

/* Makes the checks that TRUNCATE makes before it replaces storage. */
static List *
prepare_target(Oid target)
{
	Relation	rel = table_open(target, NoLock);
	List	   *indexes = list_copy(RelationGetIndexList(rel));

	CheckTableNotInUse(rel, "pgtunsync.pull");
	CheckTableForSerializableConflictIn(rel);
	TransferPredicateLocksToHeapRelation(rel);
	table_close(rel, NoLock);
	return indexes;
}

/* Reports to the statistics system that these rows have been analyzed. */
static void
report_analyzed(Oid target)
{
	Relation	rel = table_open(target, NoLock);

	compat_report_analyze(rel, Max(rel->rd_rel->reltuples, 0));
	table_close(rel, NoLock);
}

void
swap_table(Oid target, Oid staging)
{
	List	   *indexes = prepare_target(target);
	ListCell   *lc;

	swap_relations(target, staging);
	move_statistics(target, staging);
	foreach(lc, indexes)
		swap_index(lfirst_oid(lc), staging);
	staging_drop(staging);
	rename_toast(target);
	report_analyzed(target);
	list_free(indexes);
}
