/*-------------------------------------------------------------------------
 *
 * yaml_tree.c
 *	  Parses a YAML document into a tree with line numbers.
 *
 * The tree is built from libyaml's events.  libyaml's documents do not allow
 * an anchor to be redefined, and leave merge keys to the caller.  The
 * reference is Ruby's Psych, with which pgsync reads the same file (if Ruby is
 * installed, test/t/011_sync_config.pl compares the two):
 *
 * - "<<: *base" acts where it is written: it overrides keys above it, and keys
 *   below override it.  An overridden key keeps its place, because data rules
 *   are tried in order.  In "<<: [*a, *b]", *a takes precedence.
 * - An anchor may be redefined.  An alias refers to the latest one above it.
 *
 * Two rules are stricter than Psych's: a key written twice is an error, and
 * tags are rejected except for the plain ones.
 *
 * An alias costs a pointer, not a copy, so a "billion laughs" file stays small
 * in memory.  Only merges copy pairs, and these count against NODES_LIMIT.  A
 * document cannot contain itself: an alias inside its own anchor is rejected.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <yaml.h>

#include "mb/pg_wchar.h"

#include "base/compat.h"
#include "config/yaml_tree.h"

#define DEPTH_LIMIT		32
#define NODES_LIMIT		50000
#define ANCHORS_LIMIT	1000

#define STR_TAG "tag:yaml.org,2002:str"
#define SEQ_TAG "tag:yaml.org,2002:seq"
#define MAP_TAG "tag:yaml.org,2002:map"

typedef struct Anchor
{
	char	   *name;
	TreeNode   *node;
	bool		open;			/* still being read */
} Anchor;

typedef struct Builder
{
	const char *path;
	const char *text;
	size_t		len;
	yaml_parser_t parser;
	yaml_event_t event;			/* the current event, deleted by this file */
	Anchor		anchors[ANCHORS_LIMIT];
	int			nanchors;
	int			nodes;
	int			depth;
} Builder;

static TreeNode *build_node(Builder *b);

static void pg_attribute_noreturn()
raise_error(Builder *b, int line, const char *problem, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("configuration file \"%s\", line %d: %s", b->path, line, problem),
			 hint ? errhint("%s", hint) : 0));
	pg_unreachable();
}

static void pg_attribute_noreturn()
raise_size_error(Builder *b, int line)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("configuration file \"%s\", line %d: too many or too deeply nested values",
					b->path, line)));
	pg_unreachable();
}

/* Returns the line of a byte offset. */
static int
line_of_offset(Builder *b, size_t offset)
{
	int			line = 1;

	for (size_t i = 0; i < offset && i < b->len; i++)
	{
		if (b->text[i] == '\n')
			line++;
	}
	return line;
}

/* Returns a hint about the most likely mistake, or NULL. */
static const char *
hint_for_syntax(Builder *b)
{
	const char *context = b->parser.context ? b->parser.context : "";
	const char *problem = b->parser.problem ? b->parser.problem : "";

	if (strstr(b->text, "<%") != NULL)
		return "The file looks like an ERB template, which is not evaluated; write the values out.";
	if (strstr(context, "alias") || strstr(context, "anchor"))
		return "Quote a name or pattern that begins with \"*\" or \"&\".";
	if (strstr(problem, "cannot start any token"))
		return "YAML is indented with spaces, and values that begin with a special character are quoted.";
	return NULL;
}

/* Raises libyaml's error.  Its texts do not quote the file. */
static void pg_attribute_noreturn()
raise_syntax_error(Builder *b)
{
	yaml_parser_t *parser = &b->parser;
	const char *problem = parser->problem ? parser->problem : "malformed YAML";

	if (parser->error == YAML_MEMORY_ERROR)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	if (parser->error == YAML_READER_ERROR)
		raise_error(b, line_of_offset(b, parser->problem_offset),
					psprintf("not valid UTF-8 text: %s", problem),
			   "Save the file as UTF-8.");
	if (parser->context != NULL)
		problem = psprintf("%s %s", parser->context, problem);
	raise_error(b, parser->problem_mark.line + 1, problem, hint_for_syntax(b));
}

