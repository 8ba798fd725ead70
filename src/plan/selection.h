/*-------------------------------------------------------------------------
 *
 * selection.h
 *	  Names, globs, groups, excludes: which tables a run is about.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_SELECTION_H
#define PGTUNSYNC_SELECTION_H

#include "schema/catalog.h"
#include "plan/clause.h"
#include "schema/partition_map.h"
#include "plan/plan.h"

/* A table that was chosen, or the reason why it cannot be pulled. */
typedef struct Choice
{
	char	   *schema;
	char	   *name;
	char	   *display;
	CatalogRelation *local;		/* NULL: only the source has it */
	CatalogRelation *source;	/* NULL: only we have it; with a map: of the whole table */
	CatalogRelation *root;		/* local partitioned table that it stands for a part of */
	const PartitionMap *map;	/* how to find its rows in source, or NULL */
	CatalogRelation *heir_of;	/* local parent whose name brought it, or NULL */
	List	   *heirs;			/* of CatalogRelation *: local children that are pulled with it */
	bool		empty;			/* it ends up without rows */
	const char *left_out;		/* planned only to say so: its status, or NULL */
	char	   *filter;			/* which rows come, as written; NULL: all */
	Clause	   *clause;			/* the same, as it is sent */
	char	   *clause_table;	/* the parent whose name the clause uses, or NULL */
	bool		partly;			/* the call or a group brought it: other rows stay unless told otherwise */
	int			sqlerrcode;
	char	   *message;		/* NULL: fine so far */
	char	   *detail;
	char	   *hint;
} Choice;

/*
 * The tables that the request means, each once, in the order of naming (those
 * of a glob by name).  NOTICEs and errors as plan_run() says.
 */
extern List *selection_resolve(const PlanRequest *request, const SyncConfig *config,
							   const Catalog *local, const Catalog *source);

/*
 * Quoted as needed, with its schema unless the caller's search path finds it.
 */
extern char *selection_display(const PlanRequest *request, const Catalog *local,
							   const Catalog *source, const char *schema, const char *name);

#endif							/* PGTUNSYNC_SELECTION_H */
