/*-------------------------------------------------------------------------
 *
 * planner.c
 *	  What a run will do: which tables, which columns, by which COPY.
 *
 * Both catalogs are read into the same shape, the selection says which tables
 * are meant, and each of them is compared, column by column, by name:
 *
 *		source and local	travels; types may differ if the text can be read
 *		source only			missing: left out
 *		local only			extra: takes its default
 *		local, generated	computed here, whatever the source has
 *
 * A plan tells all that can be known before the first row moves.  What stands
 * in the way of one table is written into that table's plan and leaves the
 * others alone: rights on either side, row security that would filter in
 * silence, a kind that cannot be replaced, no column in common.  What must
 * stop the run is raised: the source is this very database, names that nobody
 * knows.
 *
 * The source is asked a few times, whatever the number of tables
 * (source_catalog.c).  Clauses and masks are tried there by EXPLAIN, all at
 * once; only when that fails, one by one, to tell which it was.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_class.h"
#include "datatype/timestamp.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "base/text.h"
#include "plan/append_query.h"
#include "plan/copy_settings.h"
#include "plan/copy_sql.h"
#include "plan/keep.h"
#include "plan/loader_count.h"
#include "plan/plan_columns.h"
#include "plan/plan_partitions.h"
#include "plan/plan_rights.h"
#include "plan/plan_rules.h"
#include "plan/planner.h"
#include "plan/planner_state.h"
#include "plan/rewrite.h"
#include "plan/row_checks.h"
#include "plan/selection.h"
#include "plan/selection_request.h"
#include "plan/sequence_plan.h"
#include "plan/source_trial.h"
#include "schema/local_catalog.h"
#include "schema/source_catalog.h"

/* how many bytes a part of a table that is loaded in steps has */
#define PART_BYTES		(64.0 * 1024 * 1024)
#define PARTS_MAX		16

/* ---- is the source this database? ---- */

/*
 * A copy of a database (pg_basebackup, a disk snapshot) keeps system
 * identifier and OIDs, and pulling from the original is what it is for.  Only
 * the very same server has also been started at the same microsecond.
 */
static void
refuse_itself(const SourceFacts *facts)
{
	int64		epoch = ((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE)) * USECS_PER_DAY;
	int64		difference = facts->start_time - (PgStartTime + epoch);

	if (facts->database != MyDatabaseId || difference < -2 || difference > 2)
		return;
	if (facts->system_identifier != 0 && facts->system_identifier != GetSystemIdentifier())
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the source is this very database"),
			 errdetail("A database is never pulled into itself."),
			 errhint("Check PGSYNC_FROM_URL, PGSYNC_REMOTE_HOST and PGSYNC_REMOTE_PORT.")));
}

/* Tables of which only a part may come. */
static void
report_row_security(List *tables)
{
	List	   *names = NIL;
	ListCell   *lc;

	foreach(lc, tables)
	{
		TablePlan  *table = lfirst(lc);

		if (table->row_security && table->message == NULL)
			names = lappend(names, table->display);
	}
	if (names != NIL)
		ereport(NOTICE,
				(errmsg("row security on the source filters tables: %s", names_text(names, false)),
				 errdetail("Only the rows that the source's role may see are pulled.")));
}

/* ---- tables ---- */

/*
 * Size and rows on the source; those of the tables below it count whose rows
 * come with it.
 */
static void
estimate(TablePlan *table, const CatalogRelation *source)
{
	bool		partitioned = source->kind == RELKIND_PARTITIONED_TABLE;
	ListCell   *lc;

	table->source_bytes = source->bytes;
	table->source_rows = source->rows;
	table->source_oids = list_make1_oid(source->oid);
	if (!partitioned && source->members == NIL)
		return;
	if (partitioned)
		table->source_rows = -1;	/* the rows of its partitions are its rows */
	foreach(lc, partitioned ? source->leaves : source->members)
	{
		CatalogRelation *leaf = lfirst(lc);

		table->source_bytes += leaf->bytes;
		if (leaf->rows >= 0)
			table->source_rows = Max(table->source_rows, 0) + leaf->rows;
		table->source_oids = lappend_oid(table->source_oids, leaf->oid);
	}
}

/*
 * What the source will send, as far as its catalog tells: all rows, or none.
 * The trial of a clause knows better (source_trial.c).
 */
