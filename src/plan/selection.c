/*-------------------------------------------------------------------------
 *
 * selection.c
 *	  Which tables a run is about.
 *
 * An item of the call or of a group is tried in this order, as written:
 *
 *		users, app.users	literally, case included; quotes as in SQL
 *		audit.log			the whole text as a name that holds a dot
 *		Users				folded to lower case
 *		p*, other.p*, t_*.p*	as a glob over the tables that both sides have
 *		core, product:1		as the group of that name
 *		users orders		as several names
 *
 * A name without a schema means what it means to the caller: the first schema
 * of the search path in which we have it (else, in which the source has it).
 * What a name finds but cannot be pulled stays in the list with its reason; a
 * glob, and a call that names nothing, pass it over.  Such a call also leaves
 * out the tables in which frameworks keep their migration state.
 *
 * A partitioned table stands for its leaves.  Those that both sides have are
 * copied one from another, else by what belongs into them (partition_map.c).
 * A table brings the tables that inherit from it, and the rows of those that
 * only the source has (inheritance.c).
 * Which rows of a table come is decided by the call's filter, else by the
 * group that named it, else by the configuration; tables in "empty" come
 * without rows.  Excludes are applied last, and therefore win over everything;
 * one for a partitioned table holds for its partitions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_class.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/varlena.h"

#include "base/compat.h"
#include "base/glob.h"
#include "base/names.h"
#include "base/text.h"
#include "plan/framework_table.h"
#include "plan/selection.h"
#include "plan/selection_request.h"
#include "plan/table_pattern.h"
#include "plan/table_spec.h"
#include "schema/inheritance.h"

typedef struct ChosenKey
{
	const CatalogRelation *relation;
} ChosenKey;

typedef struct Chosen
{
	ChosenKey	key;
	const TableSpec *item;		/* that named it, or NULL */
} Chosen;

typedef struct Selection
{
	const PlanRequest *request;
	const SyncConfig *config;
	const Catalog *local;
	const Catalog *source;
	List	   *name_schemas;	/* where unqualified names are looked up */
	List	   *glob_schemas;	/* where unqualified globs and "everything" look */
	List	   *excludes;		/* of TablePattern * */
	List	   *emptied;		/* of TablePattern * */
	List	   *filters;		/* of TablePattern * */
	bool		with_framework; /* "!default" is excluded from the excludes */
	List	   *excluded;		/* of char *: named, and left out */
	List	   *framework;		/* of char *: migration state that is left out */
	List	   *choices;		/* of Choice * */
	List	   *trees;			/* of Tree *: parents whose children follow */
	CatalogRelation *heir_of;	/* whose children are being chosen */
	HTAB	   *chosen;			/* by ChosenKey */
} Selection;

/* A parent that was chosen, and what named it. */
typedef struct Tree
{
	Choice	   *parent;
	const TableSpec *item;
} Tree;

/* ---- what cannot be pulled ---- */

/* The kinds that are refused, and why. */
static const struct
{
	char		kind;
	const char *what;
	const char *hint;
}			refused_kinds[] = {
	{RELKIND_VIEW, "a view", "Pull the tables that it reads."},
	{RELKIND_MATVIEW, "a materialized view", "Pull the tables that it reads, then REFRESH MATERIALIZED VIEW."},
	{RELKIND_FOREIGN_TABLE, "a foreign table", NULL},
	{RELKIND_SEQUENCE, "a sequence", "The sequences that a table's columns own come with the table."},
};

static bool
is_table_kind(char kind)
{
	return kind == RELKIND_RELATION || kind == RELKIND_PARTITIONED_TABLE;
}

static bool
is_system(const CatalogRelation *relation)
{
	return relation->oid < FirstNormalObjectId;
}

static bool
is_our_schema(const char *name)
{
	return strcmp(name, PGTUNSYNC_SCHEMA) == 0 || strcmp(name, PGTUNSYNC_INTERNAL) == 0 ||
		strcmp(name, PGTUNSYNC_STAGING) == 0;
}

static void
fail(Choice *choice, int sqlerrcode, char *message, const char *detail, const char *hint)
{
	choice->sqlerrcode = sqlerrcode;
	choice->message = message;
	choice->detail = detail ? pstrdup(detail) : NULL;
	choice->hint = hint ? pstrdup(hint) : NULL;
}

