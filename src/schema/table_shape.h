/*-------------------------------------------------------------------------
 *
 * table_shape.h
 *	  Describes the definition of a table as text, to detect changes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_TABLE_SHAPE_H
#define PGTUNSYNC_TABLE_SHAPE_H

#include "utils/relcache.h"

/*
 * Describes everything in a table's definition on which stored rows and
 * indexes depend.  The text is palloc'd.  It contains no pointers, so it can
 * be sent to other processes.  The function reads catalogs only and runs no
 * user code.  The result stays true only while the caller holds a lock on the
 * table.
 */
extern char *table_shape(Relation rel);

/*
 * Compares two texts that table_shape() returned for the same table.  Returns
 * NULL if the definition is the same.  Otherwise returns a palloc'd phrase for
 * a DETAIL, such as
 *		column "price" was changed
 * Renamed constraints and indexes count as the same.
 */
extern char *table_shape_difference(const char *before, const char *now);

#endif							/* PGTUNSYNC_TABLE_SHAPE_H */
