/*-------------------------------------------------------------------------
 *
 * serialize.c
 *	  Writes values into a flat buffer that another process of the run reads.
 *
 * The leader and its workers share memory but no pointers.  Values are written
 * field by field with the server's own message routines and read in the same
 * order.  Both sides are this library, so the format needs no version.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "libpq/pqformat.h"

#include "base/serialize.h"

void
pack_int(StringInfo buf, int64 value)
{
	pq_sendint64(buf, value);
}

void
pack_double(StringInfo buf, double value)
{
	pq_sendfloat8(buf, value);
}

void
pack_string(StringInfo buf, const char *value)
{
	pq_sendbyte(buf, value != NULL);
	if (value != NULL)
		appendBinaryStringInfo(buf, value, strlen(value) + 1);
}

void
pack_strings(StringInfo buf, const List *values)
{
	ListCell   *lc;

	pack_int(buf, list_length(values));
	foreach(lc, values)
		pack_string(buf, lfirst(lc));
}

int64
unpack_int(StringInfo buf)
{
	return pq_getmsgint64(buf);
}

double
unpack_double(StringInfo buf)
{
	return pq_getmsgfloat8(buf);
}

char *
unpack_string(StringInfo buf)
{
	if (!pq_getmsgbyte(buf))
		return NULL;
	return pstrdup(pq_getmsgrawstring(buf));
}

List *
unpack_strings(StringInfo buf)
{
	List	   *values = NIL;

	for (int64 n = unpack_int(buf); n > 0; n--)
		values = lappend(values, unpack_string(buf));
	return values;
}

void
unpack_from(StringInfo buf, const char *data, int len)
{
	buf->data = unconstify(char *, data);
	buf->len = len;
	buf->maxlen = len;
	buf->cursor = 0;
}