/* Refuses what is no table on one side; "where" names the side. */
static void
check_kind(Choice *choice, const CatalogRelation *relation, const char *where)
{
	for (int i = 0; i < lengthof(refused_kinds); i++)
	{
		if (refused_kinds[i].kind == relation->kind)
			fail(choice, ERRCODE_WRONG_OBJECT_TYPE,
				 psprintf("cannot pull %s: it is %s %s", choice->display,
						  refused_kinds[i].what, where),
				 NULL, refused_kinds[i].hint);
	}
}

/* Fills in why it cannot be pulled, if so. */
static void
check_choice(Choice *choice)
{
	if (choice->source == NULL)
		fail(choice, ERRCODE_UNDEFINED_TABLE,
			 psprintf("table %s does not exist on the source", choice->display), NULL, NULL);
	else
		check_kind(choice, choice->source, "on the source");
	if (choice->local == NULL)
	{
		fail(choice, ERRCODE_UNDEFINED_TABLE,
			 psprintf("table %s does not exist in the local database", choice->display),
			 "Only the source has it.", "Create it first: rows are pulled, not definitions.");
		return;
	}
	check_kind(choice, choice->local, "in the local database");
	if (is_system(choice->local))
		fail(choice, ERRCODE_WRONG_OBJECT_TYPE,
			 psprintf("cannot pull %s: it is a system table", choice->display), NULL, NULL);
	else if (is_our_schema(choice->schema))
		fail(choice, ERRCODE_WRONG_OBJECT_TYPE,
			 psprintf("cannot pull %s: it belongs to pgtunsync itself", choice->display),
			 NULL, NULL);
}

/* ---- choosing ---- */

static bool
equal_strings(const List *a, const List *b)
{
	ListCell   *lc_a;
	ListCell   *lc_b;

	if (list_length(a) != list_length(b))
		return false;
	forboth(lc_a, a, lc_b, b)
	{
		if (strcmp(lfirst(lc_a), lfirst(lc_b)) != 0)
			return false;
	}
	return true;
}

char *
selection_display(const PlanRequest *request, const Catalog *local,
				  const Catalog *source, const char *schema, const char *name)
{
	ListCell   *lc;

	foreach(lc, request->search_path)
	{
		const char *candidate = lfirst(lc);

		if (strcmp(candidate, schema) == 0)
			return pstrdup(quote_identifier(name));
		if (catalog_find(local, candidate, name) || catalog_find(source, candidate, name))
			break;
	}
	return quote_qualified_identifier(schema, name);
}

static char *
display(const Selection *selection, const char *schema, const char *name)
{
	return selection_display(selection->request, selection->local, selection->source,
							 schema, name);
}

static bool
same_clause(const TableSpec *a, const TableSpec *b)
{
	if (a == NULL || b == NULL || a == b)
		return true;
	if (a->clause == NULL || b->clause == NULL)
		return a->clause == b->clause;
	return strcmp(a->clause, b->clause) == 0 && equal_strings(a->args, b->args);
}

/*
 * Was it chosen before?  Remembers it.  It cannot come by two clauses at once.
 */
static bool
already_chosen(Selection *selection, const CatalogRelation *relation, const TableSpec *item)
{
	ChosenKey	key = {relation};
	bool		found;
	Chosen	   *chosen = hash_search(selection->chosen, &key, HASH_ENTER, &found);

	if (!found)
		chosen->item = item;
	else if (selection->request->filter == NULL && !same_clause(chosen->item, item))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("table %s is named twice, with different clauses",
						display(selection, relation->schema, relation->name))));
	return found;
}

/* The name that is closest to an unknown one, or NULL. */
static char *
closest_name(const Selection *selection, const TableSpec *item)
{
	const Catalog *catalogs[] = {selection->local, selection->source};
	const CatalogRelation *best = NULL;
	int			len = strlen(item->name);
	int			limit = Min(3, len / 2);
	ListCell   *lc;

	if (len >= NAMEDATALEN)
		return NULL;
	for (int i = 0; i < lengthof(catalogs); i++)
	{
		foreach(lc, catalogs[i]->relations)
		{
			CatalogRelation *relation = lfirst(lc);
			int			distance;

			if (!is_table_kind(relation->kind))
				continue;
			distance = varstr_levenshtein_less_equal(item->name, len, relation->name,
													 strlen(relation->name), 1, 1, 1,
													 limit, true);
			if (distance <= limit && (best == NULL || distance < limit))
			{
				best = relation;
				limit = distance;
			}
		}
	}
	return best ? display(selection, best->schema, best->name) : NULL;
}

/* ---- patterns that match nothing ---- */

