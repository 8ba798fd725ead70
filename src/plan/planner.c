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
 * silence, a kind that cannot be replaced, no column in common.  What must stop
 * the run is raised: the source is this very database, names that nobody
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
#include "catalog/pg_type.h"
#include "datatype/timestamp.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/timestamp.h"

#include "plan/append_query.h"
#include "plan/copy_sql.h"
#include "schema/local_catalog.h"
#include "plan/mask.h"
#include "plan/keep.h"
#include "plan/plan_partitions.h"
#include "plan/planner.h"
#include "schema/primary_key.h"
#include "plan/rewrite.h"
#include "plan/selection.h"
#include "plan/selection_request.h"
#include "schema/source_catalog.h"

/* from how many bytes on a table is loaded in steps, and how many a part of it has */
#define STEPS_MIN_BYTES	(32.0 * 1024 * 1024)
#define PART_BYTES		(64.0 * 1024 * 1024)
#define PARTS_MAX		16

typedef struct Planner
{
	const PlanRequest *request;
	const SyncConfig *config;
	Source	   *control;
	Catalog    *local;
	Catalog    *source;
	List	   *trials;			/* of Trial * */
	MaskContext masks;
	RewriteContext rewrites;
	KeepContext keeps;
	List	   *unmasked;		/* of char *: columns that look sensitive */
} Planner;

/* A SELECT with people's SQL or masks in it: the source is asked whether it could run it. */
typedef struct Trial
{
	TablePlan  *table;
	CopyQuery  *query;
} Trial;

/* ---- failing a table ---- */

static void
fail(TablePlan *table, int sqlerrcode, char *message, char *detail, char *hint)
{
	table->sqlerrcode = sqlerrcode;
	table->message = message;
	table->detail = detail;
	table->hint = hint;
}

/* "a, b" and quoted. */
static char *
join_names(List *names, bool quote)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, names)
		appendStringInfo(&buf, "%s%s", buf.len > 0 ? ", " : "",
						 quote ? quote_identifier(lfirst(lc)) : (char *) lfirst(lc));
	return buf.data;
}

/* ---- is the source this database? ---- */

/*
 * A copy of a database (pg_basebackup, a disk snapshot) keeps system identifier
 * and OIDs, and pulling from the original is what it is for.  Only the very
 * same server has also been started at the same microsecond.
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

/* ---- rights ---- */

/* May the caller let rows land there?  A partitioned table's grants hold for its leaves. */
static void
check_local_rights(TablePlan *table, const Choice *choice, Oid role)
{
	const char *lacking = landing_lacks(table->mode, table->relid, role);

	table->grants = table->relid;
	if (lacking != NULL && choice->root != NULL &&
		landing_lacks(table->mode, choice->root->oid, role) == NULL)
	{
		table->grants = choice->root->oid;
		lacking = NULL;
	}
	if (lacking != NULL)
		fail(table, ERRCODE_INSUFFICIENT_PRIVILEGE,
			 psprintf("permission denied for table %s", table->display),
			 psprintf("Role %s needs %s on it for mode \"%s\".",
					  quote_identifier(GetUserNameFromId(role, false)), lacking,
					  landing_name(table->mode)), NULL);
	else if (check_enable_rls(table->relid, role, true) == RLS_ENABLED ||
			 (choice->root && check_enable_rls(choice->root->oid, role, true) == RLS_ENABLED))
		fail(table, ERRCODE_INSUFFICIENT_PRIVILEGE,
			 psprintf("row security of table %s applies to role %s", table->display,
					  quote_identifier(GetUserNameFromId(role, false))),
			 table->mode == LAND_REPLACE ? "A pull replaces all rows, also those that the policies hide." :
			 "A pull writes rows without asking the policies.",
			 "Call as the table's owner or as a role with BYPASSRLS.");
}

/* May we read all of it on the source? */
static void
check_source_rights(TablePlan *table, const CatalogRelation *source, bool row_security)
{
	if (!source->reachable)
		fail(table, ERRCODE_INSUFFICIENT_PRIVILEGE,
			 psprintf("permission denied on the source for table %s", table->display),
			 psprintf("The source's role has no USAGE on schema %s.", quote_identifier(source->schema)),
			 NULL);
	else if (source->row_security && !row_security)
		fail(table, ERRCODE_INSUFFICIENT_PRIVILEGE,
			 psprintf("row security on the source would filter table %s", table->display),
			 "A copy that lacks rows in silence is refused.",
			 "Use a source role that owns the table or has BYPASSRLS, or let a superuser allow it by the setting \"pgtunsync.source_row_security\".");
	else
		table->row_security = source->row_security;
}

