/*-------------------------------------------------------------------------
 *
 * source_room.c
 *	  How many connections the source has for a run.
 *
 * Three limits count: that of the role, that of the database, and
 * max_connections less what is reserved.  Every role can read them, and can
 * count the sessions of others.  The numbers are those of one moment: what is
 * free may be taken by others before a loader connects.
 *
 * A connection pooler in front of the source has limits of its own, which
 * cannot be seen.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"

#include "schema/source_room.h"
#include "source/result_reader.h"

enum
{
	ROOM_ROLE, ROOM_DATABASE, ROOM_ROLE_LIMIT, ROOM_DATABASE_LIMIT, ROOM_SERVER_LIMIT,
	ROOM_ROLE_USED, ROOM_DATABASE_USED, ROOM_SERVER_USED
};

#define ANY_INT	RESULT_INT, .min = PG_INT32_MIN, .max = PG_INT32_MAX

static const ResultColumn room_columns[] = {
	[ROOM_ROLE] = {"rolname", RESULT_NAME},
	[ROOM_DATABASE] = {"datname", RESULT_NAME},
	[ROOM_ROLE_LIMIT] = {"rolconnlimit", ANY_INT},
	[ROOM_DATABASE_LIMIT] = {"datconnlimit", ANY_INT},
	[ROOM_SERVER_LIMIT] = {"max_connections", ANY_INT},
	[ROOM_ROLE_USED] = {"sessions of the role", ANY_INT},
	[ROOM_DATABASE_USED] = {"sessions in the database", ANY_INT},
	[ROOM_SERVER_USED] = {"sessions", ANY_INT}
};
static const ResultShape room_shape = {"free connections", room_columns, lengthof(room_columns)};

/*
 * The limits of role and database do not hold for superusers.  Sessions of this
 * run have its application_name.  Other roles' kinds of sessions are hidden,
 * so parallel workers are counted as well.
 */
static const char room_query[] =
"SELECT r.rolname, d.datname,"
" CASE WHEN r.rolsuper THEN -1 ELSE r.rolconnlimit END,"
" CASE WHEN r.rolsuper THEN -1 ELSE d.datconnlimit END,"
" pg_catalog.current_setting('max_connections')::int"
" - CASE WHEN r.rolsuper THEN 0 ELSE pg_catalog.current_setting('superuser_reserved_connections')::int END"
" - CASE WHEN r.rolsuper THEN 0"
" ELSE coalesce(pg_catalog.current_setting('reserved_connections', true)::int, 0) END,"
" count(*) FILTER (WHERE a.usesysid = r.oid), count(*) FILTER (WHERE a.datid = d.oid), count(a.pid)"
" FROM pg_catalog.pg_roles r CROSS JOIN pg_catalog.pg_database d"
" LEFT JOIN pg_catalog.pg_stat_activity a ON a.usesysid IS NOT NULL AND a.datid IS NOT NULL"
" AND a.application_name IS DISTINCT FROM pg_catalog.current_setting('application_name')"
" WHERE r.rolname = session_user AND d.datname = pg_catalog.current_database()"
" GROUP BY r.oid, r.rolname, r.rolsuper, r.rolconnlimit, d.oid, d.datname, d.datconnlimit";

static SourceRoom *
read_room(const ResultReader *reader)
{
	SourceRoom *room = palloc(sizeof(SourceRoom));

	room->role = source_text(result_text(reader, ROOM_ROLE));
	room->database = source_text(result_text(reader, ROOM_DATABASE));
	room->role_limit = result_int(reader, ROOM_ROLE_LIMIT);
	room->database_limit = result_int(reader, ROOM_DATABASE_LIMIT);
	room->server_limit = result_int(reader, ROOM_SERVER_LIMIT);
	room->role_used = result_int(reader, ROOM_ROLE_USED);
	room->database_used = result_int(reader, ROOM_DATABASE_USED);
	room->server_used = result_int(reader, ROOM_SERVER_USED);
	return room;
}

SourceRoom *
source_room(Source *source, const char *begin, const char *end)
{
	SourceRoom *room = NULL;
	ResultReader *reader;

	source_show_texts(source);
	source_send(source, psprintf("%s; %s; %s", begin, room_query, end));
	source_receive(source);
	result_skip(source);
	reader = result_begin(source, &room_shape, 1, 1);
	while (result_next(reader))
		room = read_room(reader);
	result_finish(source);
	return room;
}

/* What is left of a limit. */
static int
left_of(int limit, int used)
{
	return limit < 0 ? PG_INT32_MAX : Max(0, limit - used);
}

int
source_room_free(const SourceRoom *room)
{
	return Min(left_of(room->server_limit, room->server_used),
			   Min(left_of(room->role_limit, room->role_used),
				   left_of(room->database_limit, room->database_used)));
}

static void
append_limit(StringInfo buf, const char *what, int limit, int used)
{
	if (limit < 0)
		return;
	appendStringInfo(buf, "%s%s: %d of %d in use by others", buf->len > 0 ? ", " : "", what, used, limit);
}

char *
source_room_text(const SourceRoom *room)
{
	StringInfoData buf;

	initStringInfo(&buf);
	append_limit(&buf, psprintf("role %s", quote_identifier(room->role)), room->role_limit, room->role_used);
	append_limit(&buf, psprintf("database %s", quote_identifier(room->database)), room->database_limit,
				 room->database_used);
	append_limit(&buf, "server", room->server_limit, room->server_used);
	return buf.data;
}

char *
source_room_hint(const SourceRoom *room, int needed)
{
	if (left_of(room->role_limit, room->role_used) < needed)
		return psprintf("On the source: ALTER ROLE %s CONNECTION LIMIT %d;",
						quote_identifier(room->role), room->role_used + needed);
	if (left_of(room->database_limit, room->database_used) < needed)
		return psprintf("On the source: ALTER DATABASE %s CONNECTION LIMIT %d;",
						quote_identifier(room->database), room->database_used + needed);
	if (left_of(room->server_limit, room->server_used) < needed)
		return pstrdup("Wait until other sessions of the source have ended, or raise max_connections there.");
	return pstrdup("If a connection pooler stands in front of the source, let it have more connections.");
}
