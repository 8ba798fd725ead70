/*-------------------------------------------------------------------------
 *
 * locking.c
 *	  Takes the leader's locks on the local port and on the targets.
 *
 * While rows are loaded, a run holds a claim on its targets (table_claim.c)
 * but no lock.  So other runs wait, and nobody else does.  DDL is not blocked,
 * and is detected at the end: if it were blocked, every reader would queue
 * behind an ALTER TABLE that waits for the run.  At the end, three locks are
 * taken on the targets:
 *
 *	ShareUpdateExclusive	briefly, before the next one.  An autovacuum worker
 *							holds this lock.  Waiting for it makes the worker
 *							stop, and blocks nobody else.
 *	Exclusive				while rows are merged into tables that keep their
 *							own rows, rows are replaced one by one, and foreign
 *							keys to tables outside the run are checked.  It
 *							blocks writers, and foreign key checks of others
 *							(they need RowShare), but not readers.
 *	AccessExclusive			for the swap, which takes milliseconds; not needed
 *							for a merge
 *
 * While a request for AccessExclusiveLock waits, all later readers wait behind
 * it.  So it never waits long: an attempt gives up after some tens of
 * milliseconds, releases everything by rolling back its subtransaction, and is
 * repeated after a pause.  A conditional request would not do: it never
 * succeeds while anyone else is queued.  The Exclusive lock is kept over a few
 * such attempts only, because a reader that becomes a writer would wait for
 * the leader while the leader waits for it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/twophase.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "portability/instr_time.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/lock_tags.h"
#include "base/user_context.h"
#include "apply/foreign_keys.h"
#include "apply/lock_holders.h"
#include "apply/locking.h"
#include "base/worker_message.h"
#include "base/worker_session.h"
#include "base/wait_event.h"
#include "apply/port_holder.h"
#include "apply/table_claim.h"

/* time for one attempt at AccessExclusiveLock, in ms; many tables add to it */
#define ATTEMPT_BUDGET	40
/* number of such attempts before writers are let in again */
#define EXCLUSIVE_TRIES	4
/*
 * How long an attempt waits for a VACUUM to stop, in addition to
 * deadlock_timeout, in ms.
 */
#define VACUUM_TIMEOUT	500
/*
 * An attempt releases all locks except those on staging heaps.  Repeated
 * deadlocks mean that another transaction has locked a target and waits for
 * its staging heap (as REASSIGN OWNED does), while readers wait for that
 * transaction.
 */
#define MAX_DEADLOCKS	3
/* after this long, a pull looks for processes that wait for it, in ms */
#define PATIENCE_WITH_WAITERS	2000
/* the longest pause between two attempts, in ms */
#define MAX_PAUSE	500

static Oid
toast_of(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			toast = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		toast = ((Form_pg_class) GETSTRUCT(tuple))->reltoastrelid;
		ReleaseSysCache(tuple);
	}
	return toast;
}

static List *
sorted(const List *oids)
{
	List	   *copy = list_copy(oids);

	list_sort(copy, list_oid_cmp);
	return copy;
}

static void
set_port_tag(LOCKTAG *tag, int local_port)
{
	SET_LOCKTAG_ADVISORY(*tag, 0, OUR_LOCK_CLASS, local_port, PORT_LOCK_TYPE);
}

/*
 * Takes one of the extension's advisory locks for the session.  Returns false
 * after timeout_ms.
 */
static bool
take_lock(const LOCKTAG *tag, int timeout_ms)
{
	volatile bool taken = true;

	session_set_int("lock_timeout", timeout_ms);
	PG_TRY();
	{
		(void) LockAcquire(tag, ExclusiveLock, true, false);
	}
	PG_CATCH();
	{
		if (geterrcode() != ERRCODE_LOCK_NOT_AVAILABLE)
			PG_RE_THROW();
		FlushErrorState();
		taken = false;
	}
	PG_END_TRY();
	session_set_int("lock_timeout", 0);
	return taken;
}

void
lock_local_port(int local_port, int timeout_ms, int level)
{
	LOCKTAG		tag;
	char	   *holder;

	if (local_port <= 0)
		return;
	set_port_tag(&tag, local_port);
	if (LockAcquire(&tag, ExclusiveLock, true, true) != LOCKACQUIRE_NOT_AVAIL)
		return;
	holder = port_holder(&tag);
	ereport(level,
			(errmsg("waiting for local port %d", local_port),
			 errdetail("%s This run waits for %d ms at most (\"pgtunsync.lock_timeout\").",
					   holder, timeout_ms)));
	relay_flush();
	if (!take_lock(&tag, timeout_ms))
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("local port %d is in use by another pull", local_port),
				 errdetail("It did not become free within %d ms (\"pgtunsync.lock_timeout\"). %s",
						   timeout_ms, holder),
				 errhint("Set PGSYNC_LOCAL_PORT=0 in the environment file to let pulls run at the same time.")));
}

