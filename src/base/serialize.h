/*-------------------------------------------------------------------------
 *
 * serialize.h
 *	  Values in a flat buffer, for another process of the run.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_SERIALIZE_H
#define PGTUNSYNC_SERIALIZE_H

#include "lib/stringinfo.h"
#include "nodes/pg_list.h"

extern void pack_int(StringInfo buf, int64 value);
extern void pack_double(StringInfo buf, double value);
extern void pack_string(StringInfo buf, const char *value);	/* NULL is kept */
extern void pack_strings(StringInfo buf, const List *values);	/* of char * */

/* The same order on the way back; palloc'd, ERROR where the buffer ends early. */
extern int64 unpack_int(StringInfo buf);
extern double unpack_double(StringInfo buf);
extern char *unpack_string(StringInfo buf);
extern List *unpack_strings(StringInfo buf);

/* A StringInfo that reads from memory it does not own. */
extern void unpack_from(StringInfo buf, const char *data, int len);

#endif							/* PGTUNSYNC_SERIALIZE_H */
