/*-------------------------------------------------------------------------
 *
 * foreign_keys.c
 *	  Checks foreign keys over all rows at once.
 *
 * The rows were loaded without triggers.  So each foreign key that involves a
 * pulled table is checked once, at the end, over all rows.  The check is an
 * anti-join with the constraint's own operators, like the query that
 * RI_Initial_Check() in ri_triggers.c runs for ALTER TABLE … ADD FOREIGN KEY.
 * For a staged table, the query reads the staging heap, unless it was merged
 * into a table that keeps its rows.
 *
 * Keys with both ends replaced are checked before any target is locked.  Keys
 * that involve a merged table or a table outside the run are checked under the
 * locks.  A merge deletes no row and changes no primary key.  So of a merged
 * table's references only the written rows are checked, unless referenced rows
 * may be gone.  Keys that refer to a merged table are checked only if it was
 * overwritten and they use a unique key other than the primary key.
 *
 * NOT VALID keys are not checked, as in a restore, and neither are NOT
 * ENFORCED ones.  A key of a partitioned table has a pg_constraint row for
 * each leaf, and is checked there.  A partitioned table that is referenced is
 * read as all of its leaves.
 *
 * References by one integer column between staging heaps are first looked up
 * in bitmaps (fk_bitmap.c).  The query runs only if the bitmap test is
 * inconclusive.
 *
 * The queries run as superuser over users' tables; restricted_query.c keeps
 * them from running users' code.  If planning a query would evaluate code of a
 * table's owner, no query is planned, and fk_probe.c looks up the references.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/user_context.h"
#include "eval/restricted_query.h"
#include "apply/fk_bitmap.h"
#include "apply/fk_bitmap_parallel.h"
#include "apply/fk_probe.h"
#include "apply/foreign_keys.h"
#include "schema/primary_key.h"
#include "staging/staging.h"

/* number of keys in an error */
#define SAMPLE_KEYS		5
/* number of violated constraints in an error */
#define SHOWN_VIOLATIONS	10

/* The references of a table that must be checked. */
typedef enum Scope
{
	NO_ROWS,
	WRITTEN_ROWS,				/* rows that a merge wrote */
	ALL_ROWS
} Scope;

/* ---- selecting foreign keys ---- */

static HTAB *
staged_table(const List *staged)
{
	HASHCTL		ctl = {
		.keysize = sizeof(Oid),
		.entrysize = sizeof(StagedTable),
		.hcxt = CurrentMemoryContext
	};
	HTAB	   *table = hash_create("pgtunsync staged tables", list_length(staged) + 1, &ctl,
									HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	ListCell   *lc;

	foreach(lc, staged)
	{
		StagedTable *from = lfirst(lc);
		StagedTable *to = hash_search(table, &from->target, HASH_ENTER, NULL);

		*to = *from;
	}
	return table;
}

static StagedTable *
find_staged(HTAB *staged, Oid relid)
{
	return hash_search(staged, &relid, HASH_FIND, NULL);
}

static bool
is_replaced(HTAB *staged, Oid relid)
{
	StagedTable *found = find_staged(staged, relid);

	return found != NULL && !staged_merges(found);
}

/* Returns the relation that contains the table's rows after the swap. */
static Oid
future_rows(HTAB *staged, Oid relid)
{
	return is_replaced(staged, relid) ? find_staged(staged, relid)->staging : relid;
}

/*
 * Returns the leaves of a referenced table, or the table itself if it is not
 * partitioned.
 */
static List *
leaves_of(Oid relid)
{
	List	   *leaves = NIL;
	ListCell   *lc;

	if (get_rel_relkind(relid) != RELKIND_PARTITIONED_TABLE)
		return list_make1_oid(relid);
	foreach(lc, find_all_inheritors(relid, NoLock, NULL))
		if (get_rel_relkind(lfirst_oid(lc)) != RELKIND_PARTITIONED_TABLE)
			leaves = lappend_oid(leaves, lfirst_oid(lc));
	return leaves;
}

/*
 * Returns whether the constraint only exists for a partition of the
 * *referenced* table.  It repeats the referencing side of its parent, and only
 * the parent can be checked.
 */
static bool
is_action_only(Form_pg_constraint con)
{
	HeapTuple	parent;
	bool		result;

	if (!OidIsValid(con->conparentid))
		return false;
	parent = SearchSysCache1(CONSTROID, ObjectIdGetDatum(con->conparentid));
	if (!HeapTupleIsValid(parent))
		return false;
	result = ((Form_pg_constraint) GETSTRUCT(parent))->conrelid == con->conrelid;
	ReleaseSysCache(parent);
	return result;
}

static bool
is_checked_kind(Form_pg_constraint con)
{
	return con->contype == CONSTRAINT_FOREIGN && con->convalidated &&
		compat_constraint_enforced(con) &&
		get_rel_relkind(con->conrelid) == RELKIND_RELATION &&
		!is_action_only(con);
}

static bool
is_primary(Oid indexoid)
{
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(indexoid));
	bool		result;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for index %u", indexoid);
	result = ((Form_pg_index) GETSTRUCT(tuple))->indisprimary;
	ReleaseSysCache(tuple);
	return result;
}

