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
#include "utils/lsyscache.h"
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
#include "staging.h"
#include "swap.h"

/* All that an attempt works on. */
typedef struct Replacement
{
	List	   *staged;			/* of StagedTable * */
	List	   *sequences;		/* of SequencePlan * */
	List	   *by_row;			/* targets replaced row by row */
	MemoryContext context;		/* where that list lives */
} Replacement;

/* Keys that lead out of the run, while nobody writes: see locking.c. */
static void
check_across(void *arg)
{
	Replacement *all = arg;
	List	   *inside;
	List	   *across;

	PushActiveSnapshot(GetTransactionSnapshot());
	/* found only now: a VALIDATE CONSTRAINT may have added one until we had the locks */
	integrity_find(all->staged, &inside, &across);
	integrity_check(all->staged, across);
	PopActiveSnapshot();
}

/*
 * Our loaders are gone; only somebody who looks into a staging heap could be in
 * the way.  Its toast table too: autovacuum may be at it.  What was locked must still be
 * what the loader made.
 */
static void
lock_staging(const List *staged)
{
	ListCell   *lc;

	foreach(lc, staged)
	{
		StagedTable *table = lfirst(lc);
		Relation	rel = table_open(table->staging, AccessExclusiveLock);

		if (OidIsValid(rel->rd_rel->reltoastrelid))
			LockRelationOid(rel->rd_rel->reltoastrelid, AccessExclusiveLock);
		if (staging_fingerprint(table->staging) != table->fingerprint)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("the staging heap of table \"%s\" was altered by someone else",
							get_rel_name(table->target)),
					 errhint("Pull again.")));
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
	table_close(rel, NoLock);
	return result;
}

/* An attempt's own memory does not last. */
static void
remember_by_row(Replacement *all, Oid target)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(all->context);

	all->by_row = lappend_oid(all->by_row, target);
	MemoryContextSwitchTo(oldcontext);
}

/* Everything is locked. */
static void
swap_all(void *arg)
{
	Replacement *all = arg;
	ListCell   *lc;

	all->by_row = NIL;
	PushActiveSnapshot(GetTransactionSnapshot());
	foreach(lc, all->staged)
	{
		StagedTable *table = lfirst(lc);

		if (has_subscriber(table->target))
		{
			plain_replace(table->target, table->staging);
			remember_by_row(all, table->target);
		}
		else
			swap_table(table->target, table->staging);
	}
	foreach(lc, all->sequences)
		sequence_restore(lfirst(lc));
	PopActiveSnapshot();
}

static void
tell_by_row(const List *targets)
{
	ListCell   *lc;

	foreach(lc, targets)
		ereport(NOTICE,
				(errmsg("table \"%s\" was replaced row by row", get_rel_name(lfirst_oid(lc))),
				 errdetail("It is published and this database has a logical replication slot, which a swap would not reach.")));
}

void
replace_tables(List *staged, List *sequences, int lock_timeout,
			   const VirtualTransactionId *caller)
{
	Replacement all = {
		.staged = staged,
		.sequences = sequences,
		.context = CurrentMemoryContext
	};
	List	   *inside;
	List	   *across;

	session_set_int("lock_timeout", lock_timeout);
	lock_staging(staged);
	PushActiveSnapshot(GetTransactionSnapshot());
	integrity_find(staged, &inside, &across);
	integrity_check(staged, inside);
	PopActiveSnapshot();

	lock_and_swap(staged_targets(staged), sequence_oids(sequences), lock_timeout, caller,
				  check_across, swap_all, &all);
	tell_by_row(all.by_row);
}
