/*-------------------------------------------------------------------------
 *
 * matview.c
 *	  Handles materialized views over tables that were pulled.
 *
 * A materialized view keeps the rows of its last refresh, so it shows old data
 * after a pull.  Refreshing it may take longer than the pull.  By default, a
 * NOTICE lists such views.  With refresh => true they are refreshed after the
 * commit, one by one, in the order of their dependencies.  REFRESH
 * MATERIALIZED VIEW itself switches to the owner of the view.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "base/compat.h"
#include "base/text.h"
#include "base/user_context.h"
#include "base/worker_message.h"
#include "apply/matview.h"

/* The limit on the depth ends the recursion for unreasonably deep views. */
#define DEPENDENTS_SQL \
	"WITH RECURSIVE reader(oid, depth) AS (" \
	" SELECT t, 0 FROM pg_catalog.unnest($1) t" \
	" UNION" \
	" SELECT r.ev_class, reader.depth + 1 FROM reader" \
	"  JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass" \
	"   AND d.refobjid = reader.oid AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass" \
	"  JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid AND r.ev_class <> reader.oid" \
	"  JOIN pg_catalog.pg_class v ON v.oid = r.ev_class AND v.relkind IN ('v', 'm')" \
	"  WHERE reader.depth < 32)" \
	" SELECT c.oid FROM reader JOIN pg_catalog.pg_class c USING (oid)" \
	" WHERE c.relkind = 'm' AND c.relispopulated GROUP BY c.oid ORDER BY pg_catalog.max(depth), c.oid"

static Datum
oid_array(const List *oids)
{
	Datum	   *elems = palloc(sizeof(Datum) * Max(1, list_length(oids)));
	ListCell   *lc;
	int			n = 0;

	foreach(lc, oids)
		elems[n++] = ObjectIdGetDatum(lfirst_oid(lc));
	return PointerGetDatum(construct_array(elems, n, OIDOID, sizeof(Oid), true, TYPALIGN_INT));
}

List *
matviews_over(const List *tables)
{
	MemoryContext result_context = CurrentMemoryContext;
	Oid			argtypes[] = {OIDARRAYOID};
	Datum		args[] = {oid_array(tables)};
	List	   *found = NIL;

	SPI_connect();
	if (SPI_execute_with_args(DEPENDENTS_SQL, 1, argtypes, args, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not look for materialized views");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		Datum		oid = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull);
		MemoryContext oldcontext = MemoryContextSwitchTo(result_context);

		found = lappend_oid(found, DatumGetObjectId(oid));
		MemoryContextSwitchTo(oldcontext);
	}
	SPI_finish();
	return found;
}

static char *
matview_name(Oid matview)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(matview)),
									  get_rel_name(matview));
}

void
matviews_report(const List *matviews)
{
	List	   *names = NIL;
	ListCell   *lc;

	foreach(lc, matviews)
		names = lappend(names, matview_name(lfirst_oid(lc)));
	if (names != NIL)
		ereport(NOTICE,
				(errmsg("materialized views still show the rows from before the pull: %s",
						names_text(names, false)),
				 errhint("Use REFRESH MATERIALIZED VIEW, or pull with refresh => true.")));
}

/* Runs REFRESH in a subtransaction.  An error becomes a WARNING. */
static void
try_refresh(Oid matview)
{
	MemoryContext oldcontext = CurrentMemoryContext;
	ResourceOwner oldowner = CurrentResourceOwner;
	char	   *sql = psprintf("REFRESH MATERIALIZED VIEW %s", matview_name(matview));

	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		owner_apply_settings();
		SPI_connect();
		SPI_execute(sql, false, 0);
		SPI_finish();
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		MemoryContextSwitchTo(oldcontext);
		edata = CopyErrorData();
		if (edata->sqlerrcode == ERRCODE_QUERY_CANCELED)
			PG_RE_THROW();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		ereport(WARNING,
				(errcode(edata->sqlerrcode),
				 errmsg("materialized view %s could not be refreshed: %s",
						matview_name(matview), edata->message)));
	}
	PG_END_TRY();
	MemoryContextSwitchTo(oldcontext);
	CurrentResourceOwner = oldowner;
}

void
matview_refresh(Oid matview, Oid role)
{
	if (!compat_owns_relation(matview, role))
		ereport(WARNING,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("materialized view %s was not refreshed: must be its owner",
						matview_name(matview))));
	else
	{
		relay_set_subject(matview_name(matview));
		try_refresh(matview);
		relay_set_subject(NULL);
	}
}
