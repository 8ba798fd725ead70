/*-------------------------------------------------------------------------
 *
 * recheck.c
 *	  A planned table, looked at once more under a lock.
 *
 * The plan is made before the tables are known, so before they are locked: an
 * ALTER TABLE, a REVOKE, a policy may come in between.  What the plan relied
 * on is compared here.  The table's definition is noted as text
 * (table_shape.h), and compared with that whenever the table is locked later
 * on, last of all for the swap.
 *
 * All of this is done in a subtransaction that is rolled back, whatever comes
 * of it: no lock is kept, neither ours nor one that code of an owner took.
 *
 * The bounds of a partition are worked out here too, for the loaders, which
 * cannot look at its ancestors.  The keys of those may be expressions, which
 * the server evaluates as far as they are constant: each ancestor's is made
 * ready as its owner, and an error in it is the table's own.
 *
 * Expressions of the configuration are analyzed and planned here once, on
 * trial: what cannot work is said before the first row moves.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/partition.h"
#include "catalog/pg_am_d.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "nodes/nodes.h"
#include "nodes/primnodes.h"
#include "optimizer/optimizer.h"
#include "utils/acl.h"
#include "utils/memutils.h"
#include "utils/partcache.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "schema/local_catalog.h"
#include "base/user_context.h"
#include "schema/primary_key.h"
#include "schema/publication.h"
#include "schema/table_shape.h"
#include "staging/target.h"
#include "plan/planner_state.h"
#include "plan/recheck.h"
#include "plan/rewrite.h"
#include "eval/row_query.h"

/* The rights that the caller needs and does not have, or NULL. */
static const char *
lacking_rights(const TablePlan *table, Oid role)
{
	if (table->grants != table->relid &&
		!list_member_oid(get_partition_ancestors(table->relid), table->grants))
		return "the grants of its partitioned table";
	return landing_missing_rights(table->mode, table->grants, role);
}

const char *
recheck_rights(const TablePlan *table, Oid role, int *sqlerrcode)
{
	const char *lacking = lacking_rights(table, role);

	*sqlerrcode = ERRCODE_INSUFFICIENT_PRIVILEGE;
	if (lacking != NULL)
		return psprintf("%s on it is needed", lacking);
	if (check_enable_rls(table->relid, role, true) == RLS_ENABLED)
		return "row security applies to the caller";
	return NULL;
}

/* What the table's mode relies on beside its columns; NULL if all is there. */
static const char *
mode_problem(Relation rel, const TablePlan *table)
{
	bool		looks_up = table->mode == LAND_OVERWRITE || table->mode == LAND_PRESERVE;

	if (looks_up && !OidIsValid(primary_key_index(rel)))
		return "it has no primary key";
	if (!published_has_slots())
		return NULL;
	if (table->mode == LAND_REPLACE && published_lacks_identity(rel, false))
		return "it is published with its deletes but has no replica identity";
	if (table->mode == LAND_OVERWRITE && published_lacks_identity(rel, true))
		return "it is published with its updates but has no replica identity";
	return NULL;
}

static bool
column_unchanged(TupleDesc desc, const ColumnPlan *column)
{
	Form_pg_attribute attr;

	if (column->attnum > desc->natts)
		return false;
	attr = TupleDescAttr(desc, column->attnum - 1);
	return !attr->attisdropped && !attr->attgenerated &&
		strcmp(NameStr(attr->attname), column->name) == 0 &&
		strcmp(local_type_text(attr->atttypid, attr->atttypmod), column->local_type) == 0;
}

/* True if the columns are what they were, and there are no others. */
static bool
columns_unchanged(Relation rel, const TablePlan *table)
{
	TupleDesc	desc = RelationGetDescr(rel);
	int			live = 0;
	ListCell   *lc;

	foreach(lc, table->columns)
		if (!column_unchanged(desc, lfirst(lc)))
			return false;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(desc, i);

		live += !attr->attisdropped && !attr->attgenerated;
	}
	return live == list_length(table->columns) + list_length(table->extra_columns);
}

/* ---- the bounds of a partition ---- */

/* Lets the relation cache hold the partition key, computed as the owner. */
static void
ready_partition_key(Oid ancestor)
{
	Relation	rel = relation_open(ancestor, AccessShareLock);
	OwnerContext owner;

	owner_enter(&owner, rel->rd_rel->relowner);
	(void) RelationGetPartitionKey(rel);
	owner_leave(&owner);
	relation_close(rel, NoLock);
}

/* True if the bounds ask for no more than values that are not null. */
static bool
takes_all_values(const List *qual)
{
	ListCell   *lc;

	foreach(lc, qual)
	{
		if (!IsA(lfirst(lc), NullTest))
			return false;
	}
	return true;
}

/*
 * A mask moves the row out of the partition in which the source has it.  Only
 * people's own SQL, or one value, may stay in there: their rows are checked as
 * they arrive.  Returns the problem or NULL.
 */
