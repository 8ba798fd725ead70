/*-------------------------------------------------------------------------
 *
 * user_context.c
 *	  Runs code that a table's owner wrote as the table's owner.
 *
 * The workers run as superuser.  The owner of a table writes its defaults,
 * CHECK constraints, generated columns, index expressions, statistics
 * expressions, partition keys and domains.  The server evaluates parts of them
 * in unexpected places: BuildIndexInfo(), RelationGetPartitionKey() and the
 * planner fold constants.
 *
 * The rule: a leader or a loader runs such code, and calls functions that may
 * run it, only between owner_enter() and owner_leave().  Such a section is
 * called an entry.  While an entry is open:
 *
 * - Code runs with the privileges of the owner and cannot leave them
 *   (SECURITY_RESTRICTED_OPERATION).  Nobody can create objects in its
 *   search_path.  VACUUM, ANALYZE and REINDEX work the same way (see
 *   cluster_rel() and RestrictSearchPath() of PostgreSQL 17).
 * - The transaction is read-only.  The executor rejects INSERT, UPDATE, DELETE
 *   and SELECT FOR UPDATE; nextval() and setval() raise an error themselves.
 *   The extension's own writes bypass the executor, so they are not affected.
 *   The code cannot make the transaction writable again, because the server
 *   rejects that after the first snapshot.
 * - A ProcessUtility_hook rejects all utility statements, including harmless
 *   ones.  A list of exceptions would have to be correct in every version.
 *   Exception blocks of PL/pgSQL are not utility statements and work.
 * - An object_access_hook rejects built-in functions with lasting effects that
 *   are neither writes nor statements: settings, advisory locks,
 *   notifications, large objects, messages in the WAL, exported snapshots.
 * - Everything runs in this process.  Parallel workers have neither the hooks
 *   nor the timer, and the code could make them likely by its own settings.  So
 *   a planner_hook makes all plans of the code serial, and indexes with user
 *   code are not built in parallel (staging.c).
 * - Cursors that the code leaves open are closed at the end of the outermost
 *   entry.  Otherwise the tables they read could not be swapped.  The extension
 *   has no cursors of its own.
 * - Settings changed by a function's SET clause are restored at the end of the
 *   entry at the latest.  One setting is rejected, because setting it starts a
 *   timer that ends the process: transaction_timeout.
 * - Time is limited.  There is a base, and each row adds to it
 *   (owner_allow_ms()).  The limit uses a timer of its own, because the code
 *   could change statement_timeout.  When the time is used up, the code is
 *   canceled.  If it catches the cancel, it is canceled again as soon as its
 *   subtransaction is rolled back, so that no PL/pgSQL loop survives.  If the
 *   code keeps catching the cancel, the process exits.
 *
 * Errors raised in an entry are marked, and owner_caused() finds the mark.
 * The SQLSTATE alone proves nothing, since RAISE can use any.  After a request
 * to stop (SIGINT, SIGTERM) every error of an entry is turned into
 * QUERY_CANCELED, so that code cannot replace a cancel by an error of its own.
 *
 * These limits do not cover code that superusers installed.  Global variables
 * of PL/Perl and PL/Python live as long as the process.  A PL/Perl loop that
 * never calls back into the server cannot be interrupted, as in any backend.
 * dblink and postgres_fdw open sessions of their own, with the privileges of
 * the role whose password is used.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/transam.h"
#include "access/xact.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "optimizer/planner.h"
#include "tcop/cmdtag.h"
#include "tcop/utility.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/portal.h"
#include "utils/regproc.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timeout.h"

#include "base/compat.h"
#include "base/user_context.h"

/* interval of the timer, in ms */
#define TICK_MS			200
/* how often code may catch the cancel sent at each tick; 50 ticks are 10 s */
#define MAX_CAUGHT		50
/* maximum depth of nested entries, all opened by the extension */
#define MAX_ENTRIES		16
/* marks an error; visible only in the server log */
#define ERROR_MARK		"This was raised while code of a table's owner ran in a pull."

/* The transaction nest level of each open entry. */
static int	entry_levels[MAX_ENTRIES];
static volatile sig_atomic_t entries;

static volatile sig_atomic_t stop_requested;
static volatile sig_atomic_t expired;
static volatile sig_atomic_t waiting;
static volatile sig_atomic_t caught_cancels;	/* cancels that did not end the entry */
static volatile int64 spent_ms;
static volatile int64 allowed_ms;

static bool installed;
static bool allow_next_statement;
static bool allow_next_parallel_plan;
static int	forbidden_level;	/* 0 if entries are allowed */
static TimeoutId timer;
static ProcessUtility_hook_type next_utility_hook;
static object_access_hook_type next_access_hook;
static planner_hook_type next_planner_hook;

/* ---- time ---- */

static void
cancel_code(void)
{
	InterruptPending = true;
	QueryCancelPending = true;
}

/*
 * Adds a tick to the time used.  Sampling costs nothing per row, unlike
 * reading the clock.
 */
