/*-------------------------------------------------------------------------
 *
 * fk_bitmap.h
 *	  Checks references by one integer column without a query.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_FK_BITMAP_H
#define PGTUNSYNC_FK_BITMAP_H

#include "utils/rel.h"

/* Returns whether the operator is equality of integers of any width. */
extern bool integer_keys_equality(Oid operator);

/*
 * Returns whether each non-NULL value of the referencing column exists in the
 * referenced column.  Both must be smallint, integer or bigint columns of
 * staging heaps that nobody writes to.  Otherwise, and if the keys need more
 * memory than bytes, the result is false.  So true proves that the key holds;
 * false is inconclusive.
 */
extern bool integer_keys_match(Relation referencing, AttrNumber fk,
							   Relation referenced, AttrNumber pk, Size bytes);

#endif							/* PGTUNSYNC_FK_BITMAP_H */
