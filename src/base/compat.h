/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  Hides the differences between PostgreSQL 14 and 18, and between C
 *	  libraries.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_COMPAT_H
#define PGTUNSYNC_COMPAT_H

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "access/xlog.h"
#include "fmgr.h"
#include "nodes/parsenodes.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/wait_event.h"

/* 16 moved the macros for varlena values out of postgres.h */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* RelationOpenSmgr() of 14 needs this header */
#if PG_VERSION_NUM < 150000
#include "storage/smgr.h"
#endif

#if PG_VERSION_NUM < 140000 || PG_VERSION_NUM >= 190000
#error "pgtunsync supports PostgreSQL 14 to 18"
#endif

/* 18 has another attribute for functions that do not return */
#ifndef pg_attribute_noreturn
#define pg_attribute_noreturn() __attribute__((noreturn))
#endif

/* 17 lets extensions name their wait events */
#if PG_VERSION_NUM >= 170000
#define compat_wait_event_new(name) WaitEventExtensionNew(name)
#else
#define compat_wait_event_new(name) ((void) (name), PG_WAIT_EXTENSION)
#endif

/*
 * The library is compiled with -fvisibility=hidden.  Symbols that PostgreSQL
 * looks up in it must be exempt.  Before 16, PostgreSQL's own macros do not do
 * that.
 */
#if PG_VERSION_NUM < 160000
#undef PGDLLEXPORT
#define PGDLLEXPORT __attribute__((visibility("default")))
extern PGDLLEXPORT void _PG_init(void);
#undef PG_FUNCTION_INFO_V1
#define PG_FUNCTION_INFO_V1(function) \
	extern PGDLLEXPORT Datum function(PG_FUNCTION_ARGS); \
	extern PGDLLEXPORT const Pg_finfo_record *pg_finfo_##function(void); \
	const Pg_finfo_record * \
	pg_finfo_##function(void) \
	{ \
		static const Pg_finfo_record info = {1}; \
		return &info; \
	} \
	extern PGDLLEXPORT Datum function(PG_FUNCTION_ARGS)
#endif

/* 15 added force_flush */
#if PG_VERSION_NUM >= 150000
#define compat_shm_mq_send(queue, len, data, nowait, force) \
	shm_mq_send(queue, len, data, nowait, force)
#else
#define compat_shm_mq_send(queue, len, data, nowait, force) \
	shm_mq_send(queue, len, data, nowait)
#endif

/* 15 renamed the function; before 15 it only warned */
#if PG_VERSION_NUM >= 150000
#define compat_mark_guc_prefix_reserved(prefix) MarkGUCPrefixReserved(prefix)
#else
#define compat_mark_guc_prefix_reserved(prefix) EmitWarningsOnPlaceholders(prefix)
#endif

/* 16 counts them at the same time; sets n, returns struct config_generic ** */
#if PG_VERSION_NUM >= 160000
#define compat_guc_variables(n)	get_guc_variables(&(n))
#else
#define compat_guc_variables(n)	((n) = GetNumConfigOptions(), get_guc_variables())
#endif

/* 17 added orstronger */
#if PG_VERSION_NUM >= 170000
#define compat_lock_held_by_me(tag, mode) LockHeldByMe(tag, mode, false)
#else
#define compat_lock_held_by_me(tag, mode) LockHeldByMe(tag, mode)
#endif


/* before 17, IndexInfo has the options; BuildDummyIndexInfo() omits them */
#if PG_VERSION_NUM >= 170000
#define compat_take_opclass_options(info, index) ((void) 0)
#else
#define compat_take_opclass_options(info, index) \
	((info)->ii_OpclassOptions = RelationGetIndexRawAttOptions(index))
#endif

/* 17 added opclass options and statistics targets to index_create() */
#if PG_VERSION_NUM >= 170000
#define compat_opclass_options(index) compat_index_attoptions(index)
static inline Datum *
compat_index_attoptions(Relation index)
{
	int			natts = index->rd_att->natts;
	Datum	   *options = palloc0(sizeof(Datum) * natts);

	for (int i = 0; i < natts; i++)
		options[i] = get_attoptions(index->rd_id, i + 1);
	return options;
}
#define compat_index_create(heap, name, info, columns, model, classes, options, reloptions, flags) \
	index_create(heap, name, InvalidOid, InvalidOid, InvalidOid, InvalidOid, info, columns, \
				 (model)->rd_rel->relam, (model)->rd_rel->reltablespace, \
				 (model)->rd_indcollation, classes, compat_opclass_options(model), options, \
				 NULL, reloptions, flags, compat_index_constraint_flags(info), true, true, NULL)