static void
on_tick(void)
{
	if (entries == 0)
		return;
	enable_timeout_after(timer, TICK_MS);
	if (!waiting)
		spent_ms += TICK_MS;
	if (spent_ms < allowed_ms && !stop_requested)
		return;
	/* the cancel of an earlier tick was raised, but the entry is still open */
	if (expired && !QueryCancelPending && ++caught_cancels > MAX_CAUGHT)
		ProcDiePending = true;
	expired = true;
	cancel_code();
}

static void
start_timer(void)
{
	spent_ms = 0;
	allowed_ms = 0;
	expired = false;
	waiting = false;
	caught_cancels = 0;
	enable_timeout_after(timer, TICK_MS);
}

/*
 * Stops the timer and removes a cancel that has not been processed, so that it
 * does not hit later code.
 */
static void
stop_timer(void)
{
	disable_timeout(timer, false);
	if (expired && !stop_requested)
		QueryCancelPending = false;
	expired = false;
	waiting = false;
}

void
owner_allow_ms(int64 ms)
{
	allowed_ms = Min(allowed_ms + ms, OWNER_UNLIMITED_MS);
}

void
owner_wait_begin(void)
{
	waiting = true;
}

void
owner_wait_end(void)
{
	waiting = false;
}

void
owner_note_stop(void)
{
	stop_requested = true;
}

/* ---- errors ---- */

/*
 * The error context callback of an entry: marks each error raised in it.  The
 * level of a report is not known here, and an error can have the SQLSTATE of a
 * WARNING.  So all reports are marked, except those with the SQLSTATE of a
 * NOTICE, which an error cannot have.
 */
static void
mark_error(void *arg)
{
	int			code = geterrcode();

	if (code == ERRCODE_SUCCESSFUL_COMPLETION)
		return;
	errdetail_log(ERROR_MARK);
	if (stop_requested)
	{
		errcode(ERRCODE_QUERY_CANCELED);
		errmsg("canceling statement due to user request");
	}
	else if (expired && code == ERRCODE_QUERY_CANCELED)
	{
		errmsg("code of the table's owner did not end in time");
		errdetail("It may take %d s in all.", (int) (allowed_ms / 1000));
	}
	else if (code == ERRCODE_READ_ONLY_SQL_TRANSACTION && !waiting)
	{
		errdetail("Code of a table's owner is read-only while a pull runs it.");
		errhint("A default may call nextval() beside built-in functions only.  Write it with these, or drop it and give the column its value by \"rewrite\" in the configuration file.");
	}
}

bool
owner_caused(const ErrorData *error)
{
	return !stop_requested && error->detail_log != NULL &&
		strcmp(error->detail_log, ERROR_MARK) == 0;
}

/* ---- rejected statements and functions ---- */

static void
reject_statement(PlannedStmt *pstmt, const char *sql, bool read_only_tree,
				 ProcessUtilityContext context, ParamListInfo params,
				 QueryEnvironment *environment, DestReceiver *dest, QueryCompletion *completion)
{
	if (entries > 0 && !allow_next_statement)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("%s is not allowed in code that a pull runs",
						GetCommandTagName(CreateCommandTag(pstmt->utilityStmt))),
				 errdetail("Defaults, constraints and expressions of a table may only read.")));
	allow_next_statement = false;
	if (next_utility_hook != NULL)
		next_utility_hook(pstmt, sql, read_only_tree, context, params, environment, dest,
						  completion);
	else
		standard_ProcessUtility(pstmt, sql, read_only_tree, context, params, environment, dest,
								completion);
}

void
owner_pass_statement(void)
{
	allow_next_statement = true;
}

/*
 * Built-in functions with lasting effects; a final '*' stands for any ending.
 */
static const char *const rejected_functions[] = {
	"set_config", "setval", "pg_notify", "pg_advisory_*", "pg_try_advisory_*",
	"lo_creat*", "lo_from_bytea", "lo_import*", "lo_export", "lo_put", "lo_truncate*", "lo_unlink",
	"lowrite", "pg_logical_emit_message", "pg_export_snapshot"
};

static bool
is_rejected_name(const char *name)
{
	for (int i = 0; i < lengthof(rejected_functions); i++)
	{
		const char *refused = rejected_functions[i];
		size_t		len = strlen(refused);

		if (refused[len - 1] == '*' ? strncmp(name, refused, len - 1) == 0 :
			strcmp(name, refused) == 0)
			return true;
	}
	return false;
}

/*
 * Returns whether the function's SET clause sets transaction_timeout, which
 * would end the process.
 */
static bool
sets_transaction_timeout(HeapTuple function)
{
	bool		isnull;
	Datum		config = SysCacheGetAttr(PROCOID, function, Anum_pg_proc_proconfig, &isnull);
	Datum	   *settings;
	int			count;
	bool		found = false;

	if (isnull)
		return false;
	deconstruct_array(DatumGetArrayTypeP(config), TEXTOID, -1, false, TYPALIGN_INT,
					  &settings, NULL, &count);
	for (int i = 0; i < count; i++)
		found |= pg_strncasecmp(TextDatumGetCString(settings[i]), "transaction_timeout=",
								strlen("transaction_timeout=")) == 0;
	return found;
}

