/*-------------------------------------------------------------------------
 *
 * mask.h
 *	  Data rules: what the source sends instead of a column's values.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_MASK_H
#define PGTUNSYNC_MASK_H

#include "schema/catalog.h"
#include "config/sync_config.h"

/* All that the rules of a run look at. */
typedef struct MaskContext
{
	const SyncConfig *config;
	const Catalog *local;
	const Catalog *source;
	int			source_version;
	const char *encoding;		/* in which values are hashed: "UTF8", or the source's own */
	List	   *matched;		/* of const SyncRule *: those that have met a column */
} MaskContext;

/* One column's rule. */
typedef struct Mask
{
	const SyncRule *rule;
	char	   *sql;			/* SQL for the source, of the type below; NULL: untouched */
	char	   *type;			/* NULL: the source's own */
	bool		user_sql;		/* people's SQL is in it */
	bool		nondeterministic;		/* another value each time */
	char	   *problem;		/* why it cannot work; NULL: fine */
} Mask;

/*
 * Finds and carries out the rule for a column, NULL when there is none.
 * relation: SQL by which the rows of the source are called.  Both relations'
 * details, and those of the tables that their foreign keys lead to, must have
 * been read.
 */
extern Mask *mask_column(MaskContext *context, const CatalogRelation *local,
						 const CatalogRelation *source, const CatalogColumn *column,
						 const char *relation);

/*
 * True if the source generates this column of its own from columns that a rule
 * masks.
 */
extern bool mask_is_generated(MaskContext *context, const CatalogRelation *local,
							  const CatalogRelation *source, const CatalogColumn *column);

/*
 * The column, as "table.column", that the source generates from masked columns
 * and a foreign key of this one leads to; NULL: there is none.
 */
extern char *mask_generated_reference(MaskContext *context, const CatalogRelation *local,
									  const CatalogRelation *source, const CatalogColumn *column);

/* True if a rule needs PGSYNC_MASK_KEY. */
extern bool mask_needs_key(const SyncConfig *config);

#endif							/* PGTUNSYNC_MASK_H */
