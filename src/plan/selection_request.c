/*-------------------------------------------------------------------------
 *
 * selection_request.c
 *	  What a call asks for, before the catalogs are known.
 *
 * Tables, groups and schemas come from the call and from the configuration.  A
 * text that names no table may still be read in another way: as a group
 * ("core", "product:123"), or as several names with spaces between them.  Both
 * are decided when the catalogs are there (selection.c); here the schemas of
 * every reading are collected, so that they are read.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "lib/stringinfo.h"

#include "base/text.h"
#include "base/compat.h"
#include "base/glob.h"
#include "plan/selection_request.h"
#include "plan/table_pattern.h"
#include "schema/local_catalog.h"

/* more tables than this are not named to the source ahead of the choice */
#define LIKELY_TABLES	256

/* ---- the caller's part ---- */

/* Raises an error for a schema of the call that we do not have. */
static void
check_schema(const char *pattern)
{
	if (selection_schema_exists(pattern))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_SCHEMA),
			 strchr(pattern, '*') ?
			 errmsg("no schema of the local database matches \"%s\"", pattern) :
			 errmsg("schema \"%s\" does not exist in the local database", pattern),
			 errhint("Name schemas that this database has.")));
}

void
selection_check_request(const PlanRequest *request)
{
	ListCell   *lc;

	foreach(lc, request->tables)
	{
		const char *text = lfirst(lc);

		if (!table_spec_is_group(text))
			(void) table_spec_parse(text);
		else if (table_spec_group(text)[0] == '\0')
			table_spec_malformed(text, "The group's name is empty.");
	}
	if (request->group != NULL && request->group[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the group's name is empty")));
	foreach(lc, request->schemas)
		check_schema(lfirst(lc));
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

/* A clause without its first word, if that is WHERE. */
static const char *
without_where(const char *clause)
{
	return pg_strncasecmp(clause, "where ", 6) == 0 ? clause + 6 : clause;
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
			 strchr(name, ' ') ?
			 errhint("The second argument names a group.  To choose rows, write filter => '%s'.",
					 without_where(name)) :
			 names ? errhint("Groups in this file: %s.", names) :
			 errhint("This file has no groups.")));
}

/*
 * Splits "123:eu" into values; one with a colon in it stands in double quotes.
 */
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
		table_spec_malformed(text, "A double quote is not closed.");
	return values;
}

/*
 * The group that the text names, and the values behind it; NULL if there is
 * none.
 */
static SyncGroup *
find_group(const SyncConfig *config, const char *text, List **values)
{
	SyncGroup  *group = sync_config_group(config, text);
	const char *colon = strchr(text, ':');

	*values = NIL;
	if (group != NULL || colon == NULL)
		return group;
	group = sync_config_group(config, pnstrdup(text, colon - text));
	if (group != NULL)
		*values = split_values(colon + 1);
	return group;
}

List *
selection_group_items(const SyncConfig *config, const char *text)
{
	List	   *values;
	SyncGroup  *group = find_group(config, text, &values);
	List	   *items = NIL;
	ListCell   *lc;

	if (group == NULL)
		return NIL;
	foreach(lc, group->entries)
	{
		SyncGroupEntry *entry = lfirst(lc);
		TableSpec  *item = table_spec_parse(entry->table);

		item->group = group;
		item->line = entry->line;
		item->clause = entry->clause;
		item->args = values;
		items = lappend(items, item);
	}
	return items;
}

/* The same for a group that must be there. */
static List *
named_group_items(const SyncConfig *config, const char *text)
{
	List	   *values;

	if (find_group(config, text, &values) == NULL)
		unknown_group(config, pnstrdup(text, strcspn(text, ":")));
	return selection_group_items(config, text);
}

List *
selection_items(const PlanRequest *request, const SyncConfig *config)
{
	List	   *items = NIL;
	ListCell   *lc;

	foreach(lc, request->tables)
	{
		const char *text = table_spec_trim(lfirst(lc), strlen(lfirst(lc)));

		if (table_spec_is_group(text))
			items = list_concat(items, named_group_items(config, table_spec_group(text)));
		else
			items = lappend(items, table_spec_parse(text));
	}
	if (request->group != NULL)
		items = list_concat(items,
							named_group_items(config, table_spec_group(request->group)));
	return items;
}

List *
selection_readings(const TableSpec *item, const SyncConfig *config)
{
	List	   *items = NIL;
	ListCell   *lc;

	if (item->group != NULL || item->quoted)
		return NIL;
	items = selection_group_items(config, item->text);
	if (items != NIL)
		return items;
	foreach(lc, table_spec_words(item->text))
	{
		const char *word = lfirst(lc);

		if (table_spec_is_group(word))
			items = list_concat(items, named_group_items(config, table_spec_group(word)));
		else
			items = lappend(items, table_spec_parse(word));
	}
	return items;
}

