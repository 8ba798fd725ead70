/*-------------------------------------------------------------------------
 *
 * selection.c
 *	  Names, globs, groups, excludes: which tables a run is about.
 *
 * People write names as they stand in .pgsync.yml (Users is "Users" there), as
 * in SQL (Users is users), and as shell patterns, so an item is tried in that
 * order:
 *
 *		users, app.users	literally, case included; quotes as in SQL
 *		audit.log			the whole text as a name that holds a dot
 *		Users				folded to lower case
 *		p*, other.p*		as a glob over the tables that both sides have
 *
 * A name without a schema means what it means to the caller: the first schema
 * of the search path in which we have it (else, in which the source has it).
 * What a name finds but cannot be pulled stays in the list with its reason; a
 * glob, and a call that names nothing, pass it over in silence.
 *
 * A partitioned table stands for its leaves.  Those that both sides have are
 * copied one from another, else by what belongs into them (partition_map.c).
 * Which rows of a table come is said by the call's filter, else by the group
 * that named it, else by the configuration; tables in "empty" come without rows.
 * Excludes are looked at last, and therefore win over everything;
 * one for a partitioned table holds for its partitions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_class.h"
#include "lib/stringinfo.h"
#include "parser/scansup.h"
#include "utils/builtins.h"
#include "utils/varlena.h"

#include "base/compat.h"
#include "schema/local_catalog.h"
#include "base/glob.h"
#include "base/names.h"
#include "plan/selection.h"

/* One wish of the caller, as written. */
typedef struct Item
{
	char	   *text;
	char	   *schema;			/* NULL: not qualified */
	char	   *name;
	bool		quoted;			/* any part stood in quotes */
	bool		schema_quoted;
	bool		name_quoted;
	const SyncGroup *group;		/* where it came from, or NULL */
	int			line;
	char	   *clause;			/* of the group, or NULL */
	List	   *args;			/* of char *: the group's values */
} Item;

/* A name or glob of the configuration that stands for tables. */
typedef struct Pattern
{
	char	   *text;
	Item	   *item;
	bool		folded;			/* nothing is called so literally */
	const SyncFilter *filter;	/* what goes with it, or NULL */
} Pattern;

typedef struct ChosenKey
{
	const CatalogRelation *relation;
} ChosenKey;

typedef struct Chosen
{
	ChosenKey	key;
	const Item *item;			/* that named it, or NULL */
} Chosen;

typedef struct Selection
{
	const PlanRequest *request;
	const SyncConfig *config;
	const Catalog *local;
	const Catalog *source;
	List	   *name_schemas;	/* where unqualified names are looked up */
	List	   *glob_schemas;	/* where unqualified globs and "everything" look */
	List	   *excludes;		/* of Pattern * */
	List	   *emptied;		/* of Pattern * */
	List	   *filters;		/* of Pattern * */
	List	   *excluded;		/* of char *: to be told */
	List	   *choices;		/* of Choice * */
	HTAB	   *chosen;			/* by ChosenKey */
} Selection;

#define GROUP_PREFIX	"group:"
/* more tables than this are not named to the source ahead of the choice */
#define LIKELY_TABLES	256

/* ---- text to items ---- */

static void pg_attribute_noreturn()
malformed(const char *text, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid table name: %s", text[0] ? text : "\"\""),
			 errdetail("%s", detail),
			 errhint("Write table, schema.table, \"Quoted Table\", a pattern such as p*, or group:name.")));
}

/* Without white space around it. */
static char *
trim(const char *text, int len)
{
	while (len > 0 && scanner_isspace(text[0]))
		text++, len--;
	while (len > 0 && scanner_isspace(text[len - 1]))
		len--;
	return pnstrdup(text, len);
}

