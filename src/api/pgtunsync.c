/*-------------------------------------------------------------------------
 *
 * pgtunsync.c
 *	  Settings and the SQL-callable functions: thin, the rooms do the work.
 *
 * A pull passes through these files:
 *
 *	  api/caller.c			the caller's backend: starts a leader, shows its messages
 *	  run/leader.c			the leader's process
 *	  run/pull_run.c		a pull, from the audit row to the commit
 *	  config/, ssh/			what the operator configured
 *	  tunnel/tunnel.c		the tunnel to the source
 *	  source/source.c, plan/planner.c	what there is to pull, and how
 *	  load/loader_pool.c, load/loader.c	tables into staging heaps, side by side
 *	  apply/apply.c			the one commit that changes anything
 *	  run/append_run.c		instead: many commits, one for each batch
 *	  run/audit.c			what happened
 *	  run/crash_cleanup.c	what runs have left whose server or leader crashed
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "optimizer/cost.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "run/audit.h"
#include "run/crash_cleanup.h"
#include "base/compat.h"
#include "api/pgtunsync.h"
#include "plan/table_spec.h"
#include "load/progress.h"
#include "api/caller.h"
#include "base/trace.h"
#include "api/variables_json.h"
#include "base/worker.h"

PG_MODULE_MAGIC;

char	   *pgtunsync_env_file;
char	   *pgtunsync_config_file;
int			pgtunsync_jobs;
int			pgtunsync_max_jobs;
int			pgtunsync_max_workers;
int			pgtunsync_connect_timeout;
int			pgtunsync_connect_attempts;
int			pgtunsync_connect_retry_delay;
int			pgtunsync_lock_timeout;
int			pgtunsync_log_level;
bool		pgtunsync_require_rules;
bool		pgtunsync_allow_unmasked;
int			pgtunsync_source_row_security;

static const struct config_enum_entry source_row_securities[] = {
	{"error", SOURCE_ROWS_ERROR, false},
	{"filter", SOURCE_ROWS_FILTER, false},
	{NULL, 0, false}
};

/* As LogLevel of ssh_config, from where it begins to say more. */
static const struct config_enum_entry log_levels[] = {
	{"info", TRACE_INFO, false},
	{"debug1", TRACE_DEBUG1, false},
	{"debug2", TRACE_DEBUG2, false},
	{"debug3", TRACE_DEBUG3, false},
	{"debug", TRACE_DEBUG1, true},
	{NULL, 0, false}
};

void		_PG_init(void);

/*
 * Twice as many loaders as there are cores, up to four: while some wait for
 * a source that is far away, the others build indexes.
 */
static int
default_jobs(void)
{
	return Min(4, 2 * worker_cores());
}

/* A quarter of the server's worker slots stays for others. */
static int
default_max_workers(void)
{
	return Max(WORKERS_OF_RUN, max_worker_processes - (max_worker_processes + 3) / 4);
}

/*
 * The two files are superuser-only: who names the file decides which secrets
 * the server reads and where it connects.
 */
