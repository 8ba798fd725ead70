/*-------------------------------------------------------------------------
 *
 * apply.c
 *	  The moment that changes anything: checks, locks, merge, swap.
 *
 *	  1. foreign keys with both ends replaced: no target is locked yet
 *	  2. local rows that are kept, once more; rows into tables that keep all of
 *		 theirs; then the foreign keys that lead out of the run or to such a
 *		 table: writers wait, readers do not
 *	  3. AccessExclusiveLock on the others, swap, sequences: milliseconds
 *
 * A table that cannot be merged is left out, with all parts of the same
 * partitioned table, and stays so if the attempt has to be made again.
 *
 * The commit is the leader's and follows at once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "plan/plan.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "apply/foreign_keys.h"
#include "apply/locking.h"
#include "apply/merge.h"
#include "apply/row_by_row.h"
#include "schema/publication.h"
#include "apply/apply.h"
#include "apply/sequences.h"
#include "base/worker_message.h"
#include "base/worker_session.h"
#include "staging/staging.h"
#include "apply/swap.h"

/* All that an attempt works on. */
typedef struct Replacement
{
	List	   *staged;			/* of StagedTable * */
	MergeFailed on_failure;
	void	   *on_failure_arg;
	List	   *by_row;			/* targets replaced row by row */
	MemoryContext context;		/* where that list lives */
} Replacement;

/* Those that have not failed. */
static List *
remaining(const List *staged)
{
	List	   *tables = NIL;
	ListCell   *lc;

	foreach(lc, staged)
		if (!((StagedTable *) lfirst(lc))->failed)
			tables = lappend(tables, lfirst(lc));
	return tables;
}

/* ---- rows that are kept in tables that are replaced ---- */

/* The kept rows as they are now; true if that changed a staging heap. */
static bool
refresh_kept(const List *staged)
{
	bool		changed = false;
	ListCell   *lc;

	foreach(lc, staged)
	{
		StagedTable *table = lfirst(lc);

		table->kept_now = table->kept;
		if (table->plan->keep == NIL)
			continue;
		relay_set_subject(table->plan->display);
		changed |= kept_refresh(table->target, table->staging, table->plan->row_name,
								table->plan->keep, &table->kept_now);
	}
	relay_set_subject(NULL);
	return changed;
}

/* ---- tables that keep their rows ---- */

/* This table and those after it that are parts of the same partitioned one. */
static List *
next_group(const List *staged, int first)
{
	StagedTable *table = list_nth(staged, first);
	List	   *group = list_make1(table);

	for (int i = first + 1; i < list_length(staged) && OidIsValid(table->plan->whole); i++)
	{
		StagedTable *other = list_nth(staged, i);

		if (other->plan->whole != table->plan->whole)
			break;
		group = lappend(group, other);
	}
	return group;
}

/*
 * Merges tables that stand or fall together, in a subtransaction.  Returns the
 * error, with the table that it is about, or NULL.
 */