/* Reads one dotted part; returns what follows it. */
static const char *
read_part(const char *p, const char *text, char **part, bool *quoted)
{
	StringInfoData buf;

	initStringInfo(&buf);
	*quoted = *p == '"';
	if (!*quoted)
	{
		while (*p && *p != '.')
			appendStringInfoChar(&buf, *p++);
	}
	else
	{
		for (p++; *p != '"' || p[1] == '"'; p++)
		{
			if (*p == '\0')
				malformed(text, "A double quote is not closed.");
			if (*p == '"')
				p++;
			appendStringInfoChar(&buf, *p);
		}
		p++;
		if (*p != '\0' && *p != '.')
			malformed(text, "There is text behind a closing double quote.");
	}
	if (buf.len == 0)
		malformed(text, "A part of the name is empty.");
	*part = buf.data;
	return p;
}

static Item *
parse_item(const char *text)
{
	Item	   *item = palloc0(sizeof(Item));
	const char *p;

	item->text = trim(text, strlen(text));
	if (item->text[0] == '\0')
		malformed(item->text, "The name is empty.");
	p = read_part(item->text, item->text, &item->name, &item->name_quoted);
	item->quoted = item->name_quoted;
	if (*p == '.')
	{
		item->schema = item->name;
		item->schema_quoted = item->name_quoted;
		p = read_part(p + 1, item->text, &item->name, &item->name_quoted);
		item->quoted |= item->name_quoted;
	}
	if (*p == '.' && item->quoted)
		malformed(item->text, "There are more than two parts; the database is not named.");
	if (*p == '.')
	{
		/* only a name that holds dots can be meant */
		item->schema = NULL;
		item->name = item->text;
	}
	return item;
}

/* The part as SQL would read it. */
static char *
folded(char *part, bool quoted)
{
	if (part == NULL || quoted)
		return part;
	return downcase_identifier(part, strlen(part), false, false);
}

static bool
is_group(const char *text)
{
	return strncmp(text, GROUP_PREFIX, strlen(GROUP_PREFIX)) == 0;
}

/* Is there a "*" that is not quoted? */
static bool
is_glob(const Item *item)
{
	return !item->name_quoted && strchr(item->name, '*') != NULL;
}

/* Takes a pair of brackets off the text. */
static char *
unwrap(const char *text, char opening, char closing)
{
	int			len = strlen(text);

	if (text[0] != opening)
		return (char *) text;
	if (len < 2 || text[len - 1] != closing)
		malformed(text, psprintf("It begins with \"%c\" but does not end with \"%c\".", opening, closing));
	return trim(text + 1, len - 2);
}

/* One item of a list. */
static char *
finish_spec_item(StringInfo buf)
{
	char	   *item = unwrap(trim(buf->data, buf->len), '<', '>');

	resetStringInfo(buf);
	if (item[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("empty name in the list of tables"),
				 errhint("Name the tables, or call pgtunsync.pull() without arguments for all of them.")));
	return item;
}

List *
plan_split_spec(const char *spec)
{
	char	   *whole = trim(spec, strlen(spec));
	bool		array = whole[0] == '{';
	char	   *text = unwrap(whole, '{', '}');
	List	   *items = NIL;
	bool		quoted = false;
	StringInfoData buf;

	/* "<a,b>" is a list too, "<a>,<b>" a list of such */
	if (text[0] == '<' && strchr(text, '>') == text + strlen(text) - 1)
		text = unwrap(text, '<', '>');

	initStringInfo(&buf);
	for (const char *p = text; *p; p++)
	{
		if (*p == '"')
			quoted = !quoted;
		if (*p == ',' && !quoted)
		{
			items = lappend(items, finish_spec_item(&buf));
			continue;
		}
		if (array && quoted && *p == '\\' && p[1] != '\0')
		{
			/* an array's escape; a quote in a name is doubled */
			p++;
			if (*p == '"')
				appendStringInfoChar(&buf, '"');
		}
		appendStringInfoChar(&buf, *p);
	}
	if (quoted)
		malformed(spec, "A double quote is not closed.");
	return lappend(items, finish_spec_item(&buf));
}

void
plan_check_request(const PlanRequest *request)
{
	ListCell   *lc;

	foreach(lc, request->tables)
	{
		const char *text = lfirst(lc);

		if (!is_group(text))
			(void) parse_item(text);
		else if (text[strlen(GROUP_PREFIX)] == '\0')
			malformed(text, "The group's name is empty.");
	}
	if (request->group != NULL && request->group[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the group's name is empty")));
	if (request->filter != NULL && request->everything)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a filter needs tables that it is for"),
				 errhint("Name the tables or a group.")));
}

