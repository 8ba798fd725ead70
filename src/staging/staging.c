/*-------------------------------------------------------------------------
 *
 * staging.c
 *	  Staging heaps hold the new rows of a table until the swap.
 *
 * A staging heap has the target's physical form, so that the two can exchange
 * their storage: the same columns (also dropped ones), access method,
 * persistence, tablespace and storage options, a toast table, and an index of
 * the same definition for each index of the target.  It has no defaults,
 * constraints or triggers.  It is created like make_new_heap() in PostgreSQL's
 * cluster.c and index_concurrently_create_copy() in index.c create their
 * relations.
 *
 * It lives in a schema of the extension and
 *	- belongs to the target's owner, because index_build() and ANALYZE run
 *	  index expressions as the owner of the table.  The schema grants USAGE to
 *	  nobody, so the owner cannot name the staging heap and alter it;
 *	- has pg_class.relrewrite = target, so that logical decoding ignores it;
 *	- is a member of the extension, so that pg_dump omits it and DROP EXTENSION
 *	  drops leftovers.
 *
 * A leftover is a table in that schema that is a member of the extension and
 * has the id of a run without a leader in its name (see run_lock.c).
 * pg_upgrade preserves these three marks; it does not preserve relrewrite.
 * Nobody but a superuser can forge them: only superusers can create, rename or
 * move a table in that schema, and a table that a superuser puts there is not
 * a member.
 *
 * The heap and its empty indexes are committed before the first row is
 * loaded.  If the server crashes while a transaction creates a relation,
 * nothing ever removes the files of that relation.  Files of a committed
 * relation are removed when it is dropped.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/reloptions.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/catalog.h"
#include "catalog/dependency.h"
#include "catalog/heap.h"
#include "catalog/index.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_index.h"
#include "catalog/pg_namespace.h"
#include "catalog/toasting.h"
#include "commands/cluster.h"
#include "commands/extension.h"
#include "commands/tablecmds.h"
#include "common/hashfn.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/run_lock.h"
#include "eval/user_code.h"
#include "staging/index_build.h"
#include "base/user_context.h"
#include "base/names.h"
#include "schema/primary_key.h"
#include "staging/staging.h"

/* the id of the run, followed by the target's OID */
#define STAGING_PREFIX	"staging_" INT64_FORMAT "_"

static Oid
staging_namespace(void)
{
	return get_namespace_oid(PGTUNSYNC_STAGING, false);
}

/* pg_class.reloptions of a relation; 0 if there are none. */
static Datum
relation_options(HeapTuple class_tuple)
{
	bool		isnull;
	Datum		options = SysCacheGetAttr(RELOID, class_tuple,
										  Anum_pg_class_reloptions, &isnull);

	return isnull ? (Datum) 0 : options;
}

/*
 * The storage options of the heap while it is loaded: those of the target,
 * since fillfactor and toast_tuple_target affect the pages, with autovacuum
 * disabled.
 */
static Datum
loading_options(HeapTuple class_tuple)
{
	DefElem    *off = makeDefElem("autovacuum_enabled", (Node *) makeString("off"), -1);

	return transformRelOptions(relation_options(class_tuple), list_make1(off),
							   NULL, NULL, false, false);
}

/* Makes the heap a member of the extension. */
static void
record_membership(Oid staging)
{
	ObjectAddress heap;
	ObjectAddress extension;

	ObjectAddressSet(heap, RelationRelationId, staging);
	ObjectAddressSet(extension, ExtensionRelationId,
					 get_extension_oid(PGTUNSYNC_LIBRARY, false));
	recordDependencyOn(&heap, &extension, DEPENDENCY_EXTENSION);
}

/* CreateTupleDescCopy() omits generated columns, identity and constraints. */
static Oid
create_heap(Relation target, int64 run_id, const char *suffix)
{
	Form_pg_class form = target->rd_rel;
	TupleDesc	columns = CreateTupleDescCopy(RelationGetDescr(target));
	char		name[NAMEDATALEN];
	HeapTuple	tuple;
	Oid			staging;

	snprintf(name, sizeof(name), STAGING_PREFIX "%u%s", run_id, RelationGetRelid(target), suffix);
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(RelationGetRelid(target)));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", RelationGetRelid(target));
	staging = heap_create_with_catalog(name, staging_namespace(), form->reltablespace,
									   InvalidOid, InvalidOid, InvalidOid,
									   form->relowner, form->relam,
									   columns, NIL,
									   RELKIND_RELATION, form->relpersistence,
									   false, false, ONCOMMIT_NOOP,
									   loading_options(tuple),
									   false, true, true,
									   RelationGetRelid(target), NULL);
	ReleaseSysCache(tuple);
	record_membership(staging);
	CommandCounterIncrement();
	return staging;
}