/* Columns that travel but may not be read. */
static void
check_column_rights(TablePlan *table, const CatalogRelation *source, List *columns)
{
	List	   *unreadable = NIL;
	ListCell   *lc;

	if (source->readable)
		return;
	foreach(lc, columns)
	{
		CatalogColumn *column = lfirst(lc);

		if (!column->readable)
			unreadable = lappend(unreadable, column->name);
	}
	if (unreadable != NIL || columns == NIL)
		fail(table, ERRCODE_INSUFFICIENT_PRIVILEGE,
			 psprintf("permission denied on the source for table %s", table->display),
			 unreadable == NIL ? NULL :
			 psprintf("The source's role has no SELECT on: %s.", join_names(unreadable, true)),
			 NULL);
}

/* ---- columns ---- */

static int
compare_columns(const void *a, const void *b)
{
	return strcmp((*(CatalogColumn *const *) a)->name, (*(CatalogColumn *const *) b)->name);
}

/* The source's columns sorted by name, for bsearch(). */
static CatalogColumn **
sort_columns(List *columns)
{
	CatalogColumn **sorted = palloc(sizeof(CatalogColumn *) * (list_length(columns) + 1));
	ListCell   *lc;
	int			n = 0;

	foreach(lc, columns)
		sorted[n++] = lfirst(lc);
	qsort(sorted, n, sizeof(CatalogColumn *), compare_columns);
	return sorted;
}

static CatalogColumn *
find_column(CatalogColumn **sorted, int n, CatalogColumn *wanted)
{
	CatalogColumn **found = bsearch(&wanted, sorted, n, sizeof(CatalogColumn *), compare_columns);

	return found ? *found : NULL;
}

/* One column that both sides have. */
static void
share_column(TablePlan *table, const CatalogColumn *local, const CatalogColumn *source,
			 int source_version)
{
	ColumnPlan *column = palloc0(sizeof(ColumnPlan));

	column->name = local->name;
	column->attnum = local->attnum;
	column->source_type = source->type;
	column->local_type = local->type;
	table->columns = lappend(table->columns, column);
	if (strcmp(source->type, local->type) != 0)
		table->type_changes = lappend(table->type_changes,
									  psprintf("%s: %s -> %s", quote_identifier(local->name),
											   source->type, local->type));
	if (table->binary && !copy_column_binary(source, local, source_version))
		table->binary = false;
}

/* An extra column must be able to do without a value; empty tables need none. */
static void
check_needed_values(TablePlan *table, List *needed)
{
	if (needed == NIL || (table->source_bytes == 0 && table->source_rows <= 0))
		return;
	fail(table, ERRCODE_NOT_NULL_VIOLATION,
		 psprintf("table %s has columns that are NOT NULL, have no default, and are not on the source",
				  table->display),
		 psprintf("Columns: %s.", join_names(needed, true)),
		 "Give them a default, or drop NOT NULL.");
}

/* The columns of the source that nothing here takes. */
static List *
missing_columns(List *source, List *local)
{
	CatalogColumn **sorted = sort_columns(local);
	int			n = list_length(local);
	List	   *missing = NIL;
	ListCell   *lc;

	foreach(lc, source)
	{
		CatalogColumn *column = lfirst(lc);

		if (find_column(sorted, n, column) == NULL)
			missing = lappend(missing, column->name);
	}
	return missing;
}

/* Matches the columns of both sides; returns those of the source that travel. */
static List *
match_columns(TablePlan *table, const Choice *choice, int source_version)
{
	CatalogColumn **sorted = sort_columns(choice->source->columns);
	int			n = list_length(choice->source->columns);
	List	   *travel = NIL;
	List	   *needed = NIL;
	ListCell   *lc;

	table->binary = true;
	foreach(lc, choice->local->columns)
	{
		CatalogColumn *local = lfirst(lc);
		CatalogColumn *source = find_column(sorted, n, local);

		if (local->generated)
			continue;
		if (source != NULL)
		{
			share_column(table, local, source, source_version);
			travel = lappend(travel, source);
			continue;
		}
		table->extra_columns = lappend(table->extra_columns, local->name);
		if (local->needs_value && !rewrite_gives(table->rewrites, local->name))
			needed = lappend(needed, local->name);
	}
	table->missing_columns = missing_columns(choice->source->columns, choice->local->columns);
	check_needed_values(table, needed);
	if (travel == NIL && (table->missing_columns != NIL || table->extra_columns != NIL ||
						  choice->source->columns != NIL))
		fail(table, ERRCODE_UNDEFINED_COLUMN,
			 psprintf("table %s has no column in common with the source's", table->display),
			 NULL, NULL);
	return travel;
}