/* ---- groups ---- */

/* The names of all groups, for a HINT; NULL when there are none. */
static char *
group_names(const SyncConfig *config)
{
	StringInfoData buf;
	ListCell   *lc;

	if (config->groups == NIL)
		return NULL;
	initStringInfo(&buf);
	foreach(lc, config->groups)
		appendStringInfo(&buf, "%s%s", buf.len > 0 ? ", " : "", ((SyncGroup *) lfirst(lc))->name);
	return buf.data;
}

static void pg_attribute_noreturn()
unknown_group(const SyncConfig *config, const char *name)
{
	char	   *names = group_names(config);

	if (config->path == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("group \"%s\" does not exist", name),
				 errdetail("There is no configuration file: pgtunsync.config_file is empty.")));
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("group \"%s\" does not exist", name),
			 errdetail("The groups are read from file \"%s\".", config->path),
			 names ? errhint("Groups in this file: %s.", names) :
			 errhint("This file has no groups.")));
}

/* Splits "123:eu" into values; one with a colon in it stands in double quotes. */
static List *
split_values(const char *text)
{
	List	   *values = NIL;
	StringInfoData buf;
	bool		quoted = false;

	initStringInfo(&buf);
	for (const char *p = text;; p++)
	{
		if (*p == '"' && quoted && p[1] == '"')
			appendStringInfoChar(&buf, *p++);
		else if (*p == '"' && (quoted || buf.len == 0))
			quoted = !quoted;
		else if (*p == '\0' || (*p == ':' && !quoted))
		{
			values = lappend(values, pstrdup(buf.data));
			resetStringInfo(&buf);
			if (*p == '\0')
				break;
		}
		else
			appendStringInfoChar(&buf, *p);
	}
	if (quoted)
		malformed(text, "A double quote is not closed.");
	return values;
}

/* The group of that name, and the values behind it. */
static SyncGroup *
find_group(const SyncConfig *config, const char *text, List **values)
{
	SyncGroup  *group = sync_config_group(config, text);
	const char *colon = strchr(text, ':');

	*values = NIL;
	if (group != NULL)
		return group;
	if (colon == NULL)
		unknown_group(config, text);
	group = sync_config_group(config, pnstrdup(text, colon - text));
	if (group == NULL)
		unknown_group(config, pnstrdup(text, colon - text));
	*values = split_values(colon + 1);
	return group;
}

/* The tables of a group. */
static List *
group_items(const SyncConfig *config, const char *text)
{
	List	   *values;
	SyncGroup  *group = find_group(config, text, &values);
	List	   *items = NIL;
	ListCell   *lc;

	foreach(lc, group->entries)
	{
		SyncGroupEntry *entry = lfirst(lc);
		Item	   *item = parse_item(entry->table);

		item->group = group;
		item->line = entry->line;
		item->clause = entry->clause;
		item->args = values;
		items = lappend(items, item);
	}
	return items;
}

/* All that was asked for, groups resolved. */
static List *
request_items(const PlanRequest *request, const SyncConfig *config)
{
	List	   *items = NIL;
	ListCell   *lc;

	foreach(lc, request->tables)
	{
		const char *text = trim(lfirst(lc), strlen(lfirst(lc)));

		if (is_group(text))
			items = list_concat(items, group_items(config, text + strlen(GROUP_PREFIX)));
		else
			items = lappend(items, parse_item(text));
	}
	if (request->group != NULL)
		items = list_concat(items,
							group_items(config, is_group(request->group) ?
										request->group + strlen(GROUP_PREFIX) : request->group));
	return items;
}

/* ---- schemas ---- */

static List *
add_schema(List *schemas, char *schema)
{
	ListCell   *lc;

	if (schema == NULL)
		return schemas;
	foreach(lc, schemas)
	{
		if (strcmp(lfirst(lc), schema) == 0)
			return schemas;
	}
	return lappend(schemas, schema);
}

