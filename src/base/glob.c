/*-------------------------------------------------------------------------
 *
 * glob.c
 *	  Matches patterns in which "*" stands for any characters.
 *
 * The configuration and the arguments of calls use such patterns for names of
 * tables and columns.  Names of the local catalog are matched here.  The
 * source matches its names with a regular expression made from the same
 * pattern.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "base/glob.h"

bool
glob_matches(const char *pattern, const char *text, bool dots)
{
	const char *star = NULL;	/* the last star, and where its match ends */
	const char *mark = NULL;

	while (*text)
	{
		if (*pattern == '*')
		{
			star = pattern++;
			mark = text;
		}
		else if (*pattern == *text)
		{
			pattern++;
			text++;
		}
		else if (star != NULL && (dots || *mark != '.'))
		{
			pattern = star + 1;
			text = ++mark;
		}
		else
			return false;
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

char *
glob_regex(const char *pattern, bool dots)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoChar(&buf, '^');
	for (const char *p = pattern; *p; p++)
	{
		if (*p == '*')
			appendStringInfoString(&buf, dots ? ".*" : "[^.]*");
		else if (strchr("\\^$.[]|()+?{}", *p) != NULL)
			appendStringInfo(&buf, "\\%c", *p);
		else
			appendStringInfoChar(&buf, *p);
	}
	appendStringInfoChar(&buf, '$');
	return buf.data;
}
