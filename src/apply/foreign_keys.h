/*-------------------------------------------------------------------------
 *
 * foreign_keys.h
 *	  Foreign keys, checked as sets.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_FOREIGN_KEYS_H
#define PGTUNSYNC_FOREIGN_KEYS_H

#include "staging/kept_rows.h"
#include "nodes/pg_list.h"
#include "plan/plan.h"

/* A table and the rows that are about to become its own, or to join its own. */
typedef struct StagedTable
{
	Oid			target;
	Oid			staging;
	const TablePlan *plan;
	int64		fingerprint;	/* staging_fingerprint() of what the loader made */

	/* what merge_table() did */
	TransactionId written;		/* xmin of the rows that it wrote */
	int64		inserted;
	int64		updated;
	bool		failed;			/* it could not be changed, and is out of the run */
	bool		by_row;			/* its rows were replaced one by one */
	bool		refreshed;		/* its kept rows were brought up to date */

	Kept		kept;			/* local rows among those in staging, as the loader found them */
	Kept		kept_now;		/* the same at the swap */
} StagedTable;

/* Does the table keep rows of its own? */
#define staged_merges(table)	((table)->plan->mode != LAND_REPLACE)

/*
 * The validated foreign keys that the staged tables (a List of StagedTable *) may break:
 * constraint OIDs, first those that can be checked before any target is
 * locked, because both ends are replaced, then the others.
 */
extern void integrity_find(const List *staged, List **inside, List **across);

/*
 * Tables (a List of Oid) in an order in which each comes after those that it
 * refers to by foreign keys.  Raises FEATURE_NOT_SUPPORTED if there is none.
 */
extern List *integrity_order(const List *relids);

/*
 * Checks these constraints as they will be after the swap; tables that keep
 * their rows have been merged.  Raises
 * FOREIGN_KEY_VIOLATION naming the constraints, counts and sample keys, with
 * the call that would work as HINT.  Uses the active snapshot.
 */
extern void integrity_check(const List *staged, const List *constraints);

#endif							/* PGTUNSYNC_FOREIGN_KEYS_H */