/* ---- keys ---- */

/* The columns of the primary key that the source does not send. */
static List *
unsent_key_columns(const TablePlan *table, const CatalogRelation *local)
{
	List	   *unsent = NIL;
	ListCell   *lc_key;
	ListCell   *lc;

	foreach(lc_key, local->primary_key)
	{
		foreach(lc, table->extra_columns)
			if (strcmp(lfirst(lc), lfirst(lc_key)) == 0)
				unsent = lappend(unsent, lfirst(lc_key));
	}
	return unsent;
}

/*
 * Modes that look rows up need a primary key whose values come from the source.
 * That of a partition is no key of the whole table by itself.
 */
static void
check_key(TablePlan *table, const Choice *choice)
{
	List	   *unsent = unsent_key_columns(table, choice->local);

	if (table->message != NULL || (table->mode != LAND_OVERWRITE && table->mode != LAND_PRESERVE))
		return;
	if (!primary_key_exists(choice->local->oid) ||
		(choice->root != NULL && !primary_key_exists(choice->root->oid)))
		fail(table, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
			 psprintf("cannot pull %s in mode \"%s\": it has no primary key",
					  table->display, landing_name(table->mode)),
			 "Rows that are there already are found by their primary key, and one WITHOUT OVERLAPS finds none.",
			 "Add a primary key, or use mode => 'replace'.");
	else if (unsent != NIL)
		fail(table, ERRCODE_UNDEFINED_COLUMN,
			 psprintf("cannot pull %s in mode \"%s\": the source lacks columns of its primary key",
					  table->display, landing_name(table->mode)),
			 psprintf("Columns: %s.", join_names(unsent, true)),
			 "Use mode => 'replace'.");
}

/* ---- sequences ---- */

/* The source's sequence that belongs to a column's; names decide if it has several. */
static CatalogSequence *
find_sequence(List *sequences, AttrNumber attnum, const char *name)
{
	CatalogSequence *first = NULL;
	ListCell   *lc;

	foreach(lc, sequences)
	{
		CatalogSequence *sequence = lfirst(lc);

		if (sequence->attnum != attnum)
			continue;
		if (strcmp(sequence->name, name) == 0)
			return sequence;
		if (first == NULL)
			first = sequence;
	}
	return first;
}

/* The local sequences owned by a column that travels, with the source's. */
static void
match_sequences(Planner *planner, TablePlan *table, const Choice *choice, List *travel)
{
	List	   *unreadable = NIL;
	ListCell   *lc;

	foreach(lc, choice->local->sequences)
	{
		CatalogSequence *local = lfirst(lc);
		CatalogSequence *source = NULL;
		SequencePlan *plan;
		ListCell   *lc_column;
		ListCell   *lc_travel;

		forboth(lc_column, table->columns, lc_travel, travel)
		{
			if (((ColumnPlan *) lfirst(lc_column))->attnum == local->attnum)
				source = find_sequence(choice->source->sequences,
									   ((CatalogColumn *) lfirst(lc_travel))->attnum,
									   local->name);
		}
		if (source == NULL)
			continue;
		if (!source->readable)
		{
			unreadable = lappend(unreadable, local->name);
			continue;
		}
		plan = palloc0(sizeof(SequencePlan));
		plan->relid = local->oid;
		plan->display = selection_display(planner->request, planner->local, planner->source,
										  local->schema, local->name);
		plan->last_value = source->last_value;
		plan->is_called = source->is_called;
		table->sequences = lappend(table->sequences, plan);
	}
	if (unreadable != NIL)
		ereport(NOTICE,
				(errmsg("sequences of table %s are left as they are: %s", table->display,
						join_names(unreadable, true)),
				 errdetail("The source's role has no SELECT on them.")));
}

/* ---- data rules ---- */

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

static bool
is_key_column(const CatalogRelation *local, const CatalogColumn *column)
{
	ListCell   *lc;

	foreach(lc, local->primary_key)
		if (strcmp(lfirst(lc), column->name) == 0)
			return true;
	return false;
}

