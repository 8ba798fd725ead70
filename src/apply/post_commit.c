/*-------------------------------------------------------------------------
 *
 * post_commit.c
 *	  Does the work after the commit.
 *
 * The run is committed.  No error here can undo it, and readers already see
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
 * Returns whether n_distinct of the column is set.  A non-null
 * pg_attribute.attoptions does not prove it: minor releases of 2026 store a
 * version of every column there.
 */
static bool
has_n_distinct(Oid relid, AttrNumber attnum)
{
	AttributeOpts *options = get_attribute_options(relid, attnum);

	return options != NULL && (options->n_distinct != 0 || options->n_distinct_inherited != 0);
}

/*
 * Returns whether columns have statistics settings that a staging heap does
 * not inherit.
 */
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

/*
 * Returns whether the table needs its own ANALYZE, in addition to that of its
 * staging heap.
 */
static bool
needs_analyze(Relation rel)
{
	return RelationGetStatExtList(rel) != NIL || rel->rd_rel->relhassubclass ||
		has_statistics_settings(rel);
}

/*
 * Returns the table's quoted name if it needs ANALYZE, else NULL.  Keeps no
 * lock.
 */
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
 * Runs ANALYZE.  The entry is for the current role: ANALYZE itself switches to
 * the owner before it evaluates expressions.
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
 * Does not wait for locks: the holder of a lock, such as another pull, may
 * wait for this process.
 */
void
post_commit_analyze(const List *targets)
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

/* Reports or refreshes materialized views over the new rows. */
void
post_commit_matviews(const List *targets, bool refresh, Oid role)
{
	MemoryContext oldcontext = CurrentMemoryContext;
	List	   *matviews;
	ListCell   *lc;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	MemoryContextSwitchTo(oldcontext);	/* the list outlives the transaction */
	matviews = matviews_over(targets);
	if (!refresh)
		matviews_report(matviews);
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