static List *
add_schemas(List *schemas, List *more)
{
	ListCell   *lc;

	foreach(lc, more)
		schemas = add_schema(schemas, lfirst(lc));
	return schemas;
}

static bool
has_schema(List *schemas, const char *schema)
{
	ListCell   *lc;

	foreach(lc, schemas)
	{
		if (strcmp(lfirst(lc), schema) == 0)
			return true;
	}
	return false;
}

/* The schemas that the call or the configuration lists; "*" stands for all that we have. */
static List *
listed_schemas(const PlanRequest *request, const SyncConfig *config)
{
	List	   *listed = request->schemas ? request->schemas : config->schemas;
	List	   *schemas = NIL;
	ListCell   *lc;

	foreach(lc, listed)
	{
		if (strcmp(lfirst(lc), "*") == 0)
			schemas = add_schemas(schemas, local_catalog_schemas());
		else
			schemas = add_schema(schemas, lfirst(lc));
	}
	return schemas;
}

/* Adds the schemas that items of the configuration name. */
static List *
add_pattern_schemas(List *schemas, List *texts)
{
	ListCell   *lc;

	foreach(lc, texts)
		schemas = add_schema(schemas, parse_item(lfirst(lc))->schema);
	return schemas;
}

List *
selection_schemas(const PlanRequest *request, const SyncConfig *config)
{
	List	   *schemas = add_schemas(list_copy(request->search_path),
									  listed_schemas(request, config));
	ListCell   *lc;

	schemas = add_pattern_schemas(schemas, config->empty);
	foreach(lc, config->filters)
		schemas = add_pattern_schemas(schemas, list_make1(((SyncFilter *) lfirst(lc))->table));

	foreach(lc, request_items(request, config))
	{
		Item	   *item = lfirst(lc);

		schemas = add_schema(schemas, item->schema);
		schemas = add_schema(schemas, folded(item->schema, item->schema_quoted));
	}
	return schemas;
}

/* ---- patterns: exclude, empty, filters ---- */

/* Does the pattern mean this relation, read literally or folded? */
static bool
pattern_matches_as(const Pattern *pattern, const CatalogRelation *relation, bool fold)
{
	Item	   *item = pattern->item;
	char	   *schema = fold ? folded(item->schema, item->schema_quoted) : item->schema;
	char	   *name = fold ? folded(item->name, item->name_quoted) : item->name;

	if (schema != NULL &&
		!(item->schema_quoted ? strcmp(schema, relation->schema) == 0 :
		  glob_matches(schema, relation->schema, true)))
		return false;
	return item->name_quoted ? strcmp(name, relation->name) == 0 :
		glob_matches(name, relation->name, true);
}

static bool
pattern_matches(const Pattern *pattern, const CatalogRelation *relation)
{
	return pattern_matches_as(pattern, relation, pattern->folded) ||
		strcmp(pattern->text, relation->name) == 0;
}

/* Is it folded?  Only when no relation of either side has the literal name. */
static bool
must_fold(const Pattern *pattern, const Catalog *catalog)
{
	ListCell   *lc;

	foreach(lc, catalog->relations)
	{
		if (pattern_matches_as(pattern, lfirst(lc), false))
			return false;
	}
	return true;
}

static Pattern *
prepare_pattern(const Selection *selection, char *text)
{
	Pattern    *pattern = palloc0(sizeof(Pattern));

	pattern->text = text;
	pattern->item = parse_item(text);
	pattern->folded = must_fold(pattern, selection->local) &&
		must_fold(pattern, selection->source);
	return pattern;
}

static List *
prepare_patterns(const Selection *selection, List *texts)
{
	List	   *patterns = NIL;
	ListCell   *lc;

	foreach(lc, texts)
		patterns = lappend(patterns, prepare_pattern(selection, lfirst(lc)));
	return patterns;
}

