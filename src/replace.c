/*-------------------------------------------------------------------------
 *
 * replace.c
 *	  The moment that changes anything: checks, locks, swap.
 *
 *	  1. foreign keys with both ends staged: no target is locked yet
 *	  2. foreign keys that lead out of the run: writers wait, readers do not
 *	  3. AccessExclusiveLock, swap, sequences: milliseconds
 *
 * The commit is the leader's and follows at once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "plan.h"
#include "storage/lmgr.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "integrity.h"
#include "locking.h"
#include "plain.h"
#include "published.h"
#include "replace.h"
#include "sequence_state.h"
#include "session.h"
#include "swap.h"

typedef struct AcrossCheck
{
	const List *staged;
	List	   *constraints;
} AcrossCheck;

/* Keys that lead out of the run, while nobody writes: see locking.c. */
static void
check_across(void *arg)
{
	AcrossCheck *across = arg;

	PushActiveSnapshot(GetTransactionSnapshot());
	integrity_check(across->staged, across->constraints);
	PopActiveSnapshot();
}

/*
 * Our loaders are gone; only a superuser who looks into a staging heap could be in the
 * way.  Its toast table too: autovacuum may be at it.
 */
static void
lock_staging(const List *staged)
{
	ListCell   *lc;

	foreach(lc, staged)
	{
		Oid			staging = ((StagedTable *) lfirst(lc))->staging;
		Relation	rel = table_open(staging, AccessExclusiveLock);

		if (OidIsValid(rel->rd_rel->reltoastrelid))
			LockRelationOid(rel->rd_rel->reltoastrelid, AccessExclusiveLock);
		table_close(rel, NoLock);
	}
}

List *
staged_targets(const List *staged)
{
	List	   *oids = NIL;
	ListCell   *lc;

	foreach(lc, staged)
		oids = lappend_oid(oids, ((StagedTable *) lfirst(lc))->target);
	return oids;
}

List *
staged_heaps(const List *staged)
{
	List	   *oids = NIL;
	ListCell   *lc;

	foreach(lc, staged)
		oids = lappend_oid(oids, ((StagedTable *) lfirst(lc))->staging);
	return oids;
}

static List *
sequence_oids(const List *sequences)
{
	List	   *oids = NIL;
	ListCell   *lc;

	foreach(lc, sequences)
		oids = list_append_unique_oid(oids, ((SequencePlan *) lfirst(lc))->relid);
	return oids;
}

static void
check_and_lock(List *staged, List *sequences, int lock_timeout,
			   const VirtualTransactionId *caller)
{
	AcrossCheck across = {.staged = staged};
	List	   *inside;

	session_set_int("lock_timeout", lock_timeout);
	lock_staging(staged);
	session_set_int("lock_timeout", 0);
	PushActiveSnapshot(GetTransactionSnapshot());
	integrity_find(staged, &inside, &across.constraints);
	integrity_check(staged, inside);
	PopActiveSnapshot();

	lock_for_swap(staged_targets(staged), sequence_oids(sequences), lock_timeout, caller,
				  across.constraints ? check_across : NULL, &across);
}

/*
 * Would a swap be missed by a logical replication slot?  Asked under the
 * table's lock, so that no slot and no publication can come in between.
 */
static bool
has_subscriber(Oid relid)
{
	Relation	rel;
	bool		result;

	if (!published_has_slots())
		return false;
	rel = table_open(relid, NoLock);
	result = published_table(rel);
	if (result)
		ereport(NOTICE,
				(errmsg("table \"%s\" is replaced row by row", RelationGetRelationName(rel)),
				 errdetail("It is published and this database has a logical replication slot, which a swap would not reach.")));
	table_close(rel, NoLock);
	return result;
}

static void
swap_all(const List *staged, const List *sequences)
{
	ListCell   *lc;

	foreach(lc, staged)
	{
		StagedTable *table = lfirst(lc);

		if (has_subscriber(table->target))
			plain_replace(table->target, table->staging);
		else
			swap_table(table->target, table->staging);
	}
	foreach(lc, sequences)
		sequence_restore(lfirst(lc));
}

void
replace_tables(List *staged, List *sequences, int lock_timeout,
			   const VirtualTransactionId *caller)
{
	check_and_lock(staged, sequences, lock_timeout, caller);
	PushActiveSnapshot(GetTransactionSnapshot());
	swap_all(staged, sequences);
	PopActiveSnapshot();
}