#else
#define compat_index_create(heap, name, info, columns, model, classes, options, reloptions, flags) \
	index_create(heap, name, InvalidOid, InvalidOid, InvalidOid, InvalidOid, info, columns, \
				 (model)->rd_rel->relam, (model)->rd_rel->reltablespace, \
				 (model)->rd_indcollation, classes, options, \
				 reloptions, flags, compat_index_constraint_flags(info), true, true, NULL)
#endif

/*
 * 16 moved permissions from the range table to a list of their own.  18 asks
 * for the relations that need no pruning.  BeginCopyFrom() reads the
 * ParseState.
 */
#if PG_VERSION_NUM >= 160000
#define compat_init_range_table(estate, pstate, rte) \
	do { \
		RTEPermissionInfo *perminfo_ = addRTEPermissionInfo(&(pstate)->p_rteperminfos, rte); \
		perminfo_->requiredPerms = ACL_INSERT; \
		(pstate)->p_rtable = list_make1(rte); \
		compat_exec_init_range_table(estate, pstate); \
	} while (0)
#else
#define compat_init_range_table(estate, pstate, rte) \
	do { \
		(pstate)->p_rtable = list_make1(rte); \
		ExecInitRangeTable(estate, (pstate)->p_rtable); \
	} while (0)
#endif
#if PG_VERSION_NUM >= 180000
#define compat_exec_init_range_table(estate, pstate) \
	ExecInitRangeTable(estate, (pstate)->p_rtable, (pstate)->p_rteperminfos, bms_make_singleton(1))
#elif PG_VERSION_NUM >= 160000
#define compat_exec_init_range_table(estate, pstate) \
	ExecInitRangeTable(estate, (pstate)->p_rtable, (pstate)->p_rteperminfos)
#endif

/*
 * 17 ties the events to a ResourceOwner; NULL means that the caller frees them
 */
#if PG_VERSION_NUM >= 170000
#define compat_create_wait_event_set(context, n) CreateWaitEventSet(NULL, n)
#else
#define compat_create_wait_event_set(context, n) CreateWaitEventSet(context, n)
#endif

/* 18 counts frozen pages */
#if PG_VERSION_NUM >= 180000
#define compat_exchange_relallfrozen(a, b) \
	do { \
		int32		swap_ = (a)->relallfrozen; \
		(a)->relallfrozen = (b)->relallfrozen; \
		(b)->relallfrozen = swap_; \
	} while (0)
#else
#define compat_exchange_relallfrozen(a, b) ((void) 0)
#endif

/* 15 added the timeline as an output argument */
static inline XLogRecPtr
compat_flushed_wal(void)
{
#if PG_VERSION_NUM >= 150000
	return GetFlushRecPtr(NULL);
#else
	return GetFlushRecPtr();
#endif
}

/* 15 added a function that opens the files if needed */
#if PG_VERSION_NUM >= 150000
#define compat_smgr(rel) RelationGetSmgr(rel)
#else
static inline SMgrRelation
compat_smgr(Relation rel)
{
	RelationOpenSmgr(rel);
	return rel->rd_smgr;
}
#endif

/* 16 renamed the field */
#if PG_VERSION_NUM >= 160000
#define compat_locator(rel) (&(rel)->rd_locator)
#else
#define compat_locator(rel) (&(rel)->rd_node)
#endif

/* since 17, smgr entries cannot dangle */
#if PG_VERSION_NUM >= 170000
#define compat_close_smgr(relid) ((void) 0)
#else
#define compat_close_smgr(relid) RelationCloseSmgrByOid(relid)
#endif

/* 18 added the start time */
#if PG_VERSION_NUM >= 180000
#define compat_report_analyze(rel, live) pgstat_report_analyze(rel, live, 0, true, GetCurrentTimestamp())
#else
#define compat_report_analyze(rel, live) pgstat_report_analyze(rel, live, 0, true)
#endif