void
unlock_local_port(int local_port)
{
	LOCKTAG		tag;

	if (local_port <= 0)
		return;
	set_port_tag(&tag, local_port);
	(void) LockRelease(&tag, ExclusiveLock, true);
}

static void
set_append_tag(LOCKTAG *tag, Oid relid)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, OUR_LOCK_CLASS, relid, APPEND_LOCK_TYPE);
}

void
lock_append(const List *targets, int timeout_ms)
{
	ListCell   *lc;

	foreach(lc, sorted(targets))
	{
		LOCKTAG		tag;

		set_append_tag(&tag, lfirst_oid(lc));
		if (!take_lock(&tag, timeout_ms))
			table_lock_raise(lfirst_oid(lc), APPEND_LOCK_TYPE, "appends to", timeout_ms);
	}
}

void
lock_against_runs(const List *targets, bool for_session, int timeout_ms)
{
	ListCell   *lc;

	session_set_int("lock_timeout", timeout_ms);
	foreach(lc, sorted(targets))
		table_claim(lfirst_oid(lc), for_session, timeout_ms);
	session_set_int("lock_timeout", 0);
}

void
unlock_against_runs(const List *targets)
{
	ListCell   *lc;

	foreach(lc, targets)
		table_unclaim(lfirst_oid(lc));
}

/*
 * Waits for a lock without a snapshot.  CREATE INDEX CONCURRENTLY and similar
 * commands wait for all transactions with an older snapshot.  If they waited
 * for this one while it waits for their lock, that would be a deadlock.
 */
static void
lock_relation(Oid relid, LOCKMODE mode)
{
	InvalidateCatalogSnapshot();
	LockRelationOid(relid, mode);
}

static void pg_attribute_noreturn()
raise_locked(Oid relid, int timeout_ms, Oid role)
{
	LockHolders *holders = lock_holders(list_make1_oid(relid), NIL, role);

	ereport(ERROR,
			(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
			 errmsg("could not lock table \"%s\" within %d ms", get_rel_name(relid), timeout_ms),
			 holders ? errdetail("%s", holders->detail) :
			 errdetail("A command that changes the table was running."),
			 holders ? errhint("%s", holders->hint) :
			 errhint("Try again later, or raise \"pgtunsync.lock_timeout\".")));
}

static void
lock_one_target(Oid relid, LOCKMODE mode, int timeout_ms, Oid role)
{
	MemoryContext oldcontext = CurrentMemoryContext;
	Oid			toast;

	PG_TRY();
	{
		lock_relation(relid, mode);
		toast = toast_of(relid);
		if (OidIsValid(toast))
			lock_relation(toast, mode);
	}
	PG_CATCH();
	{
		if (geterrcode() != ERRCODE_LOCK_NOT_AVAILABLE)
			PG_RE_THROW();
		MemoryContextSwitchTo(oldcontext);
		FlushErrorState();
		raise_locked(relid, timeout_ms, role);
	}
	PG_END_TRY();
}

void
lock_targets(const List *targets, LOCKMODE mode, int timeout_ms, Oid role)
{
	ListCell   *lc;

	session_set_int("lock_timeout", timeout_ms);
	foreach(lc, sorted(targets))
		lock_one_target(lfirst_oid(lc), mode, timeout_ms, role);
	session_set_int("lock_timeout", 0);
}

void
lock_await_maintenance(const List *targets, int timeout_ms)
{
	MemoryContext oldcontext = CurrentMemoryContext;
	ResourceOwner oldowner = CurrentResourceOwner;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(oldcontext);
	PG_TRY();
	{
		lock_targets(targets, ShareUpdateExclusiveLock, timeout_ms, InvalidOid);
	}
	PG_CATCH();
	{
		/* the table that is locked for so long fails by itself */
		if (geterrcode() != ERRCODE_LOCK_NOT_AVAILABLE)
			PG_RE_THROW();
		MemoryContextSwitchTo(oldcontext);
		FlushErrorState();
	}
	PG_END_TRY();
	RollbackAndReleaseCurrentSubTransaction();
	session_set_int("lock_timeout", 0);
	MemoryContextSwitchTo(oldcontext);
	CurrentResourceOwner = oldowner;
}

