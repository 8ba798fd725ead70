/*-------------------------------------------------------------------------
 *
 * fuzz_selection.c
 *	  libFuzzer target: any bytes as the tables that somebody asks for.
 *
 * Apart from what the sanitizers see: no item is empty or has blanks around
 * it, quotes are closed, what was split and joined again is split the same
 * way, and nothing is refused by an error of another class.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "parser/scansup.h"

#include "plan/selection_request.h"
#include "../parsers/shim.h"

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_item(const char *item)
{
	size_t		len = strlen(item);
	int			quotes = 0;

	if (len == 0 || scanner_isspace(item[0]) || scanner_isspace(item[len - 1]))
		abort();
	for (const char *c = item; *c; c++)
		quotes += *c == '"';
	if (quotes % 2 != 0)
		abort();
}

/* Does the text lie in brackets that would be taken off once more? */
static bool
is_wrapped(const char *item)
{
	return item[0] == '<' || item[0] == '{';
}

static void
check_again(List *items)
{
	StringInfoData joined;
	List	   *again;
	ListCell   *lc1;
	ListCell   *lc2;

	initStringInfo(&joined);
	foreach(lc1, items)
	{
		if (is_wrapped(lfirst(lc1)))
			return;
		appendStringInfo(&joined, "%s%s", joined.len > 0 ? " , " : " ", (char *) lfirst(lc1));
	}
	again = table_spec_split(joined.data);
	if (list_length(again) != list_length(items))
		abort();
	forboth(lc1, items, lc2, again)
	{
		if (strcmp(lfirst(lc1), lfirst(lc2)) != 0)
			abort();
	}
}

static void
check_names(void *arg)
{
	PlanRequest request;

	memset(&request, 0, sizeof(request));
	request.tables = arg;
	selection_check_request(&request);
}

static void
split(void *arg)
{
	List	   *items = table_spec_split(arg);
	ListCell   *lc;

	foreach(lc, items)
		check_item(lfirst(lc));
	check_again(items);
	check_names(items);
}

static void
report(int elevel, const char *sqlstate, const char *message,
	   const char *detail, const char *hint)
{
	if (strcmp(sqlstate, "22023") != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	   *text = malloc(size + 1);
	List	   *whole = NIL;

	memcpy(text, data, size);
	text[size] = '\0';
	shim_reporter = report;
	shim_try(split, text);

	/* an array's element is not split, but is a name */
	whole = lappend(whole, text);
	shim_try(check_names, whole);
	shim_reset();
	free(text);
	return 0;
}
