/*-------------------------------------------------------------------------
 *
 * unqualified_names.h
 *	  Functions of tables that a pull can probably not run.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_UNQUALIFIED_NAMES_H
#define PGTUNSYNC_UNQUALIFIED_NAMES_H

#include "plan/plan.h"

/*
 * Adds a remark to each planned table whose defaults, CHECK constraints,
 * generated columns or indexes call a function that names objects without their
 * schema.  search_path: the schemas (char *) of the caller's path, for the
 * statement that helps.
 */
extern void plan_find_unqualified_names(const RunPlan *plan, const List *search_path);

/* The statements that let a pull run the functions of the table, or NULL. */
extern char *plan_unqualified_hint(const TablePlan *table);

#endif							/* PGTUNSYNC_UNQUALIFIED_NAMES_H */
