/*-------------------------------------------------------------------------
 *
 * load_messages.c
 *	  Serializes the messages between the leader and the loaders.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "load/load_messages.h"
#include "base/serialize.h"

void
loader_connect_pack(StringInfo buf, const LoaderConnect *connect)
{
	pack_string(buf, connect->conninfo);
	pack_string(buf, connect->display);
	pack_int(buf, connect->connect_timeout);
	pack_int(buf, connect->row_security);
	pack_int(buf, connect->lock_timeout);
	pack_int(buf, connect->password_rule);
	pack_int(buf, connect->hide_texts);
	pack_string(buf, connect->mask_key);
	pack_int(buf, connect->gate);
	pack_strings(buf, connect->settings);
}

LoaderConnect *
loader_connect_unpack(StringInfo buf)
{
	LoaderConnect *connect = palloc0(sizeof(LoaderConnect));

	connect->conninfo = unpack_string(buf);
	connect->display = unpack_string(buf);
	connect->connect_timeout = unpack_int(buf);
	connect->row_security = unpack_int(buf);
	connect->lock_timeout = unpack_int(buf);
	connect->password_rule = (PasswordRule) unpack_int(buf);
	connect->hide_texts = unpack_int(buf);
	connect->mask_key = unpack_string(buf);
	connect->gate = unpack_int(buf);
	connect->settings = unpack_strings(buf);
	return connect;
}

static void
pack_expressions(StringInfo buf, const List *expressions)
{
	ListCell   *lc;

	pack_int(buf, list_length(expressions));
	foreach(lc, expressions)
	{
		RowExpression *expression = lfirst(lc);

		pack_string(buf, expression->column);
		pack_string(buf, expression->sql);
		pack_string(buf, expression->what);
	}
}

static List *
unpack_expressions(StringInfo buf)
{
	List	   *expressions = NIL;

	for (int64 n = unpack_int(buf); n > 0; n--)
	{
		RowExpression *expression = palloc(sizeof(RowExpression));

		expression->column = unpack_string(buf);
		expression->sql = unpack_string(buf);
		expression->what = unpack_string(buf);
		expressions = lappend(expressions, expression);
	}
	return expressions;
}

void
load_terms_pack(StringInfo buf, const LoadTerms *terms)
{
	pack_int(buf, terms->idle_cores);
	pack_int(buf, terms->lock_wait);
	pack_int(buf, terms->look_first);
}

LoadTerms
load_terms_unpack(StringInfo buf)
{
	LoadTerms	terms;

	terms.idle_cores = unpack_int(buf);
	terms.lock_wait = unpack_int(buf);
	terms.look_first = unpack_int(buf);
	return terms;
}

void
load_job_pack(StringInfo buf, const LoadJob *job)
{
	pack_int(buf, job->step);
	pack_int(buf, job->index);
	pack_int(buf, job->relid);
	pack_string(buf, job->display);
	pack_string(buf, job->shape);
	pack_string(buf, job->lock_sql);
	pack_string(buf, job->source_oids);
	pack_string(buf, job->copy_sql);
	pack_string(buf, job->verify_sql);
	pack_int(buf, job->binary);
	pack_strings(buf, job->columns);
	pack_string(buf, job->partition_check);
	pack_string(buf, job->masked_key);
	pack_expressions(buf, job->rewrites);
	pack_expressions(buf, job->keep);
	pack_string(buf, job->row_name);
	pack_int(buf, job->mode);
	pack_int(buf, job->rows_before);
	pack_int(buf, job->bytes_before);
	pack_int(buf, job->staging);
	pack_int(buf, job->index_number);
	pack_int(buf, job->fingerprint);
}

static LoadJob *
load_job_unpack(StringInfo buf)
{
	LoadJob    *job = palloc0(sizeof(LoadJob));

	job->step = unpack_int(buf);
	job->index = unpack_int(buf);
	job->relid = unpack_int(buf);
	job->display = unpack_string(buf);
	job->shape = unpack_string(buf);
	job->lock_sql = unpack_string(buf);
	job->source_oids = unpack_string(buf);
	job->copy_sql = unpack_string(buf);
	job->verify_sql = unpack_string(buf);
	job->binary = unpack_int(buf);
	job->columns = unpack_strings(buf);
	job->partition_check = unpack_string(buf);
	job->masked_key = unpack_string(buf);
	job->rewrites = unpack_expressions(buf);
	job->keep = unpack_expressions(buf);
	job->row_name = unpack_string(buf);
	job->mode = unpack_int(buf);
	job->rows_before = unpack_int(buf);
	job->bytes_before = unpack_int(buf);
	job->staging = unpack_int(buf);
	job->index_number = unpack_int(buf);
	job->fingerprint = unpack_int(buf);
	return job;
}

List *
load_jobs_unpack(StringInfo buf)
{
	List	   *jobs = NIL;

	while (buf->cursor < buf->len)
		jobs = lappend(jobs, load_job_unpack(buf));
	return jobs;
}

void
load_failure_pack(StringInfo buf, const LoadFailure *failure)
{
	pack_int(buf, failure->index);
	pack_int(buf, failure->source_gone);
	pack_int(buf, failure->locked);
	pack_int(buf, failure->no_room);
	pack_int(buf, failure->written);
}

LoadFailure
load_failure_unpack(StringInfo buf)
{
	LoadFailure failure;

	failure.index = unpack_int(buf);
	failure.source_gone = unpack_int(buf);
	failure.locked = unpack_int(buf);
	failure.no_room = unpack_int(buf);
	failure.written = unpack_int(buf);
	return failure;
}

void
load_result_pack(StringInfo buf, const LoadResult *result)
{
	pack_int(buf, result->index);
	pack_int(buf, result->staging);
	pack_int(buf, result->fingerprint);
	pack_int(buf, result->indexes);
	pack_int(buf, result->rows);
	pack_int(buf, result->bytes);
	pack_double(buf, result->seconds);
	pack_int(buf, result->rewritten);
	pack_int(buf, result->kept.rows);
	pack_int(buf, result->kept.yielded);
	pack_int(buf, result->kept.fingerprint);
	pack_int(buf, result->kept.last);
	pack_int(buf, result->kept.yielded_heap);
}

LoadResult
load_result_unpack(StringInfo buf)
{
	LoadResult	result;

	result.index = unpack_int(buf);
	result.staging = unpack_int(buf);
	result.fingerprint = unpack_int(buf);
	result.indexes = unpack_int(buf);
	result.rows = unpack_int(buf);
	result.bytes = unpack_int(buf);
	result.seconds = unpack_double(buf);
	result.rewritten = unpack_int(buf) != 0;
	result.kept.rows = unpack_int(buf);
	result.kept.yielded = unpack_int(buf);
	result.kept.fingerprint = unpack_int(buf);
	result.kept.last = unpack_int(buf);
	result.kept.yielded_heap = unpack_int(buf);
	return result;
}
