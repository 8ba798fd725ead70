/*-------------------------------------------------------------------------
 *
 * integer_type.h
 *	  Tells integer types from other types.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_INTEGER_TYPE_H
#define PGTUNSYNC_INTEGER_TYPE_H

#include "catalog/pg_type_d.h"

static inline bool
is_integer_type(Oid typid)
{
	return typid == INT2OID || typid == INT4OID || typid == INT8OID;
}

#endif							/* PGTUNSYNC_INTEGER_TYPE_H */
