/*-------------------------------------------------------------------------
 *
 * forward.h
 *	  One local connection and its SSH channel.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_FORWARD_H
#define PGTUNSYNC_FORWARD_H

#include "ssh/ssh_session.h"

typedef struct Forward Forward;

/*
 * Takes over the socket.  channel: one that is open already, or NULL to open
 * one to host:port, which must outlive it.  Lives in the current memory
 * context until forward_free().
 */
extern Forward *forward_start(SshLink *link, int sock, LIBSSH2_CHANNEL *channel,
							  const char *host, int port);

/*
 * Moves what can be moved; true if anything was.  may_open: no other channel
 * of this link is just being opened.
 */
extern bool forward_step(Forward *forward, bool may_open);

/* poll() events of the local socket; -1: nothing to wait for there. */
extern int	forward_poll(const Forward *forward, short *events);

extern SshLink *forward_link(const Forward *forward);
extern bool forward_opening(const Forward *forward);

/* The channel, if it is open; NULL otherwise. */
extern LIBSSH2_CHANNEL *forward_channel(const Forward *forward);

/* True if its last step read from the link. */
extern bool forward_reads(const Forward *forward);

/* True if its local side is closed. */
extern bool forward_deserted(const Forward *forward);

/* It is over, and can be freed; *failure: why it never opened, or NULL. */
extern bool forward_ended(const Forward *forward, const SshFailure **failure);

/* Closes the socket; the channel must be closed, or its link lost. */
extern void forward_free(Forward *forward);

#endif							/* PGTUNSYNC_FORWARD_H */
