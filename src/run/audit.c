/*-------------------------------------------------------------------------
 *
 * audit.c
 *	  What happened: pgtunsync.runs and pgtunsync.run_tables.
 *
 * A run has exactly one row.  It is committed as "running" before anything
 * else happens, and its final state commits together with the data:
 * "succeeded" can therefore be trusted.  A leader that vanished could not
 * write a final state; the next call writes "crashed" for it.  The lock of the
 * run says whether its leader lives (see run_lock.c).
 *
 * The rows are in schema pgtunsync_internal, where nobody but a superuser has
 * rights; the views of schema pgtunsync show each role its own.  A trigger
 * refuses writers who have been granted everything (pg_write_all_data): the
 * extension trusts what it reads here, such as the process to be cancelled.
 * The functions that a caller's backend runs read as superuser and filter by
 * the caller's OID, as the views do.
 *
 * Everything is written through SPI with the search_path pinned by the
 * leader; values travel as parameters, never as text of a statement.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/elog.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "run/audit.h"
#include "base/compat.h"
#include "base/names.h"
#include "base/run_lock.h"
#include "run/request.h"
#include "plan/rewrite.h"

#define RUNS		PGTUNSYNC_INTERNAL ".runs"
#define RUN_TABLES	PGTUNSYNC_INTERNAL ".run_tables"
#define MAX_ARGS	24
/* how often a lock is tried, in ms */
#define LOCK_INTERVAL	50

/* the condition of view pgtunsync.runs for the role whose OID is $1 */
#define VISIBLE \
	"(role_oid OPERATOR(pg_catalog.=) $1 OR pg_catalog.pg_has_role($1, 'pg_monitor', 'MEMBER'))"

/* The parameters of one statement, collected one by one. */
typedef struct Args
{
	int			n;
	Oid			types[MAX_ARGS];
	Datum		values[MAX_ARGS];
	char		nulls[MAX_ARGS];
} Args;

static void
add_arg(Args *args, Oid type, Datum value, bool isnull)
{
	Assert(args->n < MAX_ARGS);
	args->types[args->n] = type;
	args->values[args->n] = value;
	args->nulls[args->n] = isnull ? 'n' : ' ';
	args->n++;
}

static void
add_text(Args *args, const char *value)
{
	add_arg(args, TEXTOID, value ? CStringGetTextDatum(value) : (Datum) 0, value == NULL);
}

static void
add_int8(Args *args, int64 value, bool isnull)
{
	add_arg(args, INT8OID, Int64GetDatum(value), isnull);
}

/* A List of char * as text[]; NIL is null. */
static void
add_texts(Args *args, const List *values)
{
	int			n = list_length(values);
	Datum	   *elems = palloc(sizeof(Datum) * Max(n, 1));
	ListCell   *lc;
	int			i = 0;

	foreach(lc, values)
		elems[i++] = CStringGetTextDatum((char *) lfirst(lc));
	add_arg(args, TEXTARRAYOID,
			PointerGetDatum(construct_array(elems, n, TEXTOID, -1, false, TYPALIGN_INT)),
			n == 0);
}

static void
add_sqlstate(Args *args, int sqlerrcode)
{
	add_text(args, sqlerrcode != 0 ? unpack_sql_state(sqlerrcode) : NULL);
}

/*
 * Executes one statement with a fresh snapshot; returns the first column of
 * the first row if there is one (a by-value type).
 */
static Datum
execute(const char *sql, Args *args, uint64 *processed)
{
	Datum		result = (Datum) 0;
	bool		isnull;
	int			rc;

	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	rc = SPI_execute_with_args(sql, args->n, args->types, args->values, args->nulls, false, 0);
	if (rc < 0)
		elog(ERROR, "audit statement failed: %s", SPI_result_code_string(rc));
	if (processed != NULL)
		*processed = SPI_processed;
	if (SPI_processed > 0 && SPI_tuptable != NULL)
		result = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	SPI_finish();
	PopActiveSnapshot();
	return result;
}

/*
 * Begins a query on the audit as superuser, with a snapshot of now whatever
 * the isolation of the caller's transaction.  The rows are in SPI_tuptable
 * until end_query().
 */
