/*-------------------------------------------------------------------------
 *
 * ssh_session.h
 *	  Connects by SSH through any number of hops, step by step.
 *
 * An SshLink never waits.  Its owner calls ssh_link_step() until it is done,
 * and waits in between for the events of ssh_link_poll().  A failure is stored
 * as an SshFailure and raises no error.  The owner decides whether to retry,
 * to raise it, or to return it as a row.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_SSH_SESSION_H
#define PGTUNSYNC_SSH_SESSION_H

#include <libssh2.h>

#include "base/compat.h"
#include "config/env_file.h"
#include "ssh/ssh_route.h"
#include "ssh/ssh_types.h"
#include "ssh/tcp_connect.h"

/*
 * Read the secrets of an environment file, and overwrite them; copies are
 * palloc'd.
 */
extern void ssh_secrets_read(const EnvFile *env, SshSecrets *secrets);
extern void ssh_secrets_wipe(SshSecrets *secrets);

/*
 * Starts to connect.  route and secrets must live until the link is connected.
 * connect_timeout is the limit in ms for each hop's connection, and again for
 * its login.  number is the number of the session in its run, from 1, for the
 * trace.  The link lives in a child of the current memory context.  It closes
 * its connections when that context is deleted, or in ssh_link_free().
 */
extern SshLink *ssh_link_start(const SshRoute *route, const SshSecrets *secrets,
							   int connect_timeout, int number);
extern Progress ssh_link_step(SshLink *link);

/*
 * Holds a link back.  It connects up to the verified host key of the first
 * hop, and logs in after it is released.
 */
extern void ssh_link_hold(SshLink *link, bool hold);

/* Returns whether the first hop is connected. */
extern bool ssh_link_connected(const SshLink *link);

/* Returns what the link is waiting for, for a message; palloc'd. */
extern char *ssh_link_waits_for(const SshLink *link);
extern void ssh_link_free(SshLink *link);

/*
 * Returns the descriptor to wait for, or -1, and its poll() events.  *timeout
 * receives the ms after which ssh_link_step() must be called in any case.
 */
extern int	ssh_link_poll(const SshLink *link, short *events, long *timeout);

/*
 * Returns whether there is more to do without waiting, because a receive
 * budget was used up.
 */
extern bool ssh_link_more(const SshLink *link);

/* Returns whether a probe of ssh_link_pump() is in progress. */
extern bool ssh_link_probing(const SshLink *link);

/* Returns whether too much unsent data is waiting. */
extern bool ssh_link_congested(const SshLink *link);

extern const SshFailure *ssh_link_failure(const SshLink *link);
extern void ssh_link_raise(const SshFailure *failure) pg_attribute_noreturn();

/* Returns the steps that have succeeded so far; of SshStep *. */
extern List *ssh_link_steps(const SshLink *link);

/* Return the measured round trip in ms, and the text "user@host:port". */
extern int	ssh_link_rtt(const SshLink *link);
extern const char *ssh_link_name(const SshLink *link);

/* Returns the number passed to ssh_link_start(). */
extern int	ssh_link_number(const SshLink *link);

/* ---- channels of an established link ---- */

/*
 * Opens a direct-tcpip channel (RFC 4254 §7.2).  Only one can be opened at a
 * time.  On PROGRESS_FAILED, *failure contains the reason.  The link itself
 * may still work; then ssh_link_failure() returns NULL.
 */
extern Progress ssh_link_open(SshLink *link, const char *host, int port,
							  LIBSSH2_CHANNEL **channel, SshFailure **failure);

/*
 * Work like the functions of libssh2, within the receive budget of one round.
 */
extern ssize_t ssh_link_read(SshLink *link, LIBSSH2_CHANNEL *channel, char *buf, size_t len);
extern ssize_t ssh_link_write(SshLink *link, LIBSSH2_CHANNEL *channel, const char *buf, size_t len);
extern int	ssh_link_send_eof(SshLink *link, LIBSSH2_CHANNEL *channel);
extern int	ssh_link_close_channel(SshLink *link, LIBSSH2_CHANNEL *channel);

/* Sends waiting data.  Returns false if the link is lost. */
extern bool ssh_link_flush(SshLink *link);

/*
 * Reads data although no channel wants to read: answers to keepalives, key
 * exchanges, requests of the server.  channel is any channel, or NULL.
 * Returns false if the link is lost.
 */
extern bool ssh_link_pump(SshLink *link, LIBSSH2_CHANNEL *channel);

/*
 * Sends a keepalive to each hop that has been silent, and gives the link up if
 * a hop stays silent.  Returns false if the link is lost.
 */
extern bool ssh_link_check_alive(SshLink *link);

#endif							/* PGTUNSYNC_SSH_SESSION_H */
