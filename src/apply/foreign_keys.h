/*-------------------------------------------------------------------------
 *
 * foreign_keys.h
 *	  Checks foreign keys over all rows at once.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_FOREIGN_KEYS_H
#define PGTUNSYNC_FOREIGN_KEYS_H

#include "staging/kept_rows.h"
#include "nodes/pg_list.h"
#include "plan/plan.h"

/* A table and the staging heap with its new rows. */
typedef struct StagedTable
{
	Oid			target;
	Oid			staging;
	const TablePlan *plan;
	int64		fingerprint;	/* staging_fingerprint() when the loader finished */

	/* results of merge_table(): */
	TransactionId written;		/* xmin of the rows that it wrote */
	int64		inserted;
	int64		updated;
	bool		failed;			/* the table cannot be changed and is left out */
	bool		by_row;			/* its rows are replaced one by one */
	bool		refreshed;		/* its kept rows were updated in staging */

	Kept		kept;			/* kept local rows in staging, as found by the loader */
	Kept		kept_now;		/* the same at the swap */
} StagedTable;

/* Whether the table keeps its own rows. */
#define staged_merges(table)	((table)->plan->mode != LAND_REPLACE)

/*
 * Finds the validated foreign keys that the staged tables (a List of
 * StagedTable *) may violate.  *inside receives the OIDs of constraints that
 * can be checked before any target is locked, because both ends are replaced;
 * *across receives the others.
 */
extern void integrity_find(const List *staged, List **inside, List **across);

/*
 * Sorts tables (a List of Oid) so that each comes after those that its foreign
 * keys refer to.  Raises FEATURE_NOT_SUPPORTED if there is no such order.
 */
extern List *integrity_order(const List *relids);

/*
 * Checks these constraints for the state after the swap.  Tables that keep
 * their rows must already be merged.  Raises FOREIGN_KEY_VIOLATION with the
 * constraints, counts and sample keys; the HINT shows a call that would work.
 * Uses the active snapshot.
 */
extern void integrity_check(const List *staged, const List *constraints);

#endif							/* PGTUNSYNC_FOREIGN_KEYS_H */
