/*-------------------------------------------------------------------------
 *
 * fk_probe.h
 *	  Checks a foreign key by looking up each reference in the unique index.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_FK_PROBE_H
#define PGTUNSYNC_FK_PROBE_H

#include "access/attnum.h"
#include "eval/restricted_query.h"
#include "nodes/pg_list.h"

/* The definition of a foreign key. */
typedef struct ForeignKey
{
	Oid			oid;
	char	   *name;
	Oid			fk_relid;		/* the referencing table */
	Oid			pk_relid;		/* the referenced table */
	Oid			index;			/* the unique index of the referenced table */
	bool		match_full;
	bool		period;			/* the last column is a range, with PERIOD (18) */
	int			nkeys;
	AttrNumber	fk_attnums[INDEX_MAX_KEYS];
	AttrNumber	pk_attnums[INDEX_MAX_KEYS];
	Oid			operators[INDEX_MAX_KEYS];	/* pk = fk */
} ForeignKey;

/* The rows to look up, and the heaps to search. */
typedef struct KeyProbe
{
	const ForeignKey *key;
	Oid			referencing;	/* the heap with the references */
	TransactionId written;		/* if valid, check only rows of this transaction */
	List	   *referenced;		/* OIDs of the heaps that may contain referenced rows */
	List	   *indexes;		/* their unique indexes, in the same order */
	Oid			owner;			/* the role that calls users' functions */
} KeyProbe;

/*
 * Counts the references without a match, as seen by the active snapshot.
 * *samples receives up to max_samples different ones, with one column for each
 * column of the key.
 *
 * No query is planned.  Users' functions are called only if the key's own
 * operator or cast is one: as probe->owner and for a limited time.  Raises
 * FEATURE_NOT_SUPPORTED for keys that cannot be looked up: those with PERIOD,
 * and those whose index has a different, nondeterministic collation.
 */
extern int64 fk_probe(const KeyProbe *probe, int max_samples, RestrictedRows **samples);

#endif							/* PGTUNSYNC_FK_PROBE_H */