/*
 * Returns whether values of a unique key may be gone.  The index is that of
 * the key, or its parent.
 */
static bool
may_lose_keys(HTAB *staged, Oid relid, Oid indexoid)
{
	StagedTable *table = find_staged(staged, relid);

	if (table == NULL)
		return false;
	return !staged_merges(table) || (table->updated > 0 && !is_primary(indexoid));
}

static Scope
reference_scope(HTAB *staged, Oid fk_relid, Oid pk_relid, Oid indexoid)
{
	StagedTable *table = find_staged(staged, fk_relid);
	ListCell   *lc;

	if (table != NULL && !staged_merges(table))
		return ALL_ROWS;
	foreach(lc, leaves_of(pk_relid))
	{
		if (may_lose_keys(staged, lfirst_oid(lc), indexoid))
			return ALL_ROWS;
	}
	return table != NULL && table->inserted + table->updated > 0 ? WRITTEN_ROWS : NO_ROWS;
}

void
integrity_find(const List *staged_list, List **inside, List **across)
{
	HTAB	   *staged = staged_table(staged_list);
	Relation	con_rel = table_open(ConstraintRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(con_rel, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	tuple;

	*inside = *across = NIL;
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_constraint con = (Form_pg_constraint) GETSTRUCT(tuple);
		bool		all_replaced;
		ListCell   *lc;

		if (!is_checked_kind(con) ||
			reference_scope(staged, con->conrelid, con->confrelid, con->conindid) == NO_ROWS)
			continue;
		all_replaced = is_replaced(staged, con->conrelid);
		foreach(lc, leaves_of(con->confrelid))
			all_replaced &= is_replaced(staged, lfirst_oid(lc));
		if (all_replaced)
			*inside = lappend_oid(*inside, con->oid);
		else
			*across = lappend_oid(*across, con->oid);
	}
	systable_endscan(scan);
	table_close(con_rel, AccessShareLock);
	hash_destroy(staged);
}

/* ---- the order of tables ---- */

List *
integrity_references(void)
{
	Relation	con_rel = table_open(ConstraintRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(con_rel, InvalidOid, false, NULL, 0, NULL);
	List	   *references = NIL;
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_constraint con = (Form_pg_constraint) GETSTRUCT(tuple);
		Reference  *reference;

		if (!is_checked_kind(con))
			continue;
		reference = palloc(sizeof(Reference));
		reference->constraint = con->oid;
		reference->from = con->conrelid;
		reference->to = con->confrelid;
		references = lappend(references, reference);
	}
	systable_endscan(scan);
	table_close(con_rel, AccessShareLock);
	return references;
}

/*
 * Returns the references between these tables, except those of a table to
 * itself.
 */
static List *
find_references(const List *relids)
{
	List	   *references = NIL;
	ListCell   *lc_key;
	ListCell   *lc;

	foreach(lc_key, integrity_references())
	{
		Reference  *key = lfirst(lc_key);

		if (!list_member_oid(relids, key->from))
			continue;
		foreach(lc, leaves_of(key->to))
		{
			Reference  *reference;

			if (lfirst_oid(lc) == key->from || !list_member_oid(relids, lfirst_oid(lc)))
				continue;
			reference = palloc(sizeof(Reference));
			*reference = *key;
			reference->to = lfirst_oid(lc);
			references = lappend(references, reference);
		}
	}
	return references;
}

/* Returns whether the table refers to one of the waiting tables. */
static bool
refers_to(Oid relid, const List *references, const List *waiting)
{
	ListCell   *lc;

	foreach(lc, references)
	{
		Reference  *reference = lfirst(lc);

		if (reference->from == relid && list_member_oid(waiting, reference->to))
			return true;
	}
	return false;
}

static void pg_attribute_noreturn()
raise_circle(const List *relids)
{
	StringInfoData names;
	ListCell   *lc;

	initStringInfo(&names);
	foreach(lc, relids)
		appendStringInfo(&names, "%s%s", names.len ? ", " : "", get_rel_name(lfirst_oid(lc)));
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot append to tables that refer to each other in a circle"),
			 errdetail("Tables: %s.", names.data),
			 errhint("Use another mode, which pulls their rows together.")));
}