/* Counts the indexes of the targets. */
static int64
count_indexes(HTAB *targets)
{
	Relation	index_rel = table_open(IndexRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(index_rel, InvalidOid, false, NULL, 0, NULL);
	int64		count = 0;
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Oid			relid = ((Form_pg_index) GETSTRUCT(tuple))->indrelid;

		count += hash_search(targets, &relid, HASH_FIND, NULL) != NULL;
	}
	systable_endscan(scan);
	table_close(index_rel, AccessShareLock);
	return count;
}

/*
 * Counts the locks for heaps, indexes, and TOAST tables with their indexes.
 * Each is counted twice, for its counterpart.
 */
static int64
count_swap_locks(const List *targets)
{
	HASHCTL		ctl = {.keysize = sizeof(Oid), .entrysize = sizeof(Oid), .hcxt = CurrentMemoryContext};
	HTAB	   *table = hash_create("pgtunsync targets", list_length(targets) + 1, &ctl,
									HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	int64		locks = list_length(targets);
	ListCell   *lc;

	foreach(lc, targets)
	{
		Oid			relid = lfirst_oid(lc);

		(void) hash_search(table, &relid, HASH_ENTER, NULL);
		if (OidIsValid(toast_of(relid)))
			locks += 2;
	}
	locks += count_indexes(table);
	hash_destroy(table);
	return 2 * locks;
}

void
lock_check_capacity(const List *targets)
{
	int64		backends = MaxBackends + max_prepared_xacts;
	int64		capacity = max_locks_per_xact * backends;
	int64		needed = count_swap_locks(targets);

	if (needed > capacity)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("the lock table is too small to swap all tables in one transaction"),
				 errdetail("The tables, their indexes and toast tables need about " INT64_FORMAT " locks; there is room for " INT64_FORMAT ".",
						   needed, capacity),
				 errhint("Set \"max_locks_per_transaction\" to at least %d and restart the server, or pull fewer tables at a time.",
						 (int) (needed / backends * 5 / 4) + 1)));
}

/* Returns whether the caller's backend blocks a lock on the table. */
static bool
caller_holds(Oid relid, const VirtualTransactionId *caller)
{
	LOCKTAG		tag;
	VirtualTransactionId *holders;
	int			n;
	bool		found = false;

	SET_LOCKTAG_RELATION(tag, MyDatabaseId, relid);
	holders = GetLockConflicts(&tag, AccessExclusiveLock, &n);
	for (int i = 0; i < n; i++)
		found |= VirtualTransactionIdEquals(holders[i], *caller);
	pfree(holders);
	return found;
}

void
lock_check_caller(const List *targets, const VirtualTransactionId *caller)
{
	ListCell   *lc;

	if (caller == NULL)
		return;
	foreach(lc, targets)
		if (caller_holds(lfirst_oid(lc), caller))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("table \"%s\" is locked by the transaction that called pull()",
							get_rel_name(lfirst_oid(lc))),
					 errdetail("The pull runs in its own transaction and would wait forever for the caller's."),
					 errhint("Commit first, then call pull() in a transaction that has not used the table.")));
}

static double
elapsed_ms(instr_time since)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, since);
	return INSTR_TIME_GET_MILLISEC(now);
}

/* Takes locks of one mode, each within the rest of the budget. */
static void
lock_all(const List *relids, LOCKMODE mode, instr_time since, double budget_ms)
{
	ListCell   *lc;

	foreach(lc, relids)
	{
		double		left = budget_ms - elapsed_ms(since);

		if (left < 1)
			ereport(ERROR,
					(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
					 errmsg("no time left to lock the tables")));
		session_set_int("lock_timeout", (int) left);
		lock_relation(lfirst_oid(lc), mode);
	}
}

/* The state of an attempt; the lists are sorted. */
typedef struct Attempt
{
	LockedWork	work;
	List	   *swapped;		/* targets to lock against readers */
	List	   *others;			/* staging heaps, locked in the same mode */
	int			deadlocks;		/* number of attempts that ended in a deadlock */
	double		first_check_ms; /* time of the first preparation, which is not waiting */
	bool		stale;			/* it must be prepared again */
} Attempt;

bool
lock_is_passing(const ErrorData *edata)
{
	if (owner_caused(edata))
		return false;			/* code of a table's owner can raise any SQLSTATE */
	return edata->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ||
		edata->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED ||
		(edata->sqlerrcode == ERRCODE_INTERNAL_ERROR && edata->message != NULL &&
		 strcmp(edata->message, "tuple concurrently updated") == 0);
}

