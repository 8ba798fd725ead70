/*-------------------------------------------------------------------------
 *
 * keep.h
 *	  Which local rows a replace must not lose.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_KEEP_H
#define PGTUNSYNC_KEEP_H

#include "schema/catalog.h"
#include "eval/row_query.h"
#include "config/sync_config.h"

/* What a configuration keeps, and which of it has met a table. */
typedef struct KeepContext
{
	const SyncConfig *config;
	List	   *matched;		/* of const SyncExpression * */
} KeepContext;

/*
 * The conditions for a table whose details were read: a List of RowExpression
 * *; a row that meets one of them is kept.  Raises SYNTAX_ERROR, and
 * FEATURE_NOT_SUPPORTED for a clause that is more than a condition.
 */
extern List *keep_plan(KeepContext *context, const CatalogRelation *local);

/* The conditions as texts. */
extern List *keep_texts(const List *conditions);

/* A WARNING for each that means no table of this database. */
extern void keep_warn_unmatched(const KeepContext *context);

#endif							/* PGTUNSYNC_KEEP_H */
