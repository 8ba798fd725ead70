/*-------------------------------------------------------------------------
 *
 * loader_count.c
 *	  How many loaders a run can use.
 *
 * A loader costs a worker slot, an SSH session and a connection of the source.
 * A table that is loaded whole keeps one loader busy; one that is loaded in
 * steps keeps all of them busy.
 *
 * Loaders and sessions start before the source can be asked, because it takes
 * many round trips until they are ready.  So their number follows from the
 * local tables: a refresh brings about as much as there was.  A table that was
 * never analyzed may become large.  When the plan is made, loaders that it
 * cannot use are ended.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "utils/syscache.h"

#include "plan/loader_count.h"
#include "plan/selection_request.h"
#include "schema/local_catalog.h"

/*
 * The size of a local relation by its statistics, heap and TOAST; -1 if it has
 * none.
 */
static double
known_bytes(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Form_pg_class form;
	double		pages = -1;
	Oid			toast = InvalidOid;

	if (!HeapTupleIsValid(tuple))
		return 0;
	form = (Form_pg_class) GETSTRUCT(tuple);
	if (form->reltuples >= 0)
	{
		pages = (BlockNumber) form->relpages;
		toast = form->reltoastrelid;
	}
	ReleaseSysCache(tuple);
	if (pages < 0)
		return -1;
	return pages * BLCKSZ + (OidIsValid(toast) ? Max(0, known_bytes(toast)) : 0);
}

/* The tables and partitions (CatalogRelation *) that have the rows. */
static List *
tables_with_rows(List *relations)
{
	List	   *tables = NIL;
	ListCell   *lc;

	foreach(lc, relations)
	{
		CatalogRelation *relation = lfirst(lc);

		if (relation->kind == RELKIND_PARTITIONED_TABLE)
			tables = list_concat_unique_ptr(tables, relation->leaves);
		else
			tables = list_append_unique_ptr(tables, relation);
	}
	return tables;
}

int
likely_loaders(const PlanRequest *request, const SyncConfig *config, int jobs)
{
	Catalog    *local = local_catalog_read(selection_schemas(request, config));
	List	   *likely = selection_likely(request, config, local);
	int			loaders = 0;
	ListCell   *lc;

	if (likely == NIL)
		return jobs;
	foreach(lc, tables_with_rows(likely))
	{
		double		bytes = known_bytes(((CatalogRelation *) lfirst(lc))->oid);

		if (bytes < 0 || bytes >= STEPS_MIN_BYTES / 2)
			return jobs;
		loaders++;
	}
	return Max(1, Min(loaders, jobs));
}

int
needed_loaders(const List *tables, int jobs)
{
	int			loaders = 0;
	ListCell   *lc;

	foreach(lc, tables)
	{
		const TablePlan *table = lfirst(lc);

		if (table->message == NULL)
			loaders += table->copy_parts != NIL ? jobs : 1;
		if (loaders >= jobs)
			return jobs;
	}
	return Max(1, loaders);
}
