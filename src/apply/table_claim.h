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
 * Waits for the claim and holds it to the end of the transaction, or of the
 * session.  Raises LOCK_NOT_AVAILABLE, naming the run that holds it, after
 * lock_timeout; timeout_ms is that setting's value.
 */
extern void table_claim(Oid relid, bool for_session, int timeout_ms);

/* Gives up a claim of the session. */
extern void table_unclaim(Oid relid);

#endif							/* PGTUNSYNC_TABLE_CLAIM_H */
