/*-------------------------------------------------------------------------
 *
 * apply.c
 *	  The moment that changes anything: checks, locks, merge, swap.
 *
 *	  1. staging heaps are locked; foreign keys with both ends replaced are
 *		 checked.  No target is locked.
 *	  2. ExclusiveLock on the targets: writers wait, readers do not.  Each
 *		 table is compared with its plan; local rows that are kept are looked
 *		 at once more; rows go into tables that keep theirs, or that are
 *		 published; then the foreign keys that lead out of the run or to such
 *		 a table are checked.
 *	  3. AccessExclusiveLock on the others: everything is compared, storage is
 *		 swapped, sequences are set: milliseconds
 *
 * The commit is the leader's and follows at once.
 *
 * Code that owners wrote (index expressions, CHECK constraints, conditions of
 * kept rows) runs in step 2 only, as the owner (user_context.c).  From the
 * comparison in step 3 to the commit, no code of any role but ours runs, and
 * nothing that could evaluate an expression of a user is called: that
 * comparison is what makes it safe to read the new storage by the old
 * definition.  So nobody may add there:
 *
 *	- a planned query over a table of a user, since the planner evaluates
 *	  constant parts of index expressions, predicates and statistics
 *	  expressions;
 *	- RelationGetIndexExpressions(), RelationGetIndexPredicate(),
 *	  BuildIndexInfo(), RelationGetPartitionKey(), RelationGetPartitionQual(),
 *	  which do the same;
 *	- anything that fires triggers, or calls a type's or an operator's
 *	  function.
 *
 * What is called there is final_check.c (catalog scans), integrity_find() (a
 * catalog scan), swap.c (updates of pg_class, pg_depend, pg_statistic),
 * performDeletion() of staging heaps, sequences.c, and the audit's statements
 * on the extension's own tables.  owner_forbid() enforces the rule: an
 * owner_enter() behind it is an error.
 *
 * A table that was altered, or cannot be merged, is left out, with all parts
 * of the same partitioned table, and stays so if the attempt has to be made
 * again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "plan/plan.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/user_context.h"
#include "apply/final_check.h"
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

/* how long checking foreign keys waits for the lock on another table, in ms */
#define OUTSIDE_PATIENCE	100

/* All that an attempt works on. */
typedef struct Replacement
{
	List	   *staged;			/* of StagedTable * */
	Oid			role;			/* of the caller */
	int			lock_timeout;	/* in ms, for work on rows */
	ReplaceFailed on_failure;
	void	   *on_failure_arg;
	List	   *checked_before; /* foreign keys that were checked before any target was locked */
	List	   *checked;		/* all that were checked in this attempt */

	/* found under AccessExclusiveLock, and reported when that is released */
	StagedTable *altered;
	ErrorData  *alteration;

	MemoryContext context;		/* what outlives an attempt */
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

/*
 * Leaves a table out of the run, with all parts of the same partitioned table.
 */
static void
fail_table(Replacement *all, StagedTable *table, const ErrorData *error)
{
	ListCell   *lc;

	table->failed = true;
	foreach(lc, all->staged)
	{
		StagedTable *other = lfirst(lc);

		if (OidIsValid(table->plan->partition_root) && other->plan->partition_root == table->plan->partition_root)
			other->failed = true;
	}
	all->on_failure(table, error, all->on_failure_arg);
}

/* ---- 1: staging heaps ---- */

/* The heaps that the run has made for a table, with their toast tables. */
static List *
staging_relations(const StagedTable *table)
{
	List	   *oids = list_make1_oid(table->staging);
	Relation	rel;

	if (OidIsValid(table->kept.yielded_heap))
		oids = lappend_oid(oids, table->kept.yielded_heap);
	rel = try_relation_open(table->staging, AccessShareLock);
	if (rel == NULL)
		return oids;
	if (OidIsValid(rel->rd_rel->reltoastrelid))
		oids = lappend_oid(oids, rel->rd_rel->reltoastrelid);
	relation_close(rel, NoLock);
	return oids;
}

/*
 * Our loaders are gone, and from here on nobody else writes to a staging heap.
 * The stronger lock that the swap needs is taken with those on the targets:
 * ALTER DOMAIN, for example, locks target and staging heap in one transaction.
 */
static void
lock_staging(const StagedTable *table)
{
	ListCell   *lc;

	foreach(lc, staging_relations(table))
		LockRelationOid(lfirst_oid(lc), ShareLock);
}

/* What is locked must still be what the loader made. */
static void
lock_all_staging(Replacement *all)
{
	ListCell   *lc;

	foreach(lc, all->staged)
	{
		StagedTable *table = lfirst(lc);
		ErrorData  *error;

		lock_staging(table);
		error = check_staging(table);
		if (error != NULL && !table->failed)
			fail_table(all, table, error);
	}
}

/* ---- 2: what takes time, while nobody writes ---- */

/*
 * Would a swap be missed by a logical replication slot?  The table is locked,
 * so that it cannot be added to a publication; but a slot, or a publication of
 * all tables, may still come.
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

/* This table and those after it that are parts of the same partitioned one. */
static List *
next_group(const List *staged, int first)
{
	StagedTable *table = list_nth(staged, first);
	List	   *group = list_make1(table);

	for (int i = first + 1; i < list_length(staged) && OidIsValid(table->plan->partition_root); i++)
	{
		StagedTable *other = list_nth(staged, i);

		if (other->plan->partition_root != table->plan->partition_root)
			break;
		group = lappend(group, other);
	}
	return group;
}

/*
 * Compares the tables of a group with their plans; returns what differs, or
 * NULL.
 */
static ErrorData *
compare_group(Replacement *all, const List *group, StagedTable **culprit)
{
	ErrorData  *error = NULL;
	ListCell   *lc;

	foreach(lc, group)
	{
		*culprit = lfirst(lc);
		error = check_target(*culprit, all->role);
		if (error != NULL)
			break;
	}
	return error;
}

/*
 * Is there work on the rows of a table, beside the swap?  Sets what is done to
 * it.
 */
static bool
needs_work(StagedTable *table)
{
	table->kept_now = table->kept;
	table->refreshed = false;
	table->by_row = !staged_merges(table) && has_subscriber(table->target);
	return table->by_row || staged_merges(table) || table->plan->keep != NIL;
}

static void
work_on_table(StagedTable *table)
{
	relay_set_subject(table->plan->display);
	if (table->plan->keep != NIL)
		table->refreshed = kept_refresh(table->target, table->staging, table->plan->row_name,
										table->plan->keep, &table->kept_now);
	PushActiveSnapshot(GetTransactionSnapshot());
	if (table->by_row)
		plain_replace(table->target, table->staging);
	else if (staged_merges(table))
		merge_table(table);
	PopActiveSnapshot();
}

/*
 * Works on tables that stand or fall together, in a subtransaction.  Returns
 * the error, with the table that it is about, or NULL.
 */
static ErrorData *
work_on_group(const List *group, StagedTable **culprit)
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
			work_on_table(table);
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
	if (error != NULL && lock_ends_attempt(error))
		ReThrowError(error);
	*culprit = table;
	return error;
}