/* True if the pattern means a relation of the catalog. */
static bool
matches_any(const TablePattern *pattern, const Catalog *catalog)
{
	ListCell   *lc;

	foreach(lc, catalog->relations)
	{
		if (table_pattern_matches(pattern, lfirst(lc)))
			return true;
	}
	return false;
}

/* Warns of a misspelt name: rows would come that were to stay. */
static void
warn_unmatched(const Selection *selection, List *patterns, const char *key)
{
	ListCell   *lc;

	foreach(lc, patterns)
	{
		const TablePattern *pattern = lfirst(lc);
		char	   *close;

		if (matches_any(pattern, selection->local))
			continue;
		close = closest_name(selection, pattern->item);
		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg("\"%s\" in \"%s\" of file \"%s\" matches no local table",
						pattern->text, key, selection->config->path),
				 close ? errhint("Perhaps you meant %s.", close) : 0));
	}
}

/*
 * An exclude that matches nothing protects nothing; those of templates are no
 * mistake.
 */
static void
check_excludes(const Selection *selection, const List *patterns, bool of_call)
{
	ListCell   *lc;

	foreach(lc, patterns)
	{
		const TablePattern *pattern = lfirst(lc);
		char	   *close;

		if (matches_any(pattern, selection->local) || matches_any(pattern, selection->source) ||
			(!of_call && framework_table_name(pattern->item->name)))
			continue;
		close = closest_name(selection, pattern->item);
		ereport(of_call ? ERROR : WARNING,
				(errcode(of_call ? ERRCODE_UNDEFINED_TABLE : ERRCODE_WARNING),
				 of_call ? errmsg("\"%s\" in \"exclude\" matches no table", pattern->text) :
				 errmsg("\"%s\" in \"exclude\" of file \"%s\" matches no table",
						pattern->text, selection->config->path),
				 close ? errhint("Perhaps you meant %s.", close) : 0));
	}
}

static void
warn_unmatched_schemas(const Selection *selection)
{
	ListCell   *lc;

	if (selection->request->schemas != NIL)
		return;					/* the caller has checked them */
	foreach(lc, selection->config->schemas)
	{
		if (!selection_schema_exists(lfirst(lc)))
			ereport(WARNING,
					(errcode(ERRCODE_WARNING),
					 errmsg("\"%s\" in \"schemas\" of file \"%s\" matches no local schema",
							(char *) lfirst(lc), selection->config->path)));
	}
}

/* ---- what the call is told ---- */

/* One NOTICE for all that was named and yet left out. */
static void
report_excluded(const Selection *selection)
{
	if (selection->excluded == NIL)
		return;
	ereport(NOTICE,
			(errmsg_plural("excluded table is left out: %s",
						   "excluded tables are left out: %s",
						   list_length(selection->excluded), names_text(selection->excluded, false)),
			 selection->config->path == NULL ? 0 :
			 errdetail("The excludes of the call and in file \"%s\" win over tables that are named.",
					   selection->config->path)));
}

static int
compare_names(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}

static void
report_framework(const Selection *selection)
{
	if (selection->framework == NIL)
		return;
	list_sort(selection->framework, compare_names);
	ereport(NOTICE,
			(errmsg_plural("migration table of a framework is left out: %s",
						   "migration tables of frameworks are left out: %s",
						   list_length(selection->framework), names_text(selection->framework, false)),
			 errdetail("They say which migrations this database has seen."),
			 errhint("Name them to pull them, or add \"%s\" to exclude.",
					 FRAMEWORK_TABLES_INCLUDED)));
}

/* One NOTICE for tables that only one side has, of a call that names none. */
static void
report_lonely(const List *there, const List *here)
{
	StringInfoData detail;

	if (there == NIL && here == NIL)
		return;
	initStringInfo(&detail);
	if (there != NIL)
		appendStringInfo(&detail, "Only on the source: %s.", names_text(there, false));
	if (here != NIL)
		appendStringInfo(&detail, "%sOnly here: %s.", detail.len > 0 ? "\n" : "",
						 names_text(here, false));
	ereport(NOTICE,
			(errmsg("tables that only one side has are left as they are"),
			 errdetail("%s", detail.data)));
}

/* ---- which rows ---- */

/* The filter that the configuration has for a table, as a clause. */
static char *
filter_text(const SyncFilter *filter)
{
	if (filter->clause != NULL)
		return filter->clause;
	return psprintf("%s > pg_catalog.now() - %s::pg_catalog.interval",
					catalog_sql_identifier(filter->column), quote_literal_cstr(filter->last));
}

