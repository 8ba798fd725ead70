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

#include "pack.h"
#include "request.h"
#include "utils/json.h"

void
request_pack(StringInfo buf, const RunRequest *request)
{
	/* the length goes first: the segment may be larger than what we write */
	int			start = buf->len;
	uint32		len = 0;

	appendBinaryStringInfo(buf, (char *) &len, sizeof(len));
	pack_int(buf, request->database);
	pack_int(buf, request->role);
	pack_int(buf, request->caller_pid);
	pack_strings(buf, request->search_path);
	pack_strings(buf, request->tables);
	pack_int(buf, request->everything);
	pack_string(buf, request->group);
	pack_int(buf, request->on_error);
	pack_int(buf, request->jobs);
	pack_int(buf, request->check);
	pack_int(buf, request->wait);
	pack_int(buf, request->refresh);
	pack_string(buf, request->env_file);
	pack_string(buf, request->config_file);
	pack_int(buf, request->connect_timeout);
	pack_int(buf, request->connect_attempts);
	pack_int(buf, request->connect_retry_delay);
	pack_int(buf, request->lock_timeout);
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
	request->role = unpack_int(&buf);
	request->caller_pid = unpack_int(&buf);
	request->search_path = unpack_strings(&buf);
	request->tables = unpack_strings(&buf);
	request->everything = unpack_int(&buf);
	request->group = unpack_string(&buf);
	request->on_error = unpack_int(&buf);
	request->jobs = unpack_int(&buf);
	request->check = unpack_int(&buf);
	request->wait = unpack_int(&buf);
	request->refresh = unpack_int(&buf);
	request->env_file = unpack_string(&buf);
	request->config_file = unpack_string(&buf);
	request->connect_timeout = unpack_int(&buf);
	request->connect_attempts = unpack_int(&buf);
	request->connect_retry_delay = unpack_int(&buf);
	request->lock_timeout = unpack_int(&buf);
	request->maintenance_work_mem = unpack_int(&buf);
	request->parallel_maintenance_workers = unpack_int(&buf);
	return request;
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