/* Compares the tables of a group with their plans, and works on their rows. */
static void
handle_group(Replacement *all, const List *group)
{
	StagedTable *culprit = linitial(group);
	ErrorData  *error = compare_group(all, group, &culprit);
	bool		work = false;
	ListCell   *lc;

	if (error == NULL)
	{
		foreach(lc, group)
			work |= needs_work(lfirst(lc));
		if (work)
			error = work_on_group(group, &culprit);
	}
	if (error != NULL)
		fail_table(all, culprit, error);
}

/*
 * All tables are locked before the work begins.  A transaction that has written to
 * one of them and goes on to another one, or has a foreign key checked there, would
 * be in the way of a lock that is taken later, every time.
 */
static void
handle_all(Replacement *all)
{
	List	   *staged = remaining(all->staged);

	lock_writers_out(staged_targets(staged), all->lock_timeout);
	for (int i = 0; i < list_length(staged);)
	{
		List	   *group = next_group(staged, i);

		i += list_length(group);
		handle_group(all, group);
	}
}

/*
 * Checks the foreign keys that were not checked before the locks, or whose
 * rows have changed since.
 */
static void
check_keys(Replacement *all)
{
	List	   *staged = remaining(all->staged);
	bool		changed = false;
	List	   *inside;
	List	   *across;
	List	   *keys;
	MemoryContext oldcontext;
	ListCell   *lc;

	foreach(lc, staged)
		changed |= ((StagedTable *) lfirst(lc))->refreshed;
	session_set_int("lock_timeout", OUTSIDE_PATIENCE);
	PushActiveSnapshot(GetTransactionSnapshot());
	/* found only now: DDL may have added one until we had the locks */
	integrity_find(staged, &inside, &across);
	if (!changed)
		inside = list_difference_oid(inside, all->checked_before);
	keys = list_concat(inside, across);
	integrity_check(staged, keys);
	PopActiveSnapshot();

	oldcontext = MemoryContextSwitchTo(all->context);
	all->checked = list_union_oid(all->checked_before, keys);
	MemoryContextSwitchTo(oldcontext);
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

		if (!table->failed && !table->by_row && !staged_merges(table))
			oids = lappend_oid(oids, table->target);
	}
	return oids;
}

/* While nobody writes; see locking.c. */
static void
prepare_all(void *arg, List **swapped, List **others)
{
	Replacement *all = arg;
	ListCell   *lc;

	if (all->altered != NULL)
		fail_table(all, all->altered, all->alteration);
	all->altered = NULL;
	handle_all(all);
	check_keys(all);
	*swapped = swapped_targets(all->staged);
	*others = NIL;
	foreach(lc, remaining(all->staged))
		*others = list_concat(*others, staging_relations(lfirst(lc)));
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

			if (get_rel_relkind(sequence->relid) == RELKIND_SEQUENCE &&
				(!staged_merges(table) || sequence_is_behind(sequence)))
				oids = list_append_unique_oid(oids, sequence->relid);
		}
	}
	return oids;
}