List *
integrity_order(const List *relids)
{
	List	   *references = find_references(relids);
	List	   *waiting = list_copy(relids);
	List	   *order = NIL;

	while (waiting != NIL)
	{
		List	   *blocked = NIL;
		ListCell   *lc;

		foreach(lc, waiting)
		{
			if (refers_to(lfirst_oid(lc), references, waiting))
				blocked = lappend_oid(blocked, lfirst_oid(lc));
			else
				order = lappend_oid(order, lfirst_oid(lc));
		}
		if (list_length(blocked) == list_length(waiting))
			raise_circle(blocked);
		waiting = blocked;
	}
	return order;
}

ForeignKey *
integrity_key(Oid oid)
{
	HeapTuple	tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(oid));
	ForeignKey *key = palloc0(sizeof(ForeignKey));
	Form_pg_constraint con;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for constraint %u", oid);
	con = (Form_pg_constraint) GETSTRUCT(tuple);
	key->oid = oid;
	key->name = pstrdup(NameStr(con->conname));
	key->fk_relid = con->conrelid;
	key->pk_relid = con->confrelid;
	key->index = con->conindid;
	key->period = compat_constraint_period(con);
	key->match_full = con->confmatchtype == FKCONSTR_MATCH_FULL;
	compat_deconstruct_fk(tuple, &key->nkeys, key->fk_attnums, key->pk_attnums, key->operators);
	ReleaseSysCache(tuple);
	return key;
}

/* ---- building the query ---- */

static char *
qualified_name(Oid relid)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
									  get_rel_name(relid));
}

static const char *
column_name(Oid relid, AttrNumber attnum)
{
	return quote_identifier(get_attname(relid, attnum, false));
}

/* Appends the referenced rows, as a FROM item named pk. */
static void
append_referenced(StringInfo sql, HTAB *staged, const ForeignKey *key)
{
	ListCell   *lc;
	List	   *leaves;
	const char *separator = "";

	if (get_rel_relkind(key->pk_relid) != RELKIND_PARTITIONED_TABLE)
	{
		appendStringInfo(sql, "ONLY %s pk", qualified_name(future_rows(staged, key->pk_relid)));
		return;
	}
	leaves = leaves_of(key->pk_relid);
	if (leaves == NIL)
		leaves = list_make1_oid(key->pk_relid); /* reads no rows */
	appendStringInfoChar(sql, '(');
	foreach(lc, leaves)
	{
		appendStringInfo(sql, "%sSELECT ", separator);
		for (int i = 0; i < key->nkeys; i++)
			appendStringInfo(sql, "%s%s", i ? ", " : "",
							 column_name(key->pk_relid, key->pk_attnums[i]));
		appendStringInfo(sql, " FROM ONLY %s", qualified_name(future_rows(staged, lfirst_oid(lc))));
		separator = " UNION ALL ";
	}
	appendStringInfoString(sql, ") pk");
}

/* Appends a column as an operand, cast to the operator's type if necessary. */
static void
append_operand(StringInfo sql, const char *alias, Oid relid, AttrNumber attnum, Oid type)
{
	appendStringInfo(sql, "%s.%s", alias, column_name(relid, attnum));
	if (get_atttype(relid, attnum) != type && !IsPolymorphicType(type))
		appendStringInfo(sql, "::%s", format_type_be_qualified(type));
}

static Oid
column_collation(Oid relid, AttrNumber attnum)
{
	Oid			type;
	int32		typmod;
	Oid			collation;

	get_atttypetypmodcoll(relid, attnum, &type, &typmod, &collation);
	return collation;
}

