/*-------------------------------------------------------------------------
 *
 * sequences.h
 *	  Sets sequences to the source's state.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_SEQUENCES_H
#define PGTUNSYNC_SEQUENCES_H

#include "plan/plan.h"

/*
 * Sets the local sequence to the source's last value, transactionally.  The
 * caller holds ShareRowExclusiveLock on it.  If the value is outside the local
 * sequence's range, a WARNING is raised and the sequence is not changed.
 */
extern void sequence_restore(const SequencePlan *sequence);

/*
 * Returns whether the local sequence has advanced less than the source's, in
 * its own direction.
 */
extern bool sequence_is_behind(const SequencePlan *sequence);

/* Does the same as sequence_restore() if the local sequence is behind. */
extern void sequence_advance(const SequencePlan *sequence);

#endif							/* PGTUNSYNC_SEQUENCES_H */
