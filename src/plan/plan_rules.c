/*-------------------------------------------------------------------------
 *
 * plan_rules.c
 *	  The configuration's rules for one table: masks, rewrites, kept rows.
 *
 * Columns that look sensitive and have no rule are listed, and fail the table
 * if the caller must not pull them unmasked (pgtunsync.require_rules).  So are
 * text search vectors beside masked columns: a trigger may have made them of
 * what is masked.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"

#include "base/text.h"
#include "base/similar_name.h"
#include "plan/copy_sql.h"
#include "plan/generated_masks.h"
#include "plan/keep.h"
#include "plan/mask.h"
#include "plan/plan_rules.h"
#include "plan/planner_state.h"
#include "plan/relation_names.h"
#include "plan/rewrite.h"
#include "plan/selection.h"
#include "plan/sensitive.h"
#include "schema/local_catalog.h"
#include "schema/source_catalog.h"

void
plan_set_rewrites(Planner *planner, TablePlan *table, const Choice *choice)
{
	char	   *problem;

	table->row_name = choice->root ? choice->root->name : choice->name;
	table->rewrites = rewrite_plan(&planner->rewrites, choice->local, choice->source, &problem);
	if (problem != NULL)
		table_fail(table, ERRCODE_GENERATED_ALWAYS,
				   psprintf("cannot pull %s: a generated column cannot be rewritten", table->display),
				   problem, NULL);
}

void
plan_set_keep(Planner *planner, TablePlan *table, const Choice *choice)
{
	List	   *conditions = keep_plan(&planner->keeps, choice->local);

	if (table->mode == LAND_REPLACE)
		table->keep = conditions;
	else if (table->mode == LAND_APPEND && conditions != NIL)
		table_fail(table, ERRCODE_FEATURE_NOT_SUPPORTED,
				   psprintf("cannot pull %s in mode \"append\": rows of it are kept", table->display),
				   "Append adds rows beyond the highest key, which a kept row may have.", NULL);
}

/* ---- masks ---- */

/* The travelling column as the source sends it, its mask put on. */
static CatalogColumn *
masked_column(const CatalogColumn *source, const CatalogColumn *local, const Mask *mask)
{
	CatalogColumn *column = palloc(sizeof(CatalogColumn));

	*column = *source;
	column->mask = mask->sql;
	column->readable = true;	/* what the mask reads is seen when it is tried */
	column->generated = false;
	if (mask->type == NULL)
		return column;
	column->type = mask->type;
	column->typid = strcmp(mask->type, local->type) == 0 ? local->typid : TEXTOID;
	column->base_typid = strcmp(mask->type, local->type) == 0 ? local->base_typid : TEXTOID;
	return column;
}

/* Carries out the rule for one column; returns what is to travel. */
static CatalogColumn *
apply_rule(Planner *planner, TablePlan *table, const Choice *choice, const char *relation,
		   const CatalogColumn *local, CatalogColumn *source, bool *has_rule)
{
	Mask	   *mask = mask_column(&planner->masks, choice->local, choice->source, local, relation);

	*has_rule = mask != NULL;
	if (mask == NULL && looks_sensitive(local))
		plan_note_unmasked(planner, table, local->name);
	if (mask != NULL && mask->problem != NULL && table->message == NULL)
		table_fail(table, ERRCODE_DATATYPE_MISMATCH,
				   psprintf("cannot pull %s: data rule \"%s\" cannot work for column %s",
							table->display, mask->rule->kind, quote_identifier(local->name)),
				   psprintf("The column has type %s, and of rule \"%s\" (line %d of file \"%s\"): %s.",
							local->type, mask->rule->pattern, mask->rule->line,
							planner->config->path, mask->problem), NULL);
	if (mask != NULL && mask->nondeterministic && table->message == NULL &&
		(table->mode == LAND_OVERWRITE || table->mode == LAND_PRESERVE) &&
		names_include(choice->local->primary_key, local->name))
		table_fail(table, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
				   psprintf("cannot pull %s in mode \"%s\": data rule \"%s\" gives its primary key another value in each run",
							table->display, landing_name(table->mode), mask->rule->kind),
				   psprintf("The column is %s.", quote_identifier(local->name)),
				   "Use a pseudonym, which is always the same, or mode => 'replace'.");
	if (mask == NULL || mask->sql == NULL)
		return source;
	if (mask->user_sql)
		mask->sql = relations_resolve_expression(mask->sql, planner->source,
												 planner->request->search_path);
	table->user_sql |= mask->user_sql;
	table->masked_columns = lappend(table->masked_columns,
									psprintf("%s: %s", quote_identifier(local->name), mask->rule->kind));
	return masked_column(source, local, mask);
}

