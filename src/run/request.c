/*-------------------------------------------------------------------------
 *
 * request.c
 *	  A RunRequest on its way through shared memory.
 *
 * The request is complete: settings are read in the caller's backend, where
 * SET and ALTER ROLE apply, and the leader never looks at its own.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/json.h"

#include "base/serialize.h"
#include "run/request.h"

static void
plan_request_pack(StringInfo buf, const PlanRequest *request)
{
	pack_int(buf, request->role);
	pack_strings(buf, request->search_path);
	pack_strings(buf, request->tables);
	pack_int(buf, request->everything);
	pack_string(buf, request->group);
	pack_string(buf, request->filter);
	pack_int(buf, request->mode);
	pack_strings(buf, request->variables);
	pack_strings(buf, request->schemas);
	pack_strings(buf, request->exclude);
	pack_int(buf, request->rules);
	pack_int(buf, request->sequences);
	pack_string(buf, request->cursor);
	pack_int(buf, request->require_rules);
	pack_int(buf, request->row_security);
	pack_int(buf, request->survey);
}

static void
plan_request_unpack(StringInfo buf, PlanRequest *request)
{
	request->role = unpack_int(buf);
	request->search_path = unpack_strings(buf);
	request->tables = unpack_strings(buf);
	request->everything = unpack_int(buf);
	request->group = unpack_string(buf);
	request->filter = unpack_string(buf);
	request->mode = unpack_int(buf);
	request->variables = unpack_strings(buf);
	request->schemas = unpack_strings(buf);
	request->exclude = unpack_strings(buf);
	request->rules = unpack_int(buf);
	request->sequences = unpack_int(buf);
	request->cursor = unpack_string(buf);
	request->require_rules = unpack_int(buf);
	request->row_security = unpack_int(buf);
	request->survey = unpack_int(buf);
}

void
request_pack(StringInfo buf, const RunRequest *request)
{
	/* the length goes first: the segment may be larger than what we write */
	int			start = buf->len;
	uint32		len = 0;

	appendBinaryStringInfo(buf, (char *) &len, sizeof(len));
	pack_int(buf, request->database);
	pack_int(buf, request->caller_pid);
	plan_request_pack(buf, &request->plan);
	pack_int(buf, request->on_error);
	pack_int(buf, request->jobs);
	pack_int(buf, request->purpose);
	pack_int(buf, request->wait);
	pack_int(buf, request->refresh);
	pack_int(buf, request->batch_size);
	pack_strings(buf, request->settings);
	pack_string(buf, request->env_file);
	pack_string(buf, request->config_file);
	pack_int(buf, request->connect_timeout);
	pack_int(buf, request->connect_attempts);
	pack_int(buf, request->connect_retry_delay);
	pack_int(buf, request->tunnel_timeout);
	pack_int(buf, request->wants_notices);
	pack_int(buf, request->lock_timeout);
	pack_int(buf, request->source_lock_timeout);
	pack_int(buf, request->log_level);
	pack_int(buf, request->verbose);
	pack_int(buf, request->max_workers);
	pack_int(buf, request->maintenance_work_mem);
	pack_int(buf, request->parallel_maintenance_workers);
	len = buf->len - start - sizeof(len);
	memcpy(buf->data + start, &len, sizeof(len));
}

RunRequest *
request_unpack(const char *data)
{
	RunRequest *request = palloc0(sizeof(RunRequest));
	StringInfoData buf;
	uint32		len;

	memcpy(&len, data, sizeof(len));
	unpack_from(&buf, data + sizeof(len), len);
	request->database = unpack_int(&buf);
	request->caller_pid = unpack_int(&buf);
	plan_request_unpack(&buf, &request->plan);
	request->on_error = unpack_int(&buf);
	request->jobs = unpack_int(&buf);
	request->purpose = unpack_int(&buf);
	request->wait = unpack_int(&buf);
	request->refresh = unpack_int(&buf);
	request->batch_size = unpack_int(&buf);
	request->settings = unpack_strings(&buf);
	request->env_file = unpack_string(&buf);
	request->config_file = unpack_string(&buf);
	request->connect_timeout = unpack_int(&buf);
	request->connect_attempts = unpack_int(&buf);
	request->connect_retry_delay = unpack_int(&buf);
	request->tunnel_timeout = unpack_int(&buf);
	request->wants_notices = unpack_int(&buf);
	request->lock_timeout = unpack_int(&buf);
	request->source_lock_timeout = unpack_int(&buf);
	request->log_level = unpack_int(&buf);
	request->verbose = unpack_int(&buf);
	request->max_workers = unpack_int(&buf);
	request->maintenance_work_mem = unpack_int(&buf);
	request->parallel_maintenance_workers = unpack_int(&buf);
	return request;
}

/* , "name": "value" */
static void
append_string(StringInfo buf, const char *name, const char *value)
{
	if (value == NULL)
		return;
	appendStringInfo(buf, ", \"%s\": ", name);
	escape_json(buf, value);
}