static void
define_file_settings(void)
{
	DefineCustomStringVariable("pgtunsync.env_file",
							   "File with the source's URL and the tunnel's parameters.",
							   "A relative path is taken from the data directory.",
							   &pgtunsync_env_file, ".env.pgsync",
							   PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("pgtunsync.config_file",
							   "File with groups, exclusions and data rules.",
							   "A relative path is taken from the data directory; empty: none.",
							   &pgtunsync_config_file, ".pgsync.yml",
							   PGC_SUSET, 0, NULL, NULL, NULL);
}

/* Superuser-only: a caller must not get at what data rules are to hide. */
static void
define_mask_settings(void)
{
	DefineCustomBoolVariable("pgtunsync.require_rules",
							 "Columns that look sensitive must have a data rule.",
							 "The rule \"untouched\" counts as one.",
							 &pgtunsync_require_rules, false,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("pgtunsync.allow_unmasked",
							 "Callers may turn the data rules off.",
							 NULL, &pgtunsync_allow_unmasked, false,
							 PGC_SUSET, 0, NULL, NULL, NULL);
}

/* Superuser-only: a caller must not take a part of a table for the whole. */
static void
define_source_settings(void)
{
	DefineCustomEnumVariable("pgtunsync.source_row_security",
							 "What becomes of tables whose rows policies of the source would filter.",
							 "error: they are refused; filter: the rows that the source's role may see are pulled.",
							 &pgtunsync_source_row_security, SOURCE_ROWS_ERROR, source_row_securities,
							 PGC_SUSET, 0, NULL, NULL, NULL);
}

/* Superuser-only: the trace names files, hosts and accounts. */
static void
define_log_settings(void)
{
	DefineCustomEnumVariable("pgtunsync.log_level",
							 "How much of the way to the source is told to the server log.",
							 "debug1 to debug3 are what ssh tells with -v, -vv and -vvv.",
							 &pgtunsync_log_level, TRACE_INFO, log_levels,
							 PGC_SUSET, 0, NULL, NULL, NULL);
}

/*
 * Superuser-only: who may pull must not take the worker slots that parallel
 * queries and logical replication need.
 */
static void
define_worker_settings(void)
{
	DefineCustomIntVariable("pgtunsync.max_jobs",
							"Most loaders that one pull may have.",
							"Callers who ask for more get so many.",
							&pgtunsync_max_jobs, 8, 1, 64,
							PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("pgtunsync.max_workers",
							"Most workers that all pulls of the server have at one time.",
							"A pull needs a leader, a tunnel and a loader.",
							&pgtunsync_max_workers, default_max_workers(), WORKERS_OF_RUN, 1024,
							PGC_SUSET, 0, NULL, NULL, NULL);
}

static void
define_limit_settings(void)
{
	DefineCustomIntVariable("pgtunsync.jobs",
							"Number of tables that are loaded at the same time.",
							NULL, &pgtunsync_jobs, default_jobs(), 1, 64,
							PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("pgtunsync.connect_timeout",
							"Longest time for one attempt to reach a host.",
							NULL, &pgtunsync_connect_timeout, 10000, 100, 3600000,
							PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("pgtunsync.connect_attempts",
							"Attempts to open the tunnel when the network fails.",
							"A wrong key or a refused login is never tried again.",
							&pgtunsync_connect_attempts, 10, 1, 1000,
							PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("pgtunsync.connect_retry_delay",
							"Pause between two attempts to open the tunnel.",
							NULL, &pgtunsync_connect_retry_delay, 3000, 0, 600000,
							PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("pgtunsync.lock_timeout",
							"Longest time to wait for locks on the pulled tables.",
							"Also for the local port when another run uses it.",
							&pgtunsync_lock_timeout, 30000, 1, INT_MAX,
							PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);
}

void
_PG_init(void)
{
	define_file_settings();
	define_mask_settings();
	define_worker_settings();
	define_limit_settings();
	define_source_settings();
	define_log_settings();
	compat_mark_guc_prefix_reserved("pgtunsync");
}

/* text[] → List of char *; NULL elements are refused. */
static List *
array_to_names(ArrayType *array)
{
	Datum	   *elems;
	bool	   *nulls;
	int			n;
	List	   *names = NIL;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elems, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("table names must not be null")));
		names = lappend(names, TextDatumGetCString(elems[i]));
	}
	return names;
}

static OnError
parse_on_error(FunctionCallInfo fcinfo, int arg)
{
	char	   *value;

	if (PG_ARGISNULL(arg))
		return ON_ERROR_CONTINUE;
	value = text_to_cstring(PG_GETARG_TEXT_PP(arg));
	if (strcmp(value, "continue") == 0)
		return ON_ERROR_CONTINUE;
	if (strcmp(value, "abort") == 0)
		return ON_ERROR_ABORT;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for \"on_error\": \"%s\"", value),
			 errhint("Use \"continue\" or \"abort\".")));
}

/* No more than a superuser lets callers have. */
static int
limit_jobs(int jobs, int elevel)
{
	if (jobs <= pgtunsync_max_jobs)
		return jobs;
	ereport(elevel,
			(errmsg("going on with %d of %d loaders", pgtunsync_max_jobs, jobs),
			 errdetail("The setting \"pgtunsync.max_jobs\" allows no more.")));
	return pgtunsync_max_jobs;
}

static int
parse_jobs(FunctionCallInfo fcinfo, int arg)
{
	int			jobs;

	if (PG_ARGISNULL(arg))
		return limit_jobs(pgtunsync_jobs, DEBUG1);
	jobs = PG_GETARG_INT32(arg);
	if (jobs < 1 || jobs > 64)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for \"jobs\": %d", jobs),
				 errhint("Use a number from 1 to 64.")));
	return limit_jobs(jobs, NOTICE);
}

