/*-------------------------------------------------------------------------
 *
 * fk_probe.h
 *	  A foreign key, checked by looking each reference up in the unique index.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_FK_PROBE_H
#define PGTUNSYNC_FK_PROBE_H

#include "access/attnum.h"
#include "eval/restricted_query.h"
#include "nodes/pg_list.h"

/* One foreign key, taken apart. */
typedef struct ForeignKey
{
	Oid			oid;
	char	   *name;
	Oid			fk_relid;		/* the referencing table */
	Oid			pk_relid;		/* the referenced one */
	Oid			index;			/* its unique index that the key goes by */
	bool		match_full;
	bool		period;			/* the last column is a range (18) */
	int			nkeys;
	AttrNumber	fk_attnums[INDEX_MAX_KEYS];
	AttrNumber	pk_attnums[INDEX_MAX_KEYS];
	Oid			operators[INDEX_MAX_KEYS];	/* pk = fk */
} ForeignKey;

/* Which rows are looked up, and where. */
typedef struct KeyProbe
{
	const ForeignKey *key;
	Oid			referencing;	/* heap with the references */
	TransactionId written;		/* look at rows of this transaction only, if valid */
	List	   *referenced;		/* OIDs of the heaps whose rows may be referred to */
	List	   *indexes;		/* their unique indexes, in the same order */
	Oid			owner;			/* as whom to call functions of users */
} KeyProbe;

/*
 * Counts the references that lead nowhere, as the active snapshot sees the
 * rows.  *samples gets up to max_samples different ones, a column for each of
 * the key.
 *
 * No query is planned.  Functions of users are called only if the key's own
 * operator or cast is one, as probe->owner, for a limited time.  Raises
 * FEATURE_NOT_SUPPORTED for keys that cannot be looked up: those with PERIOD,
 * and those whose index has another collation that matters.
 */
extern int64 fk_probe(const KeyProbe *probe, int max_samples, RestrictedRows **samples);

#endif							/* PGTUNSYNC_FK_PROBE_H */