/* Carries out the rule for one column; returns what is to travel. */
static CatalogColumn *
apply_rule(Planner *planner, TablePlan *table, const Choice *choice, const char *relation,
		   const CatalogColumn *local, CatalogColumn *source)
{
	Mask	   *mask = mask_column(&planner->masks, choice->local, choice->source, local, relation);

	if (mask == NULL && mask_is_sensitive(local))
	{
		table->unmasked_columns = lappend(table->unmasked_columns, local->name);
		planner->unmasked = lappend(planner->unmasked,
									psprintf("%s.%s", table->display, quote_identifier(local->name)));
	}
	if (mask != NULL && mask->problem != NULL && table->message == NULL)
		fail(table, ERRCODE_DATATYPE_MISMATCH,
			 psprintf("cannot pull %s: data rule \"%s\" cannot work for column %s",
					  table->display, mask->rule->kind, quote_identifier(local->name)),
			 psprintf("The column has type %s, and of rule \"%s\" (line %d of file \"%s\"): %s.",
					  local->type, mask->rule->pattern, mask->rule->line,
					  planner->config->path, mask->problem), NULL);
	if (mask != NULL && mask->by_chance && table->message == NULL &&
		(table->mode == LAND_OVERWRITE || table->mode == LAND_PRESERVE) &&
		is_key_column(choice->local, local))
		fail(table, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
			 psprintf("cannot pull %s in mode \"%s\": data rule \"%s\" gives its primary key another value in each run",
					  table->display, landing_name(table->mode), mask->rule->kind),
			 psprintf("The column is %s.", quote_identifier(local->name)),
			 "Use a pseudonym, which is always the same, or mode => 'replace'.");
	if (mask == NULL || mask->sql == NULL)
		return source;
	table->user_sql |= mask->user_sql;
	table->masked_columns = lappend(table->masked_columns,
									psprintf("%s: %s", quote_identifier(local->name), mask->rule->kind));
	return masked_column(source, local, mask);
}

/* Puts the masks on; the format of the COPY depends on them. */
static List *
apply_rules(Planner *planner, TablePlan *table, const Choice *choice, List *travel,
			const CopyQuery *query)
{
	char	   *relation = copy_table_reference(query);
	List	   *sent = NIL;
	ListCell   *lc_plan;
	ListCell   *lc;

	if (!planner->request->rules || choice->empty)
		return travel;
	table->binary = true;
	forboth(lc_plan, table->columns, lc, travel)
	{
		CatalogColumn *local = catalog_find_column(choice->local, ((ColumnPlan *) lfirst(lc_plan))->name);
		CatalogColumn *column = apply_rule(planner, table, choice, relation, local, lfirst(lc));

		table->binary &= copy_column_binary(column, local, source_version(planner->control));
		sent = lappend(sent, column);
	}
	return sent;
}

#define UNMASKED_HINT \
	"Give them a rule in \"data_rules\"; \"untouched\" says that they may come as they are."

/* A survey shows which tables the run would be refused for. */
static void
fail_unmasked(List *tables)
{
	ListCell   *lc;

	foreach(lc, tables)
	{
		TablePlan  *table = lfirst(lc);

		if (table->message == NULL && table->unmasked_columns != NIL)
			fail(table, ERRCODE_CONFIG_FILE_ERROR,
				 psprintf("columns of table %s look sensitive and have no data rule: %s",
						  table->display, join_names(table->unmasked_columns, true)),
				 NULL, UNMASKED_HINT);
	}
}

/* What looks sensitive and has no rule: told, or refused. */
static void
tell_unmasked(const Planner *planner, List *tables)
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
			(errcode(planner->request->require_rules ? ERRCODE_CONFIG_FILE_ERROR : ERRCODE_SUCCESSFUL_COMPLETION),
			 errmsg("columns look sensitive and have no data rule: %s", names.data),
			 errhint(UNMASKED_HINT)));
}

/* Tables of which only a part may come. */
static void
tell_row_security(List *tables)
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
				(errmsg("row security on the source filters tables: %s", join_names(names, false)),
				 errdetail("Only the rows that the source's role may see are pulled.")));
}

/* Rules that meet no column of this run: do they meet any on the source? */
static void
warn_unmatched_rules(Planner *planner)
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
		SyncRule   *rule = lfirst(lc);

		if (!found[n++])
			ereport(WARNING,
					(errcode(ERRCODE_WARNING),
					 errmsg("data rule \"%s\" in line %d of file \"%s\" matches no column of the source",
							rule->pattern, rule->line, planner->config->path)));
	}
}

/* ---- telling ---- */

/* One NOTICE for all that differs between the columns of both sides. */
static void
tell_differences(const TablePlan *table)
{
	StringInfoData detail;

	if (table->message != NULL || (table->missing_columns == NIL &&
								   table->extra_columns == NIL && table->type_changes == NIL))
		return;
	initStringInfo(&detail);
	if (table->missing_columns != NIL)
		appendStringInfo(&detail, " Left out, as only the source has them: %s.",
						 join_names(table->missing_columns, true));
	if (table->extra_columns != NIL)
		appendStringInfo(&detail, " Filled with their defaults, as the source lacks them: %s.",
						 join_names(table->extra_columns, true));
	if (table->type_changes != NIL)
		appendStringInfo(&detail, " Converted from the source's type: %s.",
						 join_names(table->type_changes, false));
	ereport(NOTICE,
			(errmsg("columns of table %s differ from the source's", table->display),
			 errdetail("%s", detail.data + 1)));
}

