/*-------------------------------------------------------------------------
 *
 * user_context.h
 *	  Runs code that a table's owner wrote as the table's owner.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_USER_CONTEXT_H
#define PGTUNSYNC_USER_CONTEXT_H

#include "utils/elog.h"

/* Time limit of an entry in ms, before rows add to it. */
#define OWNER_BASE_MS		10000
/* Added by each row: 20 times the cost of a PL/pgSQL function with a query. */
#define OWNER_MS_PER_ROW	2
/* Added by each 8 kB of row data: 20 times the cost of to_tsvector(). */
#define OWNER_MS_PER_PAGE	100
/* Added by each row of a table that is locked against writers. */
#define OWNER_MS_PER_LOCKED_ROW	1
/* Added for ANALYZE, which normally reads a sample of 30,000 rows. */
#define OWNER_ANALYZE_MS	(30000 * OWNER_MS_PER_ROW)
/* For entries that run no code of owners. */
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
 * Installs the hooks and the timer.  Call it once, after the session has
 * started.  Without it, owner_enter() raises INTERNAL_ERROR.
 */
extern void owner_install(void);

/*
 * Between owner_enter() and owner_leave(), code runs as the given role, in a
 * security-restricted operation, with search_path = pg_catalog, read-only,
 * without utility commands, and for a limited time; see the head of
 * user_context.c.  Entries nest.  After an ERROR, the rollback of the
 * transaction, or of the subtransaction in which the entry was opened,
 * restores everything.
 *
 * owner_leave() raises QUERY_CANCELED if the time was used up and the code did
 * not stop, or if the code caught a real cancel.
 */
extern void owner_enter(OwnerContext *context, Oid owner);
extern void owner_leave(const OwnerContext *context);

/* Extends the time limit of the current entry.  Cheap enough for each row. */
extern void owner_allow_ms(int64 ms);

/*
 * Exclude the time between the two calls from the limit.  The process then
 * waits for the source, not for the owner's code.
 */
extern void owner_wait_begin(void);
extern void owner_wait_end(void);

/*
 * Between the two calls, an expression may advance sequences, although entries
 * are read-only.  Use them only for expressions without user code
 * (user_code.h).
 */
extern void owner_sequences_begin(void);
extern void owner_sequences_end(void);

/* Allows the next utility statement, which the caller will execute itself. */
extern void owner_pass_statement(void);

/*
 * Allows parallel workers in the plan that the caller will make next.  The plan
 * must not contain user code: hooks and limits of this process do not exist in
 * parallel workers.
 */
extern void owner_pass_parallel_plan(void);

/*
 * Returns whether this error was raised in an entry, and no stop was
 * requested.  Such an error fails the table whatever its SQLSTATE is, because
 * owners' code can raise any SQLSTATE.  It must not be treated as a cancel, a
 * busy lock or a lost connection.
 */
extern bool owner_caused(const ErrorData *error);

/*
 * Records that this process was asked to stop.  Owners' code cannot hide the
 * request.  Called by signal handlers.
 */
extern void owner_note_stop(void);

/*
 * Forbids owners' code: owner_enter() raises INTERNAL_ERROR from now on.  The
 * ban ends with the transaction, or with the rollback of the subtransaction in
 * which it was set.
 */
extern void owner_forbid(bool forbidden);

/* Returns whether owner_enter() keeps the function from running. */
extern bool owner_refuses_function(Oid funcid);

#endif							/* PGTUNSYNC_USER_CONTEXT_H */
