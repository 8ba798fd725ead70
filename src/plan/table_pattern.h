/*-------------------------------------------------------------------------
 *
 * table_pattern.h
 *	  Names and globs that stand for tables: of exclude, empty, filters.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_TABLE_PATTERN_H
#define PGTUNSYNC_TABLE_PATTERN_H

#include "config/sync_config.h"
#include "plan/table_spec.h"
#include "schema/catalog.h"

typedef struct TablePattern
{
	char	   *text;
	TableSpec  *item;
	bool		folded;			/* no table is called so literally */
	const SyncFilter *filter;	/* that it belongs to, or NULL */
} TablePattern;

/*
 * Patterns (TablePattern *) of names (char *), and of filters (SyncFilter *).
 */
extern List *table_patterns_prepare(const List *texts, const Catalog *local,
									const Catalog *source);
extern List *table_patterns_of_filters(const List *filters, const Catalog *local,
									   const Catalog *source);

/*
 * The table that the pattern, found for the relation, means: the relation, a
 * table that it is a partition of, or one that it inherits from.
 */
extern const CatalogRelation *table_pattern_table(const TablePattern *pattern,
												  const CatalogRelation *relation);

/* Does the pattern mean this relation?  The second form: read so. */
extern bool table_pattern_matches(const TablePattern *pattern, const CatalogRelation *relation);
extern bool table_pattern_matches_as(const TablePattern *pattern,
									 const CatalogRelation *relation, bool fold);

/*
 * The first pattern for the relation, else for a table that it is a partition
 * of or inherits from, the nearest first; or NULL.
 */
extern const TablePattern *table_pattern_find(const List *patterns,
											  const CatalogRelation *relation);

#endif							/* PGTUNSYNC_TABLE_PATTERN_H */