/*
 * Finds the clause that is in force: the call's, the group's, the
 * configuration's.
 */
static char *
find_clause(const Selection *selection, Choice *choice, const TableSpec *item,
			ClauseValues *values, char **what)
{
	const CatalogRelation *relation = choice->local;
	const TablePattern *pattern;

	values->args = item ? item->args : NIL;
	values->names = selection->request->variables;
	choice->clause_table = choice->heir_of ? choice->heir_of->name : NULL;
	if (item != NULL && selection->request->filter != NULL)
	{
		*what = "filter of the call";
		return selection->request->filter;
	}
	if (item != NULL && item->clause != NULL)
	{
		values->strict = true;
		*what = psprintf("clause for \"%s\" in group \"%s\", line %d of file \"%s\"",
						 item->text, item->group->name, item->line, selection->config->path);
		return item->clause;
	}
	pattern = table_pattern_find(selection->filters, relation);
	if (pattern == NULL)
		return NULL;
	choice->clause_table = NULL;
	if (relation->ancestors != NIL)
		choice->clause_table = table_pattern_table(pattern, relation)->name;
	*what = psprintf("filter of \"%s\", line %d of file \"%s\"", pattern->text,
					 pattern->filter->line, selection->config->path);
	return filter_text(pattern->filter);
}

/* Which rows of the table are to come. */
static void
choose_rows(const Selection *selection, Choice *choice, const TableSpec *item)
{
	ClauseValues values = {0};
	char	   *what;

	choice->empty = table_pattern_find(selection->emptied, choice->local) != NULL;
	if (choice->empty)
		return;
	choice->filter = find_clause(selection, choice, item, &values, &what);
	if (choice->filter == NULL)
		return;
	choice->clause = clause_parse(choice->filter, &values, what);
	choice->partly = item != NULL && (selection->request->filter != NULL || item->clause != NULL);
	if (choice->root != NULL && !choice->clause->rowwise)
		fail(choice, ERRCODE_FEATURE_NOT_SUPPORTED,
			 psprintf("cannot pull %s by this clause: its table is partitioned", choice->display),
			 psprintf("Partitions are pulled one by one, and LIMIT, OFFSET, TABLESAMPLE and RIGHT or FULL joins choose among all rows of the table: %s.", choice->filter),
			 "Choose the rows by WHERE and JOIN.");
	else if ((choice->heirs != NIL || choice->heir_of != NULL) && !choice->clause->rowwise)
		fail(choice, ERRCODE_FEATURE_NOT_SUPPORTED,
			 psprintf("cannot pull %s by this clause: its inheritance children come with their parent", choice->display),
			 psprintf("Parent and children are pulled one by one, and LIMIT, OFFSET, TABLESAMPLE and RIGHT or FULL joins choose among all rows: %s.", choice->filter),
			 "Choose the rows by WHERE and JOIN.");
}

/* ---- inheritance ---- */

/* Excluded and emptied tables of the source give no rows to their parents. */
static List *
without_excluded(const Selection *selection, List *relations)
{
	List	   *rest = NIL;
	ListCell   *lc;

	foreach(lc, relations)
	{
		if (table_pattern_find(selection->excludes, lfirst(lc)) == NULL &&
			table_pattern_find(selection->emptied, lfirst(lc)) == NULL)
			rest = lappend(rest, lfirst(lc));
	}
	return rest;
}

/* A filter that the configuration has for one of them would be lost. */
static void
check_member_filters(const Selection *selection, Choice *choice)
{
	const TablePattern *own = table_pattern_find(selection->filters, choice->local);
	ListCell   *lc;

	foreach(lc, choice->source->members)
	{
		const CatalogRelation *member = lfirst(lc);
		const TablePattern *filter = table_pattern_find(selection->filters, member);

		if (filter == NULL || filter == own || selection->request->filter != NULL)
			continue;
		fail(choice, ERRCODE_FEATURE_NOT_SUPPORTED,
			 psprintf("cannot pull %s: rows of table %s come with it, which has a filter of its own",
					  choice->display, display(selection, member->schema, member->name)),
			 psprintf("The filter is \"%s\", line %d of file \"%s\".", filter->text, filter->filter->line,
					  selection->config->path),
			 "Exclude that table, create it here as a child, or filter the parent.");
	}
}

