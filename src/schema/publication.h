/*-------------------------------------------------------------------------
 *
 * publication.h
 *	  Finds out whether logical replication sends the changes of a table.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_PUBLICATION_H
#define PGTUNSYNC_PUBLICATION_H

#include "utils/relcache.h"

/* Returns whether this database has a logical replication slot. */
extern bool published_has_slots(void);

/* Returns whether a publication sends any changes of the table. */
extern bool published_table(Relation rel);

/*
 * Returns whether a publication sends updates (or deletes, if updates is
 * false) for which the table has no replica identity.  A subscriber could not
 * match them to rows.
 */
extern bool published_lacks_identity(Relation rel, bool updates);

#endif							/* PGTUNSYNC_PUBLICATION_H */