static void
next_event(Builder *b)
{
	yaml_event_delete(&b->event);
	if (!yaml_parser_parse(&b->parser, &b->event))
		raise_syntax_error(b);
}

static int
event_line(Builder *b)
{
	return b->event.start_mark.line + 1;
}

/*
 * Nodes
 */

static void
count_node(Builder *b, int line)
{
	if (++b->nodes > NODES_LIMIT)
		raise_size_error(b, line);
}

static TreeNode *
make_node(Builder *b, TreeKind kind)
{
	TreeNode   *node = palloc0(sizeof(TreeNode));

	node->kind = kind;
	node->line = event_line(b);
	count_node(b, node->line);
	return node;
}

/* Rejects a tag unless it is the default tag of the node. */
static void
check_tag(Builder *b, const yaml_char_t *tag, const char *allowed)
{
	if (tag != NULL && strcmp((const char *) tag, "!") != 0 &&
		strcmp((const char *) tag, allowed) != 0)
		raise_error(b, event_line(b), "tag that is not supported", NULL);
}

/*
 * Rejects ERB tags.  pgsync does not evaluate ERB either, but a file written
 * for ERB would be read literally.  ("<%" alone may be an operator of
 * pg_trgm.)
 */
static void
check_erb(Builder *b, const char *text)
{
	if (strncmp(text, "<%", 2) == 0 || strstr(text, "<%=") || strstr(text, "<%-"))
		raise_error(b, event_line(b), "ERB tag", "ERB is not evaluated; write the value out.");
}

/* Adds where a character is that the database's encoding lacks. */
static void
add_line(void *arg)
{
	Builder    *b = arg;

	errdetail("It is in line %d of file \"%s\".", event_line(b), b->path);
	errhint("Write the file with characters that encoding \"%s\" has.", GetDatabaseEncodingName());
}

/* Returns a copy of the UTF-8 text in the database's encoding. */
static char *
to_server(Builder *b, const char *text, int length)
{
	ErrorContextCallback callback = {
		.previous = error_context_stack,
		.callback = add_line,
		.arg = b
	};
	char	   *copy = pstrdup(text);
	char	   *converted;

	error_context_stack = &callback;
	converted = pg_any_to_server(copy, length, PG_UTF8);
	error_context_stack = callback.previous;
	return converted;
}

static TreeNode *
build_scalar(Builder *b)
{
	TreeNode   *node = make_node(b, TREE_SCALAR);
	const char *value = (const char *) b->event.data.scalar.value;
	size_t		length = b->event.data.scalar.length;

	check_tag(b, b->event.data.scalar.tag, STR_TAG);
	if (strlen(value) != length)
		raise_error(b, node->line, "zero byte in a string", NULL);
	check_erb(b, value);
	node->plain = b->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
		b->event.data.scalar.tag == NULL;
	node->text = to_server(b, value, length);
	return node;
}

/* Makes room for one more element of a list or map. */
static void *
grow(void *array, int *space, int count, Size size)
{
	if (count < *space)
		return array;
	*space = *space ? *space * 2 : 4;
	return array ? repalloc(array, *space * size) : palloc(*space * size);
}

static TreeNode *
build_list(Builder *b)
{
	TreeNode   *node = make_node(b, TREE_LIST);

	check_tag(b, b->event.data.sequence_start.tag, SEQ_TAG);
	for (;;)
	{
		next_event(b);
		if (b->event.type == YAML_SEQUENCE_END_EVENT)
			return node;
		node->items = grow(node->items, &node->space, node->count, sizeof(TreeNode *));
		node->items[node->count] = build_node(b);
		node->count++;
	}
}

/* FNV-1a */
static uint32
hash_text(const char *text)
{
	uint32		hash = 2166136261U;

	for (; *text; text++)
		hash = (hash ^ (unsigned char) *text) * 16777619U;
	return hash;
}