/* A request of this session, with the settings as they are for it. */
static void
init_request(RunRequest *request)
{
	memset(request, 0, sizeof(RunRequest));
	request->database = MyDatabaseId;
	request->role = GetUserId();
	request->caller_pid = MyProcPid;
	request->search_path = pull_search_path();
	request->jobs = limit_jobs(pgtunsync_jobs, DEBUG2);
	request->max_workers = pgtunsync_max_workers;
	request->wait = true;
	request->env_file = pgtunsync_env_file;
	request->config_file = pgtunsync_config_file;
	request->connect_timeout = pgtunsync_connect_timeout;
	request->connect_attempts = pgtunsync_connect_attempts;
	request->connect_retry_delay = pgtunsync_connect_retry_delay;
	request->lock_timeout = pgtunsync_lock_timeout;
	request->log_level = pgtunsync_log_level;
	request->rules = true;
	request->sequences = true;
	request->require_rules = pgtunsync_require_rules;
	request->row_security = pgtunsync_source_row_security == SOURCE_ROWS_FILTER;
	request->maintenance_work_mem = maintenance_work_mem;
	request->parallel_maintenance_workers = max_parallel_maintenance_workers;
}

static char *
text_argument(FunctionCallInfo fcinfo, int arg)
{
	return PG_ARGISNULL(arg) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(arg));
}

/* An array of names; without any schema there is nothing to look at. */
static List *
names_argument(FunctionCallInfo fcinfo, int arg, const char *name)
{
	List	   *names;

	if (PG_ARGISNULL(arg))
		return NIL;
	names = array_to_names(PG_GETARG_ARRAYTYPE_P(arg));
	if (names == NIL && strcmp(name, "schemas") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the list of %s is empty", name)));
	return names;
}

static int
parse_batch_size(FunctionCallInfo fcinfo, int arg)
{
	int			size;

	if (PG_ARGISNULL(arg))
		return 0;
	size = PG_GETARG_INT32(arg);
	if (size < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for \"batch_size\": %d", size),
				 errhint("Use a number of rows.")));
	return size;
}

static void pg_attribute_noreturn()
refuse_together(const char *argument, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s", argument),
			 errdetail("%s", detail)));
}

/* Arguments that contradict each other. */
static void
check_batches(const RunRequest *request)
{
	if (request->mode != LAND_APPEND && request->batch_size != 0)
		refuse_together("\"batch_size\" needs mode => 'append'", "In other modes all rows land in one commit.");
	if (request->mode != LAND_APPEND && request->cursor != NULL)
		refuse_together("\"cursor\" needs mode => 'append'", "Other modes go by the primary key.");
	if (request->mode == LAND_APPEND && request->on_error == ON_ERROR_ABORT)
		refuse_together("mode \"append\" cannot be combined with on_error => 'abort'",
						"Each batch is committed by itself, and stays when a later one fails.");
}

/* Data rules are only off for those whom a superuser lets. */
static bool
parse_rules(FunctionCallInfo fcinfo, int arg)
{
	if (PG_ARGISNULL(arg) || PG_GETARG_BOOL(arg))
		return true;
	if (!pgtunsync_allow_unmasked)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to pull without data rules"),
				 errhint("A superuser can allow it by the setting \"pgtunsync.allow_unmasked\".")));
	return false;
}