/* All items, with every other way to read them. */
static List *
possible_items(const PlanRequest *request, const SyncConfig *config)
{
	List	   *items = selection_items(request, config);
	List	   *more = NIL;
	ListCell   *lc;
	ListCell   *lc_word;

	foreach(lc, items)
	{
		List	   *readings = selection_readings(lfirst(lc), config);

		foreach(lc_word, readings)
			more = list_concat(more, selection_readings(lfirst(lc_word), config));
		more = list_concat(more, readings);
	}
	return list_concat(items, more);
}

/* ---- schemas ---- */

static List *
add_schema(List *schemas, char *schema)
{
	if (schema == NULL || names_include(schemas, schema))
		return schemas;
	return lappend(schemas, schema);
}

static List *
add_schemas(List *schemas, const List *more)
{
	ListCell   *lc;

	foreach(lc, more)
		schemas = add_schema(schemas, lfirst(lc));
	return schemas;
}

List *
selection_join_schemas(const List *schemas, const List *more)
{
	return add_schemas(list_copy(schemas), more);
}

/*
 * Adds the local schemas that a name or glob means; a name also if we have
 * none.
 */
static List *
add_matching_schemas(List *schemas, char *pattern, bool quoted)
{
	ListCell   *lc;

	if (pattern == NULL || quoted || strchr(pattern, '*') == NULL)
		return add_schema(schemas, pattern);
	foreach(lc, local_catalog_schemas())
	{
		if (glob_matches(pattern, lfirst(lc), true))
			schemas = add_schema(schemas, lfirst(lc));
	}
	return schemas;
}

bool
selection_schema_exists(const char *pattern)
{
	ListCell   *lc;

	foreach(lc, local_catalog_schemas())
	{
		if (glob_matches(pattern, lfirst(lc), true))
			return true;
	}
	return false;
}

List *
selection_listed_schemas(const PlanRequest *request, const SyncConfig *config)
{
	List	   *listed = request->schemas ? request->schemas : config->schemas;
	List	   *schemas = NIL;
	ListCell   *lc;

	foreach(lc, listed)
	{
		schemas = add_matching_schemas(schemas, lfirst(lc), false);
	}
	return schemas;
}

/* Adds the schemas in which an item may be. */
static List *
add_item_schemas(List *schemas, const TableSpec *item)
{
	char	   *fold = table_spec_fold(item->schema, item->schema_quoted);

	schemas = add_matching_schemas(schemas, item->schema, item->schema_quoted);
	return add_matching_schemas(schemas, fold, item->schema_quoted);
}

/* Adds the schemas that patterns of the configuration name. */
static List *
add_pattern_schemas(List *schemas, const List *texts)
{
	ListCell   *lc;

	foreach(lc, texts)
		schemas = add_item_schemas(schemas, table_spec_parse(lfirst(lc)));
	return schemas;
}

List *
selection_schemas(const PlanRequest *request, const SyncConfig *config)
{
	List	   *schemas = add_schemas(list_copy(request->search_path),
									  selection_listed_schemas(request, config));
	ListCell   *lc;

	schemas = add_pattern_schemas(schemas, config->empty);
	schemas = add_pattern_schemas(schemas, config->exclude);
	schemas = add_pattern_schemas(schemas, request->exclude);
	foreach(lc, config->filters)
		schemas = add_pattern_schemas(schemas, list_make1(((SyncFilter *) lfirst(lc))->table));
	foreach(lc, possible_items(request, config))
		schemas = add_item_schemas(schemas, lfirst(lc));
	return schemas;
}

List *
selection_schemas_of(const TableSpec *item, bool fold)
{
	char	   *schema = fold ? table_spec_fold(item->schema, item->schema_quoted) : item->schema;

	return add_matching_schemas(NIL, schema, item->schema_quoted);
}

/* ---- before the source was asked ---- */

/* True if the item means the relation, or a table that it is a part of. */
static bool
may_mean(TableSpec *item, const CatalogRelation *relation)
{
	TablePattern		pattern = {.text = item->text, .item = item};

	for (; relation != NULL; relation = relation->parent)
	{
		if (pg_strcasecmp(item->name, relation->name) == 0 ||
			strcmp(item->text, relation->name) == 0)
			return true;
		if (table_spec_is_glob(item) && (table_pattern_matches_as(&pattern, relation, false) ||
							  table_pattern_matches_as(&pattern, relation, true)))
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
	List	   *items = possible_items(request, config);
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
