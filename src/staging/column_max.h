/*-------------------------------------------------------------------------
 *
 * column_max.h
 *	  The highest value of a column.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_COLUMN_MAX_H
#define PGTUNSYNC_COLUMN_MAX_H

#include "access/attnum.h"

/*
 * Returns a valid btree index on all rows whose first column is this one, in
 * the default order of its type; InvalidOid if there is none.  Sets *unique if
 * the index makes the column unique.
 */
extern Oid	highest_index(Oid relid, AttrNumber attnum, bool *unique);

/*
 * Returns the highest value of a NOT NULL column as text, from such an index;
 * NULL if the table is empty.  Locks the table with AccessShareLock during the
 * call.  Uses the active snapshot.  Raises OBJECT_IN_USE if there is no such
 * index any more.
 */
extern char *highest_value(Oid relid, AttrNumber attnum);

/* The same for a staging heap, by a scan of all rows. */
extern char *highest_of_batch(Oid relid, AttrNumber attnum);

#endif							/* PGTUNSYNC_COLUMN_MAX_H */