static void
create_toast(Relation target, Oid staging)
{
	Oid			toast = target->rd_rel->reltoastrelid;
	HeapTuple	tuple;

	if (!OidIsValid(toast))
		return;
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(toast));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", toast);
	NewHeapCreateToastTable(staging, relation_options(tuple), AccessExclusiveLock, toast);
	ReleaseSysCache(tuple);
	CommandCounterIncrement();
}

static void
staging_index_name(char *name, Oid staging, Oid target_index)
{
	snprintf(name, NAMEDATALEN, "index_%u_%u", staging, target_index);
}

Oid
staging_index(Oid staging, Oid target_index)
{
	char		name[NAMEDATALEN];

	staging_index_name(name, staging, target_index);
	return get_relname_relid(name, staging_namespace());
}

char *
staging_name(Oid staging)
{
	return quote_qualified_identifier(PGTUNSYNC_STAGING, get_rel_name(staging));
}

/*
 * The expression that is stored in a column of pg_index; NULL if there is
 * none.
 */
static Node *
stored_tree(HeapTuple index_tuple, AttrNumber column)
{
	bool		isnull;
	Datum		tree = SysCacheGetAttr(INDEXRELID, index_tuple, column, &isnull);

	return isnull ? NULL : stringToNode(TextDatumGetCString(tree));
}

/*
 * The definition with which an index is created.  It has the expressions as
 * they are stored in the catalog: BuildIndexInfo() would evaluate their
 * constants (see index_concurrently_create_copy()).  An invalid index, left by
 * a CREATE INDEX CONCURRENTLY that failed, may be invalid because its rows are
 * not unique.  So its copy is not unique.
 */
static IndexInfo *
stored_index_info(Relation target_index, HeapTuple index_tuple)
{
	IndexInfo  *info = BuildDummyIndexInfo(target_index);
	Node	   *predicate = stored_tree(index_tuple, Anum_pg_index_indpred);

	info->ii_Expressions = (List *) stored_tree(index_tuple, Anum_pg_index_indexprs);
	info->ii_Predicate = make_ands_implicit((Expr *) predicate);
	compat_take_opclass_options(info, target_index);
	if (target_index->rd_index->indisexclusion)
		RelationGetExclusionInfo(target_index, &info->ii_ExclusionOps, &info->ii_ExclusionProcs,
								 &info->ii_ExclusionStrats);
	if (!target_index->rd_index->indisvalid)
		info->ii_Unique = false;
	return info;
}

/* The definition with which an index of the staging heap is built. */
static IndexInfo *
build_info(Relation index)
{
	IndexInfo  *info = BuildIndexInfo(index);

	info->ii_Concurrent = false;
	info->ii_ReadyForInserts = true;
	return info;
}

static List *
index_column_names(Relation index)
{
	TupleDesc	desc = RelationGetDescr(index);
	List	   *names = NIL;

	for (int i = 0; i < desc->natts; i++)
		names = lappend(names, pstrdup(NameStr(TupleDescAttr(desc, i)->attname)));
	return names;
}

/*
 * An index that is not built yet has no pages.  Neither the planner nor a
 * VACUUM of the whole database may read it.  It can stay in this state if the
 * server crashes.
 */
static void
set_index_usable(Oid indexoid, bool usable)
{
	Relation	index_rel = table_open(IndexRelationId, RowExclusiveLock);
	HeapTuple	tuple = SearchSysCacheCopy1(INDEXRELID, ObjectIdGetDatum(indexoid));
	Form_pg_index form;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for index %u", indexoid);
	form = (Form_pg_index) GETSTRUCT(tuple);
	form->indisready = usable;
	form->indisvalid = usable;
	CatalogTupleUpdate(index_rel, &tuple->t_self, tuple);
	heap_freetuple(tuple);
	table_close(index_rel, RowExclusiveLock);
	CommandCounterIncrement();
}

