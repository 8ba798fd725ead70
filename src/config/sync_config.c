/*-------------------------------------------------------------------------
 *
 * sync_config.c
 *	  Reads .pgsync.yml, the configuration file of pgsync.
 *
 * yaml_tree.c parses the file into a tree.  Here, each known key has a
 * function that reads its value.  The accepted forms are those of pgsync:
 *
 *		exclude: [a, b]				exclude: "a,b"		schemas: likewise
 *		groups:
 *		  plain: [a, b]
 *		  clauses: {a: "where id = {1}", b: null}
 *		  mixed: [a, [b, "where x"], {c: "where y"}]
 *		data_rules:
 *		  email: unique_email		phone: null
 *		  users.token: {value: secret}		age: {statement: "random() * 9"}
 *
 * and these additional ones:
 *
 *		filters: {events: "created_at > now() - interval '90 days'"}
 *		filters: {events: {column: created_at, last: 6 months}}
 *		empty: [sessions]		like exclude
 *		rewrite: {"*.owner_id": "(select min(id) from users)"}
 *		keep: {tenants: "name like 'test_%'"}
 *
 * Scalars are read as text: a table named 1_000 or on is neither a number nor
 * a boolean.  Anything that could silently change which rows are pulled, or
 * pull an unmasked value, is an error; an unknown rule is an example.  Of
 * groups, only the form is checked, because pgsync does not look into groups
 * that a call does not use.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "base/compat.h"
#include "config/secure_file.h"
#include "config/sync_config.h"
#include "config/yaml_tree.h"

/*
 * Aliases can turn a few bytes into many entries, so their number is limited.
 */
#define ENTRIES_LIMIT 100000

typedef struct Reader
{
	SyncConfig *config;
	int			entries;
	StringInfoData ignored;		/* keys that are not used, for one NOTICE */
} Reader;

typedef void (*KeyReader) (Reader *r, TreeNode *value);

static const SettingsFileKind config_file_kind = {
	.what = "configuration file",
	.setting = "pgtunsync.config_file",
	.example = ".pgsync.yml.example",
	.advice = "An empty setting means that there is none."
};

/*
 * Messages
 */

static void pg_attribute_noreturn()
raise_error(Reader *r, int line, const char *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("configuration file \"%s\", line %d: %s", r->config->path, line, problem),
			 errhint("See the template \"%s\"; the path comes from the setting \"%s\".",
					 config_file_kind.example, config_file_kind.setting)));
	pg_unreachable();
}

static void
warn_unknown(Reader *r, TreeNode *key, const char *known)
{
	ereport(WARNING,
			(errcode(ERRCODE_WARNING),
			 errmsg("configuration file \"%s\", line %d: unknown key \"%s\" is ignored",
					r->config->path, key->line, key->text),
			 errhint("Known keys are %s.", known)));
}

static void
count_entry(Reader *r, int line)
{
	if (++r->entries > ENTRIES_LIMIT)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("configuration file \"%s\", line %d: more than %d entries",
						r->config->path, line, ENTRIES_LIMIT)));
}

/*
 * exclude and schemas
 */

static bool
is_blank_text(const char *text)
{
	return text[strspn(text, " \t\r\n")] == '\0';
}

/* Returns the text of a node that must be a non-empty string. */
static char *
string_of(Reader *r, TreeNode *node, const char *what)
{
	if (node->kind != TREE_SCALAR || tree_is_null(node) || is_blank_text(node->text))
		raise_error(r, node->line, psprintf("%s must be a string", what));
	return node->text;
}

