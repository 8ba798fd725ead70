/*-------------------------------------------------------------------------
 *
 * restricted_query.c
 *	  Runs queries over users' tables without running users' code as superuser.
 *
 * A plain SELECT as superuser is not safe.  Its names are looked up when it
 * runs, and may have become names of views.  The planner evaluates constant
 * parts of index predicates, index expressions and statistics objects, which
 * the table's owner wrote.  So the query goes through the server's stages one
 * by one, each as the role it needs:
 *
 *	  parse and analyze		superuser: finds every table, runs nothing;
 *							then each relation must be an expected one
 *	  plan					a role without privileges
 *	  execute				superuser: reads every table, whatever its grants
 *							and policies; the plan contains no user code and
 *							may therefore be parallel
 *
 * There is one exception: the query itself may need a function in a user's
 * language, such as a cast between user-defined types.  Then it is planned and
 * executed as the given owner, who may call the function anyway.  The
 * privilege to read the tables is still checked as superuser.
 *
 * Index expressions are loaded into the relation cache as the table's owner
 * before the planner runs, because evaluating them may need privileges that
 * the unprivileged role lacks.  All planning is done in a subtransaction that
 * is rolled back.  This releases locks that such code took.
 *
 * The planner cannot be kept from running user code: an owner can change an
 * index while the query is planned.  So, while tables are locked that others
 * wait for, no query may be planned over a table for which
 * restricted_holds_user_code() returns true.  The function looks at everything
 * that the planner evaluates: index expressions and predicates, statistics
 * expressions and partition keys, of the table, its partitions and its
 * ancestors.  It need not look at CHECK constraints, because
 * constraint_exclusion is pinned to off (worker_session.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/partition.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_partitioned_table.h"
#include "catalog/pg_statistic_ext.h"
#include "executor/executor.h"
#include "executor/tstoreReceiver.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "optimizer/optimizer.h"
#include "parser/analyze.h"
#include "tcop/dest.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/partcache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/tuplestore.h"

#include "base/compat.h"
#include "eval/restricted_query.h"
#include "eval/user_code.h"
#include "base/user_context.h"

/* Its members may only look at locks and statistics. */
#define UNPRIVILEGED_ROLE	ROLE_PG_STAT_SCAN_TABLES

/* ---- parsing and analysis ---- */

static void
check_relation(const RangeTblEntry *rte, const List *relids)
{
	if (rte->rtekind != RTE_RELATION)
		return;
	if ((rte->relkind != RELKIND_RELATION && rte->relkind != RELKIND_PARTITIONED_TABLE) ||
		!list_member_oid(relids, rte->relid))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("table \"%s\" was replaced by another relation meanwhile",
						get_rel_name(rte->relid)),
				 errhint("Pull again.")));
}

static bool
check_relations_walker(Node *node, void *relids)
{
	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
	{
		check_relation((RangeTblEntry *) node, relids);
		return false;
	}
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, check_relations_walker, relids,
								 QTW_EXAMINE_RTES_BEFORE);
	return expression_tree_walker(node, check_relations_walker, relids);
}

static Query *
analyze(const char *sql, const List *relids)
{
	List	   *parsed = pg_parse_query(sql);
	List	   *rewritten;
	Query	   *query;

	Assert(list_length(parsed) == 1);
	query = compat_parse_analyze(linitial_node(RawStmt, parsed), sql);
	(void) check_relations_walker((Node *) query, unconstify(List *, relids));
	rewritten = pg_rewrite_query(query);
	Assert(list_length(rewritten) == 1);
	return linitial_node(Query, rewritten);
}

/* Sets the role whose privileges on the tables are checked. */
static void
set_check_as_user(Query *query, Oid role)
{
	ListCell   *lc;

	foreach(lc, compat_permission_infos(query))
		((compat_permission_info *) lfirst(lc))->checkAsUser = role;
}

/* ---- planning ---- */

