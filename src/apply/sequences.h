/*-------------------------------------------------------------------------
 *
 * sequences.h
 *	  Sets sequences to the source's state, or behind the rows.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_SEQUENCES_H
#define PGTUNSYNC_SEQUENCES_H

#include "apply/foreign_keys.h"

/*
 * Reads the highest keys of the staged rows (a List of StagedTable *) for
 * sequences that go on behind them.  The caller holds a lock on the staging
 * heaps.  Uses the active snapshot.
 */
extern void sequences_read_keys(const List *staged);

/* Returns the OIDs of the sequences that will change. */
extern List *sequences_to_change(const List *staged);

/*
 * Sets the sequences of the tables that have not failed, transactionally.  The
 * caller holds ShareRowExclusiveLock on those that will change.
 */
extern void sequences_restore(const List *staged);

#endif							/* PGTUNSYNC_SEQUENCES_H */
