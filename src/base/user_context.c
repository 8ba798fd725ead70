/*-------------------------------------------------------------------------
 *
 * user_context.c
 *	  Running what a table's owner wrote, as the table's owner.
 *
 * The workers are superuser.  Defaults, CHECK constraints, generated columns, index
 * expressions, statistics expressions, partition keys and domains are written by
 * whoever owns the table, and the server evaluates parts of them where nobody
 * expects it: BuildIndexInfo(), RelationGetPartitionKey() and the planner
 * fold constants.
 *
 * The rule: in a leader or a loader no such code runs, and nothing is called that may run it,
 * except between owner_enter() and owner_leave().  While an entry is open
 *
 *	- code runs with the owner's rights and cannot leave them
 *	  (SECURITY_RESTRICTED_OPERATION), with a search_path that nobody can put
 *	  objects into.  VACUUM, ANALYZE and REINDEX do the same (see cluster_rel()
 *	  and RestrictSearchPath() of PostgreSQL 17);
 *	- the transaction is read-only.  The executor refuses INSERT, UPDATE, DELETE and
 *	  SELECT FOR UPDATE, nextval() and setval() refuse by themselves.  Our own writes go
 *	  below the executor, so they are not affected.  It cannot be set back: the server
 *	  refuses that once a snapshot was taken;
 *	- a ProcessUtility_hook refuses every utility statement, harmless ones too: a
 *	  list of exceptions would have to be right in every version.  Exception blocks
 *	  of PL/pgSQL are not utility statements and work;
 *	- an object_access_hook refuses built-in functions that leave something behind
 *	  without being a write or a statement: settings, advisory locks, notifications, large
 *	  objects, messages in the WAL, exported snapshots;
 *	- cursors that code leaves open are closed at the end of the outermost entry: they would
 *	  keep the tables they read from being swapped.  We have no cursors of our own;
 *	- settings that a function changes by its SET clause end with the entry at the
 *	  latest.  One is refused, because its mere change arms a timer that ends
 *	  the process: transaction_timeout;
 *	- time is limited: a base, and more for each row (owner_allow_ms()).  A timer
 *	  of our own looks around; statement_timeout could be changed by the code.  When the
 *	  time is used up, the code is canceled.  If it catches that, it is canceled again as soon
 *	  as its subtransaction is rolled back, so that no PL/pgSQL loop survives.
 *	  Code that catches the cancel over and over makes the process exit.
 *
 * Errors raised in an entry are marked, and owner_caused() finds the mark: the
 * SQLSTATE proves nothing, since RAISE can use any.  After a request to stop
 * (SIGINT, SIGTERM) every error of an entry is turned into QUERY_CANCELED, so that code cannot
 * replace a cancel by an error of its own.
 *
 * Out of reach: what superusers installed.  Global variables of PL/Perl and
 * PL/Python live as long as the process.  A loop of PL/Perl that never calls back into the
 * server cannot be interrupted, as in any backend.  dblink and postgres_fdw open sessions of
 * their own, with the rights of whoever has the password.
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

/* how often the timer looks around, in ms */
#define TICK_MS			200
/* how often code may catch the cancel that each tick sends: 10 s */
#define MAX_CAUGHT		50
/* entries inside of entries: our own calls, not the owner's */
#define MAX_ENTRIES		16
/* marks an error; seen in the server's log only */
#define ERROR_MARK		"The error was raised while code of a table's owner ran in a pull."

/* The transaction nest level of each open entry. */
static int	entry_levels[MAX_ENTRIES];
static volatile sig_atomic_t entries;

static volatile sig_atomic_t stop_requested;
static volatile sig_atomic_t expired;
static volatile sig_atomic_t waiting;
static volatile sig_atomic_t caught;	/* cancels that did not end the entry */
static volatile int64 spent_ms;
static volatile int64 allowed_ms;

static bool installed;
static bool statement_passes;
static int	forbidden_level;	/* 0: not forbidden */
static TimeoutId timer;
static ProcessUtility_hook_type next_utility_hook;
static object_access_hook_type next_access_hook;

/* ---- time ---- */

static void
cancel_code(void)
{
	InterruptPending = true;
	QueryCancelPending = true;
}

/* Sampling costs nothing per row, unlike a look at the clock. */
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
	/* the cancel of an earlier tick was raised, and yet we are here */
	if (expired && !QueryCancelPending && ++caught > MAX_CAUGHT)
		ProcDiePending = true;
	expired = true;
	cancel_code();
}

static void
start_clock(void)
{
	spent_ms = 0;
	allowed_ms = 0;
	expired = false;
	waiting = false;
	caught = 0;
	enable_timeout_after(timer, TICK_MS);
}

/* A cancel of ours that nobody has seen must not hit what comes next. */
static void
stop_clock(void)
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