/* What pull() and plan() are called with, in both spellings: the arguments after the tables. */
static void
read_request(FunctionCallInfo fcinfo, List *tables, RunRequest *request)
{
	init_request(request);
	request->tables = tables;
	request->group = text_argument(fcinfo, 1);
	request->everything = (tables == NIL && request->group == NULL);
	request->jobs = parse_jobs(fcinfo, 2);
	request->on_error = parse_on_error(fcinfo, 3);
	request->wait = PG_ARGISNULL(4) || PG_GETARG_BOOL(4);
	request->refresh = !PG_ARGISNULL(5) && PG_GETARG_BOOL(5);
	request->filter = text_argument(fcinfo, 6);
	request->mode = landing_parse(text_argument(fcinfo, 7));
	request->variables = PG_ARGISNULL(8) ? NIL : variables_from_jsonb(PG_GETARG_JSONB_P(8));
	request->schemas = names_argument(fcinfo, 9, "schemas");
	request->exclude = names_argument(fcinfo, 10, "exclude");
	request->rules = parse_rules(fcinfo, 11);
	request->sequences = PG_ARGISNULL(12) || PG_GETARG_BOOL(12);
	request->batch_size = parse_batch_size(fcinfo, 13);
	request->cursor = text_argument(fcinfo, 14);
	check_batches(request);
}

/*
 * tables text[].  An empty array is not "everything": a script whose
 * list came out empty must not replace the whole database.
 */
static List *
tables_argument(FunctionCallInfo fcinfo)
{
	List	   *tables;

	if (PG_ARGISNULL(0))
		return NIL;
	tables = array_to_names(PG_GETARG_ARRAYTYPE_P(0));
	if (tables == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the list of tables is empty"),
				 errhint("Name at least one table, or leave the argument out to pull every table.")));
	return tables;
}

/* tables text */
static List *
spec_argument(FunctionCallInfo fcinfo)
{
	return PG_ARGISNULL(0) ? NIL : table_spec_split(text_to_cstring(PG_GETARG_TEXT_PP(0)));
}

/* pull(tables text[], …) */
PG_FUNCTION_INFO_V1(pgtunsync_pull_array);
Datum
pgtunsync_pull_array(PG_FUNCTION_ARGS)
{
	RunRequest	request;

	read_request(fcinfo, tables_argument(fcinfo), &request);
	PG_RETURN_INT64(pull_run(&request));
}

/* pull(tables text, …) */
PG_FUNCTION_INFO_V1(pgtunsync_pull_text);
Datum
pgtunsync_pull_text(PG_FUNCTION_ARGS)
{
	RunRequest	request;

	read_request(fcinfo, spec_argument(fcinfo), &request);
	PG_RETURN_INT64(pull_run(&request));
}

PG_FUNCTION_INFO_V1(pgtunsync_wait);
Datum
pgtunsync_wait(PG_FUNCTION_ARGS)
{
	int64		run_id = PG_GETARG_INT64(0);

	crash_cleanup_if_due();
	pull_wait(run_id);
	PG_RETURN_INT64(run_id);
}

PG_FUNCTION_INFO_V1(pgtunsync_cancel);
Datum
pgtunsync_cancel(PG_FUNCTION_ARGS)
{
	crash_cleanup_if_due();
	PG_RETURN_BOOL(pull_cancel(PG_GETARG_INT64(0)));
}

static Datum
text_or_null(const char *value, bool *isnull)
{
	*isnull = value == NULL;
	return value == NULL ? (Datum) 0 : CStringGetTextDatum(value);
}