/* Creates the empty counterpart of one index of the target. */
static void
create_index(Relation target_index, Relation staging)
{
	Oid			indexoid = RelationGetRelid(target_index);
	IndexInfo  *info;
	HeapTuple	index_tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(indexoid));
	HeapTuple	class_tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(indexoid));
	char		name[NAMEDATALEN];
	oidvector  *classes;
	int2vector *options;
	bits16		flags = INDEX_CREATE_SKIP_BUILD;
	Oid			created;
	bool		isnull;

	if (!HeapTupleIsValid(index_tuple) || !HeapTupleIsValid(class_tuple))
		elog(ERROR, "cache lookup failed for index %u", indexoid);
	info = stored_index_info(target_index, index_tuple);
	classes = (oidvector *) DatumGetPointer(SysCacheGetAttr(INDEXRELID, index_tuple,
															Anum_pg_index_indclass, &isnull));
	options = (int2vector *) DatumGetPointer(SysCacheGetAttr(INDEXRELID, index_tuple,
															 Anum_pg_index_indoption, &isnull));

	/* ANALYZE looks up the exclusion operators in pg_constraint */
	if (info->ii_ExclusionOps != NULL)
		flags |= INDEX_CREATE_ADD_CONSTRAINT;
	staging_index_name(name, RelationGetRelid(staging), indexoid);
	created = compat_index_create(staging, name, info, index_column_names(target_index),
								  target_index, classes->values, options->values,
								  relation_options(class_tuple), flags);
	CommandCounterIncrement();
	set_index_usable(created, false);
	ReleaseSysCache(index_tuple);
	ReleaseSysCache(class_tuple);
}

/* The indexes of the target that need a counterpart on the staging heap. */
static List *
staged_indexes(Relation target, Landing mode)
{
	Oid			key;

	if (mode == LAND_REPLACE)
		return RelationGetIndexList(target);
	key = mode == LAND_APPEND ? InvalidOid : primary_key_index(target);
	return OidIsValid(key) ? list_make1_oid(key) : NIL;
}

static void
create_indexes(Relation target, Oid staging_oid, Landing mode)
{
	Relation	staging = table_open(staging_oid, AccessExclusiveLock);
	OwnerContext owner;
	ListCell   *lc;

	owner_enter(&owner, target->rd_rel->relowner);
	foreach(lc, staged_indexes(target, mode))
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);

		create_index(index, staging);
		index_close(index, AccessShareLock);
	}
	owner_leave(&owner);
	table_close(staging, NoLock);
	CommandCounterIncrement();
}

Oid
staging_create(Relation target, int64 run_id, Landing mode)
{
	Oid			staging = create_heap(target, run_id, "");

	create_toast(target, staging);
	create_indexes(target, staging, mode);
	return staging;
}

Oid
staging_create_auxiliary(Relation target, int64 run_id, const char *suffix, bool indexes)
{
	Oid			heap = create_heap(target, run_id, psprintf("_%s", suffix));

	create_toast(target, heap);
	if (indexes)
		create_indexes(target, heap, LAND_REPLACE);
	return heap;
}

static void
raise_altered(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("its staging heap was altered by someone else"),
			 errhint("Pull again.")));
}

/* True if the values of two columns are stored in the same way. */
static bool
same_column(Form_pg_attribute a, Form_pg_attribute b)
{
	return a->attisdropped == b->attisdropped &&
		(a->attisdropped || a->atttypid == b->atttypid) &&
		a->attlen == b->attlen && a->attbyval == b->attbyval && a->attalign == b->attalign;
}

static bool
same_columns(TupleDesc a, TupleDesc b)
{
	if (a->natts != b->natts)
		return false;
	for (int i = 0; i < a->natts; i++)
		if (!same_column(TupleDescAttr(a, i), TupleDescAttr(b, i)))
			return false;
	return true;
}

void
staging_check_columns(Relation target, Relation staging)
{
	if (!same_columns(RelationGetDescr(target), RelationGetDescr(staging)))
		raise_altered();
}

/*
 * True if two indexes have the same expressions and predicate.  Evaluates
 * none.
 */
static bool
same_trees(Relation a, Relation b)
{
	HeapTuple	tuple_a = a->rd_indextuple;
	HeapTuple	tuple_b = b->rd_indextuple;
	Node	   *predicate_a = stored_tree(tuple_a, Anum_pg_index_indpred);
	Node	   *predicate_b = stored_tree(tuple_b, Anum_pg_index_indpred);

	return equal(stored_tree(tuple_a, Anum_pg_index_indexprs),
				 stored_tree(tuple_b, Anum_pg_index_indexprs)) &&
		equal(make_ands_implicit((Expr *) predicate_a), make_ands_implicit((Expr *) predicate_b));
}