/* What inherits from the table comes with it, on either side. */
static void
choose_tree(Selection *selection, Choice *choice, const TableSpec *item)
{
	CatalogRelation *source = choice->source;

	if (source->kind != RELKIND_RELATION ||
		(source->descendants == NIL && choice->local->descendants == NIL))
		return;
	if (choice->map != NULL)
		source->members = without_excluded(selection, source->descendants);
	else
	{
		Tree	   *tree = palloc(sizeof(Tree));

		source->members = inheritance_unmatched(selection->local, choice->local, source);
		source->members = without_excluded(selection, source->members);
		choice->heirs = inheritance_matched(selection->source, choice->local, source);
		check_member_filters(selection, choice);
		tree->parent = choice;
		tree->item = item;
		selection->trees = lappend(selection->trees, tree);
	}
}

/*
 * Partitions that differ: the source is asked for each local one's rows.
 * Fails the choice when it could not answer.
 */
static PartitionMap *
map_partitions(Choice *choice)
{
	char	   *reason = "The local table has no partitions.";
	PartitionMap *map = NULL;

	if (choice->local->leaves != NIL)
		map = partition_map(choice->local, choice->source, &reason);
	if (map == NULL)
		fail(choice, ERRCODE_FEATURE_NOT_SUPPORTED,
			 choice->source->kind == RELKIND_PARTITIONED_TABLE ?
			 psprintf("cannot pull %s: its partitions differ between source and local database",
					  choice->display) :
			 psprintf("cannot pull %s: it is partitioned here, but not on the source",
					  choice->display),
			 reason, "Make the partitions the same.");
	return map;
}

static void choose(Selection *selection, const char *schema, const char *name,
				   CatalogRelation *root, const PartitionMap *map, const TableSpec *item);

/* A partitioned table stands for its leaves. */
static void
choose_leaves(Selection *selection, const Choice *root, const PartitionMap *map,
			  const TableSpec *item)
{
	ListCell   *lc;

	foreach(lc, root->local->leaves)
	{
		CatalogRelation *leaf = lfirst(lc);

		choose(selection, leaf->schema, leaf->name, root->local, map, item);
	}
}

static Choice *
new_choice(const char *schema, const char *name, char *display)
{
	Choice	   *choice = palloc0(sizeof(Choice));

	choice->schema = pstrdup(schema);
	choice->name = pstrdup(name);
	choice->display = display;
	return choice;
}

/* Chooses the children of a parent, unless they have been named themselves. */
static void
choose_heirs(Selection *selection, const Tree *tree)
{
	ListCell   *lc;

	foreach(lc, tree->parent->heirs)
	{
		CatalogRelation *heir = lfirst(lc);
		ChosenKey	key = {heir};

		if (hash_search(selection->chosen, &key, HASH_FIND, NULL) != NULL)
			continue;
		selection->heir_of = tree->parent->local;
		choose(selection, heir->schema, heir->name, NULL, NULL, tree->item);
		selection->heir_of = NULL;
	}
}

/* What was named and yet is left out; only a survey asks for it. */
static void
exclude_choice(Choice *choice, const TablePattern *exclude)
{
	choice->left_out = "excluded";
	fail(choice, ERRCODE_SUCCESSFUL_COMPLETION,
		 psprintf("excluded by \"%s\"", exclude->text), NULL, NULL);
}

/*
 * Takes one table into the list, unless it is there or excluded.  With a map,
 * its rows are not those of its namesake on the source. item: what named it,
 * or NULL.
 */
static void
choose(Selection *selection, const char *schema, const char *name,
	   CatalogRelation *root, const PartitionMap *map, const TableSpec *item)
{
	CatalogRelation *local = catalog_find(selection->local, schema, name);
	CatalogRelation *source = map ? map->source : catalog_find(selection->source, schema, name);
	const TablePattern *exclude;
	Choice	   *choice;

	if (already_chosen(selection, local ? local : source, item))
		return;
	exclude = table_pattern_find(selection->excludes, local ? local : source);
	if (exclude != NULL && !selection->request->survey)
	{
		if (item != NULL)
			selection->excluded = lappend(selection->excluded, display(selection, schema, name));
		return;
	}

	choice = new_choice(schema, name, display(selection, schema, name));
	choice->local = local;
	choice->source = source;
	choice->root = root;
	choice->map = map;
	if (exclude != NULL)
		exclude_choice(choice, exclude);
	else
		check_choice(choice);
	if (choice->message == NULL && local->kind == RELKIND_PARTITIONED_TABLE)
	{
		const PartitionMap *inner = partitions_same(local, source) ? NULL : map_partitions(choice);

		if (choice->message == NULL)
		{
			choose_leaves(selection, choice, inner, item);
			return;
		}
	}
	choice->heir_of = selection->heir_of;
	if (choice->message == NULL)
		choose_tree(selection, choice, item);
	if (choice->message == NULL)
		choose_rows(selection, choice, item);
	selection->choices = lappend(selection->choices, choice);
}

