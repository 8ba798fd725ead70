/*-------------------------------------------------------------------------
 *
 * port_holder.h
 *	  Finds out which run has a local port.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_PORT_HOLDER_H
#define PGTUNSYNC_PORT_HOLDER_H

#include "storage/lock.h"

/*
 * Returns a sentence about the run that holds this lock on a port, for a
 * DETAIL; palloc'd.  Must be called in a transaction; keeps no snapshot.
 */
extern char *port_holder(const LOCKTAG *tag);

#endif							/* PGTUNSYNC_PORT_HOLDER_H */
