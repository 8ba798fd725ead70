/*-------------------------------------------------------------------------
 *
 * peer.h
 *	  Who is at the other end of a local connection.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_PEER_H
#define PGTUNSYNC_PEER_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/types.h>

typedef struct Peer
{
	bool		is_unix;

	/* Unix socket */
	bool		same_user;		/* the process runs as our user */
	pid_t		pid;			/* 0: the system does not tell it */

	/* TCP */
	struct sockaddr_in address; /* the peer's end */
	struct sockaddr_in entrance;	/* our end */
} Peer;

typedef enum PeerMatch
{
	PEER_MATCHES,
	PEER_NOT_FOUND,				/* the system does not list the peer's socket (yet) */
	PEER_DIFFERS
} PeerMatch;

/*
 * Fills *peer for an accepted socket and the address that accept() returned.
 */
extern void peer_identify(int sock, const struct sockaddr_storage *address, Peer *peer);

/*
 * Compares the peer's socket of a TCP connection with one whose inode is
 * known.  Where the system does not list sockets, the addresses have to do:
 * PEER_MATCHES.
 */
extern PeerMatch peer_socket_match(const Peer *peer, ino_t inode);

/*
 * Returns the name of the operating system user whose process listens on this
 * port of the loopback, palloc'd; NULL if that cannot be found out.
 */
extern char *peer_port_owner(int port);

/* "127.0.0.1:PORT" or "process PID", for messages; palloc'd. */
extern char *peer_text(const Peer *peer);

#endif							/* PGTUNSYNC_PEER_H */
