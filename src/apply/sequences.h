/*-------------------------------------------------------------------------
 *
 * sequences.h
 *	  Sequences, brought to the source's state.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_SEQUENCES_H
#define PGTUNSYNC_SEQUENCES_H

#include "plan/plan.h"

/*
 * Gives the local sequence the source's last value, transactionally.  The
 * caller holds ShareRowExclusiveLock on it.  A value outside the local
 * sequence's range is reported by a WARNING and left alone.
 */
extern void sequence_restore(const SequencePlan *sequence);

/* Is the local sequence not as far as the source's, in its own direction? */
extern bool sequence_is_behind(const SequencePlan *sequence);

/* As sequence_restore(), if it is behind. */
extern void sequence_advance(const SequencePlan *sequence);

#endif							/* PGTUNSYNC_SEQUENCES_H */
