/*-------------------------------------------------------------------------
 *
 * port_holder.c
 *	  Finds out which run has a local port.
 *
 * Runs of all databases of the server exclude each other by an advisory lock
 * on the port.  pg_locks has the process that holds it, and pg_stat_activity
 * its database and what it does: leaders write "run 12: …" there.  The role
 * is in the audit, which can be read only in this database.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "apply/port_holder.h"

static const char *const holder_query =
	"SELECT pg_catalog.format('%s of process %s in database \"%s\"%s has it since %s.',"
	" CASE WHEN h.run OPERATOR(pg_catalog.>) 0 THEN pg_catalog.format('Run %s', h.run)"
	"  ELSE 'A check or plan' END, h.pid, h.datname,"
	" CASE WHEN r.id IS NOT NULL THEN pg_catalog.format(', called by role \"%s\",', r.role) ELSE '' END,"
	" pg_catalog.to_char(h.backend_start, 'YYYY-MM-DD HH24:MI:SS TZ'))"
	" FROM (SELECT a.pid, a.datname, a.backend_start,"
	"  pg_catalog.\"substring\"(a.query, '^run (\\d{1,18}):')::pg_catalog.int8 AS run"
	"  FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a"
	"  ON a.pid OPERATOR(pg_catalog.=) l.pid"
	"  WHERE l.locktype OPERATOR(pg_catalog.=) 'advisory' AND l.granted"
	"  AND l.database::pg_catalog.int8 OPERATOR(pg_catalog.=) $1"
	"  AND l.classid::pg_catalog.int8 OPERATOR(pg_catalog.=) $2"
	"  AND l.objid::pg_catalog.int8 OPERATOR(pg_catalog.=) $3"
	"  AND l.objsubid::pg_catalog.int8 OPERATOR(pg_catalog.=) $4) h"
	" LEFT JOIN pgtunsync_internal.runs r ON r.id OPERATOR(pg_catalog.=) h.run"
	"  AND h.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()";

char *
port_holder(const LOCKTAG *tag)
{
	Oid			types[4] = {INT8OID, INT8OID, INT8OID, INT8OID};
	Datum		values[4] = {
		Int64GetDatum(tag->locktag_field1), Int64GetDatum(tag->locktag_field2),
		Int64GetDatum(tag->locktag_field3), Int64GetDatum(tag->locktag_field4)
	};
	MemoryContext context = CurrentMemoryContext;
	char	   *text = NULL;

	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	if (SPI_execute_with_args(holder_query, lengthof(types), types, values, NULL, true, 1) == SPI_OK_SELECT &&
		SPI_processed > 0)
		text = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	text = MemoryContextStrdup(context, text ? text : "Another run has it.");
	SPI_finish();
	PopActiveSnapshot();
	return text;
}
