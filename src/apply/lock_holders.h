/*-------------------------------------------------------------------------
 *
 * lock_holders.h
 *	  Names the sessions that hold locks on tables, for errors.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_LOCK_HOLDERS_H
#define PGTUNSYNC_LOCK_HOLDERS_H

#include "nodes/pg_list.h"

typedef struct LockHolders
{
	char	   *detail;			/* a line for each */
	char	   *hint;			/* how to end the first one */
} LockHolders;

/*
 * Finds other sessions and prepared transactions that hold any lock on one of
 * these tables, or, on one of those outside, a lock that keeps readers away.
 * Shows what the role may see of them.  Returns NULL if there is none (any
 * more).  Needs a transaction.
 */
extern LockHolders *lock_holders(const List *tables, const List *outside, Oid role);

#endif							/* PGTUNSYNC_LOCK_HOLDERS_H */
