/*-------------------------------------------------------------------------
 *
 * table_shape.h
 *	  The definition of a table as text, to find out whether it was changed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_TABLE_SHAPE_H
#define PGTUNSYNC_TABLE_SHAPE_H

#include "utils/relcache.h"

/*
 * Describes all of a table's definition that stored rows and indexes depend
 * on.  The text is palloc'd; it may be kept in any memory and sent to other
 * processes.  Reads the catalogs only and runs no code of any role.  The caller
 * holds a lock on the table if the answer is to stay true.
 */
extern char *table_shape(Relation rel);

/*
 * Compares two texts of table_shape() for the same table.  Returns NULL if the
 * definition is the same, else a palloc'd phrase such as
 *		column "price" was changed
 * for a DETAIL.  Renamed constraints and indexes count as the same.
 */
extern char *table_shape_difference(const char *before, const char *now);

#endif							/* PGTUNSYNC_TABLE_SHAPE_H */
