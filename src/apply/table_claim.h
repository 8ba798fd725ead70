/*-------------------------------------------------------------------------
 *
 * table_claim.h
 *	  Claims a table for a run, so that other runs wait.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_TABLE_CLAIM_H
#define PGTUNSYNC_TABLE_CLAIM_H

/*
 * Waits for the claim and holds it until the end of the transaction or of the
 * session.  After lock_timeout, raises LOCK_NOT_AVAILABLE with the run that
 * holds the claim.  timeout_ms is the value of that setting.
 */
extern void table_claim(Oid relid, bool for_session, int timeout_ms);

/* Releases a claim of the session. */
extern void table_unclaim(Oid relid);

/*
 * Describes the process that holds one of the extension's locks on a table
 * (lock_tags.h), or returns NULL.  The leader of a run shows its number and
 * phase in pg_stat_activity.
 */
extern char *table_lock_holder(Oid relid, int lock_type);

#endif							/* PGTUNSYNC_TABLE_CLAIM_H */