/* ---- many at once ---- */

/* True for a table that a call may pull without naming it. */
static bool
is_ordinary_table(const CatalogRelation *relation)
{
	return is_table_kind(relation->kind) && !is_system(relation) &&
		!relation->extension_member && !is_our_schema(relation->schema);
}

/* True if a glob, or a call that names nothing, may choose it. */
static bool
is_common_table(const Selection *selection, const CatalogRelation *local)
{
	CatalogRelation *source;

	if (!is_ordinary_table(local))
		return false;
	source = catalog_find(selection->source, local->schema, local->name);
	return source != NULL && is_table_kind(source->kind);
}

/* Adds a row to a survey, for a table that a call leaves out without naming it. */
static void
leave_out(Selection *selection, CatalogRelation *local, CatalogRelation *source,
		  const char *status, char *reason, const char *hint)
{
	const CatalogRelation *relation = local ? local : source;
	Choice	   *choice = new_choice(relation->schema, relation->name,
									display(selection, relation->schema, relation->name));

	choice->local = local;
	choice->source = source;
	choice->left_out = status;
	fail(choice, ERRCODE_SUCCESSFUL_COMPLETION, reason, NULL, hint);
	selection->choices = lappend(selection->choices, choice);
}

/*
 * Is it left out because a framework keeps its state there?  Remembers its
 * name.
 */
static bool
is_framework_state(Selection *selection, CatalogRelation *local)
{
	if (selection->with_framework || !framework_table(local->oid, local->name))
		return false;
	if (table_pattern_find(selection->excludes, local) != NULL)
		return !selection->request->survey;
	if (selection->request->survey)
		leave_out(selection, local, catalog_find(selection->source, local->schema, local->name),
				  "excluded", "a framework keeps its migration state in it",
				  "Name it to pull it, or add \"" FRAMEWORK_TABLES_INCLUDED "\" to exclude.");
	else
		selection->framework = lappend(selection->framework,
									   display(selection, local->schema, local->name));
	return true;
}

static int
compare_relations(const ListCell *a, const ListCell *b)
{
	const CatalogRelation *left = lfirst(a);
	const CatalogRelation *right = lfirst(b);
	int			order = strcmp(left->schema, right->schema);

	return order != 0 ? order : strcmp(left->name, right->name);
}

/*
 * The tables of both sides in these schemas that match the glob ("*": all),
 * sorted.
 */
static List *
common_tables(Selection *selection, const List *schemas, const char *glob)
{
	bool		all = strspn(glob, "*") == strlen(glob);
	List	   *tables = NIL;
	ListCell   *lc;

	foreach(lc, selection->local->relations)
	{
		CatalogRelation *local = lfirst(lc);

		if (names_include(schemas, local->schema) &&
			glob_matches(glob, local->name, true) &&
			is_common_table(selection, local) &&
			!(all && is_framework_state(selection, local)))
			tables = lappend(tables, local);
	}
	list_sort(tables, compare_relations);
	return tables;
}