/* Appends the collation of the referenced column if the two sides differ. */
static void
append_collation(StringInfo sql, const ForeignKey *key, int i)
{
	Oid			pk_collation = column_collation(key->pk_relid, key->pk_attnums[i]);
	HeapTuple	tuple;
	Form_pg_collation form;

	if (!OidIsValid(pk_collation) ||
		pk_collation == column_collation(key->fk_relid, key->fk_attnums[i]))
		return;
	tuple = SearchSysCache1(COLLOID, ObjectIdGetDatum(pk_collation));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for collation %u", pk_collation);
	form = (Form_pg_collation) GETSTRUCT(tuple);
	appendStringInfo(sql, " COLLATE %s",
					 quote_qualified_identifier(get_namespace_name(form->collnamespace),
												NameStr(form->collname)));
	ReleaseSysCache(tuple);
}

/* A column of a FROM item. */
typedef struct Operand
{
	const char *alias;
	Oid			relid;
	AttrNumber	attnum;
} Operand;

/* Appends: left operator right. */
static void
append_operator(StringInfo sql, Oid opno, Operand left, Operand right)
{
	HeapTuple	tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(opno));
	Form_pg_operator oper;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator %u", opno);
	oper = (Form_pg_operator) GETSTRUCT(tuple);
	append_operand(sql, left.alias, left.relid, left.attnum, oper->oprleft);
	appendStringInfo(sql, " OPERATOR(%s.%s) ",
					 quote_identifier(get_namespace_name(oper->oprnamespace)),
					 NameStr(oper->oprname));
	append_operand(sql, right.alias, right.relid, right.attnum, oper->oprright);
	ReleaseSysCache(tuple);
}

/* Appends: pk.column operator fk.column. */
static void
append_comparison(StringInfo sql, const ForeignKey *key, int i)
{
	append_operator(sql, key->operators[i],
					(Operand) {"pk", key->pk_relid, key->pk_attnums[i]},
					(Operand) {"fk", key->fk_relid, key->fk_attnums[i]});
	append_collation(sql, key, i);
}

/*
 * Appends the rows that a merge wrote, as a FROM item named fk.  They are
 * found by their primary keys.
 */
static void
append_written(StringInfo sql, const StagedTable *table)
{
	Relation	rel = table_open(table->target, NoLock);
	Relation	index = index_open(primary_key_index(rel), AccessShareLock);

	appendStringInfo(sql, "ONLY %s staged JOIN ONLY %s fk ON",
					 qualified_name(table->staging), qualified_name(table->target));
	for (int i = 0; i < IndexRelationGetNumberOfKeyAttributes(index); i++)
	{
		AttrNumber	attnum = index->rd_index->indkey.values[i];
		Oid			type = index->rd_opcintype[i];

		appendStringInfoString(sql, i ? " AND " : " ");
		append_operator(sql, get_opfamily_member(index->rd_opfamily[i], type, type, BTEqualStrategyNumber),
						(Operand) {"staged", table->target, attnum},
						(Operand) {"fk", table->target, attnum});
	}
	appendStringInfo(sql, " AND fk.xmin OPERATOR(pg_catalog.=) '%u'::pg_catalog.xid", table->written);
	index_close(index, NoLock);
	table_close(rel, NoLock);
}

/* Appends the references to check, as a FROM item named fk. */
static void
append_referencing(StringInfo sql, HTAB *staged, const ForeignKey *key)
{
	StagedTable *table = find_staged(staged, key->fk_relid);

	if (reference_scope(staged, key->fk_relid, key->pk_relid, key->index) != WRITTEN_ROWS)
		appendStringInfo(sql, "ONLY %s fk", qualified_name(future_rows(staged, key->fk_relid)));
	else if (table->plan->mode == LAND_APPEND)
		appendStringInfo(sql, "ONLY %s fk", qualified_name(table->staging));
	else
		append_written(sql, table);
}

/*
 * Appends the condition for a reference.  MATCH SIMPLE: all columns are set;
 * MATCH FULL: any column is set (a mixed key never has a match).  IS NOT NULL
 * cannot be used, because it looks into composite values.
 */
static void
append_is_reference(StringInfo sql, const ForeignKey *key)
{
	appendStringInfoChar(sql, '(');
	for (int i = 0; i < key->nkeys; i++)
		appendStringInfo(sql, "%sfk.%s IS DISTINCT FROM NULL",
						 i == 0 ? "" : key->match_full ? " OR " : " AND ",
						 column_name(key->fk_relid, key->fk_attnums[i]));
	appendStringInfoChar(sql, ')');
}