static void
begin_query(const char *sql, Args *args)
{
	Oid			save_userid;
	int			save_sec_context;

	PushActiveSnapshot(GetLatestSnapshot());
	SPI_connect();
	GetUserIdAndSecContext(&save_userid, &save_sec_context);
	SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID,
						   save_sec_context | SECURITY_LOCAL_USERID_CHANGE);
	if (SPI_execute_with_args(sql, args->n, args->types, args->values, args->nulls,
							  true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the audit");
	SetUserIdAndSecContext(save_userid, save_sec_context);
}

static void
end_query(void)
{
	SPI_finish();
	PopActiveSnapshot();
}

/* The rows of begin_query() as a List of AuditRunning *, in that context. */
static List *
running_rows(MemoryContext context)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(context);
	List	   *runs = NIL;

	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		AuditRunning *run = palloc(sizeof(AuditRunning));
		bool		isnull;

		run->run_id = DatumGetInt64(SPI_getbinval(tuple, SPI_tuptable->tupdesc, 1, &isnull));
		run->progress_segment = (uint32) DatumGetInt64(SPI_getbinval(tuple, SPI_tuptable->tupdesc,
																	 2, &isnull));
		runs = lappend(runs, run);
	}
	MemoryContextSwitchTo(oldcontext);
	return runs;
}

/* Runs whose row says "running" although their leader is gone. */
static List *
find_crashed(void)
{
	MemoryContext result_context = CurrentMemoryContext;
	Args		args = {0};
	List	   *crashed = NIL;
	List	   *running;
	ListCell   *lc;

	begin_query("SELECT id, progress_segment FROM " RUNS
				" WHERE status OPERATOR(pg_catalog.=) 'running'", &args);
	running = running_rows(result_context);
	end_query();
	foreach(lc, running)
		if (!run_lock_is_held(((AuditRunning *) lfirst(lc))->run_id))
			crashed = lappend(crashed, lfirst(lc));
	return crashed;
}

bool
audit_has_crashed(void)
{
	return find_crashed() != NIL;
}

void
audit_mark_crashed(void)
{
	ListCell   *lc;

	foreach(lc, find_crashed())
	{
		Args		args = {0};

		/* the leader may have written its final state and ended since */
		add_int8(&args, ((AuditRunning *) lfirst(lc))->run_id, false);
		execute("UPDATE " RUNS " SET status = 'crashed', finished_at = clock_timestamp(),"
				" error = 'the leader of the run vanished', sqlstate = 'XX000'"
				" WHERE id = $1 AND status = 'running'", &args, NULL);
	}
}

int64
audit_begin(const RunRequest *request)
{
	Args		args = {0};

	add_arg(&args, OIDOID, ObjectIdGetDatum(request->plan.role), false);
	add_arg(&args, INT4OID, Int32GetDatum(request->caller_pid), false);
	add_texts(&args, request->plan.tables);
	add_text(&args, request->plan.group);
	add_text(&args, request_options_json(request));
	add_arg(&args, INT4OID, Int32GetDatum(MyProcPid), false);
	return DatumGetInt64(execute("INSERT INTO " RUNS " (started_at, role_oid, role, database, application_name, client_addr,"
								 " requested_tables, requested_group, options, status, leader_pid)"
								 " SELECT clock_timestamp(), $1, pg_catalog.pg_get_userbyid($1), pg_catalog.current_database(),"
								 " a.application_name, a.client_addr, $3, $4, $5::jsonb, 'running', $6"
								 " FROM (SELECT) one LEFT JOIN pg_catalog.pg_stat_get_activity($2) a ON true"
								 " RETURNING id",
								 &args, NULL));
}

void
audit_progress(int64 run_id, uint32 segment)
{
	Args		args = {0};

	add_int8(&args, run_id, false);
	add_int8(&args, segment, false);
	execute("UPDATE " RUNS " SET progress_segment = $2 WHERE id = $1", &args, NULL);
}

void
audit_route(int64 run_id, const char *source, const char *ssh_host, const char *tunnel)
{
	Args		args = {0};

	add_int8(&args, run_id, false);
	add_text(&args, source);
	add_text(&args, ssh_host);
	add_text(&args, tunnel);
	execute("UPDATE " RUNS " SET source = coalesce($2, source), ssh_host = coalesce($3, ssh_host),"
			" tunnel = coalesce($4, tunnel) WHERE id = $1",
			&args, NULL);
}

