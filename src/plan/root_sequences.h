/*-------------------------------------------------------------------------
 *
 * root_sequences.h
 *	  Sequences of partitioned tables.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_ROOT_SEQUENCES_H
#define PGTUNSYNC_ROOT_SEQUENCES_H

#include "plan/plan.h"

/*
 * Adds to the plans of partitions the sequences that columns of their
 * partitioned tables use: one round trip for all of them.  NOTICEs as for
 * other sequences (sequence_plan.h).  role: the caller.
 */
extern void plan_root_sequences(RunPlan *plan, Oid role, Source *control);

#endif							/* PGTUNSYNC_ROOT_SEQUENCES_H */
