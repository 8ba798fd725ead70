/*-------------------------------------------------------------------------
 *
 * user_context.h
 *	  Running what a table's owner wrote, as the table's owner.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_USER_CONTEXT_H
#define PGTUNSYNC_USER_CONTEXT_H

#include "utils/elog.h"

/* How long an entry may take, in ms, before rows add to it. */
#define OWNER_BASE_MS		10000
/* What each row adds: 20 times what a PL/pgSQL function with a query in it takes. */
#define OWNER_MS_PER_ROW	2
/* What each 8 kB of rows add: 20 times what to_tsvector() takes. */
#define OWNER_MS_PER_PAGE	100
/* What a row adds while its table is locked against writers. */
#define OWNER_MS_PER_LOCKED_ROW	1
/* For entries in which no code of owners runs. */
#define OWNER_UNLIMITED_MS	INT64CONST(0x3fffffffffffffff)

typedef struct OwnerContext
{
	Oid			save_userid;
	int			save_sec_context;
	int			save_nestlevel;
	bool		save_read_only;
	ErrorContextCallback callback;
} OwnerContext;

/*
 * Prepares this process: once, when its session has started.  Without it
 * owner_enter() raises INTERNAL_ERROR.
 */
extern void owner_install(void);

/*
 * From owner_enter() to owner_leave() code runs as that role, in a
 * security-restricted operation, with search_path = pg_catalog, read-only, without
 * utility commands and for a limited time; see the head of user_context.c.
 * Entries nest.  After an ERROR the rollback of the transaction, or of the
 * subtransaction in which the entry was made, restores everything.
 *
 * owner_leave() raises QUERY_CANCELED if the time was used up and the code did not stop,
 * or if it swallowed a real cancel.
 */
extern void owner_enter(OwnerContext *context, Oid owner);
extern void owner_leave(const OwnerContext *context);

/* Adds to the time that the present entry may take; cheap enough for each row. */
extern void owner_allow_ms(int64 ms);

/* Between the two, time does not count: we wait for the source, not for the owner's code. */
extern void owner_wait_begin(void);
extern void owner_wait_end(void);

/*
 * Lets one expression advance sequences, although entries are read-only.  For
 * expressions without code of users only (user_code.h).
 */
extern void owner_sequences_begin(void);
extern void owner_sequences_end(void);

/* Lets the next utility statement pass, which the caller is about to execute itself. */
extern void owner_pass_statement(void);

/*
 * Was this error raised between owner_enter() and owner_leave(), while nobody
 * asked this process to stop?  Then it is the table's failure whatever its
 * SQLSTATE: code of owners can raise any.  It is never a cancel, a lock that will be
 * free soon, or a lost connection.
 */
extern bool owner_caused(const ErrorData *error);

/* For signal handlers: this process was asked to stop.  Code of owners cannot swallow that. */
extern void owner_note_stop(void);

/*
 * Says that no code of an owner may run from here on: owner_enter() then raises
 * INTERNAL_ERROR.  The end of the transaction, or the rollback of the subtransaction, in
 * which that was said takes it back.
 */
extern void owner_forbid(bool forbidden);

/* Is the function one that owner_enter() keeps from running? */
extern bool owner_refuses_function(Oid funcid);

#endif							/* PGTUNSYNC_USER_CONTEXT_H */
