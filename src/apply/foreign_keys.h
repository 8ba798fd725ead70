/*-------------------------------------------------------------------------
 *
 * foreign_keys.h
 *	  Checks foreign keys over all rows at once.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_FOREIGN_KEYS_H
#define PGTUNSYNC_FOREIGN_KEYS_H

#include "apply/fk_probe.h"
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

/* A foreign key that is checked, from one table to another. */
typedef struct Reference
{
	Oid			constraint;
	Oid			from;
	Oid			to;				/* may be partitioned */
} Reference;

/* A foreign key that the new rows would violate. */
typedef struct KeyViolation
{
	Oid			constraint;
	char	   *name;
	Oid			referencing;
	Oid			referenced;		/* may be partitioned */
	bool		by_primary_key; /* it refers to the primary key */
	char	   *count;			/* of rows without a match */
	char	   *samples;		/* "(a, b)=(1, 2), (3, 4)" */
} KeyViolation;

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
 * Lists all foreign keys that a pull checks: validated, enforced, those of
 * partitioned tables once for each leaf.  Returns a List of Reference *.
 */
extern List *integrity_references(void);

/* Reads a foreign key into the current memory context. */
extern ForeignKey *integrity_key(Oid constraint);

/*
 * Checks these constraints for the state after the swap.  Tables that keep
 * their rows must already be merged.  Returns the violated ones with counts
 * and sample keys, a List of KeyViolation *.  Uses the active snapshot.
 */
extern List *integrity_check(const List *staged, const List *constraints);

/* A line for each of these (KeyViolation *), for a DETAIL. */
extern char *integrity_detail(const List *violations);

#endif							/* PGTUNSYNC_FOREIGN_KEYS_H */
