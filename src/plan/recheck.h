/*-------------------------------------------------------------------------
 *
 * recheck.h
 *	  A planned table, looked at once more under a lock.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_RECHECK_H
#define PGTUNSYNC_RECHECK_H

#include "plan/plan.h"

/*
 * Is the table still what the plan took it for, and may the role still
 * replace it? Fills in table->shape and table->partition_check.  Returns
 * NULL, or an explanation with its SQLSTATE.  Waits for the lock up to
 * lock_timeout, and keeps none.
 */
extern const char *recheck_table(TablePlan *table, Oid role, int *sqlerrcode);

/*
 * May the role still put rows into the table as planned?  Returns NULL, or an
 * explanation with its SQLSTATE.  Reads the catalogs only.
 */
extern const char *recheck_rights(const TablePlan *table, Oid role, int *sqlerrcode);

#endif							/* PGTUNSYNC_RECHECK_H */
