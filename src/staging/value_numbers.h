/*-------------------------------------------------------------------------
 *
 * value_numbers.h
 *	  The few distinct values of a column, numbered in their order.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_VALUE_NUMBERS_H
#define PGTUNSYNC_VALUE_NUMBERS_H

#include "fmgr.h"

typedef struct ValueNumbers ValueNumbers;

/*
 * Makes an empty set in the current memory context that holds values of the given length
 * (pg_attribute.attlen) and passing, "limit" of them at most, in about "bytes" of
 * memory.  "order" is a comparison function of a btree, "collation" what it is called with.
 */
extern ValueNumbers *value_numbers_create(int16 typlen, bool byval, FmgrInfo *order,
										  Oid collation, int limit, Size bytes);

/* The number of a value, of which a copy is taken; -1 if it is one too many. */
extern int	value_numbers_add(ValueNumbers *set, Datum value);

/*
 * Finds out which place each value has in the order of all; calls the comparison
 * function if there are new values.
 */
extern void value_numbers_rank(ValueNumbers *set);

/* The place of the value with that number, from 0 on; as of value_numbers_rank(). */
extern int	value_numbers_place(const ValueNumbers *set, int number);

/* The value in that place; it stays the set's. */
extern Datum value_numbers_value(const ValueNumbers *set, int place);

#endif							/* PGTUNSYNC_VALUE_NUMBERS_H */