/* Refuses a key that would show what the column that it leads to is made of. */
static void
check_reference(Planner *planner, TablePlan *table, const Choice *choice,
				const CatalogColumn *column)
{
	char	   *generated = mask_generated_reference(&planner->masks, choice->local, choice->source,
													 column);

	if (generated != NULL && table->message == NULL)
		table_fail(table, ERRCODE_FEATURE_NOT_SUPPORTED,
				   psprintf("cannot pull %s: column %s refers to %s, which the source generates from masked columns",
							table->display, quote_identifier(column->name), generated),
				   "Its values are those of the source, unmasked.",
				   psprintf("Give %s a rule in \"data_rules\", such as a pseudonym; the reference follows it.",
							generated));
}

/* A column without a rule, once it is known how the others are sent. */
static CatalogColumn *
apply_no_rule(Planner *planner, TablePlan *table, const Choice *choice, const char *relation,
			  CatalogColumn *column, List *sent)
{
	check_reference(planner, table, choice, column);
	if (column->made_of != NIL)
		return generated_mask(planner, table, choice, relation, column, sent);
	if (column->base_typid == TSVECTOROID && table->masked_columns != NIL)
		plan_note_unmasked(planner, table, column->name);
	return column;
}

List *
plan_apply_rules(Planner *planner, TablePlan *table, const Choice *choice, List *travel,
				 const CopyQuery *query)
{
	char	   *relation = copy_table_reference(query);
	List	   *sent = NIL;
	List	   *unruled = NIL;		/* of bool: has no rule */
	ListCell   *lc_plan;
	ListCell   *lc_rule;
	ListCell   *lc;

	if (!planner->request->rules || choice->empty)
		return travel;
	table->binary = true;
	forboth(lc_plan, table->columns, lc, travel)
	{
		CatalogColumn *local = catalog_find_column(choice->local, ((ColumnPlan *) lfirst(lc_plan))->name);
		bool		has_rule;

		sent = lappend(sent, apply_rule(planner, table, choice, relation, local, lfirst(lc), &has_rule));
		unruled = lappend_int(unruled, !has_rule);
	}
	forthree(lc, sent, lc_rule, unruled, lc_plan, table->columns)
	{
		CatalogColumn *local = catalog_find_column(choice->local, ((ColumnPlan *) lfirst(lc_plan))->name);

		if (lfirst_int(lc_rule))
			lfirst(lc) = apply_no_rule(planner, table, choice, relation, lfirst(lc), sent);
		table->binary &= copy_column_binary(lfirst(lc), local, source_version(planner->control));
	}
	return sent;
}

#define UNMASKED_HINT \
	"Give them a rule in \"data_rules\"; \"untouched\" says that they may come as they are."

/* A survey shows for which tables the run would be refused. */
static void
fail_unmasked(List *tables)
{
	ListCell   *lc;

	foreach(lc, tables)
	{
		TablePlan  *table = lfirst(lc);

		if (table->message == NULL && table->unmasked_columns != NIL)
			table_fail(table, ERRCODE_CONFIG_FILE_ERROR,
					   psprintf("columns of table %s look sensitive and have no data rule: %s",
								table->display, names_text(table->unmasked_columns, true)),
					   NULL, UNMASKED_HINT);
		else if (table->message == NULL)
			table_fail(table, ERRCODE_CONFIG_FILE_ERROR,
					   "no table is pulled while columns of others look sensitive and have no data rule",
					   NULL, UNMASKED_HINT);
	}
}

