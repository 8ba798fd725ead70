/*-------------------------------------------------------------------------
 *
 * publication.h
 *	  Is anybody subscribed to a table?
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_PUBLICATION_H
#define PGTUNSYNC_PUBLICATION_H

#include "utils/relcache.h"

/* Is there a logical replication slot in this database? */
extern bool published_has_slots(void);

/* Does a publication send any change of the table? */
extern bool published_table(Relation rel);

/* Does one send deletes, or updates, that a subscriber could not match to rows? */
extern bool published_lacks_identity(Relation rel, bool updates);

#endif							/* PGTUNSYNC_PUBLICATION_H */
