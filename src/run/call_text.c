/*-------------------------------------------------------------------------
 *
 * call_text.c
 *	  A call of pull() as text, for HINTs.
 *
 * A HINT shows a call that the user can paste.  It keeps everything that the
 * user has written: tables, groups, filter, mode and the other arguments.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/json.h"

#include "run/call_text.h"

/* True if the name can stand in '{a,b}' as it is. */
static bool
is_simple(const char *name, bool quotes)
{
	for (const char *c = name; *c != '\0'; c++)
	{
		if (!isalnum((unsigned char) *c) && !IS_HIGHBIT_SET(*c) && strchr("_.*:$!-", *c) == NULL &&
			!(quotes && *c == '"'))
			return false;
	}
	return name[0] != '\0';
}

/*
 * Returns the names as an argument: '{a,b}' if that is possible, else
 * ARRAY['a', 'b'].  In the list of tables, a name may have quotes.
 */
static char *
names_argument(const List *names, bool quotes)
{
	StringInfoData text;
	bool		simple = true;
	ListCell   *lc;

	foreach(lc, names)
		simple = simple && is_simple(lfirst(lc), quotes);
	initStringInfo(&text);
	foreach(lc, names)
		appendStringInfo(&text, "%s%s", text.len == 0 ? "" : simple ? "," : ", ",
						 simple ? (char *) lfirst(lc) : quote_literal_cstr(lfirst(lc)));
	return simple ? quote_literal_cstr(psprintf("{%s}", text.data)) :
		psprintf("ARRAY[%s]", text.data);
}

static void
add_argument(StringInfo buf, const char *name, const char *value)
{
	appendStringInfo(buf, "%s%s%s%s", buf->len > 0 ? ", " : "", name, name[0] ? " => " : "", value);
}

static void
add_string(StringInfo buf, const char *name, const char *value)
{
	if (value != NULL)
		add_argument(buf, name, quote_literal_cstr(value));
}

/* variables => '{"a": "b"}' */
static void
add_variables(StringInfo buf, const List *variables)
{
	StringInfoData json;

	if (variables == NIL)
		return;
	initStringInfo(&json);
	for (int i = 0; i + 1 < list_length(variables); i += 2)
	{
		appendStringInfoString(&json, i > 0 ? ", " : "{");
		escape_json(&json, list_nth(variables, i));
		appendStringInfoString(&json, ": ");
		escape_json(&json, list_nth(variables, i + 1));
	}
	appendStringInfoChar(&json, '}');
	add_string(buf, "variables", json.data);
}

/* The tables of the call, and those that are added. */
static void
add_tables(StringInfo buf, const RunRequest *request, const CallChanges *changes)
{
	List	   *tables = changes->only_added ? NIL : list_copy(request->plan.tables);

	if (request->plan.everything && !changes->only_added && changes->added != NIL)
		tables = list_make1("*");
	tables = list_concat(tables, changes->added);
	if (list_length(tables) == 1 && changes->added == NIL && is_simple(linitial(tables), true))
		add_argument(buf, "", quote_literal_cstr(linitial(tables)));
	else if (tables != NIL)
		add_argument(buf, "", names_argument(tables, true));
	if (!changes->only_added)
		add_string(buf, "grp", request->plan.group);
}

/* What is not about tables and rows, as far as it differs from the defaults. */
static void
add_options(StringInfo buf, const RunRequest *request)
{
	if (request->on_error == ON_ERROR_ABORT)
		add_string(buf, "on_error", "abort");
	if (!request->wait)
		add_argument(buf, "wait", "false");
	if (request->refresh)
		add_argument(buf, "refresh", "true");
	if (!request->plan.rules)
		add_argument(buf, "rules", "false");
	if (!request->plan.sequences)
		add_argument(buf, "sequences", "false");
	if (request->batch_size != 0)
		add_argument(buf, "batch_size", psprintf("%d", request->batch_size));
	add_string(buf, "cursor", request->plan.cursor);
}

char *
call_text(const RunRequest *request, const CallChanges *changes)
{
	Landing		mode = changes->mode != LAND_DEFAULT ? changes->mode : request->plan.mode;
	List	   *excluded = list_concat_copy(request->plan.exclude, changes->excluded);
	StringInfoData buf;

	initStringInfo(&buf);
	add_tables(&buf, request, changes);
	if (changes->filter != NULL || !changes->only_added)
		add_string(&buf, "filter", changes->filter ? changes->filter : request->plan.filter);
	add_string(&buf, "mode", landing_name(mode));
	add_variables(&buf, request->plan.variables);
	if (request->plan.schemas != NIL)
		add_argument(&buf, "schemas", names_argument(request->plan.schemas, false));
	if (excluded != NIL)
		add_argument(&buf, "exclude", names_argument(excluded, false));
	add_options(&buf, request);
	return psprintf("SELECT pgtunsync.pull(%s);", buf.data);
}
