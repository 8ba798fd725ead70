/*-------------------------------------------------------------------------
 *
 * pgtunsync.c
 *	  The SQL-callable functions: thin, the other files do the work.
 *
 * A pull passes through these files:
 *
 *	  api/caller.c			the caller's backend: starts a leader, waits
 *	  run/leader.c			the leader's process
 *	  run/pull_run.c		a pull, from the audit row to the commit
 *	  config/, ssh/			what the operator configured
 *	  tunnel/tunnel.c		the tunnel to the source
 *	  source/source.c, plan/planner.c	what to pull, and how
 *	  load/loader_pool.c, load/loader.c	tables into staging heaps
 *	  apply/apply.c			the one commit that changes anything
 *	  run/append_run.c		instead: many commits, one for each batch
 *	  run/audit.c			what happened
 *	  run/crash_cleanup.c	removes what crashed runs have left
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "api/arguments.h"
#include "api/caller.h"
#include "api/settings.h"
#include "base/compat.h"
#include "load/progress.h"
#include "run/audit.h"
#include "run/crash_cleanup.h"
#include "run/request_types.h"

PG_MODULE_MAGIC;

/* The columns of pgtunsync.plan() by position. */
enum
{
	PLAN_TABLE,
	PLAN_STATUS,
	PLAN_MODE,
	PLAN_FILTER,
	PLAN_COLUMNS,
	PLAN_MASKED,
	PLAN_UNMASKED,
	PLAN_REWRITTEN,
	PLAN_MISSING,
	PLAN_EXTRA,
	PLAN_RETYPED,
	PLAN_SOURCE_ROWS,
	PLAN_SOURCE_BYTES,
	PLAN_LOCAL_ROWS,
	PLAN_KEEP,
	PLAN_REASON,
	PLAN_HINT,
	PLAN_NCOLUMNS
};

/* The columns of pgtunsync.check() by position. */
enum
{
	CHECK_STEP,
	CHECK_OK,
	CHECK_DETAIL,
	CHECK_HINT,
	CHECK_NCOLUMNS
};

/* The columns of pgtunsync.progress_rows() by position. */
enum
{
	PROGRESS_RUN,
	PROGRESS_TABLE,
	PROGRESS_PHASE,
	PROGRESS_ROWS,
	PROGRESS_BYTES,
	PROGRESS_BYTES_TOTAL,
	PROGRESS_BYTES_PER_SECOND,
	PROGRESS_NCOLUMNS
};

void		_PG_init(void);

void
_PG_init(void)
{
	settings_define();
}

/* pull(tables text[], …) */
PG_FUNCTION_INFO_V1(pgtunsync_pull_array);
Datum
pgtunsync_pull_array(PG_FUNCTION_ARGS)
{
	RunRequest	request;

	request_read_arguments(fcinfo, tables_from_array(fcinfo), &request);
	PG_RETURN_INT64(caller_pull(&request));
}

/* pull(tables text, …) */
PG_FUNCTION_INFO_V1(pgtunsync_pull_text);
Datum
pgtunsync_pull_text(PG_FUNCTION_ARGS)
{
	RunRequest	request;

	request_read_arguments(fcinfo, tables_from_text(fcinfo), &request);
	PG_RETURN_INT64(caller_pull(&request));
}

PG_FUNCTION_INFO_V1(pgtunsync_wait);
Datum
pgtunsync_wait(PG_FUNCTION_ARGS)
{
	int64		run_id;

	argument_refuse_null(fcinfo, 0, "run_id");
	run_id = PG_GETARG_INT64(0);
	crash_cleanup_if_due();
	caller_wait(run_id);
	PG_RETURN_INT64(run_id);
}

