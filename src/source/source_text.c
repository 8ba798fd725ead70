/*-------------------------------------------------------------------------
 *
 * source_text.c
 *	  Text of the source, made presentable.
 *
 * What the source says is untrusted text: it may be in no valid encoding (a
 * refused login comes before any conversion), hold terminal escapes, or be
 * endless.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"

#include "source/source_text.h"

#define SOURCE_TEXT_MAX		2000	/* bytes of a message that are shown */
#define VALUE_TEXT_MAX		60	/* and of a value */

/* Appends text; control and invalid bytes become hexadecimal. */
static void
append_printable(StringInfo buf, const char *data, int len, bool valid, bool lines)
{
	for (int i = 0; i < len; i++)
	{
		unsigned char c = data[i];

		if (lines && (c == '\n' || c == '\t'))
			appendStringInfoChar(buf, c);
		else if (c < ' ' || c == 0x7f || (c > 0x7f && !valid))
			appendStringInfo(buf, "\\x%02x", c);
		else
			appendStringInfoChar(buf, c);
	}
}

/* Returns the first "max" bytes; with "lines", line ends are kept. */
static char *
printable(const char *data, int len, int max, bool lines)
{
	StringInfoData buf;
	bool		valid = pg_verify_mbstr(GetDatabaseEncoding(), data, len, true);
	bool		cut = len > max;

	if (cut)
		len = valid ? pg_mbcliplen(data, len, max) : max;
	while (len > 0 && lines && isspace((unsigned char) data[len - 1]))
		len--;
	initStringInfo(&buf);
	append_printable(&buf, data, len, valid, lines);
	if (cut)
		appendStringInfoString(&buf, "...");
	return buf.data;
}

char *
source_text(const char *text)
{
	return text != NULL ? printable(text, strlen(text), SOURCE_TEXT_MAX, true) : NULL;
}

char *
source_value_text(const char *data, int len)
{
	return printable(data, len, VALUE_TEXT_MAX, false);
}
