/*-------------------------------------------------------------------------
 *
 * key_clauses.c
 *	  The clauses that tables need because other tables come in part.
 *
 * If only some customers come, by a filter of the configuration, then only
 * their orders can come, and only the items of these orders.  The HINT shows
 * the lines to add to the file, for all tables of the call that are concerned:
 *
 *		filters:
 *		  public.orders: "customer_id IN (SELECT id FROM public.customers WHERE …)"
 *		  public.items: "order_id IN (SELECT id FROM public.orders WHERE …)"
 *
 * A clause repeats that of the referenced table.  Tables that refer to each
 * other in a circle are not followed around it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_attribute.h"
#include "lib/stringinfo.h"
#include "nodes/value.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "run/call_text.h"
#include "run/key_clauses.h"

/* A restriction is not repeated through more keys than this. */
#define DEPTH_MAX	8

/* ---- SQL ---- */

/* Returns the columns as a list, in parentheses if there are several. */
static char *
column_list(Oid relid, const AttrNumber *attnums, int n, const char *alias)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < n; i++)
		appendStringInfo(&text, "%s%s%s", i > 0 ? ", " : "", alias,
						 quote_identifier(get_attname(relid, attnums[i], false)));
	return text.data;
}

static char *
in_parentheses(char *columns, int n)
{
	return n == 1 ? columns : psprintf("(%s)", columns);
}

static bool
is_nullable(Oid relid, AttrNumber attnum)
{
	HeapTuple	tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(relid), Int16GetDatum(attnum));
	bool		result;

	if (!HeapTupleIsValid(tuple))
		return false;
	result = !((Form_pg_attribute) GETSTRUCT(tuple))->attnotnull;
	ReleaseSysCache(tuple);
	return result;
}

/* Returns "a IS NULL OR b IS NULL OR ", for the columns that may be null. */
static char *
null_condition(const ForeignKey *key)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < key->nkeys; i++)
	{
		if (!key->match_full && is_nullable(key->fk_relid, key->fk_attnums[i]))
			appendStringInfo(&text, "%s IS NULL OR ",
							 column_list(key->fk_relid, &key->fk_attnums[i], 1, ""));
	}
	return text.data;
}

/* ---- restrictions ---- */

static char *restriction(KeyGraph *graph, KeyNode *node, int depth);

/* The rows of a node that come, as they follow its name in a FROM. */
static char *
coming_rows(KeyGraph *graph, KeyNode *node, int depth)
{
	const Clause *clause = node->plan->clause;
	char	   *more = restriction(graph, node, depth);

	if (more == NULL)
		return clause ? clause->sql : "";
	if (clause == NULL)
		return psprintf("WHERE %s", more);
	return clause->where ? psprintf("WHERE (%s) AND (%s)", clause->where, more) : clause->sql;
}

/* The condition that one key puts on the referring table; NULL if none. */
static char *
key_condition(KeyGraph *graph, const Reference *reference, KeyNode *parent, int depth)
{
	ForeignKey *key = integrity_key(reference->constraint);
	char	   *nulls = null_condition(key);
	char	   *rows;

	if (parent->plan->empty)
		return nulls[0] ? pnstrdup(nulls, strlen(nulls) - 4) : pstrdup("false");
	rows = coming_rows(graph, parent, depth + 1);
	if (rows[0] == '\0')
		return NULL;
	return psprintf("%s%s IN (SELECT %s FROM %s %s)", nulls,
					in_parentheses(column_list(key->fk_relid, key->fk_attnums, key->nkeys, ""),
								   key->nkeys),
					column_list(key->pk_relid, key->pk_attnums, key->nkeys, ""),
					parent->name, rows);
}

/* The condition that all keys put on a table; NULL if none. */
static char *
restriction(KeyGraph *graph, KeyNode *node, int depth)
{
	List	   *conditions = NIL;
	StringInfoData text;
	ListCell   *lc;

	if (depth > DEPTH_MAX)
		return NULL;
	foreach(lc, graph->references)
	{
		Reference  *reference = lfirst(lc);
		KeyNode    *parent = key_node(graph, reference->to);
		char	   *condition;

		if (key_node(graph, reference->from) != node || parent == node || !parent->in_call)
			continue;
		condition = key_condition(graph, reference, parent, depth);
		if (condition != NULL)
			conditions = list_append_unique(conditions, makeString(condition));
	}
	if (conditions == NIL)
		return NULL;
	initStringInfo(&text);
	foreach(lc, conditions)
		appendStringInfo(&text, list_length(conditions) > 1 ? "%s(%s)" : "%s%s",
						 text.len > 0 ? " AND " : "", strVal(lfirst(lc)));
	return text.data;
}