/* Appends the comparisons of all key columns, joined by AND. */
static void
append_comparisons(StringInfo sql, const ForeignKey *key)
{
	for (int i = 0; i < key->nkeys; i++)
	{
		if (i > 0)
			appendStringInfoString(sql, " AND ");
		append_comparison(sql, key, i);
	}
}

/*
 * Returns FROM and WHERE for the references without a match.  With PERIOD, the
 * last comparison is "overlaps", and all ranges that match must together cover
 * the reference (like RI_FKey_check() in 18).
 */
static char *
orphans_clause(HTAB *staged, const ForeignKey *key)
{
	StringInfoData sql;
	const char *fk_period = NULL;

	initStringInfo(&sql);
	appendStringInfoString(&sql, " FROM ");
	append_referencing(&sql, staged, key);
	appendStringInfoString(&sql, " WHERE ");
	append_is_reference(&sql, key);
	appendStringInfoString(&sql, " AND NOT EXISTS (SELECT 1 FROM ");
	if (key->period)
	{
		fk_period = column_name(key->fk_relid, key->fk_attnums[key->nkeys - 1]);
		appendStringInfo(&sql, "(SELECT pk.%s AS period FROM ",
						 column_name(key->pk_relid, key->pk_attnums[key->nkeys - 1]));
	}
	append_referenced(&sql, staged, key);
	appendStringInfoString(&sql, " WHERE ");
	append_comparisons(&sql, key);
	if (key->period)
		appendStringInfo(&sql, ") covered HAVING fk.%s OPERATOR(pg_catalog.<@) pg_catalog.range_agg(covered.period)",
						 fk_period);
	appendStringInfoChar(&sql, ')');
	return sql.data;
}

/* Returns (a, b)=(1, 2), (3, 4), like the keys in the server's errors. */
static char *
describe_samples(const ForeignKey *key, const RestrictedRows *rows)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoChar(&text, '(');
	for (int i = 0; i < key->nkeys; i++)
		appendStringInfo(&text, "%s%s", i ? ", " : "",
						 get_attname(key->fk_relid, key->fk_attnums[i], false));
	appendStringInfoString(&text, ")=");
	for (int row = 0; row < rows->nrows; row++)
	{
		appendStringInfoString(&text, row ? ", (" : "(");
		for (int i = 0; i < key->nkeys; i++)
			appendStringInfo(&text, "%s%s", i ? ", " : "",
							 rows->values[row][i] ? rows->values[row][i] : "null");
		appendStringInfoChar(&text, ')');
	}
	return text.data;
}

/* ---- running the query ---- */

/* Returns the owner of the referencing table. */
static Oid
key_owner(const ForeignKey *key)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(key->fk_relid));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", key->fk_relid);
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

/* Returns the relations that the query reads. */
static List *
key_relations(HTAB *staged, const ForeignKey *key)
{
	List	   *relids = list_make1_oid(future_rows(staged, key->fk_relid));
	List	   *leaves = leaves_of(key->pk_relid);
	ListCell   *lc;

	if (find_staged(staged, key->fk_relid) != NULL)
		relids = list_append_unique_oid(relids, find_staged(staged, key->fk_relid)->staging);
	if (leaves == NIL)
		relids = lappend_oid(relids, key->pk_relid);
	foreach(lc, leaves)
		relids = lappend_oid(relids, future_rows(staged, lfirst_oid(lc)));
	return relids;
}

/* Returns the key's columns on the referencing side. */
static char *
key_columns(const ForeignKey *key)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < key->nkeys; i++)
		appendStringInfo(&text, "%sfk.%s", i ? ", " : "",
						 column_name(key->fk_relid, key->fk_attnums[i]));
	return text.data;
}

/* ---- checks without a query ---- */

/* Returns whether integer_references_check() can check the key. */
static bool
is_integer_reference(HTAB *staged, const ForeignKey *key)
{
	return key->nkeys == 1 && !key->period && integer_keys_equality(key->operators[0]) &&
		is_replaced(staged, key->fk_relid) && is_replaced(staged, key->pk_relid);
}

/*
 * Returns the constraints that are proven to have no orphans without a query.
 * Reads only values of built-in types, so no user's code runs.
 */