/*
 * A table's name in the audit does not depend on anybody's search_path: with
 * its schema, unless that is public.
 */
static char *
audit_name(const TablePlan *plan)
{
	if (strcmp(plan->schema, "public") == 0)
		return pstrdup(quote_identifier(plan->name));
	return quote_qualified_identifier(plan->schema, plan->name);
}

void
audit_table(int64 run_id, const AuditTable *table)
{
	Args		args = {0};

	add_int8(&args, run_id, false);
	add_text(&args, audit_name(table->plan));
	add_text(&args, table->status);
	add_int8(&args, table->rows, table->rows < 0);
	add_int8(&args, table->kept ? table->kept->rows : 0, table->kept == NULL);
	add_int8(&args, table->kept ? table->kept->yielded : 0, table->kept == NULL);
	add_int8(&args, table->bytes, table->rows < 0);
	add_arg(&args, FLOAT8OID, Float8GetDatum(table->seconds), table->rows < 0);
	add_texts(&args, table->plan->missing_columns);
	add_texts(&args, table->plan->extra_columns);
	add_texts(&args, table->plan->type_changes);
	add_text(&args, landing_name(table->plan->mode));
	add_text(&args, table->plan->filter);
	add_texts(&args, table->plan->masked_columns);
	add_texts(&args, rewrite_texts(table->plan->rewrites));
	add_arg(&args, BOOLOID, BoolGetDatum(table->plan->row_security), false);
	add_int8(&args, table->inserted, table->inserted < 0);
	add_int8(&args, table->updated, table->updated < 0);
	add_text(&args, table->error);
	add_sqlstate(&args, table->sqlerrcode);
	execute("INSERT INTO " RUN_TABLES " (run_id, table_name, status, rows, rows_kept, rows_yielded, bytes, seconds,"
			" columns_missing, columns_extra, columns_retyped, mode, filter, columns_masked, columns_rewritten,"
			" row_security, rows_inserted, rows_updated, error, sqlstate)"
			" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)"
			" ON CONFLICT (run_id, table_name) DO UPDATE SET status = excluded.status, rows = excluded.rows,"
			" bytes = excluded.bytes, seconds = excluded.seconds, rows_inserted = excluded.rows_inserted,"
			" rows_updated = excluded.rows_updated, error = excluded.error, sqlstate = excluded.sqlstate",
			&args, NULL);
}

void
audit_totals(int64 run_id, const AuditTotals *totals)
{
	Args		args = {0};

	add_int8(&args, run_id, false);
	add_arg(&args, INT4OID, Int32GetDatum(totals->tables), false);
	add_int8(&args, totals->rows, false);
	add_int8(&args, totals->bytes, false);
	execute("UPDATE " RUNS " SET tables = $2, rows = $3, bytes = $4 WHERE id = $1", &args, NULL);
}

static Oid
audit_relation(const char *name)
{
	return get_relname_relid(name, get_namespace_oid(PGTUNSYNC_INTERNAL, false));
}

/*
 * Tries to lock both tables and the run's row; false if somebody is in the
 * way.
 */
static bool
try_lock(int64 run_id)
{
	Args		args = {0};
	uint64		locked;
	uint64		found;

	if (!ConditionalLockRelationOid(audit_relation("runs"), RowExclusiveLock) ||
		!ConditionalLockRelationOid(audit_relation("run_tables"), RowExclusiveLock))
		return false;
	add_int8(&args, run_id, false);
	execute("SELECT 1 FROM " RUNS " WHERE id = $1 FOR UPDATE SKIP LOCKED", &args, &locked);
	if (locked > 0)
		return true;
	/* a row that somebody has deleted is not waited for */
	execute("SELECT 1 FROM " RUNS " WHERE id = $1", &args, &found);
	return found == 0;
}

