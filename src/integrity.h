/*-------------------------------------------------------------------------
 *
 * integrity.h
 *	  Foreign keys, checked as sets.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_INTEGRITY_H
#define PGTUNSYNC_INTEGRITY_H

#include "nodes/pg_list.h"

/* A table whose rows are about to be replaced by those of a staging heap. */
typedef struct StagedTable
{
	Oid			target;
	Oid			staging;
	int64		fingerprint;	/* staging_fingerprint() of what the loader made */
} StagedTable;

/*
 * The validated foreign keys that have an end among the staged tables
 * (a List of StagedTable *): constraint OIDs, first those with both ends
 * staged, then the others.
 */
extern void integrity_find(const List *staged, List **inside, List **across);

/*
 * Checks these constraints as they will be after the swap.  Raises
 * FOREIGN_KEY_VIOLATION naming the constraints, counts and sample keys, with
 * the call that would work as HINT.  Uses the active snapshot.
 */
extern void integrity_check(const List *staged, const List *constraints);

#endif							/* PGTUNSYNC_INTEGRITY_H */
