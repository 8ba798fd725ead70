/*-------------------------------------------------------------------------
 *
 * key_graph.c
 *	  The tables around a run, connected by foreign keys.
 *
 * If a run's rows violate a foreign key, the HINT needs to know the tables that
 * are connected with the run, and which of them could be pulled.  The graph is
 * made only then.  It has a node for each table with a foreign key that a pull
 * checks.  The partitions of a table are one node, because they come together.
 *
 * The source is not asked: at that time the connection is closed.  Its catalog
 * was read for the plan, with all relations of the schemas of the call.  A
 * table of another schema is taken to be there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"

#include "base/text.h"
#include "plan/framework_table.h"
#include "plan/selection_request.h"
#include "plan/table_pattern.h"
#include "run/key_graph.h"

typedef struct NodeEntry
{
	Oid			relid;
	KeyNode    *node;
} NodeEntry;

/* ---- nodes ---- */

/* False for a table that has just been dropped. */
static bool
is_there(Oid relid)
{
	return get_rel_name(relid) != NULL && get_namespace_name(get_rel_namespace(relid)) != NULL;
}

/* The partitioned table that the table belongs to, or the table itself. */
static Oid
root_of(Oid relid)
{
	return get_rel_relispartition(relid) ? llast_oid(get_partition_ancestors(relid)) : relid;
}

/* The table as the catalog has it, for patterns. */
static const CatalogRelation *
local_relation(const KeyGraph *graph, Oid relid)
{
	char	   *schema = get_namespace_name(get_rel_namespace(relid));
	char	   *name = get_rel_name(relid);
	CatalogRelation *relation = catalog_find(graph->run->plan->local, schema, name);

	if (relation != NULL)
		return relation;
	relation = palloc0(sizeof(CatalogRelation));
	relation->oid = relid;
	relation->schema = schema;
	relation->name = name;
	return relation;
}

KeyNode *
key_node(KeyGraph *graph, Oid relid)
{
	Oid			root = root_of(relid);
	bool		found;
	NodeEntry  *entry = hash_search(graph->by_oid, &root, HASH_ENTER, &found);
	KeyNode    *node;

	if (found)
		return entry->node;
	node = entry->node = palloc0(sizeof(KeyNode));
	node->relid = root;
	node->relation = local_relation(graph, root);
	node->name = quote_qualified_identifier(node->relation->schema, node->relation->name);
	graph->nodes = lappend(graph->nodes, node);
	return node;
}

/* The number of tables that have rows of the node. */
static int
count_leaves(Oid relid)
{
	int			count = 0;
	ListCell   *lc;

	if (get_rel_relkind(relid) != RELKIND_PARTITIONED_TABLE)
		return 1;
	foreach(lc, find_all_inheritors(relid, NoLock, NULL))
		count += get_rel_relkind(lfirst_oid(lc)) != RELKIND_PARTITIONED_TABLE;
	return count;
}

/* ---- the run's tables ---- */

static void
add_planned(KeyGraph *graph, const TablePlan *table)
{
	KeyNode    *node;

	if (!OidIsValid(table->relid) || !is_there(table->relid))
		return;
	node = key_node(graph, table->relid);
	node->planned++;
	node->plan = table;
	node->merges |= table->mode != LAND_REPLACE;
	node->keeps |= table->keep != NIL;
	node->partial |= table->empty || table->filter != NULL || table->row_security;
	if (node->failure == NULL && !outcome_is_well(graph->run->outcomes, table))
		node->failure = table;
}

static void
add_run(KeyGraph *graph)
{
	ListCell   *lc;

	foreach(lc, graph->run->plan->tables)
		add_planned(graph, lfirst(lc));
	foreach(lc, graph->nodes)
	{
		KeyNode    *node = lfirst(lc);

		node->in_call = node->failure == NULL && node->planned == count_leaves(node->relid);
	}
}

/* ---- the others ---- */

/* The excludes, without the entry that is no pattern. */
static List *
exclude_patterns(const KeyGraph *graph, const List *texts)
{
	List	   *names = NIL;
	ListCell   *lc;

	foreach(lc, texts)
		if (strcmp(lfirst(lc), FRAMEWORK_TABLES_INCLUDED) != 0)
			names = lappend(names, lfirst(lc));
	return table_patterns_prepare(names, graph->run->plan->local, graph->run->plan->source);
}

static void
read_patterns(KeyGraph *graph)
{
	const RunPlan *plan = graph->run->plan;
	const SyncConfig *config = graph->run->config;

	graph->excludes = list_concat(exclude_patterns(graph, config->exclude),
								  exclude_patterns(graph, graph->run->request->plan.exclude));
	graph->emptied = table_patterns_prepare(config->empty, plan->local, plan->source);
	graph->filters = table_patterns_of_filters(config->filters, plan->local, plan->source);
}

