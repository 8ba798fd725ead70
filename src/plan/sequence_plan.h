/*-------------------------------------------------------------------------
 *
 * sequence_plan.h
 *	  Where local sequences go on after the pull.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_SEQUENCE_PLAN_H
#define PGTUNSYNC_SEQUENCE_PLAN_H

#include "plan/planner_state.h"

/* The sequences of a table that do not follow the source's, by reason. */
typedef struct SequenceReport
{
	List	   *names;			/* of char *: all of them */
	List	   *unreadable;
	List	   *unreadable_there;	/* the same by their names on the source */
	List	   *unmatched;
	List	   *beyond;
	List	   *no_number;
	List	   *no_right;
} SequenceReport;

/*
 * Adds a local sequence to the table's plan, and to the report if it does not
 * follow the source's (NULL: none corresponds to it).  display: its name for
 * messages.  users: the tables that use it.  role: the caller, who must be
 * allowed to use a sequence that the column does not own.
 */
extern void sequence_plan_add(TablePlan *table, const CatalogSequence *local,
							  const CatalogSequence *source, char *display, List *users,
							  Oid role, SequenceReport *report);

/*
 * Adds the report to the remarks on the table and raises a NOTICE, if there is
 * anything to report.
 */
extern void sequence_plan_report(TablePlan *table, const SequenceReport *report,
								 const char *source_role, Oid role);

/*
 * Sets table->sequences: those that a pulled column owns or names in its
 * default.
 */
extern void plan_match_sequences(Planner *planner, TablePlan *table, const Choice *choice,
								 List *travel);

/* Raises one NOTICE about sequences of both sides that no local column uses. */
extern void plan_report_unused_sequences(const Planner *planner);

#endif							/* PGTUNSYNC_SEQUENCE_PLAN_H */