static TreePair *
find_pair(TreeNode *map, const char *key, uint32 hash)
{
	for (int i = 0; i < map->count; i++)
	{
		if (map->pairs[i].hash == hash && strcmp(map->pairs[i].key->text, key) == 0)
			return &map->pairs[i];
	}
	return NULL;
}

/* Sets a key.  An existing key keeps its place. */
static void
set_pair(Builder *b, TreeNode *map, TreeNode *key, TreeNode *value, bool merged)
{
	uint32		hash = hash_text(key->text);
	TreePair   *pair = find_pair(map, key->text, hash);

	if (pair != NULL && !pair->merged && !merged)
		raise_error(b, key->line, psprintf("key \"%s\" is given twice, first on line %d",
										   key->text, pair->key->line), NULL);
	if (pair == NULL)
	{
		map->pairs = grow(map->pairs, &map->space, map->count, sizeof(TreePair));
		pair = &map->pairs[map->count++];
		pair->hash = hash;
		pair->merged = merged;
	}
	/* after a key is written out, another one is a duplicate */
	pair->merged = pair->merged && merged;
	pair->key = key;
	pair->value = value;
}

static void
merge_map(Builder *b, TreeNode *map, TreeNode *from, int line)
{
	if (from->kind != TREE_MAP)
		raise_error(b, line, "\"<<\" needs a map", NULL);
	for (int i = 0; i < from->count; i++)
	{
		count_node(b, line);
		set_pair(b, map, from->pairs[i].key, from->pairs[i].value, true);
	}
}

/* Merges "<<"; see revive_hash in Psych's visitors/to_ruby.rb. */
static void
merge(Builder *b, TreeNode *map, TreeNode *from, int line)
{
	TreeNode	together = {.kind = TREE_MAP};

	if (from->kind != TREE_LIST)
	{
		merge_map(b, map, from, line);
		return;
	}
	for (int i = from->count - 1; i >= 0; i--)
		merge_map(b, &together, from->items[i], line);
	merge_map(b, map, &together, line);
}

/* Builds a key.  It must be a scalar that Ruby also reads as a string. */
static TreeNode *
build_key(Builder *b)
{
	int			line = event_line(b);
	TreeNode   *key = build_node(b);

	if (key->kind != TREE_SCALAR)
		raise_error(b, line, "key that is not a string", NULL);
	if (key->plain && (key->text[0] == '\0' || strcmp(key->text, "~") == 0))
		raise_error(b, line, "empty key", NULL);
	if (key->plain && key->text[0] == ':')
		raise_error(b, line, "key that begins with a colon", "Ruby symbols are not supported.");
	return key;
}

static TreeNode *
build_map(Builder *b)
{
	TreeNode   *node = make_node(b, TREE_MAP);

	check_tag(b, b->event.data.mapping_start.tag, MAP_TAG);
	for (;;)
	{
		TreeNode   *key;
		TreeNode   *value;
		bool		tagged;

		next_event(b);
		if (b->event.type == YAML_MAPPING_END_EVENT)
			return node;
		tagged = b->event.type == YAML_SCALAR_EVENT && b->event.data.scalar.tag != NULL;
		key = build_key(b);
		next_event(b);
		value = build_node(b);
		if (strcmp(key->text, "<<") == 0 && !tagged)
			merge(b, node, value, key->line);
		else
			set_pair(b, node, key, value, false);
	}
}

/*
 * Anchors
 */

/* Adds the anchor of the current event, if any.  Returns its index, or -1. */
static int
open_anchor(Builder *b, const yaml_char_t *name)
{
	Anchor	   *anchor;

	if (name == NULL)
		return -1;
	if (b->nanchors == ANCHORS_LIMIT)
		raise_size_error(b, event_line(b));
	anchor = &b->anchors[b->nanchors];
	anchor->name = pstrdup((const char *) name);
	anchor->node = NULL;
	anchor->open = true;
	return b->nanchors++;
}

