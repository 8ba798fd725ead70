/*-------------------------------------------------------------------------
 *
 * user_context.h
 *	  Running what a table's owner wrote, as the table's owner.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_OWNER_H
#define PGTUNSYNC_OWNER_H

typedef struct OwnerContext
{
	Oid			save_userid;
	int			save_sec_context;
	int			save_nestlevel;
} OwnerContext;

/*
 * From owner_enter() to owner_leave() code runs as that role, in a
 * security-restricted operation and with search_path = pg_catalog.  After an
 * ERROR the transaction's abort restores everything.
 */
extern void owner_enter(OwnerContext *context, Oid owner);
extern void owner_leave(const OwnerContext *context);

/*
 * Says that no code of an owner may run from here on: owner_enter() is then an
 * internal error.  The end of the transaction or subtransaction in which that was
 * said takes it back.
 */
extern void owner_forbid(bool forbidden);

#endif							/* PGTUNSYNC_OWNER_H */
