/*-------------------------------------------------------------------------
 *
 * text.c
 *	  Formats values for messages.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "base/text.h"

/* names of a list in a message, at most */
#define SHOWN_NAMES	10

char *
size_text(int64 bytes)
{
	return text_to_cstring(DatumGetTextPP(DirectFunctionCall1(pg_size_pretty,
															  Int64GetDatum(bytes))));
}

char *
names_text(const List *names, bool quote)
{
	StringInfoData buf;
	int			shown = 0;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, names)
	{
		if (shown == SHOWN_NAMES && list_length(names) > SHOWN_NAMES + 1)
		{
			appendStringInfo(&buf, " and %d more", list_length(names) - shown);
			break;
		}
		appendStringInfo(&buf, "%s%s", shown++ > 0 ? ", " : "",
						 quote ? quote_identifier(lfirst(lc)) : (char *) lfirst(lc));
	}
	return buf.data;
}
