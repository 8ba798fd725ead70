/*-------------------------------------------------------------------------
 *
 * user_context.c
 *	  Running what a table's owner wrote, as the table's owner.
 *
 * The workers are superuser; defaults, CHECK constraints, generated columns,
 * index expressions and domains are written by whoever owns the table.  All of
 * that, down to the constant folding of BuildIndexInfo(), runs between these
 * two calls: with the owner's rights, unable to leave them
 * (SECURITY_RESTRICTED_OPERATION), and with a search_path that nobody can
 * put objects into.  VACUUM, ANALYZE and REINDEX do the same (see
 * cluster_rel() and RestrictSearchPath() of PostgreSQL 17).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/guc.h"

#include "base/user_context.h"

/* the subtransaction from which on no owner's code may run */
static SubTransactionId forbidden_since = InvalidSubTransactionId;
static bool callbacks_registered = false;

static void
forget_at_abort(SubXactEvent event, SubTransactionId subxact, SubTransactionId parent, void *arg)
{
	if (forbidden_since != subxact)
		return;
	if (event == SUBXACT_EVENT_ABORT_SUB)
		forbidden_since = InvalidSubTransactionId;
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
		forbidden_since = parent;
}

static void
forget_at_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT)
		forbidden_since = InvalidSubTransactionId;
}

void
owner_forbid(bool forbidden)
{
	if (!callbacks_registered)
	{
		RegisterSubXactCallback(forget_at_abort, NULL);
		RegisterXactCallback(forget_at_end, NULL);
		callbacks_registered = true;
	}
	forbidden_since = forbidden ? GetCurrentSubTransactionId() : InvalidSubTransactionId;
}

void
owner_enter(OwnerContext *context, Oid owner)
{
	if (forbidden_since != InvalidSubTransactionId)
		elog(ERROR, "code of a table's owner must not run any more");
	GetUserIdAndSecContext(&context->save_userid, &context->save_sec_context);
	SetUserIdAndSecContext(owner,
						   context->save_sec_context | SECURITY_RESTRICTED_OPERATION);
	context->save_nestlevel = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp",
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

void
owner_leave(const OwnerContext *context)
{
	AtEOXact_GUC(false, context->save_nestlevel);
	SetUserIdAndSecContext(context->save_userid, context->save_sec_context);
}