/* ---- tables ---- */

/* Size and rows on the source; those of a partitioned table are its leaves'. */
static void
estimate(TablePlan *table, const CatalogRelation *source)
{
	ListCell   *lc;

	table->source_bytes = source->bytes;
	table->source_rows = source->rows;
	table->source_oids = list_make1_oid(source->oid);
	if (source->kind != RELKIND_PARTITIONED_TABLE)
		return;
	table->source_rows = 0;
	foreach(lc, source->leaves)
	{
		CatalogRelation *leaf = lfirst(lc);

		table->source_bytes += leaf->bytes;
		table->source_rows += Max(leaf->rows, 0);
		table->source_oids = lappend_oid(table->source_oids, leaf->oid);
	}
}

/* A part of the rows leaves the others where they are, as in pgsync. */
static Landing
table_mode(const PlanRequest *request, const Choice *choice)
{
	if (request->mode != LAND_UNSAID)
		return request->mode;
	return choice->partly ? LAND_OVERWRITE : LAND_REPLACE;
}

/* Rows of the local table, as far as it was ever analyzed. */
static double
local_estimate(const CatalogRelation *local)
{
	double		rows = 0;
	ListCell   *lc;

	if (local->kind != RELKIND_PARTITIONED_TABLE)
		return local->rows;
	foreach(lc, local->leaves)
		rows += Max(((CatalogRelation *) lfirst(lc))->rows, 0);
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
	table->empty = choice->empty;
	table->left_out = choice->left_out;
	if (choice->local != NULL)
	{
		table->relid = table->grants = choice->local->oid;
		table->local_rows = local_estimate(choice->local);
	}
	/* a part that is left out lets the others be */
	if (choice->root != NULL && choice->left_out == NULL)
		table->whole = choice->root->oid;
	if (choice->source != NULL)
		estimate(table, choice->source);
	if (choice->message != NULL)
	{
		fail(table, choice->sqlerrcode, choice->message, choice->detail, choice->hint);
		return table;
	}
	if (!choice->empty)
		check_source_rights(table, choice->source, planner->request->row_security);
	if (table->message == NULL)
		check_local_rights(table, choice, planner->request->role);
	return table;
}

/* The condition for the rows of a partition, whose columns the source must have. */
static char *
map_condition(TablePlan *table, const Choice *choice)
{
	PartitionCondition *condition = partition_map_find(choice->map, choice->local);
	List	   *lacking = NIL;
	ListCell   *lc;

	foreach(lc, condition->columns)
	{
		CatalogColumn *column = catalog_find_column(choice->source, lfirst(lc));

		if (column == NULL || !(column->readable || choice->source->readable))
			lacking = lappend(lacking, lfirst(lc));
	}
	if (lacking != NIL && table->message == NULL)
		fail(table, ERRCODE_UNDEFINED_COLUMN,
			 psprintf("cannot pull %s: the source has no column for its partition key, or it may not be read",
					  table->display),
			 psprintf("Its rows are chosen by: %s.", condition->sql), NULL);
	return condition->sql;
}

/* A clause calls a partition, and the rows for one, by the name of the whole. */
static void
set_clause(const Choice *choice, CopyQuery *query)
{
	query->clause = choice->clause;
	if (choice->clause == NULL)
		return;
	if (choice->map == NULL && choice->root != NULL)
		query->alias = choice->root->name;
	else if (choice->map != NULL && choice->clause->where == NULL)
		query->alias = choice->map->source->name;
}

/* Which rows the source is asked for. */
static void
set_rows(TablePlan *table, const Choice *choice, CopyQuery *query)
{
	query->empty = choice->empty;
	set_clause(choice, query);
	table->filter = choice->empty ? "false" : choice->filter;
	table->user_sql = choice->clause != NULL;
	if (choice->map != NULL)
		query->condition = map_condition(table, choice);
}

/*
 * People's SQL sees the tables, functions and operators that the caller sees,
 * and the built-in ones first.
 */
static char *
user_path(const Planner *planner)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	appendStringInfoString(&buf, "pg_catalog");
	foreach(lc, planner->request->search_path)
		appendStringInfo(&buf, ", %s", catalog_sql_identifier(lfirst(lc)));
	appendStringInfoString(&buf, ", pg_temp");
	return buf.data;
}

