/*-------------------------------------------------------------------------
 *
 * yaml_tree.c
 *	  A YAML document as a tree that remembers its lines.
 *
 * Built from libyaml's events rather than its documents, because those forbid
 * an anchor to be defined anew and leave merge keys to the caller.  The
 * yardstick is Ruby's Psych, with which pgsync reads the same file (where Ruby
 * is at hand, test/t/011_sync_config.pl compares the two):
 *
 *	- "<<: *base" acts where it stands: it overrides what stands above it,
 *	  and what stands below overrides it; an overridden key keeps its place
 *	  (data rules are tried in order).  "<<: [*a, *b]" lets *a win.
 *	- An anchor may be defined again; an alias means the latest one above.
 *
 * We are stricter in that a key written twice is an error instead of the
 * last one winning, and that tags are refused except for the plain ones.
 *
 * An alias costs a pointer, never a copy, so "a billion laughs" stays as small
 * as its file; only merges copy pairs, and those count against NODES_LIMIT.
 * A document cannot contain itself: an alias within its own anchor is refused.
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
	yaml_event_t event;			/* the current one, ours to delete */
	Anchor		anchors[ANCHORS_LIMIT];
	int			nanchors;
	int			nodes;
	int			depth;
} Builder;

static TreeNode *build_node(Builder *b);

static void pg_attribute_noreturn()
refuse(Builder *b, int line, const char *problem, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("configuration file \"%s\", line %d: %s", b->path, line, problem),
			 hint ? errhint("%s", hint) : 0));
	pg_unreachable();
}

static void pg_attribute_noreturn()
refuse_size(Builder *b, int line)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("configuration file \"%s\", line %d: too many or too deeply nested values",
					b->path, line)));
	pg_unreachable();
}

/* The line of a byte offset. */
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

/* What most likely went wrong, in the user's terms. */
static const char *
hint_for_syntax(Builder *b)
{
	const char *context = b->parser.context ? b->parser.context : "";
	const char *problem = b->parser.problem ? b->parser.problem : "";

	if (strstr(b->text, "<%") != NULL)
		return "The file looks like an ERB template. Those are not evaluated; write the values out.";
	if (strstr(context, "alias") || strstr(context, "anchor"))
		return "Quote a name or pattern that begins with \"*\" or \"&\".";
	if (strstr(problem, "cannot start any token"))
		return "YAML is indented with spaces, and values that begin with a special character are quoted.";
	return NULL;
}

/* Raises what libyaml has found; its texts do not quote the file. */
static void pg_attribute_noreturn()
refuse_syntax(Builder *b)
{
	yaml_parser_t *parser = &b->parser;
	const char *problem = parser->problem ? parser->problem : "malformed YAML";

	if (parser->error == YAML_MEMORY_ERROR)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	if (parser->error == YAML_READER_ERROR)
		refuse(b, line_of_offset(b, parser->problem_offset),
			   psprintf("not valid UTF-8 text: %s", problem),
			   "Save the file as UTF-8.");
	if (parser->context != NULL)
		problem = psprintf("%s %s", parser->context, problem);
	refuse(b, parser->problem_mark.line + 1, problem, hint_for_syntax(b));
}

