/*-------------------------------------------------------------------------
 *
 * fuzz_jsonb_text.c
 *	  libFuzzer target: any bytes as the text of a jsonb.
 *
 * The stored form is the server's business; here it is written out as text again,
 * which must have all the characters of the first, but for space between the
 * tokens.  Keys must be in order, each once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "load/jsonb_text.h"
#include "../parsers/shim.h"

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Input
{
	char	   *text;
	int			len;
} Input;

static StringInfoData written;

/* ---- the server's part: numbers stay text ---- */

Numeric
int64_to_numeric(int64 n)
{
	return (Numeric) psprintf(INT64_FORMAT, n);
}

Datum
numeric_in(PG_FUNCTION_ARGS)
{
	return CStringGetDatum(pstrdup(PG_GETARG_CSTRING(0)));
}

Datum
DirectFunctionCall3Coll(PGFunction function, Oid collation, Datum a, Datum b, Datum c)
{
	LOCAL_FCINFO(fcinfo, 3);

	fcinfo->args[0].value = a;
	fcinfo->args[1].value = b;
	fcinfo->args[2].value = c;
	return function(fcinfo);
}

struct varlena *
pg_detoast_datum(struct varlena *datum)
{
	return datum;
}

/* ---- the text of a tree ---- */

static void
write_string(const JsonbValue *value)
{
	static const char plain[] = "\"\\\b\f\n\r\t";
	static const char escaped[] = "\"\\bfnrt";

	appendStringInfoChar(&written, '"');
	for (int i = 0; i < value->val.string.len; i++)
	{
		char		c = value->val.string.val[i];
		const char *found = c != '\0' ? strchr(plain, c) : NULL;

		if (found != NULL)
			appendStringInfoChar(&written, '\\');
		appendStringInfoChar(&written, found != NULL ? escaped[found - plain] : c);
	}
	appendStringInfoChar(&written, '"');
}

static void write_value(const JsonbValue *value);

static void
check_order(const JsonbValue *a, const JsonbValue *b)
{
	int			lengths = a->val.string.len - b->val.string.len;

	if (lengths > 0 ||
		(lengths == 0 && memcmp(a->val.string.val, b->val.string.val, a->val.string.len) >= 0))
		abort();
}

static void
write_object(const JsonbValue *value)
{
	const JsonbPair *pairs = value->val.object.pairs;

	appendStringInfoChar(&written, '{');
	for (int i = 0; i < value->val.object.nPairs; i++)
	{
		if (i > 0)
		{
			check_order(&pairs[i - 1].key, &pairs[i].key);
			appendStringInfoChar(&written, ',');
		}
		write_value(&pairs[i].key);
		appendStringInfoChar(&written, ':');
		write_value(&pairs[i].value);
	}
	appendStringInfoChar(&written, '}');
}

static void
write_array(const JsonbValue *value)
{
	appendStringInfoChar(&written, '[');
	for (int i = 0; i < value->val.array.nElems; i++)
	{
		if (i > 0)
			appendStringInfoChar(&written, ',');
		write_value(&value->val.array.elems[i]);
	}
	appendStringInfoChar(&written, ']');
}

static void
write_value(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvString:
			write_string(value);
			break;
		case jbvNumeric:
			appendStringInfoString(&written, (char *) value->val.numeric);
			break;
		case jbvBool:
			appendStringInfoString(&written, value->val.boolean ? "true" : "false");
			break;
		case jbvNull:
			appendStringInfoString(&written, "null");
			break;
		case jbvArray:
			write_array(value);
			break;
		case jbvObject:
			write_object(value);
			break;
		default:
			abort();
	}
}

Jsonb *
JsonbValueToJsonb(JsonbValue *value)
{
	initStringInfo(&written);
	write_value(value);
	return (Jsonb *) written.data;
}

/* ---- the comparison ---- */

/* The text without the space between its tokens; what may be written in two ways is written in ours. */
static char *
normal_form(const Input *input)
{
	char	   *normal = palloc(input->len + 1);
	int			n = 0;
	bool		quoted = false;

	for (int i = 0; i < input->len; i++)
	{
		char		c = input->text[i];

		if (quoted && c == '\\')
		{
			/* "\/" */
			if (input->text[i + 1] != '/')
				normal[n++] = c;
			normal[n++] = input->text[++i];
			continue;
		}
		if (c == '"')
			quoted = !quoted;
		/* "-0" */
		if (!quoted && c == '-' && i + 1 < input->len && input->text[i + 1] == '0' &&
			!(i + 2 < input->len && input->text[i + 2] == '.'))
			continue;
		if (quoted || strchr(" \t\r\n", c) == NULL || c == '\0')
			normal[n++] = c;
	}
	normal[n] = '\0';
	return normal;
}

static void
parse(void *arg)
{
	Input	   *input = arg;
	char	   *parsed = (char *) jsonb_text_parse(input->text, input->len);

	if (parsed != NULL && strcmp(parsed, normal_form(input)) != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Input		input = {.len = size};

	/* a valid text has no zero in it, and the sanitizer shall see what is read behind its end */
	if (memchr(data, '\0', size) != NULL)
		return 0;
	input.text = malloc(size);
	memcpy(input.text, data, size);
	shim_try(parse, &input);
	shim_reset();
	free(input.text);
	return 0;
}