/* The search_path of a table's COPY. */
static const char *
copy_path(const Planner *planner, const TablePlan *table)
{
	return table->user_sql ? user_path(planner) : "pg_catalog, pg_temp";
}

/* Does the text of its values depend on the search_path? */
static bool
is_name_type(Oid typid)
{
	Oid			element = get_element_type(typid);

	switch (OidIsValid(element) ? element : typid)
	{
		case REGCLASSOID:
		case REGCOLLATIONOID:
		case REGCONFIGOID:
		case REGDICTIONARYOID:
		case REGOPEROID:
		case REGOPERATOROID:
		case REGPROCOID:
		case REGPROCEDUREOID:
		case REGTYPEOID:
			return true;
		default:
			return false;
	}
}

/* Refuses values that would read differently under the path of people's SQL. */
static void
check_name_types(TablePlan *table, const CopyQuery *query)
{
	ListCell   *lc;

	foreach(lc, query->columns)
	{
		CatalogColumn *column = lfirst(lc);

		if (is_name_type(column->base_typid))
			fail(table, ERRCODE_FEATURE_NOT_SUPPORTED,
				 psprintf("cannot pull %s by a clause or statement: column %s has type %s",
						  table->display, quote_identifier(column->name), column->type),
				 "Such values are names, which read differently while people's SQL is in force.", NULL);
	}
}

/* ---- trials ---- */

/* Are there values that nobody here is to see? */
static bool
has_rules(const Planner *planner)
{
	return planner->request->rules && planner->config->data_rules != NIL;
}

/* "email: unique_email" */
static char *
column_rule(const TablePlan *table, const char *name)
{
	char	   *prefix = psprintf("%s: ", quote_identifier(name));
	ListCell   *lc;

	foreach(lc, table->masked_columns)
	{
		if (strncmp(lfirst(lc), prefix, strlen(prefix)) == 0)
			return lfirst(lc);
	}
	return NULL;
}

static char *
trial_sql(const Planner *planner, const Trial *trial)
{
	return psprintf("SET LOCAL search_path = %s; EXPLAIN %s",
					copy_path(planner, trial->table), copy_select(trial->query));
}

/* The same as a statement that is parsed, but neither planned nor run. */
static char *
parse_sql(const Planner *planner, const Trial *trial)
{
	return psprintf("SET LOCAL search_path = %s; PREPARE pgtunsync_trial AS %s;"
					" DEALLOCATE pgtunsync_trial",
					copy_path(planner, trial->table), copy_select(trial->query));
}

/*
 * Asks the source whether it could run the SELECT; returns its error or NULL.
 * The planner evaluates what a clause asks for in order to estimate
 * (table_to_xml(), for example), so that errors of EXPLAIN can hold values of
 * tables.  The parser reads no table: what it has to say is shown.
 */
static ErrorData *
try_select(Planner *planner, const Trial *trial)
{
	ErrorData  *error = NULL;

	if (has_rules(planner))
	{
		source_show_texts(planner->control);
		error = source_catalog_try(planner->control, parse_sql(planner, trial), NULL);
	}
	if (error == NULL)
		error = source_catalog_try(planner->control, trial_sql(planner, trial), NULL);
	return error;
}

/* The column whose mask the source refuses by itself, with its error; or NULL. */
static CatalogColumn *
find_bad_mask(Planner *planner, const Trial *trial, ErrorData **error)
{
	ListCell   *lc;

	foreach(lc, trial->query->columns)
	{
		CatalogColumn *column = lfirst(lc);
		CopyQuery	query = *trial->query;
		Trial		one = {trial->table, &query};

		if (column->mask == NULL)
			continue;
		query.columns = list_make1(column);
		query.clause = NULL;
		*error = try_select(planner, &one);
		if (*error != NULL)
			return column;
	}
	return NULL;
}

/* Does the source's role lack SELECT on a relation of that name? */
static bool
is_unreadable(Planner *planner, const TablePlan *table, const char *name)
{
	double		count = 0;
	char	   *sql = psprintf("SELECT FROM (VALUES (%s)) v (name)"
							   " WHERE NOT pg_catalog.has_table_privilege("
							   "pg_catalog.to_regclass(v.name)::pg_catalog.oid, 'SELECT')",
							   quote_literal_cstr(name));

	return source_catalog_count(planner->control, sql, copy_path(planner, table), &count) == NULL &&
		count > 0;
}

/*
 * "Permission denied" with its text hidden does not tell for what.  The names
 * of the relations are in the statement that we sent, so they can be shown.
 */
