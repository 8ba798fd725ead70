/*-------------------------------------------------------------------------
 *
 * restricted_query.c
 *	  A query of ours over tables of others.
 *
 * A plain SELECT as superuser is less harmless than it looks.  Its names are
 * looked up at this moment, and may mean a view by now.  The planner evaluates what
 * is constant in index predicates, index expressions and statistics
 * objects, all of them written by the table's owner.  So the query goes through
 * the server's stages one by one, each with the rights it needs:
 *
 *	  parse and analyze		superuser: finds every table, runs nothing;
 *							then each relation must be one that was meant
 *	  plan					a role that can do nothing
 *	  execute				superuser: reads every table, whatever its grants
 *							and policies; the plan holds no code of users, and may be
 *							parallel for the same reason
 *
 * unless the query needs a function in a user's language for itself, as a cast between
 * a user's types may be: then it is planned and executed as the owner it was
 * given, who could call the function anyway; only reading the tables is still
 * checked as superuser.
 *
 * Index expressions are made ready as their table's owner before the planner asks for
 * them, because they may need rights that the powerless role lacks.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/genam.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "executor/executor.h"
#include "executor/tstoreReceiver.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "optimizer/optimizer.h"
#include "parser/analyze.h"
#include "tcop/dest.h"
#include "tcop/tcopprot.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/tuplestore.h"

#include "base/compat.h"
#include "eval/restricted_query.h"
#include "base/user_context.h"

/* Members of it may look at locks and statistics, and nothing else. */
#define POWERLESS_ROLE	ROLE_PG_STAT_SCAN_TABLES

/* ---- what the query means ---- */

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

/* Is the function in a language in which anybody may write? */
static bool
is_user_code(Oid funcid, void *context)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));
	Oid			language;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", funcid);
	language = ((Form_pg_proc) GETSTRUCT(tuple))->prolang;
	ReleaseSysCache(tuple);
	return language != INTERNALlanguageId && language != ClanguageId;
}

static bool
calls_user_code_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (check_functions_in_node(node, is_user_code, context))
		return true;
	if (IsA(node, CoerceToDomain))
		return true;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, calls_user_code_walker, context, 0);
	return expression_tree_walker(node, calls_user_code_walker, context);
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

/* Says whose rights on the tables count. */
static void
check_as(Query *query, Oid role)
{
	ListCell   *lc;

	foreach(lc, compat_permission_infos(query))
		((compat_permission_info *) lfirst(lc))->checkAsUser = role;
}

/* ---- the plan ---- */

/* Lets the relation cache hold what the planner will ask for. */
static void
ready_expressions(Oid relid)
{
	Relation	rel = relation_open(relid, AccessShareLock);
	OwnerContext context;
	ListCell   *lc;

	owner_enter(&context, rel->rd_rel->relowner);
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

PlannedStmt *
guarded_plan(Query *query, const char *sql, const List *relids)
{
	OwnerContext context;
	PlannedStmt *planned;
	ListCell   *lc;

	foreach(lc, relids)
		ready_expressions(lfirst_oid(lc));
	owner_enter(&context, POWERLESS_ROLE);
	planned = pg_plan_query(query, sql, CURSOR_OPT_PARALLEL_OK, NULL);
	owner_leave(&context);
	return planned;
}

/* ---- the rows ---- */

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

static GuardedRows *
collect(Tuplestorestate *store, TupleDesc desc)
{
	GuardedRows *rows = palloc0(sizeof(GuardedRows));
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

static GuardedRows *
execute(PlannedStmt *planned, const char *sql, uint64 max_rows)
{
	Tuplestorestate *store = tuplestore_begin_heap(false, false, work_mem);
	DestReceiver *dest = CreateDestReceiver(DestTuplestore);
	QueryDesc  *desc;
	GuardedRows *rows;

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

GuardedRows *
guarded_query(const char *sql, const List *relids, Oid owner, uint64 max_rows)
{
	Query	   *query = analyze(sql, relids);
	OwnerContext context;
	GuardedRows *rows;

	if (!calls_user_code_walker((Node *) query, NULL))
		return execute(guarded_plan(query, sql, relids), sql, max_rows);

	check_as(query, BOOTSTRAP_SUPERUSERID);
	owner_enter(&context, owner);
	rows = execute(pg_plan_query(query, sql, 0, NULL), sql, max_rows);
	owner_leave(&context);
	return rows;
}