static const char *
check_masked_key(Relation rel, TablePlan *table, const List *qual)
{
	Bitmapset  *columns = NULL;
	int			i = -1;

	table->masked_key = NULL;
	pull_varattnos((Node *) qual, 1, &columns);
	while ((i = bms_next_member(columns, i)) >= 0)
	{
		AttrNumber	attnum = i + FirstLowInvalidHeapAttributeNumber;
		char	   *name = attnum > 0 ? NameStr(TupleDescAttr(RelationGetDescr(rel), attnum - 1)->attname) : "";
		char	   *rule = plan_column_rule(table, name);

		if (rule == NULL || rewrite_gives(table->rewrites, name))
			continue;
		table->masked_key = rule;
		if (strstr(rule, ": statement") == NULL && strstr(rule, ": value") == NULL &&
			!takes_all_values(qual))
			return psprintf("its partition key is masked (%s), and the masked rows would belong into other partitions; use \"untouched\", or a statement whose values stay in the partition",
							rule);
	}
	return NULL;
}

static const char *
set_partition_bounds(Relation rel, TablePlan *table)
{
	OwnerContext owner;
	List	   *qual;
	ListCell   *lc;

	foreach(lc, get_partition_ancestors(RelationGetRelid(rel)))
		ready_partition_key(lfirst_oid(lc));
	owner_enter(&owner, rel->rd_rel->relowner);
	qual = RelationGetPartitionQual(rel);
	owner_leave(&owner);
	if (qual == NIL)
		return NULL;
	table->partition_check = nodeToString(qual);
	return check_masked_key(rel, table, qual);
}

/* ---- expressions ---- */

/* Analyzes and plans them once. */
static void
try_expressions(Relation rel, const char *row_name, List *expressions, bool generated)
{
	OwnerContext owner;

	owner_enter(&owner, rel->rd_rel->relowner);
	row_query_end(row_query_begin(rel, row_name, expressions, generated));
	owner_leave(&owner);
}

/* ---- the whole ---- */

static const char *
find_problem(Relation rel, TablePlan *table, Oid role, int *sqlerrcode)
{
	const char *problem = NULL;

	*sqlerrcode = ERRCODE_OBJECT_IN_USE;
	if (rel->rd_rel->relkind != RELKIND_RELATION || !columns_unchanged(rel, table))
		return "it was altered meanwhile";
	problem = recheck_rights(table, role, sqlerrcode);
	if (problem != NULL)
		return problem;
	*sqlerrcode = ERRCODE_FEATURE_NOT_SUPPORTED;
	if (rel->rd_rel->relam != HEAP_TABLE_AM_OID)
		return "its table access method is not \"heap\"";
	*sqlerrcode = ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
	problem = mode_problem(rel, table);
	if (problem != NULL)
		return problem;
	if (rel->rd_rel->relispartition)
		problem = set_partition_bounds(rel, table);
	if (problem != NULL)
		return problem;
	if (table->rewrites != NIL)
		try_expressions(rel, table->row_name, table->rewrites, false);
	if (table->keep != NIL)
		try_expressions(rel, table->row_name, table->keep, true);
	return NULL;
}

static const char *
look_at_table(TablePlan *table, Oid role, int *sqlerrcode)
{
	Relation	rel;
	const char *problem;

	target_lock(table->relid);
	rel = try_relation_open(table->relid, NoLock);
	*sqlerrcode = ERRCODE_OBJECT_IN_USE;
	if (rel == NULL)
		return "it was dropped meanwhile";
	table->shape = table_shape(rel);
	problem = find_problem(rel, table, role, sqlerrcode);
	relation_close(rel, NoLock);
	return problem;
}

/*
 * Its message, and where it was: the context of an expression says what it
 * is.
 */
static char *
describe_error(const ErrorData *error)
{
	return error->context ? psprintf("%s (%s)", error->message, error->context) : error->message;
}

/* An error is the table's problem, unless this process was asked to stop. */
static const char *
take_error(MemoryContext context, int *sqlerrcode)
{
	ErrorData  *error;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	if (error->sqlerrcode == ERRCODE_QUERY_CANCELED && !owner_caused(error))
		PG_RE_THROW();
	FlushErrorState();
	*sqlerrcode = error->sqlerrcode;
	return describe_error(error);
}

const char *
recheck_table(TablePlan *table, Oid role, int *sqlerrcode)
{
	MemoryContext oldcontext = CurrentMemoryContext;
	ResourceOwner oldowner = CurrentResourceOwner;
	const char *volatile problem = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(oldcontext);
	PG_TRY();
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		problem = look_at_table(table, role, sqlerrcode);
		PopActiveSnapshot();
	}
	PG_CATCH();
	{
		problem = take_error(oldcontext, sqlerrcode);
	}
	PG_END_TRY();
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(oldcontext);
	CurrentResourceOwner = oldowner;
	return problem;
}
