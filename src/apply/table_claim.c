/*-------------------------------------------------------------------------
 *
 * table_claim.c
 *	  Claims a table for a run, so that other runs wait.
 *
 * A run claims its tables until it ends.  The claim is an advisory lock with a
 * key of the extension, not a lock on the table.  With a lock on the table,
 * ALTER TABLE would wait for it, and every reader would wait behind ALTER
 * TABLE while rows are loaded.  SQL cannot take such a lock (lock_tags.h).
 *
 * A pull keeps its claims over several transactions, an append for one batch.
 * Claims are released however the process ends, and the deadlock detector sees
 * them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#include "apply/table_claim.h"
#include "base/lock_tags.h"

static void
set_claim_tag(LOCKTAG *tag, Oid relid)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, OUR_LOCK_CLASS, relid, CLAIM_LOCK_TYPE);
}

/*
 * Describes the process that holds one of our locks on a table; NULL if there
 * is none.  The leader of a run shows its number and phase in pg_stat_activity.
 */
static char *
lock_holder(Oid relid, int lock_type)
{
	MemoryContext caller_context = CurrentMemoryContext;
	char	   *sql = psprintf("SELECT pg_catalog.concat('process ', l.pid, ', ', a.query)"
							   " FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a USING (pid)"
							   " WHERE l.locktype = 'advisory' AND l.granted AND l.database = %u"
							   " AND l.classid = %u AND l.objid = %u AND l.objsubid = %d",
							   MyDatabaseId, OUR_LOCK_CLASS, relid, lock_type);
	char	   *holder = NULL;

	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	if (SPI_execute(sql, true, 1) == SPI_OK_SELECT && SPI_processed == 1)
		holder = MemoryContextStrdup(caller_context,
									 SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1));
	SPI_finish();
	PopActiveSnapshot();
	return holder;
}

void
table_lock_raise(Oid relid, int lock_type, const char *doing, int timeout_ms)
{
	char	   *holder = lock_holder(relid, lock_type);

	ereport(ERROR,
			(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
			 errmsg("another pull %s table \"%s\"", doing, get_rel_name(relid)),
			 holder != NULL ?
			 errdetail("It did not end within %d ms: %s.", timeout_ms, holder) :
			 errdetail("It did not end within %d ms.", timeout_ms),
			 errhint("Try again later, or raise \"pgtunsync.lock_timeout\".")));
}

void
table_claim(Oid relid, bool for_session, int timeout_ms)
{
	LOCKTAG		tag;
	MemoryContext oldcontext = CurrentMemoryContext;

	set_claim_tag(&tag, relid);
	InvalidateCatalogSnapshot();
	PG_TRY();
	{
		(void) LockAcquire(&tag, ExclusiveLock, for_session, false);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(oldcontext);
		if (geterrcode() != ERRCODE_LOCK_NOT_AVAILABLE)
			PG_RE_THROW();
		FlushErrorState();
		table_lock_raise(relid, CLAIM_LOCK_TYPE, "is working on", timeout_ms);
	}
	PG_END_TRY();
}

void
table_unclaim(Oid relid)
{
	LOCKTAG		tag;

	set_claim_tag(&tag, relid);
	(void) LockRelease(&tag, ExclusiveLock, true);
}
