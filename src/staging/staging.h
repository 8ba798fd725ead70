/*-------------------------------------------------------------------------
 *
 * staging.h
 *	  Staging heaps: where the new rows of a table gather before the swap.
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
 * heap, toast table, and indexes, empty and unbuilt: all of them for a swap,
 * the primary key's to look rows up by it, none for an append.  Commit before
 * loading, so that a crash leaves something that can be found and dropped.
 * The caller has opened the target with a lock, for no longer than this
 * takes; no code of its owner runs.
 */
extern Oid	staging_create(Relation target, int64 run_id, Landing mode);

/*
 * The same for a heap that serves while the staging heap is made, and is never
 * swapped; with indexes or without.  what: a word for its name.
 */
extern Oid	staging_create_beside(Relation target, int64 run_id, const char *what, bool indexes);

/*
 * Builds the indexes over what the staging heap holds now, by their own
 * definitions: the target need not be locked.  Index expressions run as its
 * owner.
 */
extern void staging_build_indexes(Oid staging);

/* How many those are, and one of them (counted from 0) alone. */
extern int	staging_count_indexes(Oid staging);
extern void staging_build_index(Oid staging, int number);

/* The index of the staging heap that stands for the target's; InvalidOid if none. */
extern Oid	staging_index(Oid staging, Oid target_index);

/*
 * Has somebody changed the columns of a staging heap?  Its owner, who is the
 * target's, finds a way to it if granted USAGE on every schema.  Raises
 * OBJECT_IN_USE; the caller holds a lock on it.
 */
extern void staging_check_columns(Relation target, Relation staging);

/*
 * A number that changes when any of the staging heap's files is replaced
 * by another: heap, toast table, indexes.
 */
extern int64 staging_fingerprint(Oid staging);

/* Raises OBJECT_IN_USE if it is not that number. */
extern void staging_check_files(Oid staging, int64 fingerprint);

/*
 * Can the staging heap's storage take the place of the target's?  It must have
 * this fingerprint, the same columns, and a counterpart of the same form for
 * each index.  The caller has locked both.  Evaluates no index expression.
 */
extern bool staging_fits(Relation target, Relation staging, int64 fingerprint);

/* "schema"."name" of a staging heap, quoted. */
extern char *staging_name(Oid staging);

/* Drops one staging heap with its storage; the caller holds AccessExclusiveLock. */
extern void staging_drop(Oid staging);

/*
 * Drops the staging heaps of runs that nobody leads any more, but for those
 * that another session uses.  Returns how many were dropped.
 */
extern int	staging_drop_leftovers(void);

/* Are there such heaps?  Costs an index probe if there are no staging heaps. */
extern bool staging_has_leftovers(void);

/*
 * Drops all that one run has staged, but for the heaps in "keep": its own
 * clean-up, after its loaders have ended.
 */
extern void staging_drop_of_run(int64 run_id, const List *keep);

#endif							/* PGTUNSYNC_STAGING_H */
