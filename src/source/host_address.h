/*-------------------------------------------------------------------------
 *
 * host_address.h
 *	  Resolves a host name interruptibly.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_HOST_ADDRESS_H
#define PGTUNSYNC_HOST_ADDRESS_H

#include "nodes/pg_list.h"

/*
 * Returns the numeric addresses of a host, of char *, in the order in which to
 * try them.  Raises SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION if there is
 * none within timeout_ms.
 */
extern List *host_addresses(const char *host, int timeout_ms);

#endif							/* PGTUNSYNC_HOST_ADDRESS_H */
