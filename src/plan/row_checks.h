/*-------------------------------------------------------------------------
 *
 * row_checks.h
 *	  What only the rows on the source can tell before they are read.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_ROW_CHECKS_H
#define PGTUNSYNC_ROW_CHECKS_H

#include "plan/planner_state.h"

/* Adds a table if its rows have to be asked about; query: its rows. */
extern void row_checks_add(Planner *planner, TablePlan *table, const Choice *choice,
						   const CopyQuery *query);

/*
 * Asks about the rows of all that were added; a table whose rows cannot land
 * here fails.
 */
extern void row_checks_run(Planner *planner);

#endif							/* PGTUNSYNC_ROW_CHECKS_H */