/* Chooses them; partitions come with their root when that is among them. */
static void
choose_tables(Selection *selection, List *tables, const TableSpec *item)
{
	HASHCTL		ctl = {0};
	HTAB	   *roots;
	ListCell   *lc;

	ctl.keysize = sizeof(ChosenKey);
	ctl.entrysize = sizeof(ChosenKey);
	ctl.hcxt = CurrentMemoryContext;
	roots = hash_create("pgtunsync partitioned tables", 32, &ctl,
						HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	foreach(lc, tables)
	{
		ChosenKey	key = {lfirst(lc)};

		if (key.relation->kind == RELKIND_PARTITIONED_TABLE)
			(void) hash_search(roots, &key, HASH_ENTER, NULL);
	}
	foreach(lc, tables)
	{
		CatalogRelation *relation = lfirst(lc);
		ChosenKey	above = {relation->parent};

		while (above.relation != NULL && !hash_search(roots, &above, HASH_FIND, NULL))
			above.relation = above.relation->parent;
		if (above.relation == NULL)
			choose(selection, relation->schema, relation->name, NULL, NULL, item);
	}
	hash_destroy(roots);
}

/* ---- one item ---- */

/* Chooses the relation of that name, if either side has it. */
static bool
choose_name(Selection *selection, const char *schema, const char *name, const TableSpec *item)
{
	const Catalog *catalogs[] = {selection->local, selection->source};
	List	   *schemas = schema ? list_make1((char *) schema) : selection->name_schemas;
	ListCell   *lc;

	for (int i = 0; i < lengthof(catalogs); i++)
	{
		foreach(lc, schemas)
		{
			if (catalog_find(catalogs[i], lfirst(lc), name) != NULL)
			{
				choose(selection, lfirst(lc), name, NULL, NULL, item);
				return true;
			}
		}
	}
	return false;
}

/* Chooses what the glob matches, if anything. */
static bool
choose_glob(Selection *selection, bool fold, const TableSpec *item)
{
	List	   *schemas = item->schema ? selection_schemas_of(item, fold) : selection->glob_schemas;
	char	   *glob = fold ? table_spec_fold(item->name, item->name_quoted) : item->name;
	List	   *tables = NIL;
	ListCell   *lc;

	if (table_spec_is_glob(item))
	{
		tables = common_tables(selection, schemas, glob);
		choose_tables(selection, tables, item);
		return tables != NIL;
	}
	/* only the schema is a glob */
	foreach(lc, schemas)
	{
		CatalogRelation *local = catalog_find(selection->local, lfirst(lc), glob);

		if (local != NULL && is_common_table(selection, local))
			tables = lappend(tables, local);
	}
	choose_tables(selection, tables, item);
	return tables != NIL;
}

/* "posts:123": values are for groups. */
static void
refuse_values(const TableSpec *item)
{
	int			len = strcspn(item->text, ":");

	if (item->quoted || item->text[len] == '\0')
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("a table takes no values: %s", item->text),
			 errhint("To choose rows, use filter => or a group with a clause.")));
}

/* What to write instead, or NULL. */
static const char *
item_hint(const Selection *selection, const TableSpec *item)
{
	char	   *close = closest_name(selection, item);

	if (table_spec_is_glob(item))
		return NULL;
	if (pg_strcasecmp(item->text, "where") == 0)
		return "To choose rows, write filter => '…'.";
	return close ? psprintf("Perhaps you meant %s.", close) : NULL;
}

/* The end of a run; a survey goes on. */
static void
unknown_item(Selection *selection, const TableSpec *item)
{
	const char *hint = item_hint(selection, item);
	Choice	   *choice = new_choice(item->schema ? item->schema : "", item->name, item->text);
	char	   *place = item->group ?
		psprintf("It stands in group \"%s\", line %d of file \"%s\".", item->group->name,
				 item->line, selection->config->path) : NULL;

	refuse_values(item);
	fail(choice, ERRCODE_UNDEFINED_TABLE,
		 table_spec_is_glob(item) ?
		 psprintf("no table that both sides have matches \"%s\"", item->text) :
		 psprintf("table %s does not exist on either side",
				  item->quoted ? item->text : psprintf("\"%s\"", item->text)),
		 place, hint);
	if (!selection->request->survey)
		ereport(ERROR,
				(errcode(choice->sqlerrcode),
				 errmsg("%s", choice->message),
				 place ? errdetail("%s", place) : 0,
				 hint ? errhint("%s", hint) : 0));
	selection->choices = lappend(selection->choices, choice);
}

static void
choose_item(Selection *selection, const TableSpec *item)
{
	char	   *schema = table_spec_fold(item->schema, item->schema_quoted);
	char	   *name = table_spec_fold(item->name, item->name_quoted);
	List	   *readings;
	ListCell   *lc;

	if (choose_name(selection, item->schema, item->name, item) ||
		(!item->quoted && choose_name(selection, NULL, item->text, item)) ||
		choose_name(selection, schema, name, item))
		return;
	if ((table_spec_is_glob(item) || table_spec_has_schema_glob(item)) &&
		(choose_glob(selection, false, item) || choose_glob(selection, true, item)))
		return;
	readings = selection_readings(item, selection->config);
	if (readings == NIL)
		unknown_item(selection, item);
	foreach(lc, readings)
		choose_item(selection, lfirst(lc));
}

/* ---- tables on one side only ---- */