/* Names as text[]; none: null. */
static Datum
names_or_null(const List *names, bool *isnull)
{
	Datum	   *elems = palloc(sizeof(Datum) * Max(1, list_length(names)));
	ListCell   *lc;
	int			n = 0;

	*isnull = names == NIL;
	if (names == NIL)
		return (Datum) 0;
	foreach(lc, names)
		elems[n++] = CStringGetTextDatum((char *) lfirst(lc));
	return PointerGetDatum(construct_array(elems, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/* An estimate, null when it is not known. */
static Datum
count_or_null(double count, bool *isnull)
{
	*isnull = count < 0;
	return *isnull ? (Datum) 0 : Int64GetDatum((int64) count);
}

static Datum
return_plan(FunctionCallInfo fcinfo, List *tables)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	RunRequest	request;
	ListCell   *lc;

	compat_init_materialized_srf(fcinfo);
	read_request(fcinfo, tables, &request);
	request.purpose = RUN_PLAN;
	request.wait = true;
	foreach(lc, pull_plan(&request))
	{
		PlanRow    *row = lfirst(lc);
		Datum		values[17];
		bool		nulls[17] = {false};

		values[0] = CStringGetTextDatum(row->table);
		values[1] = CStringGetTextDatum(row->status);
		values[2] = text_or_null(row->mode, &nulls[2]);
		values[3] = text_or_null(row->filter, &nulls[3]);
		values[4] = names_or_null(row->columns, &nulls[4]);
		values[5] = names_or_null(row->masked, &nulls[5]);
		values[6] = names_or_null(row->unmasked, &nulls[6]);
		values[7] = names_or_null(row->rewritten, &nulls[7]);
		values[8] = names_or_null(row->missing, &nulls[8]);
		values[9] = names_or_null(row->extra, &nulls[9]);
		values[10] = names_or_null(row->retyped, &nulls[10]);
		values[11] = count_or_null(row->source_rows, &nulls[11]);
		values[12] = count_or_null(row->source_bytes, &nulls[12]);
		values[13] = count_or_null(row->local_rows, &nulls[13]);
		values[14] = names_or_null(row->keep, &nulls[14]);
		values[15] = text_or_null(row->reason, &nulls[15]);
		values[16] = text_or_null(row->hint, &nulls[16]);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* plan(tables text[], …) */
PG_FUNCTION_INFO_V1(pgtunsync_plan_array);
Datum
pgtunsync_plan_array(PG_FUNCTION_ARGS)
{
	return return_plan(fcinfo, tables_argument(fcinfo));
}

/* plan(tables text, …) */
PG_FUNCTION_INFO_V1(pgtunsync_plan_text);
Datum
pgtunsync_plan_text(PG_FUNCTION_ARGS)
{
	return return_plan(fcinfo, spec_argument(fcinfo));
}

/* check(): a row for each step. */
PG_FUNCTION_INFO_V1(pgtunsync_check);
Datum
pgtunsync_check(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	RunRequest	request;
	ListCell   *lc;

	compat_init_materialized_srf(fcinfo);
	init_request(&request);
	request.everything = true;
	request.purpose = RUN_CHECK;
	foreach(lc, pull_check(&request))
	{
		CheckStep  *step = lfirst(lc);
		Datum		values[4];
		bool		nulls[4] = {false};

		values[0] = CStringGetTextDatum(step->step);
		values[1] = BoolGetDatum(step->ok);
		values[2] = text_or_null(step->detail, &nulls[2]);
		values[3] = text_or_null(step->hint, &nulls[3]);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* progress_rows(): the tables of the runs whose audit rows the caller may read. */
PG_FUNCTION_INFO_V1(pgtunsync_progress);
Datum
pgtunsync_progress(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *lc_run;
	ListCell   *lc;

	compat_init_materialized_srf(fcinfo);
	crash_cleanup_if_due();
	foreach(lc_run, audit_running())
	{
		AuditRunning *run = lfirst(lc_run);

		foreach(lc, progress_read(run->progress_segment, run->run_id))
		{
			ProgressRow *row = lfirst(lc);
			Datum		values[7];
			bool		nulls[7] = {false};

			values[0] = Int64GetDatum(run->run_id);
			values[1] = CStringGetTextDatum(row->table_name);
			values[2] = CStringGetTextDatum(row->phase);
			values[3] = Int64GetDatum(row->rows);
			values[4] = Int64GetDatum(row->bytes);
			values[5] = Int64GetDatum(row->bytes_total);
			values[6] = Float8GetDatum(row->bytes_per_second);
			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		}
	}
	return (Datum) 0;
}
