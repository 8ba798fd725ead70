/*-------------------------------------------------------------------------
 *
 * serialize.h
 *	  Writes values into a flat buffer that another process of the run reads.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_SERIALIZE_H
#define PGTUNSYNC_SERIALIZE_H

#include "lib/stringinfo.h"
#include "nodes/pg_list.h"

extern void pack_int(StringInfo buf, int64 value);
extern void pack_double(StringInfo buf, double value);
extern void pack_string(StringInfo buf, const char *value);	/* NULL is preserved */
extern void pack_strings(StringInfo buf, const List *values);	/* of char * */

/*
 * Read values in the order in which they were written.  Strings and lists are
 * palloc'd.  Raise an error if the buffer ends early.
 */
extern int64 unpack_int(StringInfo buf);
extern double unpack_double(StringInfo buf);
extern char *unpack_string(StringInfo buf);
extern List *unpack_strings(StringInfo buf);

/* Lets a StringInfo read from memory that it does not own. */
extern void unpack_from(StringInfo buf, const char *data, int len);

#endif							/* PGTUNSYNC_SERIALIZE_H */