/*
 * True if two indexes have the same operator class options, such as siglen of
 * GiST.
 */
static bool
same_options(Relation a, Relation b)
{
	for (int i = 1; i <= IndexRelationGetNumberOfKeyAttributes(a); i++)
	{
		Datum		options_a = get_attoptions(RelationGetRelid(a), i);
		Datum		options_b = get_attoptions(RelationGetRelid(b), i);

		if ((options_a == (Datum) 0) != (options_b == (Datum) 0) ||
			(options_a != (Datum) 0 && !datumIsEqual(options_a, options_b, false, -1)))
			return false;
	}
	return true;
}

/* True if one index can replace the other. */
static bool
same_index_form(Relation a, Relation b)
{
	int			nkeys = IndexRelationGetNumberOfKeyAttributes(a);

	return a->rd_rel->relam == b->rd_rel->relam &&
		same_columns(RelationGetDescr(a), RelationGetDescr(b)) &&
		nkeys == IndexRelationGetNumberOfKeyAttributes(b) &&
		memcmp(a->rd_opfamily, b->rd_opfamily, sizeof(Oid) * nkeys) == 0 &&
		memcmp(a->rd_opcintype, b->rd_opcintype, sizeof(Oid) * nkeys) == 0 &&
		memcmp(a->rd_indcollation, b->rd_indcollation, sizeof(Oid) * nkeys) == 0 &&
		memcmp(a->rd_indoption, b->rd_indoption, sizeof(int16) * nkeys) == 0 &&
		same_options(a, b) && same_trees(a, b);
}

/* The current relfilenode of a relation in the catalog. */
static uint64
file_number(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	uint64		number;

	if (!HeapTupleIsValid(tuple))
		return 0;
	number = ((Form_pg_class) GETSTRUCT(tuple))->relfilenode;
	ReleaseSysCache(tuple);
	return number;
}

int64
staging_fingerprint(Oid staging)
{
	Relation	rel = table_open(staging, AccessShareLock);
	uint64		print = hash_combine64(rel->rd_rel->reltoastrelid, file_number(staging));
	ListCell   *lc;

	print = hash_combine64(print, file_number(rel->rd_rel->reltoastrelid));
	foreach(lc, RelationGetIndexList(rel))
		print = hash_combine64(hash_combine64(print, lfirst_oid(lc)), file_number(lfirst_oid(lc)));
	table_close(rel, NoLock);
	return (int64) print;
}

/* Replaces every occurrence of a name in an error's text. */
static char *
replace_name(char *text, const char *from, const char *to)
{
	StringInfoData result;
	char	   *found;

	if (text == NULL || strstr(text, from) == NULL)
		return text;
	initStringInfo(&result);
	while ((found = strstr(text, from)) != NULL)
	{
		appendBinaryStringInfo(&result, text, found - text);
		appendStringInfoString(&result, to);
		text = found + strlen(from);
	}
	appendStringInfoString(&result, text);
	return result.data;
}

/* The index of the target whose counterpart this is, from its name. */
static Oid
target_of_index(Relation index)
{
	unsigned int staging;
	unsigned int target_index;

	if (sscanf(RelationGetRelationName(index), "index_%u_%u", &staging, &target_index) != 2 ||
		staging != index->rd_index->indrelid)
		return InvalidOid;
	return target_index;
}

/*
 * Replaces the name of a staging index in an error by that of the target's
 * index.
 */
static void
name_target_index(ErrorData *edata, Relation index, Oid target)
{
	const char *known = get_rel_name(target_of_index(index));

	if (known == NULL)
		return;
	edata->message = replace_name(edata->message, RelationGetRelationName(index), known);
	edata->detail = replace_name(edata->detail, RelationGetRelationName(index), known);
	if (edata->constraint_name != NULL)
	{
		edata->constraint_name = pstrdup(known);
		edata->table_name = get_rel_name(target);
		edata->schema_name = get_namespace_name(get_rel_namespace(target));
	}
}

/*
 * Returns whether parallel workers may build the index.  They must not run user
 * code (user_context.c).
 */
static bool
may_be_parallel(const IndexInfo *info)
{
	return !user_code_in((Node *) info->ii_Expressions) &&
		!user_code_in((Node *) info->ii_Predicate);
}