/* 15 added the columns of ON DELETE SET */
#if PG_VERSION_NUM >= 150000
#define compat_deconstruct_fk(tuple, n, fk, pk, ops) \
	DeconstructFkConstraintRow(tuple, n, fk, pk, ops, NULL, NULL, NULL, NULL)
#else
#define compat_deconstruct_fk(tuple, n, fk, pk, ops) \
	DeconstructFkConstraintRow(tuple, n, fk, pk, ops, NULL, NULL)
#endif

/* 18 has foreign keys that are not enforced */
#if PG_VERSION_NUM >= 180000
#define compat_constraint_enforced(con) ((con)->conenforced)
#else
#define compat_constraint_enforced(con) true
#endif

/* 18 has NOT NULL constraints that are NOT VALID */
#if PG_VERSION_NUM >= 180000
#define compat_not_null_unvalidated(desc, i) \
	(TupleDescCompactAttr(desc, i)->attnullability == ATTNULLABLE_INVALID)
#else
#define compat_not_null_unvalidated(desc, i) false
#endif

/* 18 has virtual generated columns, which are not stored in rows */
#if PG_VERSION_NUM >= 180000
#define compat_is_virtual(attr) ((attr)->attgenerated == ATTRIBUTE_GENERATED_VIRTUAL)
#else
#define compat_is_virtual(attr) false
#endif

/* 16 can restrict the insertion to summarizing indexes */
#if PG_VERSION_NUM >= 160000
#define compat_insert_index_tuples(result_rel, slot, estate) \
	ExecInsertIndexTuples(result_rel, slot, estate, false, false, NULL, NIL, false)
#else
#define compat_insert_index_tuples(result_rel, slot, estate) \
	ExecInsertIndexTuples(result_rel, slot, estate, false, false, NULL, NIL)
#endif

/*
 * The same, but leaves all constraints unchecked.  Returns the indexes whose
 * constraints the caller must recheck.
 */
#if PG_VERSION_NUM >= 160000
#define compat_insert_index_tuples_unchecked(result_rel, slot, estate, summarizing) \
	ExecInsertIndexTuples(result_rel, slot, estate, false, true, NULL, NIL, summarizing)
#else
#define compat_insert_index_tuples_unchecked(result_rel, slot, estate, summarizing) \
	ExecInsertIndexTuples(result_rel, slot, estate, false, true, NULL, NIL)
#endif

/* 16 tells which indexes an update must be inserted into */
#if PG_VERSION_NUM >= 160000
#define compat_update_indexes TU_UpdateIndexes
#define compat_must_update_indexes(update) ((update) != TU_None)
#define compat_summarizing_only(update) ((update) == TU_Summarizing)
#else
#define compat_update_indexes bool
#define compat_must_update_indexes(update) (update)
#define compat_summarizing_only(update) false
#endif

/* 18 added instrumentation for index scans */
#if PG_VERSION_NUM >= 180000
#define compat_index_beginscan(rel, index, snapshot, nkeys) \
	index_beginscan(rel, index, snapshot, NULL, nkeys, 0)
#else
#define compat_index_beginscan(rel, index, snapshot, nkeys) \
	index_beginscan(rel, index, snapshot, nkeys, 0)
#endif

/* 18 added the TID of the row that is checked */
#if PG_VERSION_NUM >= 180000
#define compat_check_index_constraints(result_rel, slot, estate, clash) \
	ExecCheckIndexConstraints(result_rel, slot, estate, clash, &(ItemPointerData) {{0}}, NIL)
#else
#define compat_check_index_constraints(result_rel, slot, estate, clash) \
	ExecCheckIndexConstraints(result_rel, slot, estate, clash, NIL)
#endif

/* 15 has a publication descriptor that contains more than the actions */
#if PG_VERSION_NUM >= 150000
#define compat_publication_actions(rel, actions) \
	do { \
		PublicationDesc desc_; \
		RelationBuildPublicationDesc(rel, &desc_); \
		*(actions) = desc_.pubactions; \
	} while (0)
#else
#define compat_publication_actions(rel, actions) \
	(*(actions) = *GetRelationPublicationActions(rel))
#endif

/* 16 has one ownership check for all kinds of objects */
#if PG_VERSION_NUM >= 160000
#define compat_owns_relation(relid, role) object_ownercheck(RelationRelationId, relid, role)
#else
#define compat_owns_relation(relid, role) pg_class_ownercheck(relid, role)
#endif

