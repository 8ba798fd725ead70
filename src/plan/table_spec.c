/*-------------------------------------------------------------------------
 *
 * table_spec.c
 *	  Tables as people write them.
 *
 * People write names as they stand in .pgsync.yml (Users is "Users" there), as
 * in SQL (Users is users), and as shell patterns.  This file takes such a text
 * apart; what it means is decided against both catalogs (selection.c):
 *
 *		users, app.users	schema and name, case included; quotes as in SQL
 *		audit.log			also the whole text as a name that holds a dot
 *		p*, other.p*		a glob, unless it is quoted
 *
 * A list of them is written users,orders or {users,orders} or <users,orders>.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "parser/scansup.h"

#include "plan/table_spec.h"

#define GROUP_PREFIX	"group:"

void
table_spec_malformed(const char *text, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid table name: %s", text[0] ? text : "\"\""),
			 errdetail("%s", detail),
			 errhint("Write table, schema.table, \"Quoted Table\", a pattern such as p*, or group:name.")));
}

/* Without white space around it. */
char *
table_spec_trim(const char *text, int len)
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
				table_spec_malformed(text, "A double quote is not closed.");
			if (*p == '"')
				p++;
			appendStringInfoChar(&buf, *p);
		}
		p++;
		if (*p != '\0' && *p != '.')
			table_spec_malformed(text, "There is text behind a closing double quote.");
	}
	if (buf.len == 0)
		table_spec_malformed(text, "A part of the name is empty.");
	*part = buf.data;
	return p;
}

TableSpec *
table_spec_parse(const char *text)
{
	TableSpec  *item = palloc0(sizeof(TableSpec));
	const char *p;

	item->text = table_spec_trim(text, strlen(text));
	if (item->text[0] == '\0')
		table_spec_malformed(item->text, "The name is empty.");
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
		table_spec_malformed(item->text, "There are more than two parts; the database is not named.");
	if (*p == '.')
	{
		/* only a name that holds dots can be meant */
		item->schema = NULL;
		item->name = item->text;
	}
	return item;
}

/* The part as SQL would read it. */
char *
table_spec_fold(char *part, bool quoted)
{
	if (part == NULL || quoted)
		return part;
	return downcase_identifier(part, strlen(part), false, false);
}

bool
table_spec_is_group(const char *text)
{
	return strncmp(text, GROUP_PREFIX, strlen(GROUP_PREFIX)) == 0;
}

bool
table_spec_is_glob(const TableSpec *item)
{
	return !item->name_quoted && strchr(item->name, '*') != NULL;
}

bool
table_spec_has_schema_glob(const TableSpec *item)
{
	return item->schema != NULL && !item->schema_quoted && strchr(item->schema, '*') != NULL;
}

const char *
table_spec_group(const char *text)
{
	return table_spec_is_group(text) ? text + strlen(GROUP_PREFIX) : text;
}

List *
table_spec_words(const char *text)
{
	List	   *words = NIL;

	if (strchr(text, '"') != NULL)
		return NIL;
	while (*text)
	{
		int			len = 0;

		while (text[len] && !scanner_isspace(text[len]))
			len++;
		if (len > 0)
			words = lappend(words, pnstrdup(text, len));
		text += len;
		while (scanner_isspace(*text))
			text++;
	}
	return list_length(words) > 1 ? words : NIL;
}

/* Takes a pair of brackets off the text. */
static char *
unwrap(const char *text, char opening, char closing)
{
	int			len = strlen(text);

	if (text[0] != opening)
		return (char *) text;
	if (len < 2 || text[len - 1] != closing)
		table_spec_malformed(text, psprintf("It begins with \"%c\" but does not end with \"%c\".", opening, closing));
	return table_spec_trim(text + 1, len - 2);
}

/* One item of a list. */
static char *
finish_spec_item(StringInfo buf)
{
	char	   *item = unwrap(table_spec_trim(buf->data, buf->len), '<', '>');

	resetStringInfo(buf);
	if (item[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("empty name in the list of tables"),
				 errhint("Name the tables, or call pgtunsync.pull() without arguments for all of them.")));
	return item;
}

List *
table_spec_split(const char *spec)
{
	char	   *whole = table_spec_trim(spec, strlen(spec));
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
		table_spec_malformed(spec, "A double quote is not closed.");
	return lappend(items, finish_spec_item(&buf));
}
