/*-------------------------------------------------------------------------
 *
 * column_pattern.c
 *	  Which columns a pattern of the configuration means.
 *
 * pgsync's matching; its "*" stops at dots, so that a column's name can hold
 * some.  A table is known by all its names: a partition is also what it is a
 * part of.  An inherited column is also one of the parents', and a column of a
 * table into which rows of others come also one of theirs.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "plan/column_pattern.h"
#include "base/glob.h"

static bool
matches_in(const char *pattern, const CatalogRelation *relation, const char *column)
{
	for (; relation != NULL; relation = relation->parent)
	{
		char	   *short_name = psprintf("%s.%s", relation->name, column);

		if (glob_matches(pattern, short_name, false) ||
			glob_matches(pattern, psprintf("%s.%s", relation->schema, short_name), false))
			return true;
	}
	return false;
}

static bool
matches_any(const char *pattern, const List *relations, const char *column)
{
	ListCell   *lc;

	foreach(lc, relations)
	{
		if (matches_in(pattern, lfirst(lc), column))
			return true;
	}
	return false;
}

/* A parent's pattern does not mean what the child has for itself. */
static bool
is_own(const CatalogRelation *relation, const char *name)
{
	CatalogColumn *column = catalog_find_column(relation, name);

	return column != NULL && !column->inherited;
}

static bool
matches_side(const char *pattern, const CatalogRelation *relation, const char *column)
{
	ListCell   *lc;

	if (relation == NULL || matches_in(pattern, relation, column))
		return relation != NULL;
	if (relation->ancestors != NIL && !is_own(relation, column) &&
		matches_any(pattern, relation->ancestors, column))
		return true;
	foreach(lc, relation->members)
	{
		CatalogRelation *member = lfirst(lc);

		if (matches_in(pattern, member, column) || matches_any(pattern, member->ancestors, column))
			return true;
	}
	return false;
}

bool
column_pattern_matches(const char *pattern, const CatalogRelation *local,
					   const CatalogRelation *source, const char *column)
{
	return glob_matches(pattern, column, true) ||
		matches_side(pattern, local, column) || matches_side(pattern, source, column);
}