/*
 * Prepares a set-returning function that fills a tuplestore.  15 has a
 * function for it, and 16 renamed that.
 */
#if PG_VERSION_NUM >= 160000
#define compat_init_materialized_srf(fcinfo) InitMaterializedSRF(fcinfo, 0)
#else
#define compat_init_materialized_srf(fcinfo) \
	do { \
		ReturnSetInfo *rsinfo_ = (ReturnSetInfo *) (fcinfo)->resultinfo; \
		MemoryContext old_; \
		TupleDesc	desc_; \
		if (rsinfo_ == NULL || !IsA(rsinfo_, ReturnSetInfo) || \
			!(rsinfo_->allowedModes & SFRM_Materialize)) \
			ereport(ERROR, \
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED), \
					 errmsg("set-valued function called in context that cannot accept a set"))); \
		old_ = MemoryContextSwitchTo(rsinfo_->econtext->ecxt_per_query_memory); \
		if (get_call_result_type(fcinfo, NULL, &desc_) != TYPEFUNC_COMPOSITE) \
			elog(ERROR, "return type must be a row type"); \
		rsinfo_->returnMode = SFRM_Materialize; \
		rsinfo_->setResult = tuplestore_begin_heap(true, false, work_mem); \
		rsinfo_->setDesc = CreateTupleDescCopy(desc_); \
		MemoryContextSwitchTo(old_); \
	} while (0)
#endif

/* 15 renamed the function */
#if PG_VERSION_NUM >= 150000
#define compat_parse_analyze(stmt, sql) parse_analyze_fixedparams(stmt, sql, NULL, 0, NULL)
#else
#define compat_parse_analyze(stmt, sql) parse_analyze(stmt, sql, NULL, 0, NULL)
#endif

/* 15 renamed the function */
#if PG_VERSION_NUM >= 150000
#define compat_parse_parameters(pstate, types, n) setup_parse_fixed_parameters(pstate, types, n)
#else
#define compat_parse_parameters(pstate, types, n) parse_fixed_parameters(pstate, types, n)
#endif

/* 18 removed the argument execute_once */
#if PG_VERSION_NUM >= 180000
#define compat_executor_run(desc, count) ExecutorRun(desc, ForwardScanDirection, count)
#else
#define compat_executor_run(desc, count) ExecutorRun(desc, ForwardScanDirection, count, true)
#endif

/* 18 has foreign keys with PERIOD and constraints WITHOUT OVERLAPS */
#if PG_VERSION_NUM >= 180000
#define compat_constraint_period(con) ((con)->conperiod)
#define compat_index_constraint_flags(info) \
	((info)->ii_WithoutOverlaps ? INDEX_CONSTR_CREATE_WITHOUT_OVERLAPS : 0)
#else
#define compat_constraint_period(con) false
#define compat_index_constraint_flags(info) 0
#endif

/* 16 moved permissions from the range table to a list of their own */
#if PG_VERSION_NUM >= 160000
#define compat_permission_info RTEPermissionInfo
#define compat_permission_infos(query) ((query)->rteperminfos)
#else
#define compat_permission_info RangeTblEntry
#define compat_permission_infos(query) ((query)->rtable)
#endif

/*
 * Before 17, a copied descriptor keeps the statistics targets of the columns.
 */
#if PG_VERSION_NUM >= 170000
static inline bool
compat_has_statistics_target(Relation rel, AttrNumber attnum)
{
	HeapTuple	tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(rel->rd_id),
										Int16GetDatum(attnum));
	bool		isnull = true;

	if (HeapTupleIsValid(tuple))
	{
		(void) SysCacheGetAttr(ATTNUM, tuple, Anum_pg_attribute_attstattarget, &isnull);
		ReleaseSysCache(tuple);
	}
	return !isnull;
}
#else
#define compat_has_statistics_target(rel, attnum) false
#endif

/*
 * Returns the bytes that malloc() has allocated in this process and that have
 * not been freed.  Only glibc since 2.33 provides the number (mallinfo2()).
 * Elsewhere, and under tools that replace malloc(), the result is 0.
 */
static inline Size
compat_malloc_bytes(void)
{
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 33)
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
#else
	return 0;
#endif
}

#endif							/* PGTUNSYNC_COMPAT_H */