bool
owner_refuses_function(Oid funcid)
{
	HeapTuple	function = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));
	bool		refused;

	if (!HeapTupleIsValid(function))
		return false;
	if (funcid < FirstNormalObjectId)
		refused = is_rejected_name(NameStr(((Form_pg_proc) GETSTRUCT(function))->proname));
	else
		refused = sets_transaction_timeout(function);
	ReleaseSysCache(function);
	return refused;
}

/* Called when an expression that contains the function is initialized. */
static void
reject_function(ObjectAccessType access, Oid class_id, Oid object_id, int sub_id, void *arg)
{
	if (next_access_hook != NULL)
		next_access_hook(access, class_id, object_id, sub_id, arg);
	if (access == OAT_FUNCTION_EXECUTE && entries > 0 && owner_refuses_function(object_id))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("function %s is not allowed in code that a pull runs",
						format_procedure(object_id)),
				 errdetail("Defaults, constraints and expressions of a table may only read.")));
}

/* ---- plans ---- */

static PlannedStmt *
plan_serially(Query *query, const char *sql, int options, ParamListInfo params)
{
	if (entries > 0 && !allow_next_parallel_plan)
		options &= ~CURSOR_OPT_PARALLEL_OK;
	allow_next_parallel_plan = false;
	if (next_planner_hook != NULL)
		return next_planner_hook(query, sql, options, params);
	return standard_planner(query, sql, options, params);
}

void
owner_pass_parallel_plan(void)
{
	allow_next_parallel_plan = true;
}

/* ---- entries ---- */

static void
close_entries(int level)
{
	if (entries == 0)
		return;
	while (entries > 0 && entry_levels[entries - 1] >= level)
		entries--;
	if (entries == 0)
		stop_timer();
	else if (expired || stop_requested)
		cancel_code();			/* the code caught the cancel and continues */
}

static void
reset_all(void)
{
	close_entries(0);
	forbidden_level = 0;
	allow_next_statement = false;
	allow_next_parallel_plan = false;
}

static void
at_subtransaction_end(SubXactEvent event, SubTransactionId id, SubTransactionId parent, void *arg)
{
	int			level = GetCurrentTransactionNestLevel();

	if (event == SUBXACT_EVENT_COMMIT_SUB && forbidden_level == level)
		forbidden_level--;		/* the parent continues under the ban */
	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	close_entries(level);
	if (forbidden_level >= level)
		forbidden_level = 0;
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT)
		reset_all();
}

void
owner_install(void)
{
	timer = RegisterTimeout(USER_TIMEOUT, on_tick);
	RegisterXactCallback(at_transaction_end, NULL);
	RegisterSubXactCallback(at_subtransaction_end, NULL);
	next_utility_hook = ProcessUtility_hook;
	ProcessUtility_hook = reject_statement;
	next_access_hook = object_access_hook;
	object_access_hook = reject_function;
	next_planner_hook = planner_hook;
	planner_hook = plan_serially;
	installed = true;
}

void
owner_forbid(bool forbidden)
{
	forbidden_level = forbidden ? GetCurrentTransactionNestLevel() : 0;
}

/*
 * Makes the transaction read-only.  Takes a snapshot first if there is none,
 * because until then the code could make it writable again.
 */
static void
make_read_only(OwnerContext *context)
{
	if (!FirstSnapshotSet)
		(void) GetTransactionSnapshot();
	context->save_read_only = XactReadOnly;
	XactReadOnly = true;
}

static void
open_entry(void)
{
	if (!installed || forbidden_level > 0 || entries == MAX_ENTRIES)
		elog(ERROR, "code of a table's owner must not run here");
	if (entries == 0)
		start_timer();
	owner_allow_ms(OWNER_BASE_MS);
	entry_levels[entries] = GetCurrentTransactionNestLevel();
	entries++;
}

void
owner_enter(OwnerContext *context, Oid owner)
{
	open_entry();
	context->callback.callback = mark_error;
	context->callback.arg = NULL;
	context->callback.previous = error_context_stack;
	error_context_stack = &context->callback;
	make_read_only(context);
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
	/*
	 * Raise errors while the entry is open, so that they count as the owner's.
	 */
	if (stop_requested)
	{
		cancel_code();
		CHECK_FOR_INTERRUPTS();
	}
	if (expired)
		ereport(ERROR,
				(errcode(ERRCODE_QUERY_CANCELED),
				 errmsg_internal("time is up")));	/* mark_error() replaces the message */
	if (entries == 1)
		PortalHashTableDeleteAll();
	AtEOXact_GUC(false, context->save_nestlevel);
	SetUserIdAndSecContext(context->save_userid, context->save_sec_context);
	XactReadOnly = context->save_read_only;
	error_context_stack = context->callback.previous;
	entries--;
	if (entries == 0)
		stop_timer();
}

void
owner_sequences_begin(void)
{
	Assert(entries > 0);
	XactReadOnly = false;
}

void
owner_sequences_end(void)
{
	XactReadOnly = true;
}