static List *
proven_constraints(HTAB *staged, const List *constraints)
{
	IntegerReference *references = palloc(list_length(constraints) * sizeof(IntegerReference));
	int			count = 0;
	List	   *proven = NIL;
	ListCell   *lc;

	foreach(lc, constraints)
	{
		ForeignKey *key = integrity_key(lfirst_oid(lc));

		if (is_integer_reference(staged, key))
			references[count++] = (IntegerReference)
			{
				.constraint = key->oid,
				.referencing = future_rows(staged, key->fk_relid),
				.referenced = future_rows(staged, key->pk_relid),
				.fk = key->fk_attnums[0],
				.pk = key->pk_attnums[0]
			};
	}
	integer_references_check(references, count);
	for (int i = 0; i < count; i++)
		if (references[i].match)
			proven = lappend_oid(proven, references[i].constraint);
	pfree(references);
	return proven;
}

/* ---- checks by index ---- */

/*
 * Returns the index of a leaf that belongs to an index of the partitioned
 * table.
 */
static Oid
leaf_index(Oid leaf, Oid root_index)
{
	Relation	rel = table_open(leaf, AccessShareLock);
	List	   *indexes = RelationGetIndexList(rel);
	ListCell   *lc;

	table_close(rel, NoLock);
	foreach(lc, indexes)
		if (lfirst_oid(lc) == root_index ||
			list_member_oid(get_partition_ancestors(lfirst_oid(lc)), root_index))
			return lfirst_oid(lc);
	elog(ERROR, "table %u has no index that belongs to index %u", leaf, root_index);
	return InvalidOid;
}

/*
 * Fills in which rows are looked up and where: those that the query would
 * read.
 */
static void
init_probe(KeyProbe *probe, HTAB *staged, const ForeignKey *key)
{
	StagedTable *table = find_staged(staged, key->fk_relid);
	ListCell   *lc;

	memset(probe, 0, sizeof(KeyProbe));
	probe->key = key;
	probe->owner = key_owner(key);
	probe->referencing = future_rows(staged, key->fk_relid);
	if (reference_scope(staged, key->fk_relid, key->pk_relid, key->index) == WRITTEN_ROWS)
	{
		if (table->plan->mode == LAND_APPEND)
			probe->referencing = table->staging;
		else
			probe->written = table->written;
	}
	foreach(lc, leaves_of(key->pk_relid))
	{
		Oid			index = leaf_index(lfirst_oid(lc), key->index);
		Oid			heap = future_rows(staged, lfirst_oid(lc));

		probe->referenced = lappend_oid(probe->referenced, heap);
		probe->indexes = lappend_oid(probe->indexes, heap == lfirst_oid(lc) ? index :
									 staging_index(heap, index));
	}
}

/*
 * Returns whether planning a query over both ends would run their owners'
 * code.
 */
static bool
must_probe(HTAB *staged, const ForeignKey *key)
{
	ListCell   *lc;

	foreach(lc, key_relations(staged, key))
		if (restricted_holds_user_code(lfirst_oid(lc)))
			return true;
	return false;
}

/* ---- the checks ---- */

/*
 * Counts the orphans of a key.  The query counts them instead of stopping at
 * the first one: the planner must expect to read all rows, and only a query
 * that runs to its end can be parallel.
 */
static char *
count_orphans(HTAB *staged, const ForeignKey *key)
{
	char	   *sql = psprintf("SELECT pg_catalog.count(*)%s", orphans_clause(staged, key));

	return restricted_query(sql, key_relations(staged, key), key_owner(key), 0)->values[0][0];
}

static RestrictedRows *
sample_orphans(HTAB *staged, const ForeignKey *key)
{
	char	   *sql = psprintf("SELECT DISTINCT %s%s", key_columns(key), orphans_clause(staged, key));

	return restricted_query(sql, key_relations(staged, key), key_owner(key), SAMPLE_KEYS);
}

/* Checks one key.  Returns NULL if it is not violated. */
static KeyViolation *
find_violation(HTAB *staged, const ForeignKey *key)
{
	KeyViolation *violation;
	RestrictedRows *samples = NULL;
	char	   *count;

	if (must_probe(staged, key))
	{
		KeyProbe	probe;

		init_probe(&probe, staged, key);
		count = psprintf(INT64_FORMAT, fk_probe(&probe, SAMPLE_KEYS, &samples));
	}
	else
		count = count_orphans(staged, key);
	if (strcmp(count, "0") == 0)
		return NULL;
	if (samples == NULL)
		samples = sample_orphans(staged, key);
	violation = palloc0(sizeof(KeyViolation));
	violation->constraint = key->oid;
	violation->name = key->name;
	violation->referencing = key->fk_relid;
	violation->referenced = key->pk_relid;
	violation->by_primary_key = is_primary(key->index);
	violation->count = count;
	violation->samples = describe_samples(key, samples);
	return violation;
}