/* What the source's catalog says against pulling the table, or NULL. */
static char *
source_obstacle(const KeyGraph *graph, KeyNode *node)
{
	const RunPlan *plan = graph->run->plan;
	const CatalogRelation *source = catalog_find(plan->source, node->relation->schema,
												 node->relation->name);

	if (source == NULL && !names_include(plan->schemas, node->relation->schema))
		return NULL;
	if (source == NULL ||
		(source->kind != RELKIND_RELATION && source->kind != RELKIND_PARTITIONED_TABLE))
	{
		node->only_here = true;
		return psprintf("The source does not have table %s.", node->name);
	}
	if (!source->reachable || !source->readable)
		return psprintf("The source's role may not read table %s.", node->name);
	if (source->row_security && !graph->run->request->plan.row_security)
		return psprintf("Row security on the source would filter table %s.", node->name);
	return NULL;
}

static char *
find_obstacle(const KeyGraph *graph, KeyNode *node)
{
	Oid			role = graph->run->request->plan.role;
	Landing		mode = graph->run->request->plan.mode;
	const TablePattern *exclude = table_pattern_find(graph->excludes, node->relation);

	if (node->failure != NULL)
		return psprintf("Table %s failed in this call.", node->name);
	if (exclude != NULL)
		return psprintf("Table %s is excluded by \"%s\".", node->name, exclude->text);
	if (landing_missing_rights(mode == LAND_DEFAULT ? LAND_REPLACE : mode, node->relid, role) != NULL ||
		check_enable_rls(node->relid, role, true) == RLS_ENABLED)
		return psprintf("Role %s may not replace the rows of table %s.",
						quote_identifier(GetUserNameFromId(role, false)), node->name);
	return source_obstacle(graph, node);
}

const char *
key_obstacle(KeyGraph *graph, KeyNode *node)
{
	if (node->in_call)
		return NULL;
	if (!node->examined)
	{
		node->obstacle = find_obstacle(graph, node);
		node->partial |= table_pattern_find(graph->emptied, node->relation) != NULL ||
			table_pattern_find(graph->filters, node->relation) != NULL;
		node->examined = true;
	}
	return node->obstacle;
}

/* ---- the keys ---- */

static void
add_references(KeyGraph *graph)
{
	ListCell   *lc;

	graph->references = integrity_references();
	foreach(lc, graph->references)
	{
		Reference  *reference = lfirst(lc);
		KeyNode    *child;
		KeyNode    *parent;

		if (!is_there(reference->from) || !is_there(reference->to))
		{
			graph->references = foreach_delete_current(graph->references, lc);
			continue;
		}
		child = key_node(graph, reference->from);
		parent = key_node(graph, reference->to);
		if (child == parent)
			child->to_itself = true;
		else
		{
			child->parents = list_append_unique_ptr(child->parents, parent);
			parent->children = list_append_unique_ptr(parent->children, child);
		}
	}
}

static void
add_violations(KeyGraph *graph, const List *violations)
{
	ListCell   *lc;

	foreach(lc, violations)
	{
		const KeyViolation *violation = lfirst(lc);
		KeyProblem *problem = palloc(sizeof(KeyProblem));

		problem->violation = violation;
		problem->child = key_node(graph, violation->referencing);
		problem->parent = key_node(graph, violation->referenced);
		graph->problems = lappend(graph->problems, problem);
	}
}

bool
key_is_violated(const KeyGraph *graph, const KeyNode *child, const KeyNode *parent)
{
	ListCell   *lc;

	foreach(lc, graph->problems)
	{
		KeyProblem *problem = lfirst(lc);

		if (problem->child == child && problem->parent == parent)
			return true;
	}
	return false;
}

KeyGraph *
key_graph(Run *run, const List *violations)
{
	KeyGraph   *graph = palloc0(sizeof(KeyGraph));
	HASHCTL		ctl = {
		.keysize = sizeof(Oid),
		.entrysize = sizeof(NodeEntry),
		.hcxt = CurrentMemoryContext
	};
	ListCell   *lc;

	graph->run = run;
	graph->by_oid = hash_create("pgtunsync tables with keys", 256, &ctl,
								HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	read_patterns(graph);
	add_run(graph);
	add_references(graph);
	add_violations(graph, violations);
	foreach(lc, graph->nodes)
		(void) key_obstacle(graph, lfirst(lc));
	return graph;
}
