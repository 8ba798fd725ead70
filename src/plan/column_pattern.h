/*-------------------------------------------------------------------------
 *
 * column_pattern.h
 *	  Which columns a pattern of the configuration means.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_COLUMN_PATTERN_H
#define PGTUNSYNC_COLUMN_PATTERN_H

#include "schema/catalog.h"

/*
 * Does the pattern ("email", "users.email", "public.users.email", "*.email")
 * mean this column, in the names of either side?  source may be NULL.
 */
extern bool column_pattern_matches(const char *pattern, const CatalogRelation *local,
								   const CatalogRelation *source, const char *column);

#endif							/* PGTUNSYNC_COLUMN_PATTERN_H */