/* Copies a violation into the current memory context. */
static KeyViolation *
copy_violation(const KeyViolation *from)
{
	KeyViolation *violation = palloc(sizeof(KeyViolation));

	*violation = *from;
	violation->name = pstrdup(from->name);
	violation->count = pstrdup(from->count);
	violation->samples = pstrdup(from->samples);
	return violation;
}

/*
 * Raises an error of a user's function that the key's operator or cast calls.
 * The SQLSTATE is replaced, so that the error is not treated as a cancel or a
 * busy lock.
 */
static void pg_attribute_noreturn()
raise_owner_error(const ForeignKey *key, const ErrorData *error)
{
	ereport(ERROR,
			(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
			 errmsg("could not check foreign key \"%s\" of table \"%s\": %s",
					key->name, get_rel_name(key->fk_relid), error->message),
			 errdetail("The error comes from a function that compares the key."),
			 errhint("Correct the function, or drop the key.")));
}

/* Checks one key, with errors that name it. */
static KeyViolation *
check_key(HTAB *staged, const ForeignKey *key)
{
	MemoryContext oldcontext = CurrentMemoryContext;
	KeyViolation *violation = NULL;

	PG_TRY();
	{
		violation = find_violation(staged, key);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(oldcontext);
		error = CopyErrorData();
		if (!owner_caused(error))
			PG_RE_THROW();
		FlushErrorState();
		raise_owner_error(key, error);
	}
	PG_END_TRY();
	return violation;
}

/* ---- describing violations ---- */

static void
append_violation(StringInfo detail, const KeyViolation *violation)
{
	appendStringInfo(detail, "%sKey \"%s\": %s %s of \"%s\" without a match in \"%s\", such as %s.",
					 detail->len > 0 ? "\n" : "",
					 violation->name, violation->count, strcmp(violation->count, "1") == 0 ? "row" : "rows",
					 get_rel_name(violation->referencing), get_rel_name(violation->referenced),
					 violation->samples);
}

char *
integrity_detail(const List *violations)
{
	StringInfoData detail;
	ListCell   *lc;
	int			shown = 0;

	initStringInfo(&detail);
	foreach(lc, violations)
	{
		if (shown++ == SHOWN_VIOLATIONS)
		{
			appendStringInfo(&detail, "\nAnd %d more keys.",
							 list_length(violations) - SHOWN_VIOLATIONS);
			break;
		}
		append_violation(&detail, lfirst(lc));
	}
	return detail.data;
}

/*
 * Sets the memory that RI_Initial_Check() uses for ALTER TABLE … ADD FOREIGN
 * KEY.  Returns the nest level for AtEOXact_GUC(), which restores the
 * settings.
 */
static int
enlarge_memory(void)
{
	int			nestlevel = NewGUCNestLevel();
	char		memory[32];

	snprintf(memory, sizeof(memory), "%d", maintenance_work_mem);
	(void) set_config_option("work_mem", memory, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("hash_mem_multiplier", "1", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	return nestlevel;
}

List *
integrity_check(const List *staged_list, const List *constraints)
{
	HTAB	   *staged = staged_table(staged_list);
	int			nestlevel = enlarge_memory();
	MemoryContext oldcontext = CurrentMemoryContext;
	MemoryContext key_context = AllocSetContextCreate(CurrentMemoryContext,
													  "pgtunsync foreign key",
													  ALLOCSET_DEFAULT_SIZES);
	List	   *unproven = list_difference_oid(constraints,
											   proven_constraints(staged, constraints));
	List	   *violations = NIL;
	ListCell   *lc;

	foreach(lc, unproven)
	{
		KeyViolation *violation;

		/* plans are large, and there may be hundreds of keys */
		MemoryContextSwitchTo(key_context);
		violation = check_key(staged, integrity_key(lfirst_oid(lc)));
		MemoryContextSwitchTo(oldcontext);
		if (violation != NULL)
			violations = lappend(violations, copy_violation(violation));
		MemoryContextReset(key_context);
		CHECK_FOR_INTERRUPTS();
	}
	AtEOXact_GUC(true, nestlevel);
	MemoryContextDelete(key_context);
	hash_destroy(staged);
	return violations;
}
