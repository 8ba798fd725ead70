/*-------------------------------------------------------------------------
 *
 * arguments.c
 *	  From the arguments of a call to a RunRequest.
 *
 * Settings are read here, in the caller's backend, where SET and ALTER ROLE
 * apply.  The leader never looks at its own.
 *
 * Drivers turn an undefined variable into NULL.  An argument that chooses
 * tables, rows or a mode has a default that is not NULL, and NULL is refused:
 * taken for "not given", it would replace more than the caller meant.
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
#include "utils/guc.h"
#include "utils/lsyscache.h"

#include "api/arguments.h"
#include "api/refused_settings.h"
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

/* The defaults in sql/pgtunsync.sql that mean "not given". */
#define ALL_TABLES			"*"
#define NO_GROUP			"*"
#define NO_FILTER			"*"
#define DEFAULT_MODE		"default"
#define DEFAULT_SCHEMAS		"@default"

void
argument_refuse_null(FunctionCallInfo fcinfo, int arg, const char *name)
{
	if (PG_ARGISNULL(arg))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", name),
				 errhint("Leave the argument out for its default.")));
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

	argument_refuse_null(fcinfo, arg, "on_error");
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

/*
 * The settings of this session that the value of a local default, CHECK
 * constraint or generated column can depend on.  xmloption and lc_monetary are
 * not among them, because rows are read under these settings.
 */
static List *
session_settings(void)
{
	static const char *const names[] = {
		"TimeZone", "DateStyle", "IntervalStyle", "extra_float_digits", "bytea_output",
		"lc_time", "lc_numeric", "default_text_search_config"
	};
	List	   *settings = NIL;

	for (int i = 0; i < lengthof(names); i++)
	{
		settings = lappend(settings, unconstify(char *, names[i]));
		settings = lappend(settings, pstrdup(GetConfigOption(names[i], false, false)));
	}
	return settings;
}

void
request_init(RunRequest *request)
{
	refused_settings_check();
	memset(request, 0, sizeof(RunRequest));
	request->database = MyDatabaseId;
	request->plan.role = GetUserId();
	request->caller_pid = MyProcPid;
	request->plan.search_path = search_path_schemas();
	request->settings = session_settings();
	request->jobs = limit_jobs(pgtunsync_jobs, DEBUG2);
	request->max_workers = pgtunsync_max_workers;
	request->wait = true;
	request->env_file = pgtunsync_env_file;
	request->config_file = pgtunsync_config_file;
	request->connect_timeout = pgtunsync_connect_timeout;
	request->connect_attempts = pgtunsync_connect_attempts;
	request->connect_retry_delay = pgtunsync_connect_retry_delay;
	request->tunnel_timeout = pgtunsync_tunnel_timeout;
	request->wants_notices = client_min_messages <= NOTICE;
	request->lock_timeout = pgtunsync_lock_timeout;
	request->source_lock_timeout = pgtunsync_source_lock_timeout;
	request->log_level = pgtunsync_log_level;
	request->verbose = client_min_messages <= DEBUG1;
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

/* A text whose default means that it is not given: then NULL. */
static char *
chosen_text(FunctionCallInfo fcinfo, int arg, const char *name, const char *not_given)
{
	char	   *value;

	argument_refuse_null(fcinfo, arg, name);
	value = text_argument(fcinfo, arg);
	return strcmp(value, not_given) == 0 ? NULL : value;
}

static bool
bool_argument(FunctionCallInfo fcinfo, int arg, const char *name)
{
	argument_refuse_null(fcinfo, arg, name);
	return PG_GETARG_BOOL(arg);
}

/* An array of names; NIL if it has only this one. */
static List *
chosen_names(FunctionCallInfo fcinfo, int arg, const char *name, const char *not_given)
{
	List	   *names;

	argument_refuse_null(fcinfo, arg, name);
	names = array_to_names(PG_GETARG_ARRAYTYPE_P(arg));
	if (names == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the list of %s is empty", name),
				 strcmp(name, "tables") == 0 ?
				 errhint("Name at least one table, or leave the argument out to pull every table.") : 0));
	return list_length(names) == 1 && strcmp(linitial(names), not_given) == 0 ? NIL : names;
}

static List *
exclude_argument(FunctionCallInfo fcinfo, int arg)
{
	argument_refuse_null(fcinfo, arg, "exclude");
	return array_to_names(PG_GETARG_ARRAYTYPE_P(arg));
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
		refuse_together("\"batch_size\" needs mode => 'append'",
						"In other modes all rows land in one commit.");
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
	if (bool_argument(fcinfo, arg, "rules"))
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
	request->plan.group = chosen_text(fcinfo, ARG_GROUP, "grp", NO_GROUP);
	request->plan.everything = (tables == NIL && request->plan.group == NULL);
	request->jobs = parse_jobs(fcinfo, ARG_JOBS);
	request->on_error = parse_on_error(fcinfo, ARG_ON_ERROR);
	request->wait = bool_argument(fcinfo, ARG_WAIT, "wait");
	request->refresh = bool_argument(fcinfo, ARG_REFRESH, "refresh");
	request->plan.filter = chosen_text(fcinfo, ARG_FILTER, "filter", NO_FILTER);
	request->plan.mode = landing_parse(chosen_text(fcinfo, ARG_MODE, "mode", DEFAULT_MODE));
	if (!PG_ARGISNULL(ARG_VARIABLES))
		request->plan.variables = variables_from_jsonb(PG_GETARG_JSONB_P(ARG_VARIABLES));
	request->plan.schemas = chosen_names(fcinfo, ARG_SCHEMAS, "schemas", DEFAULT_SCHEMAS);
	request->plan.exclude = exclude_argument(fcinfo, ARG_EXCLUDE);
	request->plan.rules = parse_rules(fcinfo, ARG_RULES);
	request->plan.sequences = bool_argument(fcinfo, ARG_SEQUENCES, "sequences");
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
	return chosen_names(fcinfo, ARG_TABLES, "tables", ALL_TABLES);
}

List *
tables_from_text(FunctionCallInfo fcinfo)
{
	argument_refuse_null(fcinfo, ARG_TABLES, "tables");
	return table_spec_split(text_argument(fcinfo, ARG_TABLES));
}