static void
next_event(Builder *b)
{
	yaml_event_delete(&b->event);
	if (!yaml_parser_parse(&b->parser, &b->event))
		refuse_syntax(b);
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
		refuse_size(b, line);
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

/* A tag must be absent or name what the node is anyway. */
static void
check_tag(Builder *b, const yaml_char_t *tag, const char *allowed)
{
	if (tag != NULL && strcmp((const char *) tag, "!") != 0 &&
		strcmp((const char *) tag, allowed) != 0)
		refuse(b, event_line(b), "tag that is not supported", NULL);
}

/*
 * pgsync does not evaluate ERB either, but a file that was meant for it would
 * be taken by the letter.  ("<%" alone may be pg_trgm's operator.)
 */
static void
check_erb(Builder *b, const char *text)
{
	if (strncmp(text, "<%", 2) == 0 || strstr(text, "<%=") || strstr(text, "<%-"))
		refuse(b, event_line(b), "ERB tag", "ERB is not evaluated; write the value out.");
}

static TreeNode *
build_scalar(Builder *b)
{
	TreeNode   *node = make_node(b, TREE_SCALAR);
	const char *value = (const char *) b->event.data.scalar.value;
	size_t		length = b->event.data.scalar.length;

	check_tag(b, b->event.data.scalar.tag, STR_TAG);
	if (strlen(value) != length)
		refuse(b, node->line, "zero byte in a string", NULL);
	check_erb(b, value);
	node->plain = b->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
		b->event.data.scalar.tag == NULL;
	node->text = pstrdup(value);
	node->text = pg_any_to_server(node->text, length, PG_UTF8);
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

/* Sets a key; one that is there already keeps its place. */
static void
set_pair(Builder *b, TreeNode *map, TreeNode *key, TreeNode *value, bool merged)
{
	uint32		hash = hash_text(key->text);
	TreePair   *pair = find_pair(map, key->text, hash);

	if (pair != NULL && !pair->merged && !merged)
		refuse(b, key->line, psprintf("key \"%s\" is given twice, first on line %d",
									  key->text, pair->key->line), NULL);
	if (pair == NULL)
	{
		map->pairs = grow(map->pairs, &map->space, map->count, sizeof(TreePair));
		pair = &map->pairs[map->count++];
		pair->hash = hash;
		pair->merged = merged;
	}
	/* once written out, a further writing is a duplicate */
	pair->merged = pair->merged && merged;
	pair->key = key;
	pair->value = value;
}

static void
merge_map(Builder *b, TreeNode *map, TreeNode *from, int line)
{
	if (from->kind != TREE_MAP)
		refuse(b, line, "\"<<\" needs a map", NULL);
	for (int i = 0; i < from->count; i++)
	{
		count_node(b, line);
		set_pair(b, map, from->pairs[i].key, from->pairs[i].value, true);
	}
}

/* "<<": see Psych's visitors/to_ruby.rb, revive_hash. */
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

/* A key: always a scalar, and not one that Ruby makes something else of. */
static TreeNode *
build_key(Builder *b)
{
	int			line = event_line(b);
	TreeNode   *key = build_node(b);

	if (key->kind != TREE_SCALAR)
		refuse(b, line, "key that is not a string", NULL);
	if (key->plain && (key->text[0] == '\0' || strcmp(key->text, "~") == 0))
		refuse(b, line, "empty key", NULL);
	if (key->plain && key->text[0] == ':')
		refuse(b, line, "key that begins with a colon", "Ruby symbols are not supported.");
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

/* Remembers the anchor of the current event, if any; returns its place. */
static int
open_anchor(Builder *b, const yaml_char_t *name)
{
	Anchor	   *anchor;

	if (name == NULL)
		return -1;
	if (b->nanchors == ANCHORS_LIMIT)
		refuse_size(b, event_line(b));
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
			refuse(b, event_line(b), psprintf("alias \"*%s\" within what it stands for", name), NULL);
		return b->anchors[i].node;
	}
	refuse(b, event_line(b), psprintf("alias \"*%s\" of an anchor that is not defined above", name),
		   "Quote a name or pattern that begins with \"*\".");
}

/* Builds what begins with the current event, and leaves at its last one. */
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
			refuse(b, event_line(b), "malformed YAML", NULL);
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
		refuse_size(b, event_line(b));
	node = build_anchored(b);
	b->depth--;
	return node;
}

/* The stream: at most one document. */
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
		refuse(b, event_line(b), "a second YAML document", "Keep one document in the file.");
	return root;
}

/* Leaves out a byte order mark; refuses those of other encodings. */
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
		refuse(b, 1, "not valid UTF-8 text: it seems to be UTF-16", "Save the file as UTF-8.");
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