void
audit_lock(int64 run_id, int timeout_ms)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), timeout_ms);

	while (!try_lock(run_id))
	{
		if (GetCurrentTimestamp() >= deadline)
			ereport(ERROR,
					(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
					 errmsg("could not lock the row of run " INT64_FORMAT " in %s within %d ms",
							run_id, RUNS, timeout_ms),
					 errdetail("Another session has locked it, or one of the tables of the audit; no table was changed."),
					 errhint("End that session's transaction and pull again.")));
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 LOCK_INTERVAL, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

void
audit_finish(int64 run_id, const char *status, const AuditTotals *totals,
			 const char *error, int sqlerrcode)
{
	Args		args = {0};

	add_int8(&args, run_id, false);
	add_text(&args, status);
	add_arg(&args, INT4OID, Int32GetDatum(totals->tables), false);
	add_int8(&args, totals->rows, false);
	add_int8(&args, totals->bytes, false);
	add_text(&args, error);
	add_sqlstate(&args, sqlerrcode);
	execute("UPDATE " RUNS " SET finished_at = clock_timestamp(), status = $2, tables = $3, rows = $4,"
			" bytes = $5, error = $6, sqlstate = $7 WHERE id = $1",
			&args, NULL);
}

List *
audit_running(void)
{
	MemoryContext result_context = CurrentMemoryContext;
	Args		args = {0};
	List	   *runs;

	add_arg(&args, OIDOID, ObjectIdGetDatum(GetUserId()), false);
	begin_query("SELECT id, progress_segment FROM " RUNS
				" WHERE status OPERATOR(pg_catalog.=) 'running' AND progress_segment IS NOT NULL"
				" AND " VISIBLE " ORDER BY id", &args);
	runs = running_rows(result_context);
	end_query();
	return runs;
}

AuditRun *
audit_read(int64 run_id)
{
	MemoryContext result_context = CurrentMemoryContext;
	Args		args = {0};
	AuditRun   *run = NULL;

	add_arg(&args, OIDOID, ObjectIdGetDatum(GetUserId()), false);
	add_int8(&args, run_id, false);
	begin_query("SELECT status, error, sqlstate, leader_pid FROM " RUNS
				" WHERE id OPERATOR(pg_catalog.=) $2 AND " VISIBLE, &args);
	if (SPI_processed > 0)
	{
		HeapTuple	tuple = SPI_tuptable->vals[0];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		MemoryContext oldcontext = MemoryContextSwitchTo(result_context);
		bool		isnull;

		run = palloc(sizeof(AuditRun));
		run->status = SPI_getvalue(tuple, desc, 1);
		run->error = SPI_getvalue(tuple, desc, 2);
		run->sqlstate = SPI_getvalue(tuple, desc, 3);
		run->leader_pid = DatumGetInt32(SPI_getbinval(tuple, desc, 4, &isnull));
		MemoryContextSwitchTo(oldcontext);
	}
	end_query();
	return run;
}

void
audit_check_may_cancel(int64 run_id)
{
	Args		args = {0};
	bool		may;

	if (superuser())
		return;
	add_arg(&args, OIDOID, ObjectIdGetDatum(GetUserId()), false);
	add_int8(&args, run_id, false);
	begin_query("SELECT 1 FROM " RUNS " r JOIN pg_catalog.pg_roles o ON o.oid OPERATOR(pg_catalog.=) r.role_oid"
				" WHERE r.id OPERATOR(pg_catalog.=) $2 AND NOT o.rolsuper"
				" AND (pg_catalog.pg_has_role($1, o.oid, 'MEMBER')"
				"  OR pg_catalog.pg_has_role($1, 'pg_signal_backend', 'MEMBER'))",
				&args);
	may = SPI_processed > 0;
	end_query();
	if (!may)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to cancel run " INT64_FORMAT, run_id),
				 errhint("Only the role that started a run and members of pg_signal_backend may cancel it; a superuser's only superusers.")));
}

/* Trigger of the audit tables, before each statement that writes. */
PG_FUNCTION_INFO_V1(pgtunsync_audit_refuse_writer);
Datum
pgtunsync_audit_refuse_writer(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		elog(ERROR, "not called as a trigger");
	if (!superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to change the audit of pgtunsync"),
				 errdetail("Only the extension and superusers write it.")));
	PG_RETURN_POINTER(NULL);
}
