/*-------------------------------------------------------------------------
 *
 * fk_bitmap.h
 *	  References by one integer column, checked without a query.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_FK_BITMAP_H
#define PGTUNSYNC_FK_BITMAP_H

#include "utils/rel.h"

/* Is this operator the equality of two integers, whatever their widths? */
extern bool integer_keys_equality(Oid operator);

/*
 * Is there for each value of the referencing column, but NULL, the same one in the
 * referenced column?  Both are smallint, integer or bigint, of staging heaps
 * that nobody writes to; else, and where the keys take more memory than
 * "bytes", or if a value is missing, the answer is false.  So it proves that all is
 * well; what is wrong is for a query to find out.
 */
extern bool integer_keys_match(Relation referencing, AttrNumber fk,
							   Relation referenced, AttrNumber pk, Size bytes);

#endif							/* PGTUNSYNC_FK_BITMAP_H */