/*
 * A sequence of a table that keeps its rows must not come back to numbers that
 * these have.
 */
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

/* An attempt's own memory does not last. */
static void
remember_alteration(Replacement *all, StagedTable *table, const ErrorData *error)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(all->context);

	all->altered = table;
	all->alteration = palloc(sizeof(ErrorData));
	*all->alteration = *error;
	all->alteration->message = pstrdup(error->message);
	all->alteration->detail = error->detail != NULL ? pstrdup(error->detail) : NULL;
	all->alteration->hint = error->hint != NULL ? pstrdup(error->hint) : NULL;
	MemoryContextSwitchTo(oldcontext);
}

/* Compares one table under its last lock; false if it must be left out. */
static bool
is_unchanged(Replacement *all, StagedTable *table)
{
	bool		swapped = !staged_merges(table) && !table->by_row;
	ErrorData  *error = swapped ? check_replacement(table, all->role) :
		check_target(table, all->role);

	if (error != NULL)
		remember_alteration(all, table, error);
	return error == NULL;
}

/*
 * Is all that was prepared still true?  The last moment at which anything else
 * can run.
 */
static bool
all_unchanged(Replacement *all)
{
	List	   *staged = remaining(all->staged);
	List	   *inside;
	List	   *across;
	ListCell   *lc;

	foreach(lc, staged)
	{
		StagedTable *table = lfirst(lc);

		if (!is_unchanged(all, table))
			return false;
		if (!staged_merges(table) && !table->by_row && has_subscriber(table->target))
			return false;
	}
	integrity_find(staged, &inside, &across);
	return list_difference_oid(list_concat(inside, across), all->checked) == NIL;
}

/*
 * Drops what a table that failed has left, unless somebody is at it: the next
 * run finds it.
 */
static void
drop_failed(const StagedTable *table)
{
	Oid			heaps[] = {table->staging, table->kept.yielded_heap};

	for (int i = 0; i < lengthof(heaps); i++)
		if (OidIsValid(heaps[i]) &&
			ConditionalLockRelationOid(heaps[i], AccessExclusiveLock) &&
			SearchSysCacheExists1(RELOID, ObjectIdGetDatum(heaps[i])))
			staging_drop(heaps[i]);
}

static void
swap_one(StagedTable *table)
{
	if (table->failed)
	{
		drop_failed(table);
		return;
	}
	if (table->by_row || staged_merges(table))
		staging_drop(table->staging);
	else
		swap_table(table->target, table->staging);
	restore_sequences(table);
	if (OidIsValid(table->kept.yielded_heap))
		staging_drop(table->kept.yielded_heap);
}

/* Everything is locked. */
static SwapResult
swap_all(void *arg)
{
	Replacement *all = arg;
	ListCell   *lc;

	owner_forbid(true);
	if (!all_unchanged(all))
	{
		owner_forbid(false);
		return SWAP_STALE;
	}
	PushActiveSnapshot(GetTransactionSnapshot());
	foreach(lc, all->staged)
		swap_one(lfirst(lc));
	PopActiveSnapshot();
	return SWAP_DONE;
}

static void
tell_by_row(const List *staged)
{
	ListCell   *lc;

	foreach(lc, staged)
	{
		StagedTable *table = lfirst(lc);

		if (table->by_row && !table->failed)
			ereport(NOTICE,
					(errmsg("table \"%s\" was replaced row by row", get_rel_name(table->target)),
					 errdetail("It is published and this database has a logical replication slot, which a swap would not reach.")));
	}
}

void
replace_tables(List *staged, Oid role, int lock_timeout, const VirtualTransactionId *caller,
			   ReplaceFailed on_failure, void *on_failure_arg)
{
	Replacement all = {
		.staged = staged,
		.role = role,
		.lock_timeout = lock_timeout,
		.on_failure = on_failure,
		.on_failure_arg = on_failure_arg,
		.context = CurrentMemoryContext
	};
	LockedWork	work = {
		.targets = staged_targets(staged),
		.prepare = prepare_all,
		.swap = swap_all,
		.arg = &all
	};
	List	   *across;

	session_set_int("lock_timeout", lock_timeout);
	lock_all_staging(&all);
	PushActiveSnapshot(GetTransactionSnapshot());
	integrity_find(remaining(staged), &all.checked_before, &across);
	integrity_check(remaining(staged), all.checked_before);
	PopActiveSnapshot();
	work.sequences = sequence_oids(staged);

	lock_and_swap(&work, lock_timeout, caller);
	tell_by_row(staged);
}