/* , "name": ["a", "b"] */
static void
append_strings(StringInfo buf, const char *name, const List *values)
{
	const char *separator = "";
	ListCell   *lc;

	if (values == NIL)
		return;
	appendStringInfo(buf, ", \"%s\": [", name);
	foreach(lc, values)
	{
		appendStringInfoString(buf, separator);
		escape_json(buf, lfirst(lc));
		separator = ", ";
	}
	appendStringInfoChar(buf, ']');
}

/* , "variables": {"a": "b"} */
static void
append_variables(StringInfo buf, const List *variables)
{
	if (variables == NIL)
		return;
	appendStringInfoString(buf, ", \"variables\": {");
	for (int i = 0; i + 1 < list_length(variables); i += 2)
	{
		appendStringInfoString(buf, i > 0 ? ", " : "");
		escape_json(buf, list_nth(variables, i));
		appendStringInfoString(buf, ": ");
		escape_json(buf, list_nth(variables, i + 1));
	}
	appendStringInfoChar(buf, '}');
}

/* What chooses tables, rows and masks, as far as it was said. */
static void
append_selection(StringInfo buf, const RunRequest *request)
{
	append_string(buf, "filter", request->plan.filter);
	append_string(buf, "mode", landing_name(request->plan.mode));
	append_variables(buf, request->plan.variables);
	append_strings(buf, "schemas", request->plan.schemas);
	append_strings(buf, "exclude", request->plan.exclude);
	if (!request->plan.rules)
		appendStringInfoString(buf, ", \"rules\": false");
	if (!request->plan.sequences)
		appendStringInfoString(buf, ", \"sequences\": false");
	if (request->batch_size != 0)
		appendStringInfo(buf, ", \"batch_size\": %d", request->batch_size);
	append_string(buf, "cursor", request->plan.cursor);
}

char *
request_options_json(const RunRequest *request)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "{\"jobs\": %d, \"on_error\": \"%s\", \"wait\": %s, \"refresh\": %s, \"env_file\": ",
					 request->jobs,
					 request->on_error == ON_ERROR_ABORT ? "abort" : "continue",
					 request->wait ? "true" : "false",
					 request->refresh ? "true" : "false");
	escape_json(&buf, request->env_file);
	appendStringInfoString(&buf, ", \"config_file\": ");
	escape_json(&buf, request->config_file);
	append_selection(&buf, request);
	appendStringInfoChar(&buf, '}');
	return buf.data;
}

void
check_step_pack(StringInfo buf, const CheckStep *step)
{
	pack_string(buf, step->step);
	pack_int(buf, step->ok);
	pack_string(buf, step->detail);
	pack_string(buf, step->hint);
}

CheckStep *
check_step_unpack(StringInfo buf)
{
	CheckStep  *step = palloc(sizeof(CheckStep));

	step->step = unpack_string(buf);
	step->ok = unpack_int(buf);
	step->detail = unpack_string(buf);
	step->hint = unpack_string(buf);
	return step;
}

void
plan_row_pack(StringInfo buf, const PlanRow *row)
{
	pack_string(buf, row->table);
	pack_string(buf, row->status);
	pack_string(buf, row->mode);
	pack_string(buf, row->filter);
	pack_strings(buf, row->columns);
	pack_strings(buf, row->masked);
	pack_strings(buf, row->unmasked);
	pack_strings(buf, row->rewritten);
	pack_strings(buf, row->keep);
	pack_strings(buf, row->missing);
	pack_strings(buf, row->extra);
	pack_strings(buf, row->retyped);
	pack_double(buf, row->source_rows);
	pack_double(buf, row->source_bytes);
	pack_double(buf, row->local_rows);
	pack_string(buf, row->reason);
	pack_string(buf, row->hint);
	pack_double(buf, row->rows_expected);
	pack_double(buf, row->rows_lost);
	pack_strings(buf, row->sequences);
	pack_string(buf, row->source_sql);
}

PlanRow *
plan_row_unpack(StringInfo buf)
{
	PlanRow    *row = palloc(sizeof(PlanRow));

	row->table = unpack_string(buf);
	row->status = unpack_string(buf);
	row->mode = unpack_string(buf);
	row->filter = unpack_string(buf);
	row->columns = unpack_strings(buf);
	row->masked = unpack_strings(buf);
	row->unmasked = unpack_strings(buf);
	row->rewritten = unpack_strings(buf);
	row->keep = unpack_strings(buf);
	row->missing = unpack_strings(buf);
	row->extra = unpack_strings(buf);
	row->retyped = unpack_strings(buf);
	row->source_rows = unpack_double(buf);
	row->source_bytes = unpack_double(buf);
	row->local_rows = unpack_double(buf);
	row->reason = unpack_string(buf);
	row->hint = unpack_string(buf);
	row->rows_expected = unpack_double(buf);
	row->rows_lost = unpack_double(buf);
	row->sequences = unpack_strings(buf);
	row->source_sql = unpack_string(buf);
	return row;
}
