/*-------------------------------------------------------------------------
 *
 * relation_names.c
 *	  Names of tables in people's SQL, resolved before it is sent.
 *
 * In
 *
 *		user_id IN (SELECT id FROM users)
 *
 * the name "users" means the table that the caller would pull by that name.
 * The source would look it up in the role's own search_path, where another
 * schema may have a table of that name.  So the schema is written in front of
 * it.  Functions, operators and types are looked up by the source.
 *
 * The server's parser says where relations stand.  A name of a WITH query is
 * none of a relation as far as the query is visible.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_namespace.h"
#include "lib/stringinfo.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "parser/parser.h"
#include "utils/lsyscache.h"

#include "base/text.h"
#include "plan/relation_names.h"

/* What stands in front of a clause, or of an expression, to make it a SELECT. */
#define CLAUSE_HEAD		"SELECT FROM ONLY pgtunsync.stand_in "
#define EXPRESSION_HEAD	"SELECT "

typedef struct Resolver
{
	const Catalog *source;
	const List *schemas;
	List	   *visible;		/* of char *: WITH queries at the place of the walk */
	List	   *relations;		/* of RangeVar *: to be resolved */
} Resolver;

static bool collect_walker(Node *node, void *context);

static void
add_visible(Resolver *resolver, const CommonTableExpr *query)
{
	resolver->visible = lcons(query->ctename, list_copy(resolver->visible));
}

/*
 * A WITH query sees those before it, and under RECURSIVE itself and those
 * behind it, too.
 */
static void
collect_in_with(const SelectStmt *select, Resolver *resolver)
{
	List	   *outer = resolver->visible;
	SelectStmt	body = *select;
	ListCell   *lc;

	if (select->withClause->recursive)
		foreach(lc, select->withClause->ctes)
			add_visible(resolver, lfirst(lc));
	foreach(lc, select->withClause->ctes)
	{
		CommonTableExpr *query = lfirst_node(CommonTableExpr, lc);

		(void) collect_walker(query->ctequery, resolver);
		add_visible(resolver, query);
	}
	body.withClause = NULL;
	(void) raw_expression_tree_walker((Node *) &body, collect_walker, resolver);
	resolver->visible = outer;
}

static bool
collect_walker(Node *node, void *context)
{
	Resolver   *resolver = context;

	if (node == NULL)
		return false;
	if (IsA(node, RangeVar))
	{
		RangeVar   *relation = (RangeVar *) node;

		if (relation->schemaname == NULL && !names_include(resolver->visible, relation->relname))
			resolver->relations = lappend(resolver->relations, relation);
		return false;
	}
	if (IsA(node, SelectStmt) && ((SelectStmt *) node)->withClause != NULL)
	{
		collect_in_with((SelectStmt *) node, resolver);
		return false;
	}
	return raw_expression_tree_walker(node, collect_walker, context);
}

/* The schema of the relation that the name means, NULL: none that we know. */
static const char *
find_schema(const Resolver *resolver, const char *name)
{
	ListCell   *lc;

	if (OidIsValid(get_relname_relid(name, PG_CATALOG_NAMESPACE)))
		return NULL;
	foreach(lc, resolver->schemas)
		if (catalog_find(resolver->source, lfirst(lc), name) != NULL)
			return lfirst(lc);
	return NULL;
}

static int
by_location(const ListCell *a, const ListCell *b)
{
	return ((RangeVar *) lfirst(a))->location - ((RangeVar *) lfirst(b))->location;
}

/* Returns the SELECT with the schemas written into it. */
static char *
resolve(const char *sql, const Catalog *source, const List *schemas)
{
	Resolver	resolver = {source, schemas};
	RawStmt    *parsed = linitial_node(RawStmt, raw_parser(sql, RAW_PARSE_DEFAULT));
	StringInfoData buf;
	ListCell   *lc;
	int			done = 0;

	(void) collect_walker(parsed->stmt, &resolver);
	list_sort(resolver.relations, by_location);
	initStringInfo(&buf);
	foreach(lc, resolver.relations)
	{
		RangeVar   *relation = lfirst(lc);
		const char *schema = find_schema(&resolver, relation->relname);

		if (schema == NULL)
			continue;
		appendBinaryStringInfo(&buf, sql + done, relation->location - done);
		appendStringInfo(&buf, "%s.", catalog_sql_identifier(schema));
		done = relation->location;
	}
	appendStringInfoString(&buf, sql + done);
	return buf.data;
}

Clause *
relations_resolve_clause(const Clause *clause, const Catalog *source, const List *schemas)
{
	Clause	   *resolved = palloc(sizeof(Clause));
	char	   *sql = resolve(psprintf(CLAUSE_HEAD "%s", clause->sql), source, schemas);

	*resolved = *clause;
	resolved->sql = sql + strlen(CLAUSE_HEAD);
	if (clause->where != NULL)
		resolved->where = resolved->sql + (clause->where - clause->sql);
	return resolved;
}

char *
relations_resolve_expression(const char *expression, const Catalog *source, const List *schemas)
{
	return resolve(psprintf(EXPRESSION_HEAD "%s", expression), source, schemas) +
		strlen(EXPRESSION_HEAD);
}