void
plan_report_unmasked(const Planner *planner, List *tables)
{
	StringInfoData names;
	int			n = list_length(planner->unmasked);

	if (n == 0)
		return;
	if (planner->request->survey && planner->request->require_rules)
	{
		fail_unmasked(tables);
		return;
	}
	initStringInfo(&names);
	for (int i = 0; i < n && i < 20; i++)
		appendStringInfo(&names, "%s%s", i > 0 ? ", " : "", (char *) list_nth(planner->unmasked, i));
	if (n > 20)
		appendStringInfo(&names, " and %d more", n - 20);
	ereport(planner->request->require_rules ? ERROR : NOTICE,
			(errcode(planner->request->require_rules ?
					 ERRCODE_CONFIG_FILE_ERROR : ERRCODE_SUCCESSFUL_COMPLETION),
			 errmsg("columns look sensitive and have no data rule: %s", names.data),
			 errhint(UNMASKED_HINT)));
}

/* ---- rules that match nothing ---- */

/* All names of local columns, written as the pattern is. */
static List *
column_names(const Planner *planner, int dots)
{
	List	   *names = NIL;
	ListCell   *lc;
	ListCell   *lc_column;

	local_catalog_details(planner->local->relations);
	foreach(lc, planner->local->relations)
	{
		CatalogRelation *relation = lfirst(lc);

		foreach(lc_column, relation->columns)
		{
			char	   *column = ((CatalogColumn *) lfirst(lc_column))->name;

			if (dots == 0)
				names = lappend(names, column);
			else if (dots == 1)
				names = lappend(names, psprintf("%s.%s", relation->name, column));
			else
				names = lappend(names, psprintf("%s.%s.%s", relation->schema, relation->name, column));
		}
	}
	return names;
}

static const char *
similar_column(const Planner *planner, const char *pattern)
{
	int			dots = 0;

	for (const char *p = pattern; *p; p++)
		dots += *p == '.';
	return similar_name(pattern, column_names(planner, dots));
}

/*
 * A misspelt rule masks nothing.  Where rules are required, the run is
 * refused; a survey shows that for each table.
 */
static void
report_unmatched(const Planner *planner, const SyncRule *rule, List *tables)
{
	bool		required = planner->request->require_rules;
	const char *close = similar_column(planner, rule->pattern);
	char	   *message = psprintf("data rule \"%s\" in line %d of file \"%s\" matches no column of the source",
								   rule->pattern, rule->line, planner->config->path);
	char	   *hint = close ? psprintf("Perhaps you meant %s.", close) : NULL;
	ListCell   *lc;

	if (!required || !planner->request->survey)
		ereport(required ? ERROR : WARNING,
				(errcode(required ? ERRCODE_CONFIG_FILE_ERROR : ERRCODE_WARNING),
				 errmsg("%s", message),
				 hint ? errhint("%s", hint) : 0));
	foreach(lc, tables)
	{
		if (required && ((TablePlan *) lfirst(lc))->message == NULL)
			table_fail(lfirst(lc), ERRCODE_CONFIG_FILE_ERROR, message, NULL, hint);
	}
}

void
plan_report_unmatched_rules(Planner *planner, List *tables)
{
	List	   *rules = NIL;
	List	   *patterns = NIL;
	bool	   *found;
	ListCell   *lc;
	int			n = 0;

	foreach(lc, planner->config->data_rules)
	{
		if (list_member_ptr(planner->masks.matched, lfirst(lc)))
			continue;
		rules = lappend(rules, lfirst(lc));
		patterns = lappend(patterns, ((SyncRule *) lfirst(lc))->pattern);
	}
	found = source_catalog_match_columns(planner->control, patterns);
	foreach(lc, rules)
	{
		if (!found[n++])
			report_unmatched(planner, lfirst(lc), tables);
	}
}