bool
lock_ends_attempt(const ErrorData *edata)
{
	return !owner_caused(edata) &&
		(edata->sqlerrcode == ERRCODE_QUERY_CANCELED || lock_is_passing(edata));
}

/*
 * Runs a step in a subtransaction, with its own memory context.  Returns true
 * if it succeeded; its locks then belong to the surrounding transaction.
 */
static bool
try_step(bool (*step) (Attempt *attempt), Attempt *attempt)
{
	MemoryContext oldcontext = CurrentMemoryContext;
	MemoryContext step_context = AllocSetContextCreate(CurrentMemoryContext,
													   "pgtunsync attempt",
													   ALLOCSET_DEFAULT_SIZES);
	ResourceOwner oldowner = CurrentResourceOwner;
	volatile bool succeeded = false;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(step_context);
	PG_TRY();
	{
		succeeded = step(attempt);
		if (succeeded)
			ReleaseCurrentSubTransaction();
		else
			RollbackAndReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		MemoryContextSwitchTo(step_context);
		edata = CopyErrorData();
		if (!lock_is_passing(edata))
			PG_RE_THROW();
		attempt->deadlocks += edata->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED;
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(oldcontext);
	CurrentResourceOwner = oldowner;
	MemoryContextDelete(step_context);
	return succeeded;
}

/* Takes AccessExclusiveLock and swaps.  Readers wait during this step. */
static bool
exclusive_step(Attempt *attempt)
{
	int			count = list_length(attempt->swapped) + list_length(attempt->others);
	double		budget = ATTEMPT_BUDGET + 0.1 * count;
	instr_time	start;

	INSTR_TIME_SET_CURRENT(start);
	lock_all(attempt->others, AccessExclusiveLock, start, budget);
	lock_all(attempt->work.sequences, ShareRowExclusiveLock, start, budget);
	lock_all(attempt->swapped, AccessExclusiveLock, start, budget);

	/*
	 * A transaction that locks no table, such as a GRANT, may be updating a
	 * catalog row.  Do not wait long for it while everything is locked.
	 */
	session_set_int("lock_timeout", ATTEMPT_BUDGET);
	attempt->stale = attempt->work.swap(attempt->work.arg) == SWAP_STALE;
	return !attempt->stale;
}

static void
pause_ms(long ms)
{
	InvalidateCatalogSnapshot();
	relay_flush();
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 ms, wait_event(WAIT_LOCK_RETRY));
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

/*
 * Locks writers out.  The first lock waits longer than deadlock_timeout,
 * because the server then makes an autovacuum worker stop.  Writers and
 * readers are not blocked meanwhile.
 */
void
lock_writers_out(const List *targets, int timeout_ms)
{
	double		budget = ATTEMPT_BUDGET + 0.1 * list_length(targets);
	List	   *relids = sorted(targets);
	instr_time	start;

	INSTR_TIME_SET_CURRENT(start);
	lock_all(relids, ShareUpdateExclusiveLock, start, DeadlockTimeout + VACUUM_TIMEOUT);
	INSTR_TIME_SET_CURRENT(start);
	lock_all(relids, ExclusiveLock, start, 10 * budget);
	session_set_int("lock_timeout", timeout_ms);
	list_free(relids);
}

/*
 * Locks writers out, prepares, and then makes some attempts at the last lock.
 * The preparation may have taken long, and is valid only while writers are
 * locked out.  If it merges rows, a vain preparation leaves dead rows behind.
 * So attempts then go on for as long as the preparation has taken.
 */
static bool
writers_step(Attempt *attempt)
{
	bool		merges;			/* or does other work on rows */
	double		check_ms;
	instr_time	start;

	INSTR_TIME_SET_CURRENT(start);
	attempt->work.prepare(attempt->work.arg, &attempt->swapped, &attempt->others);
	attempt->swapped = sorted(attempt->swapped);
	attempt->others = sorted(attempt->others);
	attempt->stale = false;
	merges = list_length(attempt->swapped) < list_length(attempt->work.targets);
	check_ms = elapsed_ms(start);
	if (attempt->first_check_ms == 0)
		attempt->first_check_ms = check_ms;
	for (int tries = 1;
		 !attempt->stale &&
		 (tries <= EXCLUSIVE_TRIES || (merges && elapsed_ms(start) < 2 * check_ms));
		 tries++)
	{
		if (try_step(exclusive_step, attempt))
			return true;
		if (!attempt->stale)
			pause_ms(Min(20L * tries, MAX_PAUSE));
	}
	return false;
}

/* A transaction as pg_locks shows it. */
static char *
transaction_text(const VirtualTransactionId *transaction)
{
	LOCKTAG		tag;

	SET_LOCKTAG_VIRTUALTRANSACTION(tag, *transaction);
	return psprintf("%d/%u", (int) tag.locktag_field1, tag.locktag_field2);
}

/* The query for report_waiters(): targets that a process holds which waits for us. */
static char *
waiters_query(const List *targets, const VirtualTransactionId *caller)
{
	StringInfoData sql;
	ListCell   *lc;

	initStringInfo(&sql);
	appendStringInfo(&sql,
					 "SELECT l.relation, l.pid FROM pg_catalog.pg_locks w"
					 " JOIN pg_catalog.pg_locks l ON l.pid = w.pid"
					 " WHERE NOT w.granted AND w.locktype = 'virtualxid'"
					 " AND w.virtualxid IN ((SELECT virtualtransaction FROM pg_catalog.pg_locks"
					 " WHERE pid = pg_catalog.pg_backend_pid() LIMIT 1), '%s')"
					 " AND l.granted AND l.locktype = 'relation' AND l.database = %u"
					 " AND l.relation IN (0",
					 caller != NULL ? transaction_text(caller) : "", MyDatabaseId);
	foreach(lc, targets)
		appendStringInfo(&sql, ", %u", lfirst_oid(lc));
	appendStringInfoString(&sql, ")");
	return sql.data;
}

/*
 * Leaves out targets of which a lock is held by a process that waits for this
 * pull.  CREATE INDEX CONCURRENTLY waits for each transaction with an older
 * snapshot than its own, so also for the statement that called us.  That is no
 * lock of ours, so the deadlock detector does not see it.
 */
static void
give_way_to_waiters(const LockedWork *work, const VirtualTransactionId *caller)
{
	char	   *sql = waiters_query(work->targets, caller);

	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	if (SPI_execute(sql, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read pg_locks");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		HeapTuple	row = SPI_tuptable->vals[i];
		Oid			target = DatumGetObjectId(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &isnull));
		int			pid = DatumGetInt32(SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &isnull));

		work->give_way(work->arg, target, pid);
	}
	SPI_finish();
	PopActiveSnapshot();
	InvalidateCatalogSnapshot();
	pfree(sql);
}

