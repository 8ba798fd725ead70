/*-------------------------------------------------------------------------
 *
 * rewrite.c
 *	  Which columns get values that are computed here.
 *
 * A data rule is computed on the source, for what must not leave it.  A
 * rewrite is computed here, when a row has arrived, for what only this
 * database knows: a reference to a table that is not pulled gets a row that we
 * have.  The first pattern that matches a column decides, as with data rules.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "plan/clause.h"
#include "plan/column_pattern.h"
#include "schema/local_catalog.h"
#include "plan/rewrite.h"

static const SyncExpression *
find_rewrite(const SyncConfig *config, const CatalogRelation *local,
			 const CatalogRelation *source, const char *column)
{
	ListCell   *lc;

	foreach(lc, config->rewrites)
	{
		SyncExpression *rewrite = lfirst(lc);

		if (column_pattern_matches(rewrite->pattern, local, source, column))
			return rewrite;
	}
	return NULL;
}

static char *
place_of(const SyncConfig *config, const SyncExpression *rewrite)
{
	return psprintf("rewrite of \"%s\", line %d of file \"%s\"", rewrite->pattern,
					rewrite->line, config->path);
}

List *
rewrite_plan(RewriteContext *context, const CatalogRelation *local,
			 const CatalogRelation *source, char **problem)
{
	List	   *rewrites = NIL;
	ListCell   *lc;

	*problem = NULL;
	if (context->config->rewrites == NIL)
		return NIL;
	foreach(lc, local->columns)
	{
		CatalogColumn *column = lfirst(lc);
		const SyncExpression *rewrite = find_rewrite(context->config, local, source, column->name);
		RowExpression *expression;

		if (rewrite == NULL)
			continue;
		context->matched = list_append_unique_ptr(context->matched, (void *) rewrite);
		if (column->generated)
		{
			*problem = psprintf("The %s, means column %s, which is generated.",
								place_of(context->config, rewrite), quote_identifier(column->name));
			return NIL;
		}
		expression = palloc0(sizeof(RowExpression));
		expression->column = column->name;
		expression->what = place_of(context->config, rewrite);
		expression->sql = clause_expression(rewrite->sql, expression->what);
		rewrites = lappend(rewrites, expression);
	}
	return rewrites;
}

bool
rewrite_gives(const List *rewrites, const char *column)
{
	ListCell   *lc;

	foreach(lc, rewrites)
	{
		if (strcmp(((RowExpression *) lfirst(lc))->column, column) == 0)
			return true;
	}
	return false;
}

List *
rewrite_texts(const List *rewrites)
{
	List	   *texts = NIL;
	ListCell   *lc;

	foreach(lc, rewrites)
	{
		RowExpression *expression = lfirst(lc);

		texts = lappend(texts, psprintf("%s: %s", quote_identifier(expression->column),
										expression->sql));
	}
	return texts;
}

/* True if the pattern means a column of these tables. */
static bool
matches_any(const char *pattern, const List *relations)
{
	ListCell   *lc;
	ListCell   *lc_column;

	foreach(lc, relations)
	{
		CatalogRelation *relation = lfirst(lc);

		foreach(lc_column, relation->columns)
		{
			if (column_pattern_matches(pattern, relation, NULL,
									   ((CatalogColumn *) lfirst(lc_column))->name))
				return true;
		}
	}
	return false;
}

void
rewrite_warn_unmatched(const RewriteContext *context)
{
	Catalog    *catalog = NULL;
	ListCell   *lc;

	foreach(lc, context->config->rewrites)
	{
		SyncExpression *rewrite = lfirst(lc);

		if (list_member_ptr(context->matched, rewrite))
			continue;
		if (catalog == NULL)
			catalog = local_catalog_read_all();
		if (!matches_any(rewrite->pattern, catalog->relations))
			ereport(WARNING,
					(errcode(ERRCODE_WARNING),
					 errmsg("rewrite of \"%s\" in line %d of file \"%s\" matches no column here",
							rewrite->pattern, rewrite->line, context->config->path)));
	}
}