static List *
prepare_filters(const Selection *selection)
{
	List	   *patterns = NIL;
	ListCell   *lc;

	foreach(lc, selection->config->filters)
	{
		SyncFilter *filter = lfirst(lc);
		Pattern    *pattern = prepare_pattern(selection, filter->table);

		pattern->filter = filter;
		patterns = lappend(patterns, pattern);
	}
	return patterns;
}

/* The first pattern for the relation, or for a table that it is a partition of. */
static const Pattern *
find_pattern(List *patterns, const CatalogRelation *relation)
{
	ListCell   *lc;

	for (; relation != NULL; relation = relation->parent)
	{
		foreach(lc, patterns)
		{
			if (pattern_matches(lfirst(lc), relation))
				return lfirst(lc);
		}
	}
	return NULL;
}

/* A misspelt name would let rows come that were to stay: says so. */
static void
warn_unmatched(const Selection *selection, List *patterns, const char *key)
{
	ListCell   *lc;
	ListCell   *lc_relation;

	foreach(lc, patterns)
	{
		const Pattern *pattern = lfirst(lc);
		bool		matched = false;

		foreach(lc_relation, selection->local->relations)
			matched = matched || pattern_matches(pattern, lfirst(lc_relation));
		if (!matched)
			ereport(WARNING,
					(errcode(ERRCODE_WARNING),
					 errmsg("\"%s\" in \"%s\" of file \"%s\" matches no local table",
							pattern->text, key, selection->config->path)));
	}
}

/* One NOTICE for all that was named and yet left out. */
static void
tell_excluded(const Selection *selection)
{
	StringInfoData buf;
	ListCell   *lc;

	if (selection->excluded == NIL)
		return;
	initStringInfo(&buf);
	foreach(lc, selection->excluded)
		appendStringInfo(&buf, "%s%s", buf.len > 0 ? ", " : "", (char *) lfirst(lc));
	ereport(NOTICE,
			(errmsg_plural("excluded table is left out: %s",
						   "excluded tables are left out: %s",
						   list_length(selection->excluded), buf.data),
			 selection->config->path == NULL ? 0 :
			 errdetail("The excludes of the call and in file \"%s\" win over tables that are named.",
					   selection->config->path)));
}

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
	else if (strcmp(choice->schema, PGTUNSYNC_SCHEMA) == 0)
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
same_clause(const Item *a, const Item *b)
{
	if (a == NULL || b == NULL || a == b)
		return true;
	if (a->clause == NULL || b->clause == NULL)
		return a->clause == b->clause;
	return strcmp(a->clause, b->clause) == 0 && equal_strings(a->args, b->args);
}

/* Was it chosen before?  Remembers it.  It cannot come by two clauses at once. */
static bool
already_chosen(Selection *selection, const CatalogRelation *relation, const Item *item)
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

/* Finds the clause that is in force: the call's, the group's, the configuration's. */
static char *
find_clause(const Selection *selection, const CatalogRelation *relation, const Item *item,
			ClauseValues *values, char **what)
{
	const Pattern *pattern;

	values->args = item ? item->args : NIL;
	values->names = selection->request->variables;
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
	pattern = find_pattern(selection->filters, relation);
	if (pattern == NULL)
		return NULL;
	*what = psprintf("filter of \"%s\", line %d of file \"%s\"", pattern->text,
					 pattern->filter->line, selection->config->path);
	return filter_text(pattern->filter);
}

/* Which rows of the table are to come. */
static void
choose_rows(const Selection *selection, Choice *choice, const Item *item)
{
	ClauseValues values = {0};
	char	   *what;

	choice->empty = find_pattern(selection->emptied, choice->local) != NULL;
	if (choice->empty)
		return;
	choice->filter = find_clause(selection, choice->local, item, &values, &what);
	if (choice->filter == NULL)
		return;
	choice->clause = clause_parse(choice->filter, &values, what);
	choice->partly = item != NULL && (selection->request->filter != NULL || item->clause != NULL);
	if (choice->root != NULL && !choice->clause->rowwise)
		fail(choice, ERRCODE_FEATURE_NOT_SUPPORTED,
			 psprintf("cannot pull %s by this clause: its table is partitioned", choice->display),
			 psprintf("Partitions are pulled one by one, and LIMIT, OFFSET, TABLESAMPLE and RIGHT or FULL joins choose among all rows of the table: %s.", choice->filter),
			 "Choose the rows by WHERE and JOIN.");
}

