/*-------------------------------------------------------------------------
 *
 * partition_group.h
 *	  Partitions of one table that are pulled together.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_PARTITION_GROUP_H
#define PGTUNSYNC_PARTITION_GROUP_H

#include "plan/plan.h"

/* True if this table has failed. */
typedef bool (*PartFailed) (const TablePlan *table, void *arg);

/* Fails the table because of another partition of the same table. */
typedef void (*FailPart) (TablePlan *table, const TablePlan *failed, char *message, void *arg);

/*
 * Calls fail_part for each partition that has not failed although another one
 * of the same TablePlan.partition_root has.  The message is in the current
 * context.
 */
extern void partitions_fail_together(const List *tables, PartFailed has_failed,
									 FailPart fail_part, void *arg);

#endif							/* PGTUNSYNC_PARTITION_GROUP_H */