/* NOTICEs and WARNINGs pass here, too. */
static bool
is_error(int code)
{
	int			category = ERRCODE_TO_CATEGORY(code);

	return category != ERRCODE_SUCCESSFUL_COMPLETION && category != ERRCODE_WARNING &&
		category != ERRCODE_NO_DATA;
}

/* The context callback of an entry: called for each error that is raised in it. */
static void
mark_error(void *arg)
{
	int			code = geterrcode();

	if (!is_error(code))
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
	else if (code == ERRCODE_READ_ONLY_SQL_TRANSACTION)
		errdetail("Code of a table's owner is read-only while a pull runs it.");
}

bool
owner_caused(const ErrorData *error)
{
	return !stop_requested && error->detail_log != NULL &&
		strcmp(error->detail_log, ERROR_MARK) == 0;
}

/* ---- what is refused ---- */

static void
refuse_statement(PlannedStmt *pstmt, const char *sql, bool read_only_tree,
				 ProcessUtilityContext context, ParamListInfo params,
				 QueryEnvironment *environment, DestReceiver *dest, QueryCompletion *completion)
{
	if (entries > 0 && !statement_passes)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("%s is not allowed in code that a pull runs",
						GetCommandTagName(CreateCommandTag(pstmt->utilityStmt))),
				 errdetail("Defaults, constraints and expressions of a table may only read.")));
	statement_passes = false;
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
	statement_passes = true;
}

/* Built-in functions that leave something behind; '*' stands for any ending. */
static const char *const refused_functions[] = {
	"set_config", "setval", "pg_notify", "pg_advisory_*", "pg_try_advisory_*",
	"lo_creat*", "lo_from_bytea", "lo_import*", "lo_export", "lo_put", "lo_truncate*", "lo_unlink",
	"lowrite", "pg_logical_emit_message", "pg_export_snapshot"
};

static bool
is_refused_name(const char *name)
{
	for (int i = 0; i < lengthof(refused_functions); i++)
	{
		const char *refused = refused_functions[i];
		size_t		len = strlen(refused);

		if (refused[len - 1] == '*' ? strncmp(name, refused, len - 1) == 0 :
			strcmp(name, refused) == 0)
			return true;
	}
	return false;
}

/* Does the function's SET clause set the one setting that ends the process? */
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
		refused = is_refused_name(NameStr(((Form_pg_proc) GETSTRUCT(function))->proname));
	else
		refused = sets_transaction_timeout(function);
	ReleaseSysCache(function);
	return refused;
}

/* Called when an expression with the function is made ready. */
static void
refuse_function(ObjectAccessType access, Oid class_id, Oid object_id, int sub_id, void *arg)
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

/* ---- entries ---- */

static void
close_entries(int level)
{
	if (entries == 0)
		return;
	while (entries > 0 && entry_levels[entries - 1] >= level)
		entries--;
	if (entries == 0)
		stop_clock();
	else if (expired || stop_requested)
		cancel_code();			/* code has caught it and goes on */
}

static void
forget_all(void)
{
	close_entries(0);
	forbidden_level = 0;
	statement_passes = false;
}

static void
at_subtransaction_end(SubXactEvent event, SubTransactionId id, SubTransactionId parent, void *arg)
{
	int			level = GetCurrentTransactionNestLevel();

	if (event == SUBXACT_EVENT_COMMIT_SUB && forbidden_level == level)
		forbidden_level--;		/* the parent goes on under it */
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
		forget_all();
}

void
owner_install(void)
{
	timer = RegisterTimeout(USER_TIMEOUT, on_tick);
	RegisterXactCallback(at_transaction_end, NULL);
	RegisterSubXactCallback(at_subtransaction_end, NULL);
	next_utility_hook = ProcessUtility_hook;
	ProcessUtility_hook = refuse_statement;
	next_access_hook = object_access_hook;
	object_access_hook = refuse_function;
	installed = true;
}

void
owner_forbid(bool forbidden)
{
	forbidden_level = forbidden ? GetCurrentTransactionNestLevel() : 0;
}

/* Read-only, so that the code cannot set it back: only before the first snapshot could it. */
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
		start_clock();
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
	/* while the entry is open, so that the error is the owner's */
	if (stop_requested)
	{
		cancel_code();
		CHECK_FOR_INTERRUPTS();
	}
	if (expired)
		ereport(ERROR,
				(errcode(ERRCODE_QUERY_CANCELED),
				 errmsg_internal("time is up")));	/* mark_error() words it */
	if (entries == 1)
		PortalHashTableDeleteAll();
	AtEOXact_GUC(false, context->save_nestlevel);
	SetUserIdAndSecContext(context->save_userid, context->save_sec_context);
	XactReadOnly = context->save_read_only;
	error_context_stack = context->callback.previous;
	entries--;
	if (entries == 0)
		stop_clock();
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
