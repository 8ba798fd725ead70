/*-------------------------------------------------------------------------
 *
 * partition_map.c
 *	  Decides which rows of the source belong to which local partition.
 *
 * If both sides have the same partitions, each partition is copied from the
 * source partition of the same name.  Otherwise (other bounds, other levels, a
 * plain table on the source) the rows of each local leaf are selected by the
 * leaf's own constraint:
 *
 *		COPY (SELECT … FROM root WHERE <constraint of the leaf>) TO STDOUT
 *
 * The constraint is deparsed from the local catalog and must mean the same on
 * any server.  So it may contain only objects that come with PostgreSQL.  It
 * must not contain the hash function of a partitioned table, because that
 * table exists on one side only.
 *
 * The source need not evaluate the constraint as this server would; its
 * collations may differ.  The loader checks each row against the leaf's
 * constraint again, and rows that no leaf selects are counted.  So no row is
 * stored twice, and no row is lost without an error.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_class.h"
#include "lib/stringinfo.h"
#include "nodes/nodeFuncs.h"
#include "nodes/primnodes.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/partcache.h"
#include "utils/ruleutils.h"

#include "schema/partition_map.h"

/* ---- comparing partitions ---- */

/* Returns whether the bounds are the same from the leaf up to the root. */
static bool
same_bounds(const CatalogRelation *local, const CatalogRelation *local_root,
			const CatalogRelation *source, const CatalogRelation *source_root)
{
	while (local != local_root && source != source_root)
	{
		if (local == NULL || source == NULL || local->bound == NULL ||
			source->bound == NULL || strcmp(local->bound, source->bound) != 0)
			return false;
		local = local->parent;
		source = source->parent;
	}
	return local == local_root && source == source_root;
}

static CatalogRelation *
find_leaf(const CatalogRelation *root, const CatalogRelation *like)
{
	ListCell   *lc;

	foreach(lc, root->leaves)
	{
		CatalogRelation *leaf = lfirst(lc);

		if (strcmp(leaf->name, like->name) == 0 && strcmp(leaf->schema, like->schema) == 0)
			return leaf;
	}
	return NULL;
}

bool
partitions_same(const CatalogRelation *local, const CatalogRelation *source)
{
	ListCell   *lc;

	if (source->kind != RELKIND_PARTITIONED_TABLE ||
		list_length(local->leaves) != list_length(source->leaves))
		return false;
	foreach(lc, local->leaves)
	{
		CatalogRelation *leaf = lfirst(lc);
		CatalogRelation *other = find_leaf(source, leaf);

		if (other == NULL || !same_bounds(leaf, local, other, source))
			return false;
	}
	return true;
}

/* ---- conditions ---- */

static bool
is_foreign_function(Oid funcid, void *context)
{
	return funcid >= FirstGenbkiObjectId || funcid == F_SATISFIES_HASH_PARTITION;
}

static bool
uses_hash(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, FuncExpr) && ((FuncExpr *) node)->funcid == F_SATISFIES_HASH_PARTITION)
		return true;
	return expression_tree_walker(node, uses_hash, context);
}

/*
 * Returns whether the expression uses objects that PostgreSQL does not ship.
 */
static bool
uses_foreign_objects(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (check_functions_in_node(node, is_foreign_function, NULL))
		return true;
	if (IsA(node, OpExpr) && ((OpExpr *) node)->opno >= FirstGenbkiObjectId)
		return true;
	if (IsA(node, ScalarArrayOpExpr) && ((ScalarArrayOpExpr *) node)->opno >= FirstGenbkiObjectId)
		return true;
	if (!IsA(node, List) && exprType(node) >= FirstGenbkiObjectId)
		return true;
	return expression_tree_walker(node, uses_foreign_objects, context);
}

static List *
column_names(Node *expr, Oid relid)
{
	List	   *names = NIL;
	ListCell   *lc;

	foreach(lc, pull_var_clause(expr, 0))
	{
		Var		   *var = lfirst(lc);

		names = lappend(names, get_attname(relid, var->varattno, false));
	}
	return names;
}

/* Returns why the source cannot evaluate the condition, or NULL if it can. */
static char *
unsupported_reason(Node *expr, const CatalogRelation *leaf)
{
	char	   *name = quote_qualified_identifier(leaf->schema, leaf->name);

	if (uses_hash(expr, NULL))
		return psprintf("Partition %s is selected by a hash that only the table's own server can compute.", name);
	if (uses_foreign_objects(expr, NULL))
		return psprintf("The bounds of partition %s use types or functions that do not come with PostgreSQL.", name);
	return NULL;
}

/* Returns the condition of a leaf, or NULL and sets *reason. */
static PartitionCondition *
find_condition(CatalogRelation *leaf, char **reason)
{
	PartitionCondition *condition = palloc0(sizeof(PartitionCondition));
	Node	   *expr = (Node *) get_partition_qual_relid(leaf->oid);

	condition->leaf = leaf;
	if (expr == NULL)
	{
		/* the leaf is a default partition without siblings */
		condition->sql = "true";
		return condition;
	}
	*reason = unsupported_reason(expr, leaf);
	if (*reason != NULL)
		return NULL;
	condition->sql = deparse_expression(expr, deparse_context_for(leaf->name, leaf->oid),
										false, false);
	condition->columns = column_names(expr, leaf->oid);
	return condition;
}

static bool
is_default(const CatalogRelation *partition)
{
	return partition->bound != NULL && strcmp(partition->bound, "DEFAULT") == 0;
}

/*
 * Returns whether every row fits a leaf: there is only one level of
 * partitions, with a default partition.
 */
static bool
accepts_every_row(const CatalogRelation *root)
{
	bool		has_default = false;
	ListCell   *lc;

	if (root->parent != NULL)
		return false;
	foreach(lc, root->leaves)
	{
		CatalogRelation *leaf = lfirst(lc);

		if (leaf->parent != root)
			return false;
		has_default |= is_default(leaf);
	}
	return has_default;
}

PartitionMap *
partition_map(CatalogRelation *local, CatalogRelation *source, char **reason)
{
	PartitionMap *map = palloc0(sizeof(PartitionMap));
	ListCell   *lc;

	map->local = local;
	map->source = source;
	map->complete = accepts_every_row(local);
	foreach(lc, local->leaves)
	{
		PartitionCondition *condition = find_condition(lfirst(lc), reason);

		if (condition == NULL)
			return NULL;
		map->conditions = lappend(map->conditions, condition);
	}
	return map;
}

PartitionCondition *
partition_map_find(const PartitionMap *map, const CatalogRelation *leaf)
{
	ListCell   *lc;

	foreach(lc, map->conditions)
	{
		PartitionCondition *condition = lfirst(lc);

		if (condition->leaf == leaf)
			return condition;
	}
	return NULL;
}

char *
partition_map_rest(const PartitionMap *map)
{
	StringInfoData buf;
	ListCell   *lc;

	if (map->complete)
		return NULL;
	initStringInfo(&buf);
	foreach(lc, map->conditions)
		appendStringInfo(&buf, "%s(%s)", buf.len > 0 ? " OR " : "",
						 ((PartitionCondition *) lfirst(lc))->sql);
	return psprintf("(%s) IS NOT TRUE", buf.len > 0 ? buf.data : "false");
}
