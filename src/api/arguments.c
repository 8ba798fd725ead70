/*-------------------------------------------------------------------------
 *
 * arguments.c
 *	  From the arguments of a call to a RunRequest.
 *
 * Settings are read here, in the caller's backend, where SET and ALTER ROLE
 * apply.  The leader never looks at its own.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "api/arguments.h"
#include "api/settings.h"
#include "api/variables_json.h"
#include "plan/table_spec.h"
#include "run/request_types.h"

/* The arguments of pull() and plan() by position, as in sql/pgtunsync.sql. */
enum
{
	ARG_TABLES,
	ARG_GROUP,
	ARG_JOBS,
	ARG_ON_ERROR,
	ARG_WAIT,
	ARG_REFRESH,
	ARG_FILTER,
	ARG_MODE,
	ARG_VARIABLES,
	ARG_SCHEMAS,
	ARG_EXCLUDE,
	ARG_RULES,
	ARG_SEQUENCES,
	ARG_BATCH_SIZE,
	ARG_CURSOR
};

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

/*
 * The existing schemas of the caller's search path, without pg_catalog and
 * pg_temp.
 */
static List *
search_path_schemas(void)
{
	List	   *names = NIL;
	List	   *oids = fetch_search_path(false);
	ListCell   *lc;

	foreach(lc, oids)
	{
		char	   *name = get_namespace_name(lfirst_oid(lc));

		if (name != NULL && !isTempNamespace(lfirst_oid(lc)) &&
			strcmp(name, "pg_catalog") != 0)
			names = lappend(names, name);
	}
	list_free(oids);
	return names;
}

void
request_init(RunRequest *request)
{
	memset(request, 0, sizeof(RunRequest));
	request->database = MyDatabaseId;
	request->plan.role = GetUserId();
	request->caller_pid = MyProcPid;
	request->plan.search_path = search_path_schemas();
	request->jobs = limit_jobs(pgtunsync_jobs, DEBUG2);
	request->max_workers = pgtunsync_max_workers;
	request->wait = true;
	request->env_file = pgtunsync_env_file;
	request->config_file = pgtunsync_config_file;
	request->connect_timeout = pgtunsync_connect_timeout;
	request->connect_attempts = pgtunsync_connect_attempts;
	request->connect_retry_delay = pgtunsync_connect_retry_delay;
	request->lock_timeout = pgtunsync_lock_timeout;
	request->source_lock_timeout = pgtunsync_source_lock_timeout;
	request->log_level = pgtunsync_log_level;
	request->plan.rules = true;
	request->plan.sequences = true;
	request->plan.require_rules = pgtunsync_require_rules;
	request->plan.row_security = pgtunsync_source_row_security == SOURCE_ROWS_FILTER;
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
	if (request->plan.mode != LAND_APPEND && request->batch_size != 0)
		refuse_together("\"batch_size\" needs mode => 'append'", "In other modes all rows land in one commit.");
	if (request->plan.mode != LAND_APPEND && request->plan.cursor != NULL)
		refuse_together("\"cursor\" needs mode => 'append'", "Other modes go by the primary key.");
	if (request->plan.mode == LAND_APPEND && request->on_error == ON_ERROR_ABORT)
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

void
request_read_arguments(FunctionCallInfo fcinfo, List *tables, RunRequest *request)
{
	request_init(request);
	request->plan.tables = tables;
	request->plan.group = text_argument(fcinfo, ARG_GROUP);
	request->plan.everything = (tables == NIL && request->plan.group == NULL);
	request->jobs = parse_jobs(fcinfo, ARG_JOBS);
	request->on_error = parse_on_error(fcinfo, ARG_ON_ERROR);
	request->wait = PG_ARGISNULL(ARG_WAIT) || PG_GETARG_BOOL(ARG_WAIT);
	request->refresh = !PG_ARGISNULL(ARG_REFRESH) && PG_GETARG_BOOL(ARG_REFRESH);
	request->plan.filter = text_argument(fcinfo, ARG_FILTER);
	request->plan.mode = landing_parse(text_argument(fcinfo, ARG_MODE));
	if (!PG_ARGISNULL(ARG_VARIABLES))
		request->plan.variables = variables_from_jsonb(PG_GETARG_JSONB_P(ARG_VARIABLES));
	request->plan.schemas = names_argument(fcinfo, ARG_SCHEMAS, "schemas");
	request->plan.exclude = names_argument(fcinfo, ARG_EXCLUDE, "exclude");
	request->plan.rules = parse_rules(fcinfo, ARG_RULES);
	request->plan.sequences = PG_ARGISNULL(ARG_SEQUENCES) || PG_GETARG_BOOL(ARG_SEQUENCES);
	request->batch_size = parse_batch_size(fcinfo, ARG_BATCH_SIZE);
	request->plan.cursor = text_argument(fcinfo, ARG_CURSOR);
	check_batches(request);
}

/*
 * tables text[].  An empty array is not "everything": a script whose
 * list came out empty must not replace the whole database.
 */
List *
tables_from_array(FunctionCallInfo fcinfo)
{
	List	   *tables;

	if (PG_ARGISNULL(ARG_TABLES))
		return NIL;
	tables = array_to_names(PG_GETARG_ARRAYTYPE_P(ARG_TABLES));
	if (tables == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the list of tables is empty"),
				 errhint("Name at least one table, or leave the argument out to pull every table.")));
	return tables;
}

List *
tables_from_text(FunctionCallInfo fcinfo)
{
	char	   *spec = text_argument(fcinfo, ARG_TABLES);

	return spec == NULL ? NIL : table_spec_split(spec);
}