/* The tables at the other ends of the foreign keys of these. */
static List *
connected_tables(const List *targets)
{
	List	   *connected = NIL;
	ListCell   *lc;

	foreach(lc, integrity_references())
	{
		Reference  *reference = lfirst(lc);

		if (list_member_oid(targets, reference->from))
			connected = list_append_unique_oid(connected, reference->to);
		if (list_member_oid(targets, reference->to))
			connected = list_append_unique_oid(connected, reference->from);
	}
	return connected;
}

static void pg_attribute_noreturn()
raise_not_swapped(const LockedWork *work, int timeout_ms, bool deadlock)
{
	LockHolders *holders = lock_holders(work->targets, connected_tables(work->targets), work->role);

	ereport(ERROR,
			(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
			 errmsg("could not lock the pulled tables within %d ms", timeout_ms),
			 errdetail("%s%s%s", deadlock ?
					   "Another transaction has locked them and waits for this pull; no table was changed." :
					   "Other transactions are using them; no table was changed.",
					   holders ? "\n" : "", holders ? holders->detail : ""),
			 holders ? errhint("%s", holders->hint) :
			 errhint("End long transactions, or raise \"pgtunsync.lock_timeout\".")));
}

void
lock_and_swap(const LockedWork *work, int timeout_ms, const VirtualTransactionId *caller)
{
	Attempt		attempt = {.work = *work};
	instr_time	start;

	INSTR_TIME_SET_CURRENT(start);
	for (int tries = 1; !try_step(writers_step, &attempt); tries++)
	{
		lock_check_caller(work->targets, caller);
		if (elapsed_ms(start) > PATIENCE_WITH_WAITERS)
			give_way_to_waiters(work, caller);
		if (elapsed_ms(start) - attempt.first_check_ms > timeout_ms ||
			attempt.deadlocks >= MAX_DEADLOCKS)
			raise_not_swapped(work, timeout_ms, attempt.deadlocks >= MAX_DEADLOCKS);
		pause_ms(Min(20L * tries, MAX_PAUSE));
	}
	session_set_int("lock_timeout", timeout_ms);
}