static void
expect_rows(TablePlan *table, const Choice *choice)
{
	bool		all = choice->clause == NULL && choice->map == NULL && table->mode != LAND_APPEND;

	if (choice->empty)
		table->expected_rows = table->expected_bytes = 0;
	else if (all && table->source_rows >= 0)
	{
		table->expected_rows = table->source_rows;
		table->expected_bytes = table->source_bytes;
	}
}

static char *
display_names(const Planner *planner, const List *relations)
{
	List	   *names = NIL;
	ListCell   *lc;

	foreach(lc, relations)
	{
		CatalogRelation *relation = lfirst(lc);

		names = lappend(names, selection_display(planner->request, planner->local, planner->source,
												 relation->schema, relation->name));
	}
	return names_text(names, false);
}

/* Says what the tables that inherit from this one on one side only mean. */
static char *
tree_note(const Planner *planner, const Choice *choice)
{
	const List *there = choice->map == NULL ? choice->source->members : NIL;
	List	   *here = choice->map == NULL && choice->local->kind == RELKIND_RELATION ?
		list_difference_ptr(choice->local->descendants, choice->heirs) : NIL;

	if (there != NIL && here != NIL)
		return psprintf("with the rows of its children on the source: %s; without its children here: %s",
						display_names(planner, there), display_names(planner, here));
	if (there != NIL)
		return psprintf("with the rows of its children on the source: %s", display_names(planner, there));
	if (here != NIL)
		return psprintf("without its children here, which the source does not have: %s",
						display_names(planner, here));
	return NULL;
}

/* A part of the rows leaves the others where they are, as in pgsync. */
static Landing
table_mode(const PlanRequest *request, const Choice *choice)
{
	if (request->mode != LAND_DEFAULT)
		return request->mode;
	return choice->partly ? LAND_OVERWRITE : LAND_REPLACE;
}

/* Rows of the local table, as far as it was ever analyzed. */
static double
local_estimate(const CatalogRelation *local)
{
	double		rows = -1;
	ListCell   *lc;

	if (local->kind != RELKIND_PARTITIONED_TABLE)
		return local->rows;
	foreach(lc, local->leaves)
	{
		CatalogRelation *leaf = lfirst(lc);

		if (leaf->rows >= 0)
			rows = Max(rows, 0) + leaf->rows;
	}
	return rows;
}

/* What can be told before the columns are known. */
static TablePlan *
begin_table(const Planner *planner, const Choice *choice, int index)
{
	TablePlan  *table = palloc0(sizeof(TablePlan));

	table->index = index;
	table->schema = choice->schema;
	table->name = choice->name;
	table->display = choice->display;
	table->mode = table_mode(planner->request, choice);
	table->source_rows = table->local_rows = -1;
	table->expected_rows = table->expected_bytes = -1;
	table->empty = choice->empty;
	table->left_out = choice->left_out;
	if (choice->local != NULL)
	{
		table->relid = table->grants = choice->local->oid;
		table->local_rows = local_estimate(choice->local);
	}
	/* a part that is left out lets the others be */
	if (choice->root != NULL && choice->left_out == NULL)
		table->partition_root = choice->root->oid;
	if (choice->source != NULL)
	{
		estimate(table, choice->source);
		if (choice->local != NULL)
			table->note = tree_note(planner, choice);
	}
	expect_rows(table, choice);
	if (choice->message != NULL)
	{
		table_fail(table, choice->sqlerrcode, choice->message, choice->detail, choice->hint);
		return table;
	}
	if (!choice->empty)
		plan_check_source_rights(table, choice->source, planner->request->row_security);
	if (!choice->empty && table->message == NULL && planner->on_standby)
		plan_check_standby(table, choice->source);
	if (table->message == NULL)
		plan_check_local_rights(table, choice, planner->request->role);
	/* its columns will not be looked at, so tell what else is missing */
	if (table->message != NULL && !choice->empty)
		plan_check_reading(planner, table, choice->source, NIL);
	return table;
}

/* Which rows the source is asked for. */
static void
set_rows(const Planner *planner, TablePlan *table, const Choice *choice, CopyQuery *query)
{
	query->empty = choice->empty;
	plan_set_clause(planner, choice, query);
	table->filter = choice->empty ? "false" : choice->filter;
	table->clause = choice->clause;
	table->user_sql = choice->clause != NULL;
	if (choice->map != NULL)
		query->condition = plan_map_condition(table, choice);
	plan_set_tree(choice, query);
}

static char *
with_settings(const Planner *planner, const TablePlan *table, const char *sql)
{
	return psprintf("%s%s", copy_settings_text(copy_settings(planner, table)), sql);
}