static char *
unreadable_detail(Planner *planner, const Trial *trial, const ErrorData *error)
{
	List	   *unreadable = NIL;
	ListCell   *lc;

	if (!has_rules(planner) || error->sqlerrcode != ERRCODE_INSUFFICIENT_PRIVILEGE)
		return error->detail;
	foreach(lc, clause_relations(copy_select(trial->query)))
	{
		if (is_unreadable(planner, trial->table, lfirst(lc)))
			unreadable = lappend(unreadable, lfirst(lc));
	}
	if (unreadable == NIL)
		return error->detail;
	return psprintf("The source's role may not read all columns of: %s.",
					join_names(unreadable, false));
}

/* "DETAIL of the error", on a line of its own behind what we say. */
static char *
with_detail(char *text, const char *detail)
{
	if (text == NULL || detail == NULL)
		return text ? text : unconstify(char *, detail);
	return psprintf("%s\n%s", text, detail);
}

static void
try_one(Planner *planner, const Trial *trial)
{
	TablePlan  *table = trial->table;
	ErrorData  *error;
	ErrorData  *mask_error;
	CatalogColumn *column;

	error = try_select(planner, trial);
	if (error == NULL)
		return;
	column = find_bad_mask(planner, trial, &mask_error);
	if (column != NULL)
		fail(table, mask_error->sqlerrcode,
			 psprintf("cannot pull %s: the data rule for column %s cannot work: %s", table->display,
					  quote_identifier(column->name), mask_error->message),
			 with_detail(psprintf("The rule is %s.", column_rule(table, column->name)),
						 unreadable_detail(planner, trial, mask_error)),
			 mask_error->hint);
	else
		fail(table, error->sqlerrcode,
			 psprintf("cannot pull %s by its clause: %s", table->display, error->message),
			 with_detail(table->filter ? psprintf("The clause is: %s", table->filter) : NULL,
						 unreadable_detail(planner, trial, error)),
			 error->hint);
}

/* All at once, and if that fails, one by one. */
static void
try_all(Planner *planner)
{
	StringInfoData sql;
	ListCell   *lc;

	if (planner->trials == NIL)
		return;
	initStringInfo(&sql);
	foreach(lc, planner->trials)
		appendStringInfo(&sql, "%s%s", sql.len > 0 ? "; " : "", trial_sql(planner, lfirst(lc)));
	if (source_catalog_try(planner->control, sql.data, NULL) == NULL)
		return;
	foreach(lc, planner->trials)
		try_one(planner, lfirst(lc));
}

static void
add_trial(Planner *planner, TablePlan *table, const CopyQuery *query)
{
	Trial	   *trial = palloc(sizeof(Trial));

	trial->table = table;
	trial->query = palloc(sizeof(CopyQuery));
	*trial->query = *query;
	planner->trials = lappend(planner->trials, trial);
}

static char *
with_path(const Planner *planner, const TablePlan *table, const char *sql)
{
	return psprintf("SET LOCAL search_path = %s; %s", copy_path(planner, table), sql);
}

/* Every COPY says its search_path when one of them has another. */
static void
set_paths(Planner *planner, List *tables)
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
			table->copy_sql = with_path(planner, table, table->copy_sql);
		foreach(lc_part, table->copy_parts)
			lfirst(lc_part) = with_path(planner, table, lfirst(lc_part));
	}
}

/* What is computed here. */
static void
set_rewrites(Planner *planner, TablePlan *table, const Choice *choice)
{
	char	   *problem;

	table->row_name = choice->root ? choice->root->name : choice->name;
	table->rewrites = rewrite_plan(&planner->rewrites, choice->local, choice->source, &problem);
	if (problem != NULL)
		fail(table, ERRCODE_GENERATED_ALWAYS,
			 psprintf("cannot pull %s: a generated column cannot be rewritten", table->display),
			 problem, NULL);
}

/* Which local rows stay; in the other modes all of them do. */
static void
set_keep(Planner *planner, TablePlan *table, const Choice *choice)
{
	List	   *conditions = keep_plan(&planner->keeps, choice->local);

	if (table->mode == LAND_REPLACE)
		table->keep = conditions;
	else if (table->mode == LAND_APPEND && conditions != NIL)
		fail(table, ERRCODE_FEATURE_NOT_SUPPORTED,
			 psprintf("cannot pull %s in mode \"append\": rows of it are kept", table->display),
			 "Append adds rows beyond the highest key, which a kept row may have.", NULL);
}