/* Names a table that the other side does not have; a survey has a row for it. */
static List *
add_lonely(Selection *selection, List *names, CatalogRelation *relation, bool on_source)
{
	if (!selection->request->survey)
		return lappend(names, display(selection, relation->schema, relation->name));
	if (on_source)
		leave_out(selection, NULL, relation, "only on the source",
				  "the local database does not have it", NULL);
	else
		leave_out(selection, relation, NULL, "only here", "the source does not have it", NULL);
	return names;
}

/* The tables of one catalog that the other one does not have. */
static List *
lonely_tables(Selection *selection, bool on_source)
{
	const Catalog *catalog = on_source ? selection->source : selection->local;
	const Catalog *other = on_source ? selection->local : selection->source;
	List	   *names = NIL;
	ListCell   *lc;

	foreach(lc, catalog->relations)
	{
		CatalogRelation *relation = lfirst(lc);

		if (relation->parent == NULL && is_ordinary_table(relation) &&
			names_include(selection->glob_schemas, relation->schema) &&
			catalog_find(other, relation->schema, relation->name) == NULL &&
			table_pattern_find(selection->excludes, relation) == NULL)
			names = add_lonely(selection, names, relation, on_source);
	}
	return names;
}

/* Adds rows to a survey for tables of extensions, which only a name brings. */
static void
survey_members(Selection *selection)
{
	ListCell   *lc;

	foreach(lc, selection->local->relations)
	{
		CatalogRelation *local = lfirst(lc);
		CatalogRelation *source = catalog_find(selection->source, local->schema, local->name);

		if (local->extension_member && is_table_kind(local->kind) && !is_system(local) &&
			!is_our_schema(local->schema) && source != NULL && is_table_kind(source->kind) &&
			names_include(selection->glob_schemas, local->schema) &&
			table_pattern_find(selection->excludes, local) == NULL)
			leave_out(selection, local, source, "excluded", "it belongs to an extension",
					  "Name it to pull it.");
	}
}

static void
choose_everything(Selection *selection)
{
	List	   *there;
	List	   *here;

	choose_tables(selection, common_tables(selection, selection->glob_schemas, "*"), NULL);
	there = lonely_tables(selection, true);
	here = lonely_tables(selection, false);
	report_lonely(there, here);
	if (selection->request->survey)
		survey_members(selection);
}

/* ---- all of it ---- */

/*
 * Takes "!default" out of the excludes: frameworks' tables come like others.
 */
static List *
exclude_texts(Selection *selection, const List *texts)
{
	List	   *rest = NIL;
	ListCell   *lc;

	foreach(lc, texts)
	{
		if (strcmp(lfirst(lc), FRAMEWORK_TABLES_INCLUDED) == 0)
			selection->with_framework = true;
		else
			rest = lappend(rest, lfirst(lc));
	}
	return rest;
}

static void
prepare_excludes(Selection *selection)
{
	List	   *of_file = table_patterns_prepare(exclude_texts(selection, selection->config->exclude),
												 selection->local, selection->source);
	List	   *of_call = table_patterns_prepare(exclude_texts(selection, selection->request->exclude),
												 selection->local, selection->source);

	check_excludes(selection, of_file, false);
	check_excludes(selection, of_call, true);
	selection->excludes = list_concat(of_file, of_call);
}

List *
selection_resolve(const PlanRequest *request, const SyncConfig *config,
				  const Catalog *local, const Catalog *source)
{
	Selection	selection = {request, config, local, source};
	HASHCTL		ctl = {0};
	List	   *listed;
	ListCell   *lc;

	ctl.keysize = sizeof(ChosenKey);
	ctl.entrysize = sizeof(Chosen);
	ctl.hcxt = CurrentMemoryContext;
	selection.chosen = hash_create("pgtunsync chosen tables", 256, &ctl,
								   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	listed = selection_listed_schemas(request, config);
	selection.name_schemas = selection_join_schemas(request->search_path, listed);
	selection.glob_schemas = listed ? listed : request->search_path;
	selection.emptied = table_patterns_prepare(config->empty, local, source);
	selection.filters = table_patterns_of_filters(config->filters, local, source);
	prepare_excludes(&selection);
	warn_unmatched(&selection, selection.emptied, "empty");
	warn_unmatched(&selection, selection.filters, "filters");
	warn_unmatched_schemas(&selection);

	foreach(lc, selection_items(request, config))
		choose_item(&selection, lfirst(lc));
	if (request->everything)
		choose_everything(&selection);
	foreach(lc, selection.trees)
		choose_heirs(&selection, lfirst(lc));
	report_excluded(&selection);
	report_framework(&selection);
	return selection.choices;
}
