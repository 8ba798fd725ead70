/*-------------------------------------------------------------------------
 *
 * plan_rules.h
 *	  The configuration's rules for one table: masks, rewrites, kept rows.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_PLAN_RULES_H
#define PGTUNSYNC_PLAN_RULES_H

#include "plan/planner_state.h"

/* Sets table->rewrites: columns whose values are computed here. */
extern void plan_set_rewrites(Planner *planner, TablePlan *table, const Choice *choice);

/* Sets table->keep; modes other than replace keep all rows anyway. */
extern void plan_set_keep(Planner *planner, TablePlan *table, const Choice *choice);

/*
 * Returns the columns with their masks.  Sets table->masked_columns and the
 * format of the COPY, which depends on them.
 */
extern List *plan_apply_rules(Planner *planner, TablePlan *table, const Choice *choice, List *travel,
							   const CopyQuery *query);

/*
 * Columns that look sensitive and have no rule: a NOTICE, or with
 * request->require_rules an ERROR (CONFIG_FILE_ERROR); in a survey the table
 * fails.
 */
extern void plan_report_unmasked(const Planner *planner, List *tables);

/*
 * WARNINGs for rules that match no column of the source.  If the caller must
 * have rules, the first one raises CONFIG_FILE_ERROR, or fails the tables of a
 * survey.
 */
extern void plan_report_unmatched_rules(Planner *planner, List *tables);

#endif							/* PGTUNSYNC_PLAN_RULES_H */
