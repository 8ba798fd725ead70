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
 * An index that is ordered by the column as its type is, and has all rows;
 * InvalidOid if there is none.  *unique: no value is there twice.
 */
extern Oid	highest_index(Oid relid, AttrNumber attnum, bool *unique);

/*
 * The highest value of a NOT NULL column as text, by such an index; NULL if there are
 * no rows.  The caller's transaction holds a lock on the table.  Uses the active
 * snapshot.  Raises OBJECT_IN_USE if the index is gone.
 */
extern char *highest_value(Oid relid, AttrNumber attnum);

/* The same of a staging heap, by reading it. */
extern char *highest_of_batch(Oid relid, AttrNumber attnum);

#endif							/* PGTUNSYNC_COLUMN_MAX_H */
