/*-------------------------------------------------------------------------
 *
 * staging.h
 *	  Staging heaps hold the new rows of a table until the swap.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_STAGING_H
#define PGTUNSYNC_STAGING_H

#include "staging/load_mode.h"
#include "nodes/pg_list.h"
#include "utils/relcache.h"

/*
 * Creates an empty copy of the target's storage in the extension's schema:
 * heap, toast table and empty indexes.  A swap needs all indexes.  Overwrite
 * and preserve need that of the primary key.  Append needs none.  The caller
 * must commit before it loads rows: after a crash, a committed heap can be
 * found and dropped.  The caller holds a lock on the target during the call.
 * No code of the target's owner runs.
 */
extern Oid	staging_create(Relation target, int64 run_id, Landing mode);

/*
 * Creates an auxiliary heap of the same form, with or without indexes.  It is
 * needed only while the staging heap is filled, and is never swapped.
 * "suffix" becomes the end of its name.
 */
extern Oid	staging_create_auxiliary(Relation target, int64 run_id, const char *suffix,
									 bool indexes);

/*
 * Builds all indexes on the rows of the staging heap.  Their definitions are
 * those of the staging heap's indexes, so the target need not be locked.
 * Index expressions run as the owner.
 */
extern void staging_build_indexes(Oid staging);

/* Return the number of indexes; build only one of them (counted from 0). */
extern int	staging_count_indexes(Oid staging);
extern void staging_build_index(Oid staging, int number);

/*
 * The staging heap's counterpart of an index of the target; InvalidOid if
 * none.
 */
extern Oid	staging_index(Oid staging, Oid target_index);

/*
 * Raises OBJECT_IN_USE if the columns of the staging heap differ from the
 * target's.  The target's owner also owns the staging heap, and can alter it
 * if somebody granted USAGE on the schema.  The caller holds a lock on the
 * staging heap.
 */
extern void staging_check_columns(Relation target, Relation staging);

/*
 * Returns a number that changes if any file of the staging heap (heap, toast
 * table, indexes) is replaced.
 */
extern int64 staging_fingerprint(Oid staging);

/* Raises OBJECT_IN_USE if the staging heap no longer has this fingerprint. */
extern void staging_check_files(Oid staging, int64 fingerprint);

/*
 * Returns whether the staging heap's storage can replace the target's.  The
 * staging heap must have this fingerprint, the same columns, and an index of
 * the same form for each index of the target.  The caller has locked both.
 * Evaluates no index expression.
 */
extern bool staging_fits(Relation target, Relation staging, int64 fingerprint);

/* The qualified and quoted name of a staging heap. */
extern char *staging_name(Oid staging);

/* Drops one staging heap; the caller holds AccessExclusiveLock on it. */
extern void staging_drop(Oid staging);

/*
 * Drops one staging heap, unless a session uses it now; a later clean-up finds
 * it again.  Returns whether it was dropped.
 */
extern bool staging_drop_unless_in_use(Oid staging);

/* The OIDs of leftovers: staging heaps of runs that have no leader any more. */
extern List *staging_leftovers(void);

/* The OIDs of the staging heaps of one run. */
extern List *staging_heaps_of_run(int64 run_id);

/*
 * True if there are leftovers.  If there are none, this costs one index probe.
 */
extern bool staging_has_leftovers(void);

/*
 * Drops all staging heaps of one run except those in "keep".  The run calls
 * this to clean up after its loaders have ended.
 */
extern void staging_drop_of_run(int64 run_id, const List *keep);

#endif							/* PGTUNSYNC_STAGING_H */