/* Every COPY says its settings when one of them has others. */
static void
set_settings(Planner *planner, List *tables)
{
	bool		any = false;
	ListCell   *lc;

	foreach(lc, tables)
		any |= ((TablePlan *) lfirst(lc))->user_sql;
	if (!any)
		return;
	foreach(lc, tables)
	{
		TablePlan  *table = lfirst(lc);
		ListCell   *lc_part;

		if (table->copy_sql != NULL)
			table->copy_sql = with_settings(planner, table, table->copy_sql);
		foreach(lc_part, table->copy_parts)
			lfirst(lc_part) = with_settings(planner, table, lfirst(lc_part));
	}
}

/*
 * A large table as the COPYs that several loaders take.  One COPY is worth it,
 * too, for the sake of the indexes.  Kept rows and the pulled ones have to be
 * looked at by the same loader.
 */
static List *
parts_of(const CopyQuery *query, const TablePlan *table, int version)
{
	int			parts = Min(PARTS_MAX, table->source_bytes / PART_BYTES);

	if (table->source_bytes < STEPS_MIN_BYTES || table->keep != NIL || table->mode == LAND_APPEND)
		return NIL;
	if (parts < 2 || table->user_sql || !copy_has_parts(query, version))
		return list_make1(table->copy_sql);
	return copy_statement_parts(query, parts);
}

/* The rest, once the columns are known. */
static void
finish_table(Planner *planner, TablePlan *table, const Choice *choice)
{
	List	   *travel;
	CopyQuery	query = {choice->source};

	plan_set_rewrites(planner, table, choice);
	plan_set_keep(planner, table, choice);
	if (table->message != NULL)
		return;
	travel = plan_match_columns(table, choice, source_version(planner->control));
	plan_check_key(table, choice);
	set_rows(planner, table, choice, &query);
	query.columns = travel;
	query.columns = plan_apply_rules(planner, table, choice, travel, &query);
	if (table->message == NULL && !choice->empty)
		plan_check_reading(planner, table, choice->source, query.columns);
	if (table->message == NULL && table->user_sql)
	{
		plan_check_name_types(table, &query);
		copy_note_settings(table, &query);
	}
	if (table->message != NULL)
		return;
	if (table->user_sql || table->masked_columns != NIL)
		trial_add(planner, table, &query);
	query.binary = table->binary;
	if (table->mode == LAND_APPEND && !choice->empty)
		batches_plan(table, choice, &query, planner->request->cursor,
					 source_version(planner->control),
					 copy_settings_text(copy_settings(planner, table)));
	if (!choice->empty)
		row_checks_add(planner, table, choice, &query);
	table->lock_sql = copy_lock_statement(&query);
	table->copy_sql = copy_statement(&query);
	table->copy_parts = parts_of(&query, table, source_version(planner->control));
	if (table->user_sql)
		clause_verify_copy(table->copy_sql);
	if (!choice->empty)
		table->verify_sql = source_catalog_rewritten_query(table->source_oids);
	if (planner->request->sequences)
		plan_match_sequences(planner, table, choice, travel);
}

/* Adds what the relation's foreign keys lead to and nobody has read. */
static void
add_referenced(const Planner *planner, List *keys, List **local, List **source)
{
	ListCell   *lc;

	foreach(lc, keys)
	{
		CatalogForeignKey *key = lfirst(lc);
		CatalogRelation *here = catalog_find(planner->local, key->schema, key->table);
		CatalogRelation *there = catalog_find(planner->source, key->schema, key->table);

		if (here == NULL || there == NULL || (here->detailed && there->detailed))
			continue;
		*local = list_append_unique_ptr(*local, here);
		*source = list_append_unique_ptr(*source, there);
	}
}

/*
 * Replaces both lists by the tables that theirs refer to: masks follow foreign
 * keys.
 */
static void
find_referenced(const Planner *planner, List **local, List **source)
{
	List	   *next_local = NIL;
	List	   *next_source = NIL;
	ListCell   *lc;

	foreach(lc, *local)
		add_referenced(planner, ((CatalogRelation *) lfirst(lc))->foreign_keys, &next_local, &next_source);
	foreach(lc, *source)
		add_referenced(planner, ((CatalogRelation *) lfirst(lc))->foreign_keys, &next_local, &next_source);
	*local = next_local;
	*source = next_source;
}

