/*-------------------------------------------------------------------------
 *
 * toast_row.h
 *	  Compresses the large values of a row or moves them out of line.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_TOAST_ROW_H
#define PGTUNSYNC_TOAST_ROW_H

#include "utils/relcache.h"

/*
 * Shrinks the values of a new row until it fits on a page of the heap, as far
 * as the storage settings of the columns allow.  Replaces values in the array
 * by compressed values or toast pointers, allocated in the current memory
 * context.  "options" are those of heap_insert() for rows of the toast table.
 */
extern void toast_row(Relation heap, Datum *values, bool *isnull, int options);

#endif							/* PGTUNSYNC_TOAST_ROW_H */