PG_FUNCTION_INFO_V1(pgtunsync_cancel);
Datum
pgtunsync_cancel(PG_FUNCTION_ARGS)
{
	argument_refuse_null(fcinfo, 0, "run_id");
	crash_cleanup_if_due();
	PG_RETURN_BOOL(caller_cancel(PG_GETARG_INT64(0)));
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
	request_read_arguments(fcinfo, tables, &request);
	request.purpose = RUN_PLAN;
	request.plan.survey = true;
	request.wait = true;
	foreach(lc, caller_plan(&request))
	{
		PlanRow    *row = lfirst(lc);
		Datum		values[PLAN_NCOLUMNS];
		bool		nulls[PLAN_NCOLUMNS] = {false};

		values[PLAN_TABLE] = CStringGetTextDatum(row->table);
		values[PLAN_STATUS] = CStringGetTextDatum(row->status);
		values[PLAN_MODE] = text_or_null(row->mode, &nulls[PLAN_MODE]);
		values[PLAN_FILTER] = text_or_null(row->filter, &nulls[PLAN_FILTER]);
		values[PLAN_COLUMNS] = names_or_null(row->columns, &nulls[PLAN_COLUMNS]);
		values[PLAN_MASKED] = names_or_null(row->masked, &nulls[PLAN_MASKED]);
		values[PLAN_UNMASKED] = names_or_null(row->unmasked, &nulls[PLAN_UNMASKED]);
		values[PLAN_REWRITTEN] = names_or_null(row->rewritten, &nulls[PLAN_REWRITTEN]);
		values[PLAN_MISSING] = names_or_null(row->missing, &nulls[PLAN_MISSING]);
		values[PLAN_EXTRA] = names_or_null(row->extra, &nulls[PLAN_EXTRA]);
		values[PLAN_RETYPED] = names_or_null(row->retyped, &nulls[PLAN_RETYPED]);
		values[PLAN_SOURCE_ROWS] = count_or_null(row->source_rows, &nulls[PLAN_SOURCE_ROWS]);
		values[PLAN_SOURCE_BYTES] = count_or_null(row->source_bytes, &nulls[PLAN_SOURCE_BYTES]);
		values[PLAN_LOCAL_ROWS] = count_or_null(row->local_rows, &nulls[PLAN_LOCAL_ROWS]);
		values[PLAN_KEEP] = names_or_null(row->keep, &nulls[PLAN_KEEP]);
		values[PLAN_REASON] = text_or_null(row->reason, &nulls[PLAN_REASON]);
		values[PLAN_HINT] = text_or_null(row->hint, &nulls[PLAN_HINT]);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* plan(tables text[], …) */
PG_FUNCTION_INFO_V1(pgtunsync_plan_array);
Datum
pgtunsync_plan_array(PG_FUNCTION_ARGS)
{
	return return_plan(fcinfo, tables_from_array(fcinfo));
}

/* plan(tables text, …) */
PG_FUNCTION_INFO_V1(pgtunsync_plan_text);
Datum
pgtunsync_plan_text(PG_FUNCTION_ARGS)
{
	return return_plan(fcinfo, tables_from_text(fcinfo));
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
	request_init(&request);
	request.plan.everything = true;
	request.purpose = RUN_CHECK;
	foreach(lc, caller_check(&request))
	{
		CheckStep  *step = lfirst(lc);
		Datum		values[CHECK_NCOLUMNS];
		bool		nulls[CHECK_NCOLUMNS] = {false};

		values[CHECK_STEP] = CStringGetTextDatum(step->step);
		values[CHECK_OK] = BoolGetDatum(step->ok);
		values[CHECK_DETAIL] = text_or_null(step->detail, &nulls[CHECK_DETAIL]);
		values[CHECK_HINT] = text_or_null(step->hint, &nulls[CHECK_HINT]);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/*
 * progress_rows(): the tables of the runs whose audit rows the caller may
 * read.
 */
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
			Datum		values[PROGRESS_NCOLUMNS];
			bool		nulls[PROGRESS_NCOLUMNS] = {false};

			values[PROGRESS_RUN] = Int64GetDatum(run->run_id);
			values[PROGRESS_TABLE] = CStringGetTextDatum(row->table_name);
			values[PROGRESS_PHASE] = CStringGetTextDatum(row->phase);
			values[PROGRESS_ROWS] = Int64GetDatum(row->rows);
			values[PROGRESS_BYTES] = Int64GetDatum(row->bytes);
			values[PROGRESS_BYTES_TOTAL] = Int64GetDatum(row->bytes_total);
			values[PROGRESS_BYTES_PER_SECOND] = Float8GetDatum(row->bytes_per_second);
			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		}
	}
	return (Datum) 0;
}
