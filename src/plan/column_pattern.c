/*-------------------------------------------------------------------------
 *
 * column_pattern.c
 *	  Which columns a pattern of the configuration means.
 *
 * pgsync's matching; its "*" stops at dots, so that a column's name can hold
 * some.  A table is known by all its names: a partition is also what it is a
 * part of.
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

bool
column_pattern_matches(const char *pattern, const CatalogRelation *local,
					   const CatalogRelation *source, const char *column)
{
	return glob_matches(pattern, column, true) ||
		matches_in(pattern, local, column) || matches_in(pattern, source, column);
}
