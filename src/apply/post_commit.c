/*-------------------------------------------------------------------------
 *
 * post_commit.c
 *	  What is left to do when the new rows are in place.
 *
 * The run is committed: nothing in here can undo it, and readers already see
 * the new rows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/attoptcache.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/snapmgr.h"

#include "apply/post_commit.h"
#include "base/compat.h"
#include "base/user_context.h"
#include "apply/matview.h"

/*
 * Is the column's n_distinct set?  That pg_attribute.attoptions is not null does
 * not say so: minor releases of 2026 keep a version of every column there.
 */
static bool
has_n_distinct(Oid relid, AttrNumber attnum)
{
	AttributeOpts *options = get_attribute_options(relid, attnum);

	return options != NULL && (options->n_distinct != 0 || options->n_distinct_inherited != 0);
}

/* Do columns have statistics settings that a staging heap did not take over? */
static bool
has_statistics_settings(Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);

	for (int i = 1; i <= desc->natts; i++)
		if (!TupleDescAttr(desc, i - 1)->attisdropped &&
			(has_n_distinct(RelationGetRelid(rel), i) || compat_has_statistics_target(rel, i)))
			return true;
	return false;
}

/* Is there more to know of the table than ANALYZE of its staging heap told? */
static bool
needs_analyze(Relation rel)
{
	return RelationGetStatExtList(rel) != NIL || rel->rd_rel->relhassubclass ||
		has_statistics_settings(rel);
}

/* The table's quoted name if it needs ANALYZE, else NULL; no lock is kept. */
static char *
name_to_analyze(Oid relid)
{
	Relation	rel = try_relation_open(relid, AccessShareLock);
	char	   *name = NULL;

	if (rel == NULL)
		return NULL;
	if (needs_analyze(rel))
		name = quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
										  RelationGetRelationName(rel));
	relation_close(rel, AccessShareLock);
	return name;
}

/*
 * Enters as ourselves: ANALYZE switches to the owner, and evaluates
 * expressions.
 */
static void
analyze(const char *name)
{
	OwnerContext context;

	owner_enter(&context, GetUserId());
	owner_allow_ms(OWNER_ANALYZE_MS);
	SPI_connect();
	owner_pass_statement();
	SPI_execute(psprintf("ANALYZE (SKIP_LOCKED) %s", name), false, 0);
	SPI_finish();
	owner_leave(&context);
}

/*
 * Without waiting for locks: whoever holds the table now, another pull perhaps,
 * may wait for us in turn.
 */
void
aftermath_analyze(const List *targets)
{
	ListCell   *lc;

	foreach(lc, targets)
	{
		char	   *name;

		StartTransactionCommand();
		PushActiveSnapshot(GetTransactionSnapshot());
		name = name_to_analyze(lfirst_oid(lc));
		if (name != NULL)
			analyze(name);
		PopActiveSnapshot();
		CommitTransactionCommand();
	}
}

/* Materialized views over the new rows: told, or refreshed. */
void
aftermath_matviews(const List *targets, bool refresh, Oid role)
{
	MemoryContext oldcontext = CurrentMemoryContext;
	List	   *matviews;
	ListCell   *lc;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	MemoryContextSwitchTo(oldcontext);	/* the list outlives the transaction */
	matviews = matviews_over(targets);
	if (!refresh)
		matviews_tell(matviews);
	PopActiveSnapshot();
	CommitTransactionCommand();
	if (!refresh)
		return;
	foreach(lc, matviews)
	{
		StartTransactionCommand();
		PushActiveSnapshot(GetTransactionSnapshot());
		matview_refresh(lfirst_oid(lc), role);
		PopActiveSnapshot();
		CommitTransactionCommand();
	}
}