/* ---- lines of the file ---- */

/* A string as YAML reads it, in double quotes. */
static char *
yaml_string(const char *text)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoChar(&buf, '"');
	for (const char *c = text; *c != '\0'; c++)
	{
		if (*c == '"' || *c == '\\')
			appendStringInfoChar(&buf, '\\');
		appendStringInfoChar(&buf, *c == '\n' ? ' ' : *c);
	}
	appendStringInfoChar(&buf, '"');
	return buf.data;
}

static char *
yaml_key(const char *name)
{
	return strchr(name, '"') ? yaml_string(name) : pstrdup(name);
}

/* The clause of a table together with what its keys ask for. */
static char *
whole_clause(const KeyNode *node, char *more)
{
	const Clause *clause = node->plan->clause;

	return clause != NULL && clause->where != NULL ?
		psprintf("(%s) AND (%s)", clause->where, more) : more;
}

/*
 * The tables of the call that need a clause: those with a violated key, and
 * those that refer to them.
 */
static List *
concerned(KeyGraph *graph)
{
	List	   *nodes = NIL;
	ListCell   *lc;

	foreach(lc, graph->problems)
	{
		KeyProblem *problem = lfirst(lc);

		if (problem->child->in_call && problem->parent->in_call && problem->parent->partial &&
			problem->child != problem->parent)
			nodes = list_append_unique_ptr(nodes, problem->child);
	}
	for (int i = 0; i < list_length(nodes); i++)
	{
		foreach(lc, ((KeyNode *) list_nth(nodes, i))->children)
			if (((KeyNode *) lfirst(lc))->in_call)
				nodes = list_append_unique_ptr(nodes, lfirst(lc));
	}
	return nodes;
}

char *
key_clauses(KeyGraph *graph)
{
	StringInfoData lines;
	ListCell   *lc;

	initStringInfo(&lines);
	foreach(lc, concerned(graph))
	{
		KeyNode    *node = lfirst(lc);
		char	   *more = node->plan->empty ? NULL : restriction(graph, node, 0);

		if (more != NULL)
			appendStringInfo(&lines, "\n  %s: %s", yaml_key(node->name),
							 yaml_string(whole_clause(node, more)));
	}
	if (lines.len == 0)
		return NULL;
	return psprintf("Only a part of the rows that others refer to comes. "
					"Give the others clauses, too, in file \"%s\":\nfilters:%s",
					graph->run->config->path ? graph->run->config->path : ".pgsync.yml",
					lines.data);
}

/* ---- references of a table to itself ---- */

char *
key_recursive_filter(KeyGraph *graph)
{
	KeyProblem *problem = linitial(graph->problems);
	const char *filter = graph->run->request->plan.filter;
	CallChanges changes = {0};
	ForeignKey *key;
	char	   *fk;
	char	   *pk;

	if (list_length(graph->problems) != 1 || problem->child != problem->parent ||
		filter == NULL || problem->child->plan->clause == NULL)
		return NULL;
	key = integrity_key(problem->violation->constraint);
	fk = column_list(key->fk_relid, key->fk_attnums, key->nkeys, "");
	pk = column_list(key->pk_relid, key->pk_attnums, key->nkeys, "");
	changes.filter = psprintf("%s IN (WITH RECURSIVE needed AS (SELECT %s, %s FROM %s %s"
							  " UNION SELECT %s, %s FROM %s r JOIN needed n ON (%s) = (%s))"
							  " SELECT %s FROM needed)",
							  in_parentheses(pk, key->nkeys), pk, fk, problem->child->name,
							  problem->child->plan->clause->sql,
							  column_list(key->pk_relid, key->pk_attnums, key->nkeys, "r."),
							  column_list(key->fk_relid, key->fk_attnums, key->nkeys, "r."),
							  problem->child->name,
							  column_list(key->pk_relid, key->pk_attnums, key->nkeys, "r."),
							  column_list(key->fk_relid, key->fk_attnums, key->nkeys, "n."), pk);
	return psprintf("Choose the rows that they refer to, too: %s",
					call_text(graph->run->request, &changes));
}