static void
build_index(Relation staging, Relation index, IndexInfo *info)
{
	MemoryContext oldcontext = CurrentMemoryContext;

	PG_TRY();
	{
		index_build_frozen(staging, index, info, may_be_parallel(info));
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		MemoryContextSwitchTo(oldcontext);
		edata = CopyErrorData();
		FlushErrorState();
		name_target_index(edata, index, staging->rd_rel->relrewrite);
		ReThrowError(edata);
	}
	PG_END_TRY();
}

static int64
heap_pages(Relation heap)
{
	return RelationGetNumberOfBlocks(heap);
}

static int64
toast_pages(Relation heap)
{
	Relation	toast;
	int64		pages;

	if (!OidIsValid(heap->rd_rel->reltoastrelid))
		return 0;
	toast = table_open(heap->rd_rel->reltoastrelid, AccessShareLock);
	pages = heap_pages(toast);
	table_close(toast, NoLock);
	return pages;
}

/*
 * Limits the time of code of the owner by the size of the heap.  A build that
 * runs no such code has no limit.
 */
static void
allow_time(Relation staging, const IndexInfo *info)
{
	if (info->ii_Expressions == NIL && info->ii_Predicate == NIL)
		owner_allow_ms(OWNER_UNLIMITED_MS);
	else
		owner_allow_ms((heap_pages(staging) + toast_pages(staging)) * OWNER_MS_PER_PAGE);
}

/* The indexes of a staging heap, in a stable order. */
static List *
indexes_to_build(Oid staging_oid)
{
	Relation	staging = table_open(staging_oid, AccessShareLock);
	List	   *indexes = list_copy(RelationGetIndexList(staging));

	list_sort(indexes, list_oid_cmp);
	table_close(staging, NoLock);
	return indexes;
}

int
staging_count_indexes(Oid staging)
{
	return list_length(indexes_to_build(staging));
}

static void
build_by_oid(Oid staging_oid, Oid indexoid)
{
	Relation	staging = table_open(staging_oid, ShareLock);
	Relation	index = index_open(indexoid, AccessExclusiveLock);
	OwnerContext owner;
	IndexInfo  *info;

	owner_enter(&owner, staging->rd_rel->relowner);
	info = build_info(index);
	allow_time(staging, info);
	build_index(staging, index, info);
	owner_leave(&owner);
	set_index_usable(RelationGetRelid(index), true);
	index_close(index, NoLock);
	table_close(staging, NoLock);
	CommandCounterIncrement();
}

void
staging_build_index(Oid staging, int number)
{
	List	   *indexes = indexes_to_build(staging);

	if (number >= list_length(indexes))
		raise_altered();
	build_by_oid(staging, list_nth_oid(indexes, number));
}

void
staging_build_indexes(Oid staging)
{
	ListCell   *lc;

	foreach(lc, indexes_to_build(staging))
	{
		build_by_oid(staging, lfirst_oid(lc));
		CHECK_FOR_INTERRUPTS();
	}
}

void
staging_check_files(Oid staging, int64 fingerprint)
{
	if (staging_fingerprint(staging) != fingerprint)
		raise_altered();
}

/* True if the staging heap has an index that can replace the target's. */
static bool
has_counterpart(Relation staging, Oid target_indexoid)
{
	Oid			counterpart = staging_index(RelationGetRelid(staging), target_indexoid);
	Relation	target_index;
	Relation	index;
	bool		fits;

	if (!OidIsValid(counterpart) ||
		!list_member_oid(RelationGetIndexList(staging), counterpart))
		return false;
	target_index = index_open(target_indexoid, AccessShareLock);
	index = index_open(counterpart, AccessShareLock);
	fits = index->rd_index->indisready && index->rd_index->indisvalid &&
		same_index_form(target_index, index);
	index_close(index, NoLock);
	index_close(target_index, NoLock);
	return fits;
}

bool
staging_fits(Relation target, Relation staging, int64 fingerprint)
{
	ListCell   *lc;

	if (staging_fingerprint(RelationGetRelid(staging)) != fingerprint ||
		!same_columns(RelationGetDescr(target), RelationGetDescr(staging)))
		return false;
	foreach(lc, RelationGetIndexList(target))
		if (!has_counterpart(staging, lfirst_oid(lc)))
			return false;
	return true;
}

