/*-------------------------------------------------------------------------
 *
 * keep.c
 *	  Which local rows a replace must not lose.
 *
 * A pattern means a table (tenants, app.tenants) or, with a column, every
 * table that has it (*.tenant_id).  Unlike with data rules, the first match is
 * not the only one: what any condition asks for is kept, so that none can lose
 * what another one keeps.  How rows are kept: kept.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"

#include "plan/clause.h"
#include "plan/column_pattern.h"
#include "plan/keep.h"
#include "schema/local_catalog.h"
#include "base/glob.h"

static bool
means_table(const char *pattern, const CatalogRelation *relation)
{
	for (; relation != NULL; relation = relation->parent)
	{
		if (glob_matches(pattern, relation->name, true) ||
			glob_matches(pattern, psprintf("%s.%s", relation->schema, relation->name), false))
			return true;
	}
	return false;
}

/* A word by itself is a table, never a column. */
static bool
means_column(const char *pattern, const CatalogRelation *relation)
{
	ListCell   *lc;

	if (strchr(pattern, '.') == NULL)
		return false;
	foreach(lc, relation->columns)
	{
		if (column_pattern_matches(pattern, relation, NULL, ((CatalogColumn *) lfirst(lc))->name))
			return true;
	}
	return false;
}

static RowExpression *
condition(const SyncConfig *config, const SyncExpression *keep)
{
	ClauseValues no_values = {0};
	RowExpression *expression = palloc0(sizeof(RowExpression));
	Clause	   *clause;

	expression->what = psprintf("keep of \"%s\", line %d of file \"%s\"", keep->pattern,
								keep->line, config->path);
	clause = clause_parse(keep->sql, &no_values, expression->what);
	if (clause->where == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("rows are kept by a condition, and nothing else"),
				 errcontext("%s: %s", expression->what, keep->sql)));
	expression->sql = clause->where;
	return expression;
}

List *
keep_plan(KeepContext *context, const CatalogRelation *local)
{
	List	   *conditions = NIL;
	ListCell   *lc;

	foreach(lc, context->config->keeps)
	{
		SyncExpression *keep = lfirst(lc);

		if (!means_table(keep->pattern, local) && !means_column(keep->pattern, local))
			continue;
		context->matched = list_append_unique_ptr(context->matched, keep);
		conditions = lappend(conditions, condition(context->config, keep));
	}
	return conditions;
}

List *
keep_texts(const List *conditions)
{
	List	   *texts = NIL;
	ListCell   *lc;

	foreach(lc, conditions)
		texts = lappend(texts, ((RowExpression *) lfirst(lc))->sql);
	return texts;
}

static bool
matches_any(const char *pattern, const List *relations)
{
	ListCell   *lc;

	foreach(lc, relations)
	{
		CatalogRelation *relation = lfirst(lc);

		if ((relation->kind == RELKIND_RELATION || relation->kind == RELKIND_PARTITIONED_TABLE) &&
			(means_table(pattern, relation) || means_column(pattern, relation)))
			return true;
	}
	return false;
}

void
keep_warn_unmatched(const KeepContext *context)
{
	Catalog    *catalog = NULL;
	ListCell   *lc;

	foreach(lc, context->config->keeps)
	{
		SyncExpression *keep = lfirst(lc);

		if (list_member_ptr(context->matched, keep))
			continue;
		if (catalog == NULL)
			catalog = local_catalog_read_all();
		if (!matches_any(keep->pattern, catalog->relations))
			ereport(WARNING,
					(errcode(ERRCODE_WARNING),
					 errmsg("\"%s\" in \"keep\", line %d of file \"%s\", matches no table here",
							keep->pattern, keep->line, context->config->path)));
	}
}
