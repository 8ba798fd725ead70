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
 * Raises LOCK_NOT_AVAILABLE for one of the extension's locks on a table
 * (lock_tags.h) that another run holds.  doing: what that run does with the
 * table, for the message.
 */
extern void table_lock_raise(Oid relid, int lock_type, const char *doing,
							 int timeout_ms) pg_attribute_noreturn();

#endif							/* PGTUNSYNC_TABLE_CLAIM_H */
