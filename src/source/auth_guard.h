/*-------------------------------------------------------------------------
 *
 * auth_guard.h
 *	  Keeps the source's password from whoever asks for it in clear text.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_AUTH_GUARD_H
#define PGTUNSYNC_AUTH_GUARD_H

#include "libpq-fe.h"

/* How the password may be sent. */
typedef enum PasswordRule
{
	PASSWORD_NONE,				/* the URL has none: there is nothing to guard */
	PASSWORD_HASHED,			/* SCRAM, or MD5 */
	PASSWORD_VERIFIED,			/* also in clear text: libpq verifies the server's certificate */
	PASSWORD_CLEAR				/* also in clear text: the environment file allows it */
} PasswordRule;

typedef struct AuthGuard AuthGuard;

/* True if the running libpq has the parameter require_auth (from 16 on). */
extern bool auth_libpq_knows_require_auth(void);

/*
 * Takes the place of the network at conn, whose connection is made and whose
 * first packet is sent.  From now on, libpq receives only what auth_guard_step()
 * has checked.  display: the source's name for messages.  The result lives in
 * the current memory context; the owner calls auth_guard_end() on every path.
 *
 * Raises INSUFFICIENT_RESOURCES when there is no descriptor left.
 */
extern AuthGuard *auth_guard_start(PGconn *conn, PasswordRule rule, const char *display);

/* The socket to wait for, and whether to wait until it can be written, too. */
extern int	auth_guard_socket(const AuthGuard *guard);
extern bool auth_guard_must_send(const AuthGuard *guard);

/* True if libpq has checked data that it has not read yet. */
extern bool auth_guard_unread(const AuthGuard *guard);

/* Sends what libpq has written.  To be called after each PQconnectPoll(). */
extern void auth_guard_send(AuthGuard *guard);

/*
 * Receives the next unit (a message, a TLS record) and hands it to libpq.
 * Returns true when PQconnectPoll() has something to do.  Does not wait.
 *
 * Raises INVALID_AUTHORIZATION_SPECIFICATION when the source asks for the
 * password in a way that the rule forbids, or in one that cannot be seen;
 * PROTOCOL_VIOLATION for a message that is none.
 */
extern bool auth_guard_step(AuthGuard *guard);

/* True if the exchange is over and read, so that the guard can end. */
extern bool auth_guard_done(const AuthGuard *guard);

/*
 * Gives conn its network connection back, if it still has the guard's socket,
 * and frees the descriptors.  Safe for NULL and while an error is handled.
 */
extern void auth_guard_end(AuthGuard *guard);

/* The last method that was asked for, e.g. "SCRAM-SHA-256"; NULL: none yet. */
extern const char *auth_guard_method(const AuthGuard *guard);
extern bool auth_guard_used_md5(const AuthGuard *guard);

#endif							/* PGTUNSYNC_AUTH_GUARD_H */