/*
 * Partitions that differ: the source is asked for each local one's rows.  Fails
 * the choice when it could not answer.
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
				   CatalogRelation *root, const PartitionMap *map, const Item *item);

/* A partitioned table stands for its leaves. */
static void
choose_leaves(Selection *selection, const Choice *root, const PartitionMap *map,
			  const Item *item)
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

/* What was named and yet is left out; only a survey asks for it. */
static void
exclude_choice(Choice *choice, const Pattern *exclude)
{
	choice->excluded = true;
	fail(choice, ERRCODE_SUCCESSFUL_COMPLETION,
		 psprintf("excluded by \"%s\"", exclude->text), NULL, NULL);
}

/*
 * Takes one table into the list, unless it is there or excluded.  With a map,
 * its rows are not those of its namesake on the source.  item: what named it, or
 * NULL.
 */
static void
choose(Selection *selection, const char *schema, const char *name,
	   CatalogRelation *root, const PartitionMap *map, const Item *item)
{
	CatalogRelation *local = catalog_find(selection->local, schema, name);
	CatalogRelation *source = map ? map->source : catalog_find(selection->source, schema, name);
	const Pattern *exclude;
	Choice	   *choice;

	if (already_chosen(selection, local ? local : source, item))
		return;
	exclude = find_pattern(selection->excludes, local ? local : source);
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
	if (choice->message == NULL)
		choose_rows(selection, choice, item);
	selection->choices = lappend(selection->choices, choice);
}

/* ---- many at once ---- */

/* May a glob, or a call that names nothing, take it? */
static bool
is_common_table(const Selection *selection, const CatalogRelation *local)
{
	CatalogRelation *source;

	if (!is_table_kind(local->kind) || is_system(local) || local->extension_member ||
		strcmp(local->schema, PGTUNSYNC_SCHEMA) == 0)
		return false;
	source = catalog_find(selection->source, local->schema, local->name);
	return source != NULL && is_table_kind(source->kind);
}

static int
compare_relations(const ListCell *a, const ListCell *b)
{
	const CatalogRelation *left = lfirst(a);
	const CatalogRelation *right = lfirst(b);
	int			order = strcmp(left->schema, right->schema);

	return order != 0 ? order : strcmp(left->name, right->name);
}

/* The tables of both sides in these schemas that match (NULL: all), sorted. */
static List *
common_tables(const Selection *selection, List *schemas, const char *glob)
{
	List	   *tables = NIL;
	ListCell   *lc;

	foreach(lc, selection->local->relations)
	{
		CatalogRelation *local = lfirst(lc);

		if (has_schema(schemas, local->schema) &&
			(glob == NULL || glob_matches(glob, local->name, true)) &&
			is_common_table(selection, local))
			tables = lappend(tables, local);
	}
	list_sort(tables, compare_relations);
	return tables;
}

/* Chooses them; partitions come with their root when that is among them. */
static void
choose_tables(Selection *selection, List *tables, const Item *item)
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
choose_name(Selection *selection, const char *schema, const char *name, const Item *item)
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
choose_glob(Selection *selection, char *schema, const char *glob, const Item *item)
{
	List	   *schemas = schema ? list_make1(schema) : selection->glob_schemas;
	List	   *tables = common_tables(selection, schemas, glob);

	choose_tables(selection, tables, item);
	return tables != NIL;
}

/* The name that is closest to an unknown one, or NULL. */
static char *
closest_name(const Selection *selection, const Item *item)
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

/* "posts:123": values are for groups. */
static void
refuse_values(const Selection *selection, const Item *item)
{
	int			len = strcspn(item->text, ":");
	char	   *name = pnstrdup(item->text, len);

	if (item->quoted || item->text[len] == '\0')
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("a table takes no values: %s", item->text),
			 sync_config_group(selection->config, name) ?
			 errhint("There is a group of that name: write group:%s.", item->text) :
			 errhint("To choose rows, use filter => or a group with a clause.")));
}

