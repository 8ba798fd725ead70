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
 * partitioned tables own on both sides: one round trip for all of them.  A
 * sequence that the source's role may not read is left as it is, with a
 * NOTICE.
 */
extern void plan_root_sequences(RunPlan *plan, Source *control);

#endif							/* PGTUNSYNC_ROOT_SEQUENCES_H */
