/*-------------------------------------------------------------------------
 *
 * ssh_session.h
 *	  An SSH connection through any number of hops, step by step.
 *
 * An SshLink never waits.  Its owner calls ssh_link_step() until it is done,
 * waiting in between for what ssh_link_poll() names.  What went wrong is a SshFailure, not an error: the owner decides
 * whether to retry, to raise it, or to show it as a row.
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

/* The secrets of an environment file, and their end; copies are palloc'd. */
extern void ssh_secrets_read(const EnvFile *env, SshSecrets *secrets);
extern void ssh_secrets_wipe(SshSecrets *secrets);

/*
 * Begins to connect.  route and secrets must outlive the link's connecting.
 * connect_timeout: ms for each hop's connection and again for its login.
 * number: the session's in its run, from 1, for the trace.  The link lives in a child of the current memory context and closes what it
 * holds when that goes away or by ssh_link_free().
 */
extern SshLink *ssh_link_start(const SshRoute *route, const SshSecrets *secrets,
							   int connect_timeout, int number);
extern Progress ssh_link_step(SshLink *link);

/*
 * Held, a link goes as far as the first hop's verified host key, and logs in only when
 * it is released.
 */
extern void ssh_link_hold(SshLink *link, bool hold);

/* Is the connection to the first hop made? */
extern bool ssh_link_connected(const SshLink *link);
extern void ssh_link_free(SshLink *link);

/*
 * What to wait for: poll() events of a descriptor, -1 for none; *timeout: ms
 * until it wants to be called in any case.
 */
extern int	ssh_link_poll(const SshLink *link, short *events, long *timeout);

/* Is there more to do without waiting (a receive budget ran out)? */
extern bool ssh_link_more(const SshLink *link);

/* Is a question to the server of ssh_link_pump() under way? */
extern bool ssh_link_probing(const SshLink *link);

/* Is what goes out piling up? */
extern bool ssh_link_congested(const SshLink *link);

extern const SshFailure *ssh_link_failure(const SshLink *link);
extern void ssh_link_raise(const SshFailure *failure) pg_attribute_noreturn();

/* What has worked so far; of SshStep *. */
extern List *ssh_link_steps(const SshLink *link);

/* The measured round trip in ms, and the text "user@host:port". */
extern int	ssh_link_rtt(const SshLink *link);
extern const char *ssh_link_name(const SshLink *link);

/* As given to ssh_link_start(). */
extern int	ssh_link_number(const SshLink *link);

/* ---- channels of an established link ---- */

/*
 * Opens a direct-tcpip channel (RFC 4254 §7.2); one at a time.  On
 * PROGRESS_FAILED, *failure says why; the link itself may still be well
 * (ssh_link_failure() is NULL then).
 */
extern Progress ssh_link_open(SshLink *link, const char *host, int port,
							  LIBSSH2_CHANNEL **channel, SshFailure **failure);

/* As the functions of libssh2, with the receive budget of one round. */
extern ssize_t ssh_link_read(SshLink *link, LIBSSH2_CHANNEL *channel, char *buf, size_t len);
extern ssize_t ssh_link_write(SshLink *link, LIBSSH2_CHANNEL *channel, const char *buf, size_t len);
extern int	ssh_link_send_eof(SshLink *link, LIBSSH2_CHANNEL *channel);
extern int	ssh_link_close_channel(SshLink *link, LIBSSH2_CHANNEL *channel);

/* Sends on what was left over; false when the link is lost. */
extern bool ssh_link_flush(SshLink *link);

/*
 * Takes in what arrived although no channel wants to read: answers to
 * keepalives, key exchanges, the server's own questions.  channel: any, or
 * NULL.  False when the link is lost.
 */
extern bool ssh_link_pump(SshLink *link, LIBSSH2_CHANNEL *channel);

/*
 * Asks each hop for a sign of life when it has been silent, and gives the link
 * up when it stays so.  False when the link is lost.
 */
extern bool ssh_link_check_alive(SshLink *link);

#endif							/* PGTUNSYNC_SSH_SESSION_H */