static TreeNode *
resolve_alias(Builder *b)
{
	const char *name = (const char *) b->event.data.alias.anchor;

	for (int i = b->nanchors - 1; i >= 0; i--)
	{
		if (strcmp(b->anchors[i].name, name) != 0)
			continue;
		if (b->anchors[i].open)
			raise_error(b, event_line(b), psprintf("alias \"*%s\" inside its own anchor", name), NULL);
		return b->anchors[i].node;
	}
	raise_error(b, event_line(b), psprintf("alias \"*%s\" of an anchor that is not defined above", name),
				"Quote a name or pattern that begins with \"*\".");
}

/*
 * Builds the node that begins with the current event, and stops at its last
 * event.
 */
static TreeNode *
build_anchored(Builder *b)
{
	TreeNode   *node;
	int			anchor;

	switch (b->event.type)
	{
		case YAML_SCALAR_EVENT:
			anchor = open_anchor(b, b->event.data.scalar.anchor);
			node = build_scalar(b);
			break;
		case YAML_SEQUENCE_START_EVENT:
			anchor = open_anchor(b, b->event.data.sequence_start.anchor);
			node = build_list(b);
			break;
		case YAML_MAPPING_START_EVENT:
			anchor = open_anchor(b, b->event.data.mapping_start.anchor);
			node = build_map(b);
			break;
		default:
			raise_error(b, event_line(b), "malformed YAML", NULL);
	}
	if (anchor >= 0)
	{
		b->anchors[anchor].node = node;
		b->anchors[anchor].open = false;
	}
	return node;
}

static TreeNode *
build_node(Builder *b)
{
	TreeNode   *node;

	if (b->event.type == YAML_ALIAS_EVENT)
		return resolve_alias(b);
	if (++b->depth > DEPTH_LIMIT)
		raise_size_error(b, event_line(b));
	node = build_anchored(b);
	b->depth--;
	return node;
}

/* Builds the stream, which contains at most one document. */
static TreeNode *
build_stream(Builder *b)
{
	TreeNode   *root;

	next_event(b);				/* stream start */
	next_event(b);
	if (b->event.type == YAML_STREAM_END_EVENT)
		return NULL;
	next_event(b);				/* after document start */
	root = build_node(b);
	next_event(b);				/* document end */
	next_event(b);
	if (b->event.type != YAML_STREAM_END_EVENT)
		raise_error(b, event_line(b), "a second YAML document", "Keep one document in the file.");
	return root;
}

/* Skips a byte order mark of UTF-8, and rejects those of UTF-16. */
static void
check_encoding(Builder *b)
{
	if (b->len >= 3 && memcmp(b->text, "\xEF\xBB\xBF", 3) == 0)
	{
		b->text += 3;
		b->len -= 3;
	}
	else if (b->len >= 2 && (memcmp(b->text, "\xFE\xFF", 2) == 0 ||
							 memcmp(b->text, "\xFF\xFE", 2) == 0))
		raise_error(b, 1, "not valid UTF-8 text: it seems to be UTF-16", "Save the file as UTF-8.");
}

TreeNode *
yaml_tree_parse(const char *path, const char *text, size_t len)
{
	Builder    *b = palloc0(sizeof(Builder));
	TreeNode   *volatile root = NULL;

	b->path = path;
	b->text = text;
	b->len = len;
	check_encoding(b);
	if (!yaml_parser_initialize(&b->parser))
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	PG_TRY();
	{
		yaml_parser_set_encoding(&b->parser, YAML_UTF8_ENCODING);
		yaml_parser_set_input_string(&b->parser, (const unsigned char *) b->text, b->len);
		root = build_stream(b);
	}
	PG_FINALLY();
	{
		yaml_event_delete(&b->event);
		yaml_parser_delete(&b->parser);
	}
	PG_END_TRY();
	pfree(b);
	return root;
}

bool
tree_is_null(const TreeNode *node)
{
	return node->kind == TREE_SCALAR && node->plain &&
		(node->text[0] == '\0' || strcmp(node->text, "~") == 0 ||
		 pg_strcasecmp(node->text, "null") == 0);
}