/*
 * A large table as the COPYs that several loaders take.  One COPY is worth it,
 * too, for the sake of the indexes.  Kept rows and the pulled ones have to be looked at by
 * the same loader.
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

	set_rewrites(planner, table, choice);
	set_keep(planner, table, choice);
	if (table->message != NULL)
		return;
	travel = match_columns(table, choice, source_version(planner->control));
	check_key(table, choice);
	set_rows(table, choice, &query);
	query.columns = travel;
	query.columns = apply_rules(planner, table, choice, travel, &query);
	if (table->message == NULL && !choice->empty)
		check_column_rights(table, choice->source, query.columns);
	if (table->message == NULL && table->user_sql)
		check_name_types(table, &query);
	if (table->message != NULL)
		return;
	if (table->user_sql || table->masked_columns != NIL)
		add_trial(planner, table, &query);
	query.binary = table->binary;
	if (table->mode == LAND_APPEND && !choice->empty)
		batches_plan(table, choice, &query, planner->request->cursor,
					 source_version(planner->control),
					 copy_path(planner, table));
	table->copy_sql = copy_statement(&query);
	table->copy_parts = parts_of(&query, table, source_version(planner->control));
	if (table->user_sql)
		clause_verify_copy(table->copy_sql);
	if (!choice->empty)
		table->verify_sql = source_catalog_rewritten_query(table->source_oids);
	if (planner->request->sequences)
		match_sequences(planner, table, choice, travel);
	tell_differences(table);
}

/* ---- partitions ---- */

static bool
has_failed(const TablePlan *table, void *arg)
{
	return table->message != NULL;
}

static void
fail_part(TablePlan *table, const TablePlan *failed, char *message, void *arg)
{
	fail(table, failed->sqlerrcode, message, NULL, NULL);
}

/* What is committed in batches cannot stand or fall together. */
static void
part_wholes(List *tables)
{
	ListCell   *lc;

	foreach(lc, tables)
		((TablePlan *) lfirst(lc))->whole = InvalidOid;
}

/* Fails all partitions of a map if there are rows that none of them takes. */
static void
check_rest(Planner *planner, const Choice *choice, List *tables)
{
	const PartitionMap *map = choice->map;
	char	   *rest = partition_map_rest(map);
	char	   *display = selection_display(planner->request, planner->local, planner->source,
											map->local->schema, map->local->name);
	ErrorData  *error = NULL;
	CopyQuery	query = {map->source};
	double		count = 0;
	ListCell   *lc;

	if (rest != NULL)
	{
		query.condition = rest;
		set_clause(choice, &query);
		error = source_catalog_count(planner->control, copy_select(&query),
									 choice->clause ? user_path(planner) : "pg_catalog, pg_temp",
									 &count);
	}
	if (count == 0 && error == NULL)
		return;
	foreach(lc, tables)
	{
		TablePlan  *table = lfirst(lc);

		if (table->whole != map->local->oid || table->message != NULL)
			continue;
		if (error != NULL)
			fail(table, error->sqlerrcode,
				 psprintf("cannot pull %s: the source cannot tell which rows belong into the partitions of %s",
						  table->display, display), error->message, error->hint);
		else
			fail(table, ERRCODE_CHECK_VIOLATION,
				 psprintf("cannot pull %s: no partition of %s takes %.0f of its rows on the source",
						  table->display, display, count),
				 NULL, psprintf("Create the partitions that are missing, or a default partition of %s.", display));
	}
}

/* Each map once. */
static void
check_maps(Planner *planner, List *tables, List *choices)
{
	List	   *checked = NIL;
	ListCell   *lc_table;
	ListCell   *lc_choice;

	forboth(lc_table, tables, lc_choice, choices)
	{
		const Choice *choice = lfirst(lc_choice);
		const PartitionMap *map = choice->map;

		if (map == NULL || choice->empty || ((TablePlan *) lfirst(lc_table))->message != NULL ||
			list_member_ptr(checked, map))
			continue;
		checked = lappend(checked, (void *) map);
		check_rest(planner, choice, tables);
	}
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

/* Replaces both lists by the tables that theirs refer to: masks follow foreign keys. */
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

/* All that nobody has read: a long chain of keys is not worth a round trip for each. */
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
	try_all(planner);
	partitions_fail_together(tables, has_failed, fail_part, NULL);
	check_maps(planner, tables, choices);
	set_paths(planner, tables);
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
	refuse_itself(&facts);
	plan->snapshot = facts.snapshot;
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
	if (request->rules)
		warn_unmatched_rules(&planner);
	else if (config->data_rules != NIL)
		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg("data rules are off: all values come as they are")));
	rewrite_warn_unmatched(&planner.rewrites);
	keep_warn_unmatched(&planner.keeps);
	tell_unmasked(&planner, plan->tables);
	tell_row_security(plan->tables);
	if (request->mode == LAND_APPEND)
		part_wholes(plan->tables);
	return plan;
}
