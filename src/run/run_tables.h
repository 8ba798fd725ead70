/*-------------------------------------------------------------------------
 *
 * run_tables.h
 *	  The planned tables of a run: load, replace, commit.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_RUN_TABLES_H
#define PGTUNSYNC_RUN_TABLES_H

#include "run/run_steps.h"

/* Lets the loaders have the run's snapshot. */
extern void run_start_loading(Run *run);

/* Hands a table's rows, read by this COPY, to the loaders. */
extern void run_submit(Run *run, const TablePlan *table, const char *copy_sql);

/* Waits until every submitted table is loaded or has failed. */
extern void run_await_loads(Run *run);

/*
 * After the load: also fails the other partitions that are pulled together
 * with a failed one; reports all as run_report_failed() does.
 */
extern void run_fail_incomplete(Run *run);

/*
 * Locks the run's rows of the audit, before any target is locked.  Raises
 * LOCK_NOT_AVAILABLE.
 */

/*
 * replace_tables() for these (a List of StagedTable *).  From its return to
 * the commit only the audit is written.
 */
extern void run_replace_tables(Run *run, List *staged);

/*
 * Commits what run_replace_tables() did without waiting for a standby;
 * complete: this ends the run.  run_await_standbys() follows.
 */
extern void run_commit_targets(Run *run, bool complete);
extern void run_await_standbys(Run *run);

#endif							/* PGTUNSYNC_RUN_TABLES_H */
