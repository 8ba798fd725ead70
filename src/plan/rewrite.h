/*-------------------------------------------------------------------------
 *
 * rewrite.h
 *	  Which columns get values that are computed here.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_REWRITE_H
#define PGTUNSYNC_REWRITE_H

#include "schema/catalog.h"
#include "eval/row_query.h"
#include "config/sync_config.h"

/* The rewrites of a configuration, and which of them have met a column. */
typedef struct RewriteContext
{
	const SyncConfig *config;
	List	   *matched;		/* of const SyncExpression * */
} RewriteContext;

/*
 * The rewrites of a table whose details were read: a List of RowExpression *,
 * one for a column. *problem: why they cannot be, or NULL.  Raises
 * SYNTAX_ERROR.
 */
extern List *rewrite_plan(RewriteContext *context, const CatalogRelation *local,
						  const CatalogRelation *source, char **problem);

/* True if one of them gives the column a value. */
extern bool rewrite_gives(const List *rewrites, const char *column);

/* "owner_id: expression" for each. */
extern List *rewrite_texts(const List *rewrites);

/* A WARNING for each that means no column of this database. */
extern void rewrite_warn_unmatched(const RewriteContext *context);

#endif							/* PGTUNSYNC_REWRITE_H */
