/*-------------------------------------------------------------------------
 *
 * server_identity.c
 *	  Do all connections of a run lead to the same server?
 *
 * A name may lead to several standbys in turn.  A snapshot is exported by one
 * server; another one does not know it, or, if the worst comes to the worst,
 * has another snapshot of the same name.  So each transaction of a loader
 * begins with a statement that fails on another server.  What tells servers
 * apart is the start of the postmaster: standbys share the system identifier,
 * and behind a pooler the address is not theirs.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/timestamp.h"

#include "source/result_reader.h"
#include "source/server_identity.h"

static const ResultColumn start_columns[] = {
	{"start_time", RESULT_INT, .min = 0, .max = INT64CONST(1) << 53}
};
static const ResultShape start_shape = {"the start of the server", start_columns, lengthof(start_columns)};

void
server_append_check(StringInfo sql, int64 start_time)
{
	appendStringInfo(sql,
					 "SELECT FROM (SELECT 1 / CASE WHEN " SERVER_START_SQL " = " INT64_FORMAT
					 " THEN 1 ELSE 0 END AS same OFFSET 0) s WHERE same IS NULL; ",
					 start_time);
}

/* Microseconds since 1970 as text. */
static char *
start_text(int64 start_time)
{
	int64		epoch = ((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE)) * USECS_PER_DAY;

	return pstrdup(timestamptz_to_str(start_time - epoch));
}

void
server_check(Source *source, int64 start_time)
{
	ResultReader *reader;
	int64		found = start_time;

	result_run(source, "ROLLBACK");
	source_show_texts(source);
	source_send(source, "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; SELECT " SERVER_START_SQL "; COMMIT");
	source_receive(source);
	result_skip(source);
	reader = result_begin(source, &start_shape, 1, 1);
	while (result_next(reader))
		found = result_int(reader, 0);
	result_finish(source);
	if (found == start_time)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the connections to the source %s lead to different servers", source_name(source)),
			 errdetail("One server was started at %s, another one at %s.",
					   start_text(start_time), start_text(found)),
			 errhint("All rows are read from one snapshot, which only one server has. "
					 "Let PGSYNC_REMOTE_HOST name one of them.")));
}

bool
server_may_differ(int sqlerrcode)
{
	return sqlerrcode == ERRCODE_DIVISION_BY_ZERO ||	/* server_append_check() */
		sqlerrcode == ERRCODE_INVALID_PARAMETER_VALUE ||	/* SET TRANSACTION SNAPSHOT */
		sqlerrcode == ERRCODE_UNDEFINED_OBJECT ||
		sqlerrcode == ERRCODE_FEATURE_NOT_SUPPORTED ||
		sqlerrcode == ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
}
