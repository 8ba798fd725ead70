/*-------------------------------------------------------------------------
 *
 * jsonb_text.c
 *	  Parses the text output of a jsonb value.
 *
 * Even a binary COPY sends jsonb as text.  In tables with jsonb columns, the
 * server's parser took more than a third of the time to load a row.  But the
 * source sends only what jsonb_out() writes: keys in storage order, without
 * duplicates.  This parser reads such text in one pass and builds the tree
 * from which JsonbValueToJsonb() makes the stored form.
 *
 * All other text is left to the server's parser: keys in another order,
 * escapes by code point, exponents, deep or very large documents, and invalid
 * JSON.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "load/jsonb_text.h"

/* text beyond these limits is left to the server */
#define MAX_TEXT		(1024 * 1024)
#define MAX_DEPTH		64
#define MAX_DIGITS		64
#define MAX_INT_DIGITS	18		/* always fit into an int64 */

typedef struct Parser
{
	const char *at;
	const char *end;
	int			depth;
	/* members of all open containers; objects have keys and values in turn */
	JsonbValue *members;
	int			nmembers;
	int			size;
	char	   *unescaped;		/* next free byte for strings with escapes */
} Parser;

static bool parse_value(Parser *parser, JsonbValue *value);

/* ---- characters ---- */

static inline void
skip_space(Parser *parser)
{
	while (parser->at < parser->end &&
		   (*parser->at == ' ' || *parser->at == '\n' ||
			*parser->at == '\t' || *parser->at == '\r'))
		parser->at++;
}

/*
 * Skips the given character and the space after it.  Returns false if it is
 * not next.
 */
static inline bool
skip_char(Parser *parser, char c)
{
	if (parser->at == parser->end || *parser->at != c)
		return false;
	parser->at++;
	skip_space(parser);
	return true;
}

static bool
skip_word(Parser *parser, const char *word)
{
	int			len = strlen(word);

	if (parser->end - parser->at < len || memcmp(parser->at, word, len) != 0)
		return false;
	parser->at += len;
	return true;
}

static inline bool
is_digit(const Parser *parser)
{
	return parser->at < parser->end && *parser->at >= '0' && *parser->at <= '9';
}

/* ---- strings ---- */

#define ALL_BYTES(c)	(UINT64CONST(0x0101010101010101) * (c))
#define ANY_BELOW(w, c) (((w) - ALL_BYTES(c)) & ~(w) & ALL_BYTES(0x80))
#define ANY_EQUAL(w, c) ANY_BELOW((w) ^ ALL_BYTES(c), 1)

static inline bool
is_plain(unsigned char c)
{
	return c >= ' ' && c != '"' && c != '\\';
}

/* Skips to the next quote, backslash or control character. */
static inline void
skip_plain(Parser *parser)
{
	while (parser->end - parser->at >= sizeof(uint64))
	{
		uint64		w;

		memcpy(&w, parser->at, sizeof(w));
		if ((ANY_BELOW(w, ' ') | ANY_EQUAL(w, '"') | ANY_EQUAL(w, '\\')) != 0)
			break;
		parser->at += sizeof(w);
	}
	while (parser->at < parser->end && is_plain(*parser->at))
		parser->at++;
}

/* The character that an escape stands for; 0 if it is left to the server. */
static char
unescaped(char c)
{
	switch (c)
	{
		case '"':
		case '\\':
		case '/':
			return c;
		case 'b':
			return '\b';
		case 'f':
			return '\f';
		case 'n':
			return '\n';
		case 'r':
			return '\r';
		case 't':
			return '\t';
		default:
			return '\0';
	}
}

/*
 * Parses the rest of a string that starts at "start" and has its first escape
 * here.
 */
static bool
parse_escaped(Parser *parser, const char *start, JsonbValue *value)
{
	char	   *text;
	int			len = 0;

	/* one buffer for all strings: each gets shorter without its escapes */
	if (parser->unescaped == NULL)
		parser->unescaped = palloc(parser->end - start);
	text = parser->unescaped;
	for (;;)
	{
		memcpy(text + len, start, parser->at - start);
		len += parser->at - start;
		if (parser->end - parser->at < 2)
			return false;
		if (*parser->at == '"')
			break;
		if (*parser->at != '\\' || (text[len++] = unescaped(parser->at[1])) == '\0')
			return false;
		parser->at += 2;
		start = parser->at;
		skip_plain(parser);
	}
	value->val.string.val = text;
	value->val.string.len = len;
	parser->unescaped += len;
	return true;
}

/*
 * Parses a string after its first quote.  The value may point into the text.
 */
static bool
parse_string(Parser *parser, JsonbValue *value)
{
	const char *start = parser->at;

	value->type = jbvString;
	skip_plain(parser);
	if (parser->at == parser->end)
		return false;
	if (*parser->at == '"')
	{
		value->val.string.val = unconstify(char *, start);
		value->val.string.len = parser->at - start;
	}
	else if (!parse_escaped(parser, start, value))
		return false;
	parser->at++;
	return true;
}

/* ---- numbers ---- */

static int64
integer_of(const char *start, const char *end)
{
	bool		negative = *start == '-';
	int64		n = 0;

	for (start += negative; start < end; start++)
		n = n * 10 + (*start - '0');
	return negative ? -n : n;
}