/* Appends the trimmed text from start to end, unless it is empty. */
static List *
append_trimmed(List *list, const char *start, const char *end)
{
	while (start < end && (*start == ' ' || *start == '\t'))
		start++;
	while (end > start && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	return start < end ? lappend(list, pnstrdup(start, end - start)) : list;
}

/* Splits "a, b" at commas outside double quotes, like pgsync's to_arr. */
static List *
split_names(Reader *r, TreeNode *node)
{
	List	   *names = NIL;
	const char *start = node->text;
	bool		quoted = false;

	for (const char *c = node->text;; c++)
	{
		if (*c == '"')
			quoted = !quoted;
		if (*c == '\0' || (*c == ',' && !quoted))
		{
			count_entry(r, node->line);
			names = append_trimmed(names, start, c);
			start = c + 1;
		}
		if (*c == '\0')
			return names;
	}
}

/* Reads a list of names, or a string with commas. */
static List *
read_names(Reader *r, TreeNode *node, const char *what)
{
	List	   *names = NIL;

	if (tree_is_null(node))
		return NIL;
	if (node->kind == TREE_SCALAR)
		return split_names(r, node);
	if (node->kind != TREE_LIST)
		raise_error(r, node->line, psprintf("\"%s\" must be a list of names", what));
	for (int i = 0; i < node->count; i++)
	{
		count_entry(r, node->line);
		names = lappend(names, string_of(r, node->items[i],
										 psprintf("a name in \"%s\"", what)));
	}
	return names;
}

static void
read_exclude(Reader *r, TreeNode *value)
{
	r->config->exclude = read_names(r, value, "exclude");
}

static void
read_schemas(Reader *r, TreeNode *value)
{
	r->config->schemas = read_names(r, value, "schemas");
	if (r->config->schemas == NIL && !tree_is_null(value))
		raise_error(r, value->line, "\"schemas\" is empty, so no table could be pulled");
}

static void
read_empty(Reader *r, TreeNode *value)
{
	r->config->empty = read_names(r, value, "empty");
}

/*
 * filters
 */

/* Reads {column: created_at, last: 6 months}. */
static void
read_last_filter(Reader *r, SyncFilter *filter, TreeNode *map)
{
	for (int i = 0; i < map->count; i++)
	{
		TreeNode   *key = map->pairs[i].key;
		TreeNode   *value = map->pairs[i].value;

		count_entry(r, key->line);
		if (strcmp(key->text, "column") == 0)
			filter->column = string_of(r, value, "a column");
		else if (strcmp(key->text, "last") == 0)
			filter->last = string_of(r, value, "an interval");
		else
			raise_error(r, key->line, psprintf("unknown key \"%s\" in the filter of \"%s\"",
											   key->text, filter->table));
	}
	if (filter->column == NULL || filter->last == NULL)
		raise_error(r, map->line, psprintf("the filter of \"%s\" needs both column and last",
										   filter->table));
}

static SyncFilter *
read_filter(Reader *r, TreePair *pair)
{
	SyncFilter *filter = palloc0(sizeof(SyncFilter));

	count_entry(r, pair->key->line);
	filter->table = string_of(r, pair->key, "a table in \"filters\"");
	filter->line = pair->key->line;
	if (pair->value->kind == TREE_MAP)
		read_last_filter(r, filter, pair->value);
	else
		filter->clause = string_of(r, pair->value, psprintf("the filter of \"%s\"", filter->table));
	return filter;
}

static void
read_filters(Reader *r, TreeNode *value)
{
	if (tree_is_null(value))
		return;
	if (value->kind != TREE_MAP)
		raise_error(r, value->line, "\"filters\" must be a map of tables");
	for (int i = 0; i < value->count; i++)
		r->config->filters = lappend(r->config->filters, read_filter(r, &value->pairs[i]));
}

/*
 * groups
 */

static void
add_entry(Reader *r, SyncGroup *group, TreeNode *table, TreeNode *clause)
{
	SyncGroupEntry *entry = palloc0(sizeof(SyncGroupEntry));

	count_entry(r, table->line);
	entry->table = string_of(r, table, psprintf("a table of group \"%s\"", group->name));
	entry->line = table->line;
	if (clause != NULL && !tree_is_null(clause))
	{
		if (clause->kind != TREE_SCALAR)
			raise_error(r, clause->line, psprintf("the clause of \"%s\" must be a string", entry->table));
		if (!is_blank_text(clause->text))
			entry->clause = clause->text;
	}
	group->entries = lappend(group->entries, entry);
}

/* Adds entries of the form table: clause. */
static void
add_map_entries(Reader *r, SyncGroup *group, TreeNode *map)
{
	for (int i = 0; i < map->count; i++)
		add_entry(r, group, map->pairs[i].key, map->pairs[i].value);
}

/*
 * Adds an item of a group's list: a table, [table, clause] or {table: clause}.
 */
static void
add_item(Reader *r, SyncGroup *group, TreeNode *item)
{
	if (item->kind == TREE_SCALAR)
		add_entry(r, group, item, NULL);
	else if (item->kind == TREE_MAP)
		add_map_entries(r, group, item);
	else if (item->count == 1 || item->count == 2)
		add_entry(r, group, item->items[0], item->count == 2 ? item->items[1] : NULL);
	else
		raise_error(r, item->line, psprintf("a list in group \"%s\" must be a table and its clause",
											group->name));
}

static SyncGroup *
read_group(Reader *r, TreePair *pair)
{
	SyncGroup  *group = palloc0(sizeof(SyncGroup));
	TreeNode   *value = pair->value;

	count_entry(r, pair->key->line);
	group->name = pair->key->text;
	group->line = pair->key->line;
	if (value->kind == TREE_MAP)
		add_map_entries(r, group, value);
	else if (value->kind == TREE_LIST)
	{
		for (int i = 0; i < value->count; i++)
			add_item(r, group, value->items[i]);
	}
	else if (!tree_is_null(value))
		raise_error(r, value->line, psprintf("group \"%s\" must be a list of tables, or table: clause",
											 group->name));
	return group;
}

static void
read_groups(Reader *r, TreeNode *value)
{
	if (tree_is_null(value))
		return;
	if (value->kind != TREE_MAP)
		raise_error(r, value->line, "\"groups\" must be a map of names");
	for (int i = 0; i < value->count; i++)
		r->config->groups = lappend(r->config->groups, read_group(r, &value->pairs[i]));
}

/*
 * data_rules
 */

/* Returns the canonical name of a rule. */
static char *
rule_kind(Reader *r, TreeNode *node)
{
	static const char *const kinds[] = {
		"unique_email", "unique_phone", "unique_secret", "random_letter",
		"random_int", "random_date", "random_time", "random_ip",
		"random_string", "null", "untouched", "pseudonym", "pseudonym_email",
		"pseudonym_name", "pseudonym_number", "shift_date"
	};

	if (strcmp(node->text, "random_number") == 0)
		return "random_int";
	for (int i = 0; i < lengthof(kinds); i++)
	{
		if (strcmp(node->text, kinds[i]) == 0)
			return (char *) kinds[i];
	}
	if (strcmp(node->text, "partial") == 0)
		raise_error(r, node->line, "data rule \"partial\" needs {keep_first: n} or {keep_last: n}");
	raise_error(r, node->line, psprintf("unknown data rule \"%s\"", node->text));
}

/* Reads {value: x}.  A null is the same as the rule null. */
static void
read_value_rule(Reader *r, SyncRule *rule, TreeNode *value)
{
	if (value->kind != TREE_SCALAR)
		raise_error(r, value->line, psprintf("the value for \"%s\" must be a string or a number",
											 rule->pattern));
	rule->kind = tree_is_null(value) ? "null" : "value";
	rule->argument = tree_is_null(value) ? NULL : value->text;
}

/* Reads an integer from min to max. */
static int
number_of(Reader *r, TreeNode *node, const char *what, int min, int max)
{
	char	   *end = NULL;
	long		number = -1;

	if (node->kind == TREE_SCALAR && node->text[0] != '\0')
		number = strtol(node->text, &end, 10);
	if (end == NULL || *end != '\0' || number < min || number > max)
		raise_error(r, node->line, psprintf("%s must be a number from %d to %d", what, min, max));
	return (int) number;
}

static void
read_statement_rule(Reader *r, SyncRule *rule, TreeNode *value)
{
	rule->argument = string_of(r, value, psprintf("the statement for \"%s\"", rule->pattern));
}

/* Reads {partial: {keep_last: 4}}. */
static void
read_partial_rule(Reader *r, SyncRule *rule, TreeNode *value)
{
	if (value->kind != TREE_MAP || value->count == 0)
		raise_error(r, value->line, "data rule \"partial\" needs {keep_first: n} or {keep_last: n}");
	for (int i = 0; i < value->count; i++)
	{
		TreeNode   *key = value->pairs[i].key;
		int		   *keep = strcmp(key->text, "keep_first") == 0 ? &rule->keep_first :
			strcmp(key->text, "keep_last") == 0 ? &rule->keep_last : NULL;

		count_entry(r, key->line);
		if (keep == NULL)
			raise_error(r, key->line, psprintf("unknown key \"%s\" in data rule \"partial\"", key->text));
		*keep = number_of(r, value->pairs[i].value, key->text, 0, 1000);
	}
}

/* Reads {shift_date: 30}. */
static void
read_shift_rule(Reader *r, SyncRule *rule, TreeNode *value)
{
	rule->days = number_of(r, value, "shift_date", 1, 100000);
}

/* Reads {pseudonym_name: first}. */
static void
read_name_rule(Reader *r, SyncRule *rule, TreeNode *value)
{
	if (value->kind == TREE_SCALAR && strcmp(value->text, "full") == 0)
		return;
	if (value->kind != TREE_SCALAR ||
		(strcmp(value->text, "first") != 0 && strcmp(value->text, "last") != 0))
		raise_error(r, value->line, "pseudonym_name must be \"first\", \"last\" or \"full\"");
	rule->argument = value->text;
}

static void
read_map_rule(Reader *r, SyncRule *rule, TreeNode *map)
{
	static const struct
	{
		const char *name;
		void		(*reader) (Reader *r, SyncRule *rule, TreeNode *value);
	}			forms[] = {
		{"value", read_value_rule},
		{"statement", read_statement_rule},
		{"partial", read_partial_rule},
		{"shift_date", read_shift_rule},
		{"pseudonym_name", read_name_rule}
	};

	for (int i = 0; i < map->count; i++)
	{
		TreeNode   *key = map->pairs[i].key;
		int			form = 0;

		count_entry(r, key->line);
		while (form < lengthof(forms) && strcmp(key->text, forms[form].name) != 0)
			form++;
		if (form == lengthof(forms))
		{
			warn_unknown(r, key, "\"value\", \"statement\", \"partial\", \"shift_date\" and \"pseudonym_name\"");
			continue;
		}
		if (rule->kind != NULL)
			raise_error(r, key->line, psprintf("both %s and %s for \"%s\"", rule->kind,
											   forms[form].name, rule->pattern));
		rule->kind = (char *) forms[form].name;
		forms[form].reader(r, rule, map->pairs[i].value);
	}
	if (rule->kind == NULL)
		raise_error(r, map->line, psprintf("data rule for \"%s\" has neither value nor statement",
										   rule->pattern));
}

static SyncRule *
read_rule(Reader *r, TreePair *pair)
{
	SyncRule   *rule = palloc0(sizeof(SyncRule));

	count_entry(r, pair->key->line);
	rule->pattern = string_of(r, pair->key, "a column in \"data_rules\"");
	rule->line = pair->key->line;
	rule->days = 365;
	if (tree_is_null(pair->value))
		rule->kind = "null";
	else if (pair->value->kind == TREE_SCALAR)
		rule->kind = rule_kind(r, pair->value);
	else if (pair->value->kind == TREE_MAP)
		read_map_rule(r, rule, pair->value);
	else
		raise_error(r, pair->value->line, psprintf("data rule for \"%s\" must not be a list", rule->pattern));
	return rule;
}

static void
read_data_rules(Reader *r, TreeNode *value)
{
	if (tree_is_null(value))
		return;
	if (value->kind != TREE_MAP)
		raise_error(r, value->line, "\"data_rules\" must be a map of columns");
	for (int i = 0; i < value->count; i++)
		r->config->data_rules = lappend(r->config->data_rules, read_rule(r, &value->pairs[i]));
}

/*
 * rewrite and keep
 */

/* Reads a map of pattern: SQL. */
static List *
read_expressions(Reader *r, TreeNode *map, const char *key, const char *of)
{
	List	   *expressions = NIL;

	if (tree_is_null(map))
		return NIL;
	if (map->kind != TREE_MAP)
		raise_error(r, map->line, psprintf("\"%s\" must be a map of %s", key, of));
	for (int i = 0; i < map->count; i++)
	{
		TreePair   *pair = &map->pairs[i];
		SyncExpression *expression = palloc0(sizeof(SyncExpression));

		count_entry(r, pair->key->line);
		expression->pattern = string_of(r, pair->key, psprintf("a pattern in \"%s\"", key));
		expression->sql = string_of(r, pair->value,
									psprintf("the SQL for \"%s\" in \"%s\"", expression->pattern, key));
		expression->line = pair->key->line;
		expressions = lappend(expressions, expression);
	}
	return expressions;
}

static void
read_rewrites(Reader *r, TreeNode *value)
{
	r->config->rewrites = read_expressions(r, value, "rewrite", "columns");
}

static void
read_keeps(Reader *r, TreeNode *value)
{
	r->config->keeps = read_expressions(r, value, "keep", "tables");
}

/*
 * The file
 */

/*
 * Returns whether an unknown key looks as if it should restrict rows or
 * values.  If such a key were ignored, too much would be pulled.
 */
static bool
would_restrict(const char *name)
{
	static const char *const stems[] = {
		"exclud", "exlud", "schema", "group", "filter", "data_rule", "rule", "mask", "anonym",
		"empt", "keep", "rewrit", "table", "only", "includ", "except", "skip", "ignor", "where",
		"limit"
	};

	for (int i = 0; i < lengthof(stems); i++)
	{
		if (pg_strncasecmp(name, stems[i], strlen(stems[i])) == 0)
			return true;
	}
	return false;
}

static void
read_key(Reader *r, TreePair *pair)
{
	static const struct
	{
		const char *name;
		KeyReader	reader;
	}			keys[] = {
		{"exclude", read_exclude},
		{"schemas", read_schemas},
		{"groups", read_groups},
		{"data_rules", read_data_rules},
		{"filters", read_filters},
		{"empty", read_empty},
		{"keep", read_keeps},
		{"rewrite", read_rewrites},
		{"from", NULL},
		{"to", NULL},
		{"to_safe", NULL},
		{"defer_constraints", NULL},
		{"defer_constraints_v1", NULL},
		{"defer_constraints_v2", NULL}
	};
	const char *name = pair->key->text;

	for (int i = 0; i < lengthof(keys); i++)
	{
		if (strcmp(name, keys[i].name) != 0)
			continue;
		if (keys[i].reader)
			keys[i].reader(r, pair->value);
		else
			appendStringInfo(&r->ignored, "%s\"%s\"", r->ignored.len ? ", " : "", name);
		return;
	}
	if (would_restrict(name))
		raise_error(r, pair->key->line,
					psprintf("unknown key \"%s\"; known keys are \"exclude\", \"schemas\", \"groups\", \"filters\", \"empty\", \"data_rules\", \"rewrite\" and \"keep\"", name));
	warn_unknown(r, pair->key,
				 "\"exclude\", \"schemas\", \"groups\", \"filters\", \"empty\", \"data_rules\", \"rewrite\" and \"keep\"");
}

static void
read_document(Reader *r, TreeNode *root)
{
	if (root == NULL || tree_is_null(root))
		return;
	if (root->kind != TREE_MAP)
		raise_error(r, root->line, "the file must be a map of keys");
	for (int i = 0; i < root->count; i++)
		read_key(r, &root->pairs[i]);
	if (r->ignored.len > 0)
		ereport(NOTICE,
				(errmsg("configuration file \"%s\": ignoring %s", r->config->path, r->ignored.data),
				 errdetail("Source and destination come from the environment file, no command is run, and constraints are always deferred.")));
}

SyncConfig *
sync_config_read(const char *path)
{
	Reader		reader = {.config = palloc0(sizeof(SyncConfig))};
	char	   *text;
	size_t		len;

	if (path == NULL || path[0] == '\0')
		return reader.config;
	initStringInfo(&reader.ignored);
	reader.config->path = settings_file_path(path);
	text = settings_file_read(&config_file_kind, reader.config->path, &len);
	read_document(&reader, yaml_tree_parse(reader.config->path, text, len));
	pfree(text);
	pfree(reader.ignored.data);
	return reader.config;
}

SyncGroup *
sync_config_group(const SyncConfig *config, const char *name)
{
	ListCell   *lc;

	foreach(lc, config->groups)
	{
		SyncGroup  *group = lfirst(lc);

		if (strcmp(group->name, name) == 0)
			return group;
	}
	return NULL;
}
