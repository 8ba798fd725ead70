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
 * Waits for the claim and holds it until the end of the transaction.  After
 * lock_timeout, raises LOCK_NOT_AVAILABLE with the run that holds the claim.
 * timeout_ms is the value of that setting.
 */
extern void table_claim(Oid relid, int timeout_ms);

#endif							/* PGTUNSYNC_TABLE_CLAIM_H */