static Numeric
decimal_of(const char *start, const char *end)
{
	char		text[MAX_DIGITS + 8];

	memcpy(text, start, end - start);
	text[end - start] = '\0';
	return DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(text),
											   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

static int
skip_digits(Parser *parser)
{
	const char *start = parser->at;

	while (is_digit(parser))
		parser->at++;
	return parser->at - start;
}

static bool
parse_number(Parser *parser, JsonbValue *value)
{
	const char *start = parser->at;
	bool		zero;
	int			digits;
	int			decimals = 0;

	if (*parser->at == '-')
		parser->at++;
	zero = parser->at < parser->end && *parser->at == '0';
	digits = skip_digits(parser);
	if (digits == 0 || (zero && digits > 1))
		return false;
	if (parser->at < parser->end && *parser->at == '.')
	{
		parser->at++;
		decimals = skip_digits(parser);
		if (decimals == 0)
			return false;
	}
	if (digits + decimals > MAX_DIGITS)
		return false;
	value->type = jbvNumeric;
	if (decimals == 0 && digits <= MAX_INT_DIGITS)
		value->val.numeric = int64_to_numeric(integer_of(start, parser->at));
	else
		value->val.numeric = decimal_of(start, parser->at);
	return true;
}

/* ---- containers ---- */

static JsonbValue *
add_member(Parser *parser)
{
	if (parser->nmembers == parser->size)
	{
		parser->size *= 2;
		parser->members = repalloc(parser->members, sizeof(JsonbValue) * parser->size);
	}
	return &parser->members[parser->nmembers++];
}

/*
 * The order of keys in a jsonb: by length, then by bytes
 * (lengthCompareJsonbString()).
 */
static bool
is_before(const JsonbValue *a, const JsonbValue *b)
{
	if (a->val.string.len != b->val.string.len)
		return a->val.string.len < b->val.string.len;
	return memcmp(a->val.string.val, b->val.string.val, a->val.string.len) < 0;
}

/* Parses a value and makes it a member of the innermost container. */
static bool
parse_member(Parser *parser)
{
	JsonbValue	value;

	if (!parse_value(parser, &value))
		return false;
	*add_member(parser) = value;
	skip_space(parser);
	return true;
}

static bool
parse_elements(Parser *parser)
{
	if (skip_char(parser, ']'))
		return true;
	do
	{
		if (!parse_member(parser))
			return false;
	} while (skip_char(parser, ','));
	return skip_char(parser, ']');
}

static bool
parse_key(Parser *parser, bool first)
{
	JsonbValue	key;

	if (parser->at == parser->end || *parser->at++ != '"' || !parse_string(parser, &key))
		return false;
	if (!first && !is_before(&parser->members[parser->nmembers - 2], &key))
		return false;
	*add_member(parser) = key;
	skip_space(parser);
	return skip_char(parser, ':');
}

static bool
parse_pairs(Parser *parser)
{
	int			start = parser->nmembers;

	if (skip_char(parser, '}'))
		return true;
	do
	{
		if (!parse_key(parser, parser->nmembers == start) || !parse_member(parser))
			return false;
	} while (skip_char(parser, ','));
	return skip_char(parser, '}');
}

static void
make_array(const JsonbValue *members, int n, JsonbValue *value)
{
	value->type = jbvArray;
	value->val.array.rawScalar = false;
	value->val.array.nElems = n;
	value->val.array.elems = palloc(sizeof(JsonbValue) * Max(n, 1));
	memcpy(value->val.array.elems, members, sizeof(JsonbValue) * n);
}

static void
make_object(const JsonbValue *members, int n, JsonbValue *value)
{
	value->type = jbvObject;
	value->val.object.nPairs = n / 2;
	value->val.object.pairs = palloc(sizeof(JsonbPair) * Max(n / 2, 1));
	for (int i = 0; i < n / 2; i++)
	{
		value->val.object.pairs[i].key = members[2 * i];
		value->val.object.pairs[i].value = members[2 * i + 1];
		value->val.object.pairs[i].order = i;
	}
}

/* Parses an array or object after its opening bracket. */
static bool
parse_container(Parser *parser, bool is_object, JsonbValue *value)
{
	int			start = parser->nmembers;

	if (++parser->depth > MAX_DEPTH ||
		!(is_object ? parse_pairs(parser) : parse_elements(parser)))
		return false;
	parser->depth--;
	(is_object ? make_object : make_array) (&parser->members[start],
											parser->nmembers - start, value);
	parser->nmembers = start;
	return true;
}

/* ---- values ---- */

static bool
parse_boolean(Parser *parser, bool boolean, JsonbValue *value)
{
	value->type = jbvBool;
	value->val.boolean = boolean;
	return skip_word(parser, boolean ? "true" : "false");
}

static bool
parse_value(Parser *parser, JsonbValue *value)
{
	if (parser->at == parser->end)
		return false;
	switch (*parser->at)
	{
		case '"':
			parser->at++;
			return parse_string(parser, value);
		case '{':
		case '[':
			{
				bool		is_object = *parser->at == '{';

				parser->at++;
				skip_space(parser);
				return parse_container(parser, is_object, value);
			}
		case 't':
			return parse_boolean(parser, true, value);
		case 'f':
			return parse_boolean(parser, false, value);
		case 'n':
			value->type = jbvNull;
			return skip_word(parser, "null");
		default:
			if (*parser->at != '-' && !is_digit(parser))
				return false;
			return parse_number(parser, value);
	}
}

Jsonb *
jsonb_text_parse(const char *text, int len)
{
	Parser		parser = {.at = text, .end = text + len, .size = 32};
	JsonbValue	value;

	if (len > MAX_TEXT)
		return NULL;
	parser.members = palloc(sizeof(JsonbValue) * parser.size);
	skip_space(&parser);
	if (!parse_value(&parser, &value))
		return NULL;
	skip_space(&parser);
	return parser.at == parser.end ? JsonbValueToJsonb(&value) : NULL;
}
