/*-------------------------------------------------------------------------
 *
 * table_pattern.c
 *	  Names and globs that stand for tables: of exclude, empty, filters.
 *
 * A pattern is read literally, case included.  If no table of either side is
 * called so, it is folded to lower case, as SQL would.  A pattern for a
 * partitioned table holds for its partitions, and one for a parent for the
 * tables that inherit from it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/glob.h"
#include "plan/table_pattern.h"

/* True if the pattern means this relation, read literally or folded. */
bool
table_pattern_matches_as(const TablePattern *pattern, const CatalogRelation *relation, bool fold)
{
	TableSpec  *item = pattern->item;
	char	   *schema = fold ? table_spec_fold(item->schema, item->schema_quoted) : item->schema;
	char	   *name = fold ? table_spec_fold(item->name, item->name_quoted) : item->name;

	if (schema != NULL &&
		!(item->schema_quoted ? strcmp(schema, relation->schema) == 0 :
		  glob_matches(schema, relation->schema, true)))
		return false;
	return item->name_quoted ? strcmp(name, relation->name) == 0 :
		glob_matches(name, relation->name, true);
}

bool
table_pattern_matches(const TablePattern *pattern, const CatalogRelation *relation)
{
	return table_pattern_matches_as(pattern, relation, pattern->folded) ||
		strcmp(pattern->text, relation->name) == 0;
}

/* Is it folded?  Only when no relation of either side has the literal name. */
static bool
must_fold(const TablePattern *pattern, const Catalog *catalog)
{
	ListCell   *lc;

	foreach(lc, catalog->relations)
	{
		if (table_pattern_matches_as(pattern, lfirst(lc), false))
			return false;
	}
	return true;
}

static TablePattern *
prepare_pattern(const Catalog *local, const Catalog *source, char *text)
{
	TablePattern *pattern = palloc0(sizeof(TablePattern));

	pattern->text = text;
	pattern->item = table_spec_parse(text);
	pattern->folded = must_fold(pattern, local) &&
		must_fold(pattern, source);
	return pattern;
}

List *
table_patterns_prepare(const List *texts, const Catalog *local, const Catalog *source)
{
	List	   *patterns = NIL;
	ListCell   *lc;

	foreach(lc, texts)
		patterns = lappend(patterns, prepare_pattern(local, source, lfirst(lc)));
	return patterns;
}

List *
table_patterns_of_filters(const List *filters, const Catalog *local, const Catalog *source)
{
	List	   *patterns = NIL;
	ListCell   *lc;

	foreach(lc, filters)
	{
		SyncFilter *filter = lfirst(lc);
		TablePattern *pattern = prepare_pattern(local, source, filter->table);

		pattern->filter = filter;
		patterns = lappend(patterns, pattern);
	}
	return patterns;
}

static const TablePattern *
find_own(const List *patterns, const CatalogRelation *relation)
{
	ListCell   *lc;

	foreach(lc, patterns)
	{
		if (table_pattern_matches(lfirst(lc), relation))
			return lfirst(lc);
	}
	return NULL;
}

const TablePattern *
table_pattern_find(const List *patterns, const CatalogRelation *relation)
{
	const TablePattern *found = NULL;
	ListCell   *lc;

	if (patterns == NIL)
		return NULL;
	for (const CatalogRelation *above = relation; above && !found; above = above->parent)
		found = find_own(patterns, above);
	foreach(lc, relation->ancestors)
	{
		if (found != NULL)
			break;
		found = find_own(patterns, lfirst(lc));
	}
	return found;
}

const CatalogRelation *
table_pattern_table(const TablePattern *pattern, const CatalogRelation *relation)
{
	ListCell   *lc;

	for (const CatalogRelation *above = relation; above; above = above->parent)
	{
		if (table_pattern_matches(pattern, above))
			return above;
	}
	foreach(lc, relation->ancestors)
	{
		if (table_pattern_matches(pattern, lfirst(lc)))
			return lfirst(lc);
	}
	return relation;
}
