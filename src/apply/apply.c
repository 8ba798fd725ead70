/*-------------------------------------------------------------------------
 *
 * apply.c
 *	  Applies the staged rows: checks, locks, merge, swap.
 *
 * 1. Staging heaps are locked.  Foreign keys with both ends replaced are
 *    checked.  No target is locked.
 * 2. ExclusiveLock on the targets: writers wait, readers do not.  Each table
 *    is compared with its plan, and kept local rows are read again.  Rows are
 *    written to tables that keep their own rows, or that are published.
 *    Then the foreign keys are checked that refer to such a table or to one
 *    outside the run.
 * 3. AccessExclusiveLock on the other targets: everything is compared,
 *    storage is swapped and sequences are set, in milliseconds.
 *
 * The leader commits immediately afterwards.
 *
 * Owners' code (index expressions, CHECK constraints, conditions of kept rows)
 * runs in step 2 only, as the owner (user_context.c).  Between the comparison
 * in step 3 and the commit, no code of any role runs except the extension's
 * own, and no function is called that could evaluate a user's expression.
 * That comparison makes it safe to read the new storage by the old definition.
 * So do not add there:
 *
 * - A planned query over a user's table: the planner evaluates constant parts
 *   of index expressions, predicates and statistics expressions.
 * - RelationGetIndexExpressions(), RelationGetIndexPredicate(),
 *   BuildIndexInfo(), RelationGetPartitionKey() or RelationGetPartitionQual(),
 *   which do the same.
 * - Anything that fires triggers, or calls a function of a type or an
 *   operator.
 *
 * The code that runs there is final_check.c (catalog scans), integrity_find()
 * (a catalog scan), swap.c (updates of pg_class, pg_depend, pg_statistic),
 * performDeletion() of staging heaps, sequences.c, and the audit's statements
 * on the extension's own tables.  owner_forbid() enforces the rule: a later
 * owner_enter() is an error.
 *
 * A table that was altered, or cannot be merged, is left out, with all
 * partitions of the same table.  It stays out if the attempt is repeated.
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
#include "base/text.h"
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

/* how long foreign key checks wait for a lock on another table, in ms */
#define OUTSIDE_LOCK_TIMEOUT	100
/* up to how many tables that were replaced row by row have a NOTICE each */
#define BY_ROW_SHOWN	5

/* The state of all attempts. */
struct Replacement
{
	List	   *staged;			/* of StagedTable * */
	Oid			role;			/* the role that called pull() */
	int			lock_timeout;	/* in ms, while rows are written */
	ReplaceFailed on_failure;
	KeysViolated on_violation;
	void	   *arg;			/* of both */
	List	   *checked_before; /* foreign keys checked before any target was locked */
	List	   *checked;		/* all foreign keys checked in this attempt */

	/* found under AccessExclusiveLock, and reported after it is released */
	StagedTable *altered;
	ErrorData  *alteration;

	MemoryContext context;		/* lives longer than an attempt */
};

/* Returns the tables that have not failed. */
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

/* Leaves a table out of the run, with all partitions of the same table. */
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
	all->on_failure(table, error, all->arg);
}

/* ---- 1: staging heaps ---- */

/* Returns the heaps that the run created for a table, with TOAST tables. */
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
 * Locks the staging heaps of a table.  The loaders have ended, and from here
 * on nobody else writes to the heaps.  The stronger lock that the swap needs
 * is taken together with those on the targets, because other commands lock
 * both: ALTER DOMAIN, for example, locks target and staging heap in one
 * transaction.
 */
static void
lock_staging(const StagedTable *table)
{
	ListCell   *lc;

	foreach(lc, staging_relations(table))
		LockRelationOid(lfirst_oid(lc), ShareLock);
}

/* Locks the staging heaps, and checks that they are what the loaders made. */
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

/* ---- 2: work on rows, while writers wait ---- */

/*
 * Returns whether a swap would be lost on a logical replication slot.  The
 * table is locked, so it cannot be added to a publication.  But a slot, or a
 * publication of all tables, may still be created.
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

/* Returns this table and the following partitions of the same table. */
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
 * Compares the tables of a group with their plans.  Returns an error that
 * describes a difference, or NULL.
 */
static ErrorData *
compare_group(Replacement *all, const List *group, StagedTable **failed_table)
{
	ErrorData  *error = NULL;
	ListCell   *lc;

	foreach(lc, group)
	{
		*failed_table = lfirst(lc);
		error = check_target(*failed_table, all->role);
		if (error != NULL)
			break;
	}
	return error;
}

/*
 * Returns whether rows of a table must be written or read before the swap.
 * Sets how the table is processed.
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
		replace_row_by_row(table->target, table->staging);
	else if (staged_merges(table))
		merge_table(table);
	PopActiveSnapshot();
}

/*
 * Processes tables that succeed or fail together, in a subtransaction.
 * Returns NULL, or an error and the table that it is about.
 */
static ErrorData *
work_on_group(const List *group, StagedTable **failed_table)
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
	*failed_table = table;
	return error;
}

/*
 * Compares the tables of a group with their plans, and processes their rows.
 */
