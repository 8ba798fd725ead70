/*-------------------------------------------------------------------------
 *
 * lock_holders.c
 *	  Names the sessions that hold locks on tables, for errors.
 *
 * Somebody who reads "could not lock the table" at night needs to know whose
 * transaction it is, and how to end it.  The rules are those of
 * pg_stat_activity: process, role and application of a session are for
 * everybody; its state, its times and its query are for the role itself, for
 * superusers, and for members of pg_read_all_stats.
 *
 * The query runs as superuser, so it applies these rules for the caller of the
 * pull.  The process itself is left out.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "apply/lock_holders.h"

#define SHOWN_HOLDERS	"3"
/* characters of a query that are shown */
#define QUERY_LENGTH	"100"

/* The columns of the query. */
enum
{
	HOLDER_TEXT = 1, HOLDER_COMMAND
};

static char *
oid_array(const List *oids)
{
	StringInfoData text;
	ListCell   *lc;

	initStringInfo(&text);
	foreach(lc, oids)
		appendStringInfo(&text, "%s%u", text.len > 0 ? "," : "", lfirst_oid(lc));
	return psprintf("'{%s}'::pg_catalog.oid[]", text.data);
}

/*
 * One row for each holder, the one with the oldest transaction first.  A lock
 * of a prepared transaction has no process.
 */
static char *
holders_query(const List *tables, const List *outside, Oid role)
{
	return psprintf(
		"SELECT CASE WHEN h.gid IS NOT NULL"
		" THEN format('Prepared transaction %%L of role %%I, prepared at %%s, has locked %%s.',"
		" h.gid, h.owner, date_trunc('second', h.prepared), h.names)"
		" ELSE format('Process %%s (%%s) has locked %%s%%s.', h.pid,"
		" concat_ws(', ', 'application ' || quote_literal(nullif(h.application_name, '')),"
		" 'role ' || quote_ident(h.usename), CASE WHEN h.visible THEN h.state || ' since '"
		" || date_trunc('second', h.state_change) END, CASE WHEN h.visible"
		" THEN 'in a transaction since ' || date_trunc('second', h.xact_start) END), h.names,"
		" CASE WHEN h.visible AND h.query <> '' THEN '; its last query: '"
		" || left(regexp_replace(h.query, '\\s+', ' ', 'g'), " QUERY_LENGTH ") ELSE '' END) END,"
		" CASE WHEN h.gid IS NOT NULL THEN format('ROLLBACK PREPARED %%L;', h.gid)"
		" ELSE format('SELECT pg_terminate_backend(%%s);', h.pid) END"
		" FROM (SELECT l.pid, x.gid, x.owner, x.prepared, a.application_name, a.usename, a.state,"
		" a.state_change, a.xact_start, a.query,"
		" coalesce(pg_has_role(%u, a.usesysid, 'USAGE'), false)"
		" OR pg_has_role(%u, 'pg_read_all_stats', 'USAGE') AS visible,"
		" string_agg(DISTINCT format('%%I.%%I', n.nspname, c.relname), ', ') AS names"
		" FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace"
		" LEFT JOIN pg_stat_activity a ON a.pid = l.pid"
		" LEFT JOIN pg_locks t ON l.pid IS NULL AND t.pid IS NULL AND t.locktype = 'transactionid'"
		" AND t.virtualtransaction = l.virtualtransaction"
		" LEFT JOIN pg_prepared_xacts x ON x.transaction = t.transactionid"
		" WHERE l.locktype = 'relation' AND l.granted AND l.pid IS DISTINCT FROM pg_backend_pid()"
		" AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
		" AND (l.relation = ANY (%s) OR (l.relation = ANY (%s) AND l.mode = 'AccessExclusiveLock'))"
		" GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, a.usesysid) h"
		" ORDER BY coalesce(h.prepared, h.xact_start) LIMIT " SHOWN_HOLDERS,
		role, role, oid_array(tables), oid_array(outside));
}

static char *
column_text(uint64 row, int column)
{
	char	   *value = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);

	return value ? value : "";
}

/* Reads the rows into the context. */
static LockHolders *
read_holders(MemoryContext context)
{
	MemoryContext oldcontext;
	LockHolders *holders;
	StringInfoData detail;

	if (SPI_processed == 0)
		return NULL;
	oldcontext = MemoryContextSwitchTo(context);
	holders = palloc(sizeof(LockHolders));
	initStringInfo(&detail);
	for (uint64 i = 0; i < SPI_processed; i++)
		appendStringInfo(&detail, "%s%s", i > 0 ? "\n" : "", column_text(i, HOLDER_TEXT));
	holders->detail = detail.data;
	holders->hint = psprintf("End it by %s if nobody needs it, or try again later, "
							 "or raise \"pgtunsync.lock_timeout\".", column_text(0, HOLDER_COMMAND));
	MemoryContextSwitchTo(oldcontext);
	return holders;
}

LockHolders *
lock_holders(const List *tables, const List *outside, Oid role)
{
	MemoryContext context = CurrentMemoryContext;
	char	   *sql = holders_query(tables, outside, role);
	LockHolders *holders;

	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	if (SPI_execute(sql, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read pg_locks");
	holders = read_holders(context);
	SPI_finish();
	PopActiveSnapshot();
	pfree(sql);
	return holders;
}
