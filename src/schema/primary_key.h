/*-------------------------------------------------------------------------
 *
 * primary_key.h
 *	  Finds the primary key of a table, deferrable or not.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_PRIMARY_KEY_H
#define PGTUNSYNC_PRIMARY_KEY_H

#include "utils/relcache.h"

/*
 * Returns the index that identifies rows on both sides.  Returns InvalidOid if
 * the table has no primary key, or one that does not compare by plain equality
 * (WITHOUT OVERLAPS).  The leader must hold a lock on the table; the calling
 * process need not.
 */
extern Oid	primary_key_index(Relation rel);

/* Returns whether the table has such a primary key.  Needs no lock. */
extern bool primary_key_exists(Oid relid);

#endif							/* PGTUNSYNC_PRIMARY_KEY_H */