void
staging_drop(Oid staging)
{
	ObjectAddress heap;

	ObjectAddressSet(heap, RelationRelationId, staging);
	/*
	 * The heap is a member of the extension, which must stay.  Objects that a
	 * superuser made dependent on the heap are dropped with it.
	 */
	performDeletion(&heap, DROP_CASCADE,
					PERFORM_DELETION_INTERNAL | PERFORM_DELETION_SKIP_EXTENSIONS);
	CommandCounterIncrement();
}

/* A staging heap and the run that made it. */
typedef struct StagingHeap
{
	Oid			oid;
	int64		run_id;
} StagingHeap;

/*
 * True if the relation is a staging heap; *run_id is then the run that created
 * it.
 */
static bool
is_staging_heap(Oid relid, Oid extension, int64 *run_id)
{
	char	   *name = get_rel_name(relid);
	unsigned int target;

	return name != NULL && get_rel_relkind(relid) == RELKIND_RELATION &&
		sscanf(name, STAGING_PREFIX "%u", run_id, &target) == 2 &&
		getExtensionOfObject(RelationRelationId, relid) == extension;
}

/*
 * Returns a List of StagingHeap *.  Tables depend on their schema, so we find
 * them with an index of pg_depend.  An empty schema costs one index probe.
 */
static List *
find_staging_heaps(void)
{
	Oid			schema = get_namespace_oid(PGTUNSYNC_STAGING, true);
	Oid			extension = get_extension_oid(PGTUNSYNC_LIBRARY, true);
	List	   *found = NIL;
	Relation	depend;
	ScanKeyData key[2];
	SysScanDesc scan;
	HeapTuple	tuple;

	if (!OidIsValid(schema) || !OidIsValid(extension))
		return NIL;
	depend = table_open(DependRelationId, AccessShareLock);
	ScanKeyInit(&key[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(NamespaceRelationId));
	ScanKeyInit(&key[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(schema));
	scan = systable_beginscan(depend, DependReferenceIndexId, true, NULL, 2, key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_depend form = (Form_pg_depend) GETSTRUCT(tuple);
		StagingHeap heap = {.oid = form->objid};

		if (form->classid == RelationRelationId &&
			is_staging_heap(form->objid, extension, &heap.run_id))
		{
			StagingHeap *copy = palloc(sizeof(StagingHeap));

			*copy = heap;
			found = lappend(found, copy);
		}
	}
	systable_endscan(scan);
	table_close(depend, AccessShareLock);
	return found;
}

/*
 * The staging heaps of runs that have no leader any more: a List of
 * StagingHeap *.
 */
static List *
find_leftovers(void)
{
	List	   *leftovers = NIL;
	int64		live_run = -1;
	ListCell   *lc;

	foreach(lc, find_staging_heaps())
	{
		StagingHeap *heap = lfirst(lc);

		if (heap->run_id == live_run)
			continue;
		if (run_lock_is_held(heap->run_id))
			live_run = heap->run_id;
		else
			leftovers = lappend(leftovers, heap);
	}
	return leftovers;
}

bool
staging_has_leftovers(void)
{
	return find_leftovers() != NIL;
}

/* Drops the heap unless another session has dropped it; the lock is held. */
static bool
drop_locked(Oid staging)
{
	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(staging)))
		return false;
	staging_drop(staging);
	return true;
}

bool
staging_drop_unless_in_use(Oid staging)
{
	return ConditionalLockRelationOid(staging, AccessExclusiveLock) && drop_locked(staging);
}

List *
staging_leftovers(void)
{
	List	   *oids = NIL;
	ListCell   *lc;

	foreach(lc, find_leftovers())
		oids = lappend_oid(oids, ((StagingHeap *) lfirst(lc))->oid);
	return oids;
}

List *
staging_heaps_of_run(int64 run_id)
{
	List	   *oids = NIL;
	ListCell   *lc;

	foreach(lc, find_staging_heaps())
		if (((StagingHeap *) lfirst(lc))->run_id == run_id)
			oids = lappend_oid(oids, ((StagingHeap *) lfirst(lc))->oid);
	return oids;
}

void
staging_drop_of_run(int64 run_id, const List *keep)
{
	ListCell   *lc;

	foreach(lc, staging_heaps_of_run(run_id))
		if (!list_member_oid(keep, lfirst_oid(lc)))
			(void) staging_drop_unless_in_use(lfirst_oid(lc));
}
