/*-------------------------------------------------------------------------
 *
 * listener.h
 *	  The local end of the tunnel: a listening socket.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_LISTENER_H
#define PGTUNSYNC_LISTENER_H

#include "tunnel/peer.h"

typedef struct Entrance Entrance;

/* Who has connected. */
typedef struct Visitor
{
	int			sock;			/* non-blocking */
	Peer		peer;
} Visitor;

/* Values of local_port that are no port. */
#define ENTRANCE_UNIX_SOCKET	0	/* a private Unix socket */
#define ENTRANCE_ANY_PORT		(-1)	/* a port that the system chooses */

/* Raises OBJECT_IN_USE when the port is taken; opens nothing. */
extern void entrance_check(int local_port);

/*
 * Opens 127.0.0.1:local_port, or for ENTRANCE_UNIX_SOCKET a Unix socket in a
 * directory of its own.  It is closed and removed by entrance_close(), or when
 * the process ends.
 */
extern Entrance *entrance_open(int local_port);
extern void entrance_close(Entrance *entrance);

extern int	entrance_socket(const Entrance *entrance);
extern const char *entrance_host(const Entrance *entrance);
extern int	entrance_port(const Entrance *entrance);

/* The next one who waits; false: nobody. */
extern bool entrance_accept(Entrance *entrance, Visitor *visitor);

#endif							/* PGTUNSYNC_LISTENER_H */