/*
 * All that nobody has read: a long chain of keys is not worth a round trip for
 * each.
 */
static void
find_all(const Planner *planner, List **local, List **source)
{
	ListCell   *lc;

	*local = NIL;
	*source = NIL;
	foreach(lc, planner->local->relations)
	{
		CatalogRelation *here = lfirst(lc);
		CatalogRelation *there = catalog_find(planner->source, here->schema, here->name);

		if (there == NULL || (here->detailed && there->detailed))
			continue;
		*local = lappend(*local, here);
		*source = lappend(*source, there);
	}
}

/* Columns and sequences of both sides for the tables that are fine so far. */
static void
read_details(Planner *planner, List *tables, List *choices)
{
	List	   *local = NIL;
	List	   *source = NIL;
	ListCell   *lc_table;
	ListCell   *lc_choice;

	forboth(lc_table, tables, lc_choice, choices)
	{
		Choice	   *choice = lfirst(lc_choice);

		if (((TablePlan *) lfirst(lc_table))->message != NULL)
			continue;
		local = lappend(local, choice->local);
		source = list_append_unique_ptr(source, choice->source);
		source = list_concat_unique_ptr(source, choice->source->members);
	}
	for (int round = 1; local != NIL; round++)
	{
		source_catalog_details(planner->control, planner->source, source);
		local_catalog_details(local);
		if (planner->config->data_rules == NIL)
			break;
		if (round < 3)
			find_referenced(planner, &local, &source);
		else
			find_all(planner, &local, &source);
	}
}

static List *
plan_tables(Planner *planner, List *choices)
{
	List	   *tables = NIL;
	ListCell   *lc_table;
	ListCell   *lc_choice;

	foreach(lc_choice, choices)
		tables = lappend(tables, begin_table(planner, lfirst(lc_choice), list_length(tables)));
	read_details(planner, tables, choices);
	forboth(lc_table, tables, lc_choice, choices)
	{
		CHECK_FOR_INTERRUPTS();
		if (((TablePlan *) lfirst(lc_table))->message == NULL)
			finish_table(planner, lfirst(lc_table), lfirst(lc_choice));
	}
	trial_run_all(planner);
	row_checks_run(planner);
	plan_fail_together(tables);
	plan_check_maps(planner, tables, choices);
	plan_report_differences(tables);
	set_settings(planner, tables);
	return tables;
}

RunPlan *
plan_run(const PlanRequest *request, const SyncConfig *config, Source *control)
{
	Planner		planner = {request, config, control};
	RunPlan    *plan = palloc0(sizeof(RunPlan));
	List	   *schemas = selection_schemas(request, config);
	List	   *likely;
	char	   *asked;
	SourceFacts facts;

	/* foreign keys lead anywhere */
	if (config->data_rules != NIL)
		schemas = list_concat(schemas, local_catalog_schemas());

	planner.local = local_catalog_read(schemas);
	likely = selection_likely(request, config, planner.local);
	asked = source_catalog_ask(control, schemas, likely);
	/* while the source looks */
	local_catalog_details(likely);
	planner.source = source_catalog_answer(control, asked, likely, &facts);
	planner.source_path = facts.search_path;
	refuse_itself(&facts);
	planner.on_standby = facts.in_recovery;
	plan->snapshot = facts.snapshot;
	plan->schemas = schemas;
	plan->local = planner.local;
	plan->source = planner.source;
	plan->source_start = facts.start_time;
	plan->source_version = facts.version;
	plan->source_in_recovery = facts.in_recovery;

	planner.rewrites.config = config;
	planner.keeps.config = config;
	planner.masks.config = config;
	planner.masks.local = planner.local;
	planner.masks.source = planner.source;
	planner.masks.source_version = source_version(control);
	planner.masks.encoding = source_encoding(control);
	plan->tables = plan_tables(&planner,
							   selection_resolve(request, config, planner.local, planner.source));
	plan_report_unmasked(&planner, plan->tables);
	if (request->rules)
		plan_report_unmatched_rules(&planner, plan->tables);
	else if (config->data_rules != NIL)
		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg("data rules are off: all values come as they are")));
	rewrite_warn_unmatched(&planner.rewrites);
	keep_warn_unmatched(&planner.keeps);
	report_row_security(plan->tables);
	if (request->everything && request->sequences)
		plan_report_unused_sequences(&planner);
	if (request->mode == LAND_APPEND)
		plan_ungroup_partitions(plan->tables);
	return plan;
}