static void
handle_group(Replacement *all, const List *group)
{
	StagedTable *failed_table = linitial(group);
	ErrorData  *error = compare_group(all, group, &failed_table);
	bool		work = false;
	ListCell   *lc;

	if (error == NULL)
	{
		foreach(lc, group)
			work |= needs_work(lfirst(lc));
		if (work)
			error = work_on_group(group, &failed_table);
	}
	if (error != NULL)
		fail_table(all, failed_table, error);
}

/*
 * Processes all tables.  All are locked before the work begins.  Otherwise, a
 * transaction that has written to one of them, and then writes to another or
 * has a foreign key checked there, would block every later lock.
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

/* Checks these foreign keys, for the state after the swap. */
static void
check_integrity(Replacement *all, const List *staged, const List *keys)
{
	List	   *violations = integrity_check(staged, keys);

	if (violations != NIL)
		all->on_violation(violations, all->arg);
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
	session_set_int("lock_timeout", OUTSIDE_LOCK_TIMEOUT);
	PushActiveSnapshot(GetTransactionSnapshot());
	/*
	 * Find them only now: until the locks were taken, DDL may have added one.
	 */
	integrity_find(staged, &inside, &across);
	if (!changed)
		inside = list_difference_oid(inside, all->checked_before);
	keys = list_concat(inside, across);
	check_integrity(all, staged, keys);
	PopActiveSnapshot();

	oldcontext = MemoryContextSwitchTo(all->context);
	all->checked = list_union_oid(all->checked_before, keys);
	MemoryContextSwitchTo(oldcontext);
}

/* Returns the targets to lock against readers. */
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

/* Does the work that takes time, while writers wait; see locking.c. */
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

/* Copies the error into memory that outlives the attempt. */
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

/*
 * Compares one table under its last lock.  Returns false if it must be left
 * out.
 */
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
 * Returns whether everything that was prepared is still true.  No other code
 * can run after this check.
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
 * Drops the heaps of a failed table, unless somebody else has locked them.
 * The next run drops the rest.
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
	if (OidIsValid(table->kept.yielded_heap))
		staging_drop(table->kept.yielded_heap);
}

/* Swaps all tables.  The caller has locked everything. */
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
	sequences_restore(all->staged);
	PopActiveSnapshot();
	return SWAP_DONE;
}

#define BY_ROW_DETAIL \
	"It is published and this database has a logical replication slot; a swap would not be replicated."

/* A NOTICE for each, or if they are many, one for all. */
static void
report_by_row(const List *staged)
{
	List	   *names = NIL;
	ListCell   *lc;

	foreach(lc, staged)
	{
		StagedTable *table = lfirst(lc);

		if (table->by_row && !table->failed)
			names = lappend(names, get_rel_name(table->target));
	}
	if (list_length(names) > BY_ROW_SHOWN)
		ereport(NOTICE,
				(errmsg("%d tables were replaced row by row: %s", list_length(names),
						names_text(names, true)),
				 errdetail(BY_ROW_DETAIL)));
	foreach(lc, names)
		if (list_length(names) <= BY_ROW_SHOWN)
			ereport(NOTICE,
					(errmsg("table \"%s\" was replaced row by row", (char *) lfirst(lc)),
					 errdetail(BY_ROW_DETAIL)));
}

/* Leaves out a table, for a process that has locked it and waits for this pull. */
static void
give_way(void *arg, Oid target, int pid)
{
	Replacement *all = arg;
	MemoryContext oldcontext = MemoryContextSwitchTo(all->context);
	ListCell   *lc;

	foreach(lc, remaining(all->staged))
	{
		StagedTable *table = lfirst(lc);

		if (table->target == target && !table->failed)
			fail_table(all, table, make_failure(ERRCODE_LOCK_NOT_AVAILABLE,
												psprintf("process %d has locked it and waits for this pull", pid),
												"A command such as CREATE INDEX CONCURRENTLY began while the rows were loaded."));
	}
	MemoryContextSwitchTo(oldcontext);
}

Replacement *
replace_begin(List *staged, Oid role, int lock_timeout,
			  ReplaceFailed on_failure, KeysViolated on_violation, void *arg)
{
	Replacement *all = palloc0(sizeof(Replacement));
	List	   *across;

	all->staged = staged;
	all->role = role;
	all->lock_timeout = lock_timeout;
	all->on_failure = on_failure;
	all->on_violation = on_violation;
	all->arg = arg;
	all->context = CurrentMemoryContext;

	session_set_int("lock_timeout", lock_timeout);
	lock_all_staging(all);
	PushActiveSnapshot(GetTransactionSnapshot());
	integrity_find(remaining(staged), &all->checked_before, &across);
	check_integrity(all, remaining(staged), all->checked_before);
	sequences_read_keys(remaining(staged));
	PopActiveSnapshot();
	return all;
}

void
replace_tables(Replacement *all, const VirtualTransactionId *caller)
{
	LockedWork	work = {
		.targets = staged_targets(all->staged),
		.sequences = sequences_to_change(all->staged),
		.role = all->role,
		.prepare = prepare_all,
		.swap = swap_all,
		.give_way = give_way,
		.arg = all
	};

	session_set_int("lock_timeout", all->lock_timeout);
	lock_all_staging(all);
	lock_and_swap(&work, all->lock_timeout, caller);
	report_by_row(all->staged);
}