/* What to write instead, or NULL. */
static char *
item_hint(const Selection *selection, const Item *item)
{
	char	   *close = closest_name(selection, item);

	if (is_glob(item))
		return NULL;
	if (sync_config_group(selection->config, item->text))
		return psprintf("There is a group of that name: write group:%s.", item->text);
	return close ? psprintf("Perhaps you meant %s.", close) : NULL;
}

/* The end of a run; a survey goes on. */
static void
unknown_item(Selection *selection, const Item *item)
{
	char	   *hint = item_hint(selection, item);
	Choice	   *choice = new_choice(item->schema ? item->schema : "", item->name, item->text);
	char	   *place = item->group ?
		psprintf("It stands in group \"%s\", line %d of file \"%s\".", item->group->name,
				 item->line, selection->config->path) : NULL;

	refuse_values(selection, item);
	fail(choice, ERRCODE_UNDEFINED_TABLE,
		 is_glob(item) ?
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
choose_item(Selection *selection, const Item *item)
{
	char	   *schema = folded(item->schema, item->schema_quoted);
	char	   *name = folded(item->name, item->name_quoted);

	if (choose_name(selection, item->schema, item->name, item) ||
		(!item->quoted && choose_name(selection, NULL, item->text, item)) ||
		choose_name(selection, schema, name, item))
		return;
	if (is_glob(item) &&
		(choose_glob(selection, item->schema, item->name, item) ||
		 choose_glob(selection, schema, name, item)))
		return;
	unknown_item(selection, item);
}

/* ---- before the source was asked ---- */

/* Does the item mean the relation, or a table that it is a part of? */
static bool
may_mean(Item *item, const CatalogRelation *relation)
{
	Pattern		pattern = {.text = item->text, .item = item};

	for (; relation != NULL; relation = relation->parent)
	{
		if (pg_strcasecmp(item->name, relation->name) == 0 ||
			strcmp(item->text, relation->name) == 0)
			return true;
		if (is_glob(item) && (pattern_matches_as(&pattern, relation, false) ||
							  pattern_matches_as(&pattern, relation, true)))
			return true;
	}
	return false;
}

static bool
any_may_mean(const List *items, const CatalogRelation *relation)
{
	const ListCell *lc;

	foreach(lc, items)
	{
		if (may_mean(lfirst(lc), relation))
			return true;
	}
	return false;
}

List *
selection_likely(const PlanRequest *request, const SyncConfig *config, const Catalog *local)
{
	List	   *items = request_items(request, config);
	List	   *likely = NIL;
	ListCell   *lc;

	if (list_length(items) > LIKELY_TABLES)
		return NIL;
	foreach(lc, local->relations)
	{
		CatalogRelation *relation = lfirst(lc);

		if ((relation->kind != RELKIND_RELATION && relation->kind != RELKIND_PARTITIONED_TABLE) ||
			!(request->everything || any_may_mean(items, relation)))
			continue;
		likely = lappend(likely, relation);
		if (list_length(likely) > LIKELY_TABLES)
			return NIL;
	}
	return likely;
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
	listed = listed_schemas(request, config);
	selection.name_schemas = add_schemas(list_copy(request->search_path), listed);
	selection.glob_schemas = listed ? listed : request->search_path;
	selection.excludes = list_concat(prepare_patterns(&selection, config->exclude),
									 prepare_patterns(&selection, request->exclude));
	selection.emptied = prepare_patterns(&selection, config->empty);
	selection.filters = prepare_filters(&selection);
	warn_unmatched(&selection, selection.emptied, "empty");
	warn_unmatched(&selection, selection.filters, "filters");

	foreach(lc, request_items(request, config))
		choose_item(&selection, lfirst(lc));
	if (request->everything)
		choose_tables(&selection,
					  common_tables(&selection, selection.glob_schemas, NULL), NULL);
	tell_excluded(&selection);
	return selection.choices;
}
