/*-------------------------------------------------------------------------
 *
 * primary_key.h
 *	  A table's primary key, deferrable or not.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_PRIMARY_KEY_H
#define PGTUNSYNC_PRIMARY_KEY_H

#include "utils/relcache.h"

/*
 * The index by whose equality rows of the two sides are the same; InvalidOid
 * without a primary key, or with one that is no plain equality (WITHOUT
 * OVERLAPS).  The table need not be locked by this process, but by the leader.
 */
extern Oid	primary_key_index(Relation rel);

/* Does the table have a valid primary key of that kind?  No lock is needed. */
extern bool primary_key_exists(Oid relid);

#endif							/* PGTUNSYNC_PRIMARY_KEY_H */