/* Loads the partition key of a partitioned table, evaluating its constants. */
static void
load_partition_key(Relation rel)
{
	if (rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
		(void) RelationGetPartitionKey(rel);
}

/*
 * Loads into the relation cache what the planner will ask for, as the owner.
 */
static void
load_expressions(Oid relid)
{
	Relation	rel = relation_open(relid, AccessShareLock);
	OwnerContext context;
	ListCell   *lc;

	owner_enter(&context, rel->rd_rel->relowner);
	load_partition_key(rel);
	foreach(lc, RelationGetIndexList(rel))
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);

		(void) RelationGetIndexExpressions(index);
		(void) RelationGetIndexPredicate(index);
		index_close(index, NoLock);
	}
	owner_leave(&context);
	relation_close(rel, NoLock);
}

/*
 * Locks the tables and their partitions.  The executor expects its caller to
 * hold these locks.
 */
static List *
lock_all(const List *relids)
{
	List	   *all = NIL;
	ListCell   *lc;

	foreach(lc, relids)
		all = list_concat_unique_oid(all, find_all_inheritors(lfirst_oid(lc), AccessShareLock,
															  NULL));
	return all;
}

static PlannedStmt *
plan_unprivileged(Query *query, const char *sql, const List *relids)
{
	OwnerContext context;
	PlannedStmt *planned;
	ListCell   *lc;

	foreach(lc, relids)
		load_expressions(lfirst_oid(lc));
	owner_enter(&context, UNPRIVILEGED_ROLE);
	owner_pass_parallel_plan();
	planned = pg_plan_query(query, sql, CURSOR_OPT_PARALLEL_OK, NULL);
	owner_leave(&context);
	return planned;
}

