/*-------------------------------------------------------------------------
 *
 * shim_more.c
 *	  What the rooms of SSH and of the selection need of a server, beside
 *	  ../parsers/shim.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <stdio.h>

#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "nodes/pg_list.h"
#include "parser/scansup.h"
#include "storage/fd.h"

#include "../parsers/shim.h"

#undef vsnprintf

int			trace_level = 0;	/* of trace.c: no trace */

/*
 * Strings and lists
 */

void
enlargeStringInfo(StringInfo str, int needed)
{
	if (str->len + needed < str->maxlen)
		return;
	str->maxlen = str->len + needed + 1;
	str->data = repalloc(str->data, str->maxlen);
}

void
resetStringInfo(StringInfo str)
{
	str->data[0] = '\0';
	str->len = 0;
	str->cursor = 0;
}

/* 16 widened it */
#if PG_VERSION_NUM >= 160000
typedef void Bytes;
#else
typedef char Bytes;
#endif

void
appendBinaryStringInfo(StringInfo str, const Bytes *data, int datalen)
{
	enlargeStringInfo(str, datalen);
	memcpy(str->data + str->len, data, datalen);
	str->len += datalen;
	str->data[str->len] = '\0';
}

void
appendStringInfoString(StringInfo str, const char *s)
{
	appendBinaryStringInfo(str, s, strlen(s));
}

void
appendStringInfoChar(StringInfo str, char ch)
{
	appendBinaryStringInfo(str, &ch, 1);
}

List *
list_make1_impl(NodeTag t, ListCell datum1)
{
	return lappend(NIL, datum1.ptr_value);
}

List *
list_make4_impl(NodeTag t, ListCell datum1, ListCell datum2, ListCell datum3, ListCell datum4)
{
	return lappend(lappend(lappend(lappend(NIL, datum1.ptr_value), datum2.ptr_value),
						   datum3.ptr_value), datum4.ptr_value);
}

List *
list_concat(List *list1, const List *list2)
{
	const ListCell *lc;

	foreach(lc, list2)
		list1 = lappend(list1, lfirst(lc));
	return list1;
}

unsigned char
pg_ascii_tolower(unsigned char ch)
{
	return ch >= 'A' && ch <= 'Z' ? ch + 'a' - 'A' : ch;
}

bool
scanner_isspace(char ch)
{
	return ch != '\0' && strchr(" \t\n\r\f\v", ch) != NULL;
}

/*
 * Messages
 */

static const char *
formatted(const char *fmt, va_list args)
{
	static char text[64 * 1024];

	vsnprintf(text, sizeof(text), fmt, args);
	return text;
}

#define INTERNAL_FIELD(function) \
int \
function##_internal(const char *fmt,...) \
{ \
	va_list		args; \
	va_start(args, fmt); \
	function("%s", formatted(fmt, args)); \
	va_end(args); \
	return 0; \
}

INTERNAL_FIELD(errmsg)
INTERNAL_FIELD(errdetail)

/*
 * A buffer between two processes
 */

static const char *
take_bytes(StringInfo msg, int n)
{
	const char *at = msg->data + msg->cursor;

	if (n > msg->len - msg->cursor)
		abort();
	msg->cursor += n;
	return at;
}

int
pq_getmsgbyte(StringInfo msg)
{
	return (unsigned char) *take_bytes(msg, 1);
}

int64
pq_getmsgint64(StringInfo msg)
{
	uint64		n;

	memcpy(&n, take_bytes(msg, 8), 8);
	return (int64) pg_ntoh64(n);
}

const char *
pq_getmsgrawstring(StringInfo msg)
{
	const char *text = msg->data + msg->cursor;

	(void) take_bytes(msg, (int) strlen(text) + 1);
	return text;
}

/*
 * Files: shim_text, unless the name says otherwise
 */

FILE *
AllocateFile(const char *name, const char *mode)
{
	if (strcmp(name, "missing") == 0 || strcmp(name, "locked") == 0)
	{
		errno = name[0] == 'm' ? ENOENT : EACCES;
		return NULL;
	}
	if (shim_text_len == 0)
		return fopen("/dev/null", mode);
	return fmemopen(unconstify(char *, shim_text), shim_text_len, mode);
}

int
FreeFile(FILE *file)
{
	return fclose(file);
}
