/*-------------------------------------------------------------------------
 *
 * planner_state.h
 *	  What the parts of the planner share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_PLANNER_STATE_H
#define PGTUNSYNC_PLANNER_STATE_H

#include "config/sync_config.h"
#include "plan/copy_sql.h"
#include "plan/keep.h"
#include "plan/mask.h"
#include "plan/plan.h"
#include "plan/rewrite.h"
#include "plan/selection.h"
#include "schema/catalog.h"
#include "source/source.h"

/* One call of plan_run(). */
typedef struct Planner
{
	const PlanRequest *request;
	const SyncConfig *config;
	Source	   *control;
	Catalog    *local;
	Catalog    *source;
	List	   *trials;			/* of source_trial.c */
	MaskContext masks;
	RewriteContext rewrites;
	KeepContext keeps;
	List	   *unmasked;		/* of char *: columns that look sensitive */
} Planner;

/*
 * Notes in the plan why the table cannot be pulled; detail and hint may be
 * NULL.
 */
extern void table_fail(TablePlan *table, int sqlerrcode, char *message, char *detail, char *hint);

/* The entry of table->masked_columns for a column ("email: null"), or NULL. */
extern char *plan_column_rule(const TablePlan *table, const char *name);

/* Notes that a column looks sensitive and has no data rule. */
extern void plan_note_unmasked(Planner *planner, TablePlan *table, char *column);

/* "a, b", as SQL identifiers if quote is set. */
extern char *plan_join_names(List *names, bool quote);

/*
 * The search_path for SQL from the configuration or the caller: built-in
 * objects first, then what the caller's own path finds.
 */
extern char *planner_user_path(const Planner *planner);

/* The search_path for the COPY of the table. */
extern const char *planner_copy_path(const Planner *planner, const TablePlan *table);

/*
 * Adds the clause.  In a clause a partition, or the rows for one, has the name
 * of the partitioned table.
 */
extern void plan_set_clause(const Choice *choice, CopyQuery *query);

/*
 * Adds the rows of the source's tables that inherit from this one and come
 * with it, if there are any.
 */
extern void plan_set_tree(const Choice *choice, CopyQuery *query);

#endif							/* PGTUNSYNC_PLANNER_STATE_H */
