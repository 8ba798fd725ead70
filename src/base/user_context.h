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

#endif							/* PGTUNSYNC_OWNER_H */