static ErrorData *
merge_group(const List *group, StagedTable **culprit)
{
	MemoryContext oldcontext = CurrentMemoryContext;
	ResourceOwner oldowner = CurrentResourceOwner;
	StagedTable *volatile table = NULL;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(oldcontext);
	PG_TRY();
	{
		ListCell   *lc;

		foreach(lc, group)
		{
			table = lfirst(lc);
			relay_set_subject(table->plan->display);
			merge_table(table);
		}
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(oldcontext);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(oldcontext);
	CurrentResourceOwner = oldowner;
	relay_set_subject(NULL);
	if (error != NULL &&
		(error->sqlerrcode == ERRCODE_QUERY_CANCELED || lock_is_passing(error)))
		ReThrowError(error);
	*culprit = table;
	return error;
}

static void
merge_all(Replacement *all)
{
	List	   *staged = remaining(all->staged);

	for (int i = 0; i < list_length(staged);)
	{
		List	   *group = next_group(staged, i);
		StagedTable *culprit = linitial(group);
		ErrorData  *error = NULL;
		ListCell   *lc;

		i += list_length(group);
		if (staged_merges(culprit))
			error = merge_group(group, &culprit);
		if (error == NULL)
			continue;
		foreach(lc, group)
			((StagedTable *) lfirst(lc))->failed = true;
		all->on_failure(culprit, error, all->on_failure_arg);
	}
}

/* While nobody writes: merges, and keys that lead out of the run; see locking.c. */
static void
merge_and_check(void *arg)
{
	Replacement *all = arg;
	bool		changed = refresh_kept(all->staged);
	List	   *inside;
	List	   *across;
	List	   *staged;

	merge_all(all);
	staged = remaining(all->staged);
	PushActiveSnapshot(GetTransactionSnapshot());
	/* found only now: a VALIDATE CONSTRAINT may have added one until we had the locks */
	integrity_find(staged, &inside, &across);
	integrity_check(staged, changed ? list_concat(inside, across) : across);
	PopActiveSnapshot();
}

/* ---- the others ---- */

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
		if (OidIsValid(table->kept.yielded_heap))
			LockRelationOid(table->kept.yielded_heap, AccessExclusiveLock);
		staging_check_files(table->target, table->staging, table->fingerprint);
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
	{
		StagedTable *table = lfirst(lc);

		oids = lappend_oid(oids, table->staging);
		if (OidIsValid(table->kept.yielded_heap))
			oids = lappend_oid(oids, table->kept.yielded_heap);
	}
	return oids;
}

/* The targets that readers have to be kept from. */
static List *
swapped_targets(const List *staged)
{
	List	   *oids = NIL;
	ListCell   *lc;

	foreach(lc, staged)
	{
		StagedTable *table = lfirst(lc);

		if (!staged_merges(table))
			oids = lappend_oid(oids, table->target);
	}
	return oids;
}

/* The sequences that will change. */
static List *
sequence_oids(const List *staged)
{
	List	   *oids = NIL;
	ListCell   *lc_table;
	ListCell   *lc;

	foreach(lc_table, staged)
	{
		StagedTable *table = lfirst(lc_table);

		foreach(lc, table->plan->sequences)
		{
			SequencePlan *sequence = lfirst(lc);

			if (!staged_merges(table) || sequence_is_behind(sequence))
				oids = list_append_unique_oid(oids, sequence->relid);
		}
	}
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

/* A sequence of a table that keeps its rows must not come back to numbers that these have. */
static void
restore_sequences(const StagedTable *table)
{
	ListCell   *lc;

	foreach(lc, table->plan->sequences)
	{
		/* the keys of rows that stay may be ahead of the source's */
		if (staged_merges(table) || table->kept_now.rows > 0)
			sequence_advance(lfirst(lc));
		else
			sequence_restore(lfirst(lc));
	}
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

		if (table->failed || staged_merges(table))
			staging_drop(table->staging);
		else if (has_subscriber(table->target))
		{
			relay_set_subject(table->plan->display);
			plain_replace(table->target, table->staging);
			relay_set_subject(NULL);
			remember_by_row(all, table->target);
		}
		else
			swap_table(table->target, table->staging);
		if (!table->failed)
			restore_sequences(table);
		if (OidIsValid(table->kept.yielded_heap))
			staging_drop(table->kept.yielded_heap);
	}
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
replace_tables(List *staged, int lock_timeout, const VirtualTransactionId *caller,
			   MergeFailed on_failure, void *on_failure_arg)
{
	Replacement all = {
		.staged = staged,
		.on_failure = on_failure,
		.on_failure_arg = on_failure_arg,
		.context = CurrentMemoryContext
	};
	LockedWork	work = {
		.targets = staged_targets(staged),
		.swapped = swapped_targets(staged),
		.sequences = sequence_oids(staged),
		.check = merge_and_check,
		.swap = swap_all,
		.arg = &all
	};
	List	   *inside;
	List	   *across;

	session_set_int("lock_timeout", lock_timeout);
	lock_staging(staged);
	PushActiveSnapshot(GetTransactionSnapshot());
	integrity_find(staged, &inside, &across);
	integrity_check(staged, inside);
	PopActiveSnapshot();

	lock_and_swap(&work, lock_timeout, caller);
	tell_by_row(all.by_row);
}
