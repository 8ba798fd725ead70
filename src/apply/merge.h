/*-------------------------------------------------------------------------
 *
 * merge.h
 *	  Merges staged rows into a table that keeps its other rows.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_MERGE_H
#define PGTUNSYNC_MERGE_H

#include "apply/foreign_keys.h"

/*
 * Writes the rows of the staging heap to the target according to
 * table->plan->mode.  Each row is written and logged on its own, without
 * triggers or rules:
 *	overwrite	inserts, or updates the row with the same primary key if it
 *				differs
 *	preserve	inserts, unless there is a row with the same primary key
 *	append		inserts
 * Fills in table->written, ->inserted and ->updated.  The caller holds
 * ExclusiveLock on the target and AccessExclusiveLock on the staging heap,
 * which is not changed.  Raises the constraint errors of INSERT and UPDATE.
 */
extern void merge_table(StagedTable *table);

#endif							/* PGTUNSYNC_MERGE_H */
