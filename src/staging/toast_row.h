/*-------------------------------------------------------------------------
 *
 * toast_row.h
 *	  The large values of a row, compressed or out of line.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_TOAST_ROW_H
#define PGTUNSYNC_TOAST_ROW_H

#include "utils/relcache.h"

/*
 * Makes the values of a new row small enough for a page of the heap, as far as
 * the columns' storage allows, and replaces them in the array by what is left
 * in the row.  options: as for heap_insert() of the toast table's rows.  Allocates in the current memory
 * context.
 */
extern void toast_row(Relation heap, Datum *values, bool *isnull, int options);

#endif							/* PGTUNSYNC_TOAST_ROW_H */
