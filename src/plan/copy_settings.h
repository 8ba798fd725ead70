/*-------------------------------------------------------------------------
 *
 * copy_settings.h
 *	  The settings under which the source runs a COPY.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_COPY_SETTINGS_H
#define PGTUNSYNC_COPY_SETTINGS_H

#include "plan/copy_sql.h"
#include "plan/planner_state.h"

/*
 * Notes in the plan which settings the text of the columns depends on.  Makes
 * columns travel in a form that does not depend on TimeZone, where the local
 * type would read it otherwise.  Call it for tables with people's SQL, once
 * the columns and their masks are known.
 */
extern void copy_note_settings(TablePlan *table, CopyQuery *query);

/*
 * All return a List of char *, each of them a SET LOCAL: those for the COPY of
 * the table; those of our own queries; those of people's SQL whose result is
 * only counted.
 */
extern List *copy_settings(const Planner *planner, const TablePlan *table);
extern List *copy_pinned_settings(void);
extern List *copy_own_settings(const Planner *planner);

/* Returns them as the beginning of a message, each with its semicolon. */
extern char *copy_settings_text(const List *settings);

#endif							/* PGTUNSYNC_COPY_SETTINGS_H */
