/*-------------------------------------------------------------------------
 *
 * value_numbers.h
 *	  Numbers the distinct values of a column and ranks them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_VALUE_NUMBERS_H
#define PGTUNSYNC_VALUE_NUMBERS_H

#include "fmgr.h"

typedef struct ValueNumbers ValueNumbers;

/*
 * Creates an empty set in the current memory context.  "typlen" and "byval"
 * describe the type (pg_attribute).  The set holds at most "limit" values in
 * about "bytes" bytes of memory.  "order" is a btree comparison function,
 * called with "collation".
 */
extern ValueNumbers *value_numbers_create(int16 typlen, bool byval, FmgrInfo *order,
										  Oid collation, int limit, Size bytes);

/*
 * Returns the number of a value, adding a copy if it is new; -1 if the set is
 * full.
 */
extern int	value_numbers_add(ValueNumbers *set, Datum value);

/*
 * Sorts the values.  Calls the comparison function only if there are new
 * values.
 */
extern void value_numbers_rank(ValueNumbers *set);

/*
 * The rank of the value with that number, counted from 0, at the last ranking.
 */
extern int	value_numbers_get_rank(const ValueNumbers *set, int number);

/* The value with that rank; it belongs to the set. */
extern Datum value_numbers_get_value(const ValueNumbers *set, int rank);

#endif							/* PGTUNSYNC_VALUE_NUMBERS_H */