/* Plans in a subtransaction that is rolled back, and keeps only the plan. */
static PlannedStmt *
plan_and_roll_back(Query *query, const char *sql, const List *relids)
{
	MemoryContext oldcontext = CurrentMemoryContext;
	ResourceOwner oldowner = CurrentResourceOwner;
	PlannedStmt *volatile planned = NULL;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(oldcontext);
	PG_TRY();
	{
		planned = plan_unprivileged(query, sql, relids);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(oldcontext);
		error = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(oldcontext);
	CurrentResourceOwner = oldowner;
	if (error != NULL)
		ReThrowError(error);
	return planned;
}

PlannedStmt *
restricted_plan(Query *query, const char *sql, const List *relids)
{
	return plan_and_roll_back(query, sql, lock_all(relids));
}

/* ---- tables whose planning runs user code ---- */

static bool
stored_tree_holds_user_code(Datum tree)
{
	return user_code_in(stringToNode(TextDatumGetCString(tree)));
}

/*
 * A catalog column that holds an expression tree, and the column with the OID
 * of the table.
 */
typedef struct StoredTree
{
	Oid			catalog;
	Oid			index;
	AttrNumber	table;
	AttrNumber	tree;
} StoredTree;

static const StoredTree stored_trees[] = {
	{IndexRelationId, IndexIndrelidIndexId, Anum_pg_index_indrelid, Anum_pg_index_indexprs},
	{IndexRelationId, IndexIndrelidIndexId, Anum_pg_index_indrelid, Anum_pg_index_indpred},
	{StatisticExtRelationId, StatisticExtRelidIndexId, Anum_pg_statistic_ext_stxrelid,
	Anum_pg_statistic_ext_stxexprs},
	{PartitionedRelationId, PartitionedRelidIndexId, Anum_pg_partitioned_table_partrelid,
	Anum_pg_partitioned_table_partexprs}
};

static bool
any_stored_tree(const StoredTree *stored, Oid relid)
{
	Relation	catalog = table_open(stored->catalog, AccessShareLock);
	bool		found = false;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, stored->table, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(catalog, stored->index, true, NULL, 1, &key);
	while (!found && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isnull;
		Datum		tree = heap_getattr(tuple, stored->tree, RelationGetDescr(catalog), &isnull);

		found = !isnull && stored_tree_holds_user_code(tree);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return found;
}

bool
restricted_holds_user_code(Oid relid)
{
	List	   *family = find_all_inheritors(relid, NoLock, NULL);
	ListCell   *lc;

	if (get_rel_relispartition(relid))
		family = list_concat(family, get_partition_ancestors(relid));
	foreach(lc, family)
	{
		for (int i = 0; i < lengthof(stored_trees); i++)
		{
			if (any_stored_tree(&stored_trees[i], lfirst_oid(lc)))
				return true;
		}
	}
	return false;
}

/* ---- execution ---- */

static char *
column_text(TupleTableSlot *slot, int column)
{
	Form_pg_attribute attr = TupleDescAttr(slot->tts_tupleDescriptor, column - 1);
	bool		isnull;
	Datum		value = slot_getattr(slot, column, &isnull);
	Oid			output;
	bool		varlena;

	if (isnull)
		return NULL;
	getTypeOutputInfo(attr->atttypid, &output, &varlena);
	return OidOutputFunctionCall(output, value);
}

static RestrictedRows *
collect(Tuplestorestate *store, TupleDesc desc)
{
	RestrictedRows *rows = palloc0(sizeof(RestrictedRows));
	TupleTableSlot *slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);

	rows->ncolumns = desc->natts;
	rows->values = palloc(sizeof(char **) * Max(1, tuplestore_tuple_count(store)));
	while (tuplestore_gettupleslot(store, true, false, slot))
	{
		char	  **row = palloc(sizeof(char *) * Max(1, desc->natts));

		for (int i = 0; i < desc->natts; i++)
			row[i] = column_text(slot, i + 1);
		rows->values[rows->nrows++] = row;
	}
	ExecDropSingleTupleTableSlot(slot);
	return rows;
}

static RestrictedRows *
execute(PlannedStmt *planned, const char *sql, uint64 max_rows)
{
	Tuplestorestate *store = tuplestore_begin_heap(false, false, work_mem);
	DestReceiver *dest = CreateDestReceiver(DestTuplestore);
	QueryDesc  *desc;
	RestrictedRows *rows;

	SetTuplestoreDestReceiverParams(dest, store, CurrentMemoryContext, false, NULL, NULL);
	desc = CreateQueryDesc(planned, sql, GetActiveSnapshot(), InvalidSnapshot, dest, NULL, NULL, 0);
	ExecutorStart(desc, 0);
	compat_executor_run(desc, max_rows);
	ExecutorFinish(desc);
	rows = collect(store, desc->tupDesc);
	ExecutorEnd(desc);
	FreeQueryDesc(desc);
	dest->rDestroy(dest);
	tuplestore_end(store);
	return rows;
}

/*
 * Gives a query that calls the owner's code for each row its time allowance.
 */
static void
allow_time(const List *relids)
{
	ListCell   *lc;

	foreach(lc, relids)
	{
		HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(lfirst_oid(lc)));

		if (!HeapTupleIsValid(tuple))
			continue;
		owner_allow_ms((int64) Max(0, ((Form_pg_class) GETSTRUCT(tuple))->reltuples) *
					   OWNER_MS_PER_LOCKED_ROW);
		ReleaseSysCache(tuple);
	}
}

RestrictedRows *
restricted_query(const char *sql, const List *relids, Oid owner, uint64 max_rows)
{
	Query	   *query = analyze(sql, relids);
	OwnerContext context;
	RestrictedRows *rows;

	if (!user_code_in((Node *) query))
		return execute(restricted_plan(query, sql, relids), sql, max_rows);

	set_check_as_user(query, BOOTSTRAP_SUPERUSERID);
	owner_enter(&context, owner);
	allow_time(relids);
	rows = execute(pg_plan_query(query, sql, 0, NULL), sql, max_rows);
	owner_leave(&context);
	return rows;
}
