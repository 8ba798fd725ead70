/*-------------------------------------------------------------------------
 *
 * sequence_state.h
 *	  Sequences, brought to the source's state.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SEQUENCE_STATE_H
#define SEQUENCE_STATE_H

#include "plan.h"

/*
 * Gives the local sequence the source's last value, transactionally.  The
 * caller holds ShareRowExclusiveLock on it.  A value outside the local
 * sequence's range is reported by a WARNING and left alone.
 */
extern void sequence_restore(const SequencePlan *sequence);

#endif							/* SEQUENCE_STATE_H */
