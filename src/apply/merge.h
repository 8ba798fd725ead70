/*-------------------------------------------------------------------------
 *
 * merge.h
 *	  Staged rows into a table that keeps its others.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_MERGE_H
#define PGTUNSYNC_MERGE_H

#include "apply/foreign_keys.h"

/*
 * Brings the rows of the staging heap into the target as table->plan->mode
 * says, row by row and logged as such, without any trigger or rule:
 *
 *	overwrite	inserts, or updates the row with the same primary key if it differs
 *	preserve	inserts, unless there is a row with the same primary key
 *	append		inserts
 *
 * Fills in table->written, ->inserted and ->updated.  The caller holds
 * ExclusiveLock on the target and AccessExclusiveLock on the staging heap, which
 * stays as it is.  Raises what an INSERT or UPDATE raises for constraints.
 */
extern void merge_table(StagedTable *table);

#endif							/* PGTUNSYNC_MERGE_H */
