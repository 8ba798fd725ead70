/*-------------------------------------------------------------------------
 *
 * tunnel.h
 *	  The tunnel: a worker that carries this run's connections over SSH.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_TUNNEL_H
#define PGTUNSYNC_TUNNEL_H

#include "storage/dsm.h"

#include "tunnel/tunnel_options.h"

typedef struct Tunnel Tunnel;	/* the leader's handle */

/*
 * Starts the worker and returns without waiting for it to connect.  The
 * handle lives in the current memory context; the worker and the shared
 * segment are released by tunnel_stop(), which the owner must call on every
 * path.  Raises CONFIGURATION_LIMIT_EXCEEDED when no worker slot is free.
 */
extern Tunnel *tunnel_start(const TunnelOptions *options);

extern pid_t tunnel_pid(Tunnel *tunnel);

/*
 * Waits until the entrance is open and the way to the remote port is proven,
 * passing the worker's NOTICEs on (retries are told).  Interruptible.  Raises
 * what the worker raised.
 */
extern void tunnel_wait_open(Tunnel *tunnel);

/* A step on the way that has worked: "hop 1: host key", and what was seen. */
typedef struct TunnelStep
{
	char	   *name;
	char	   *detail;
} TunnelStep;

/*
 * The steps of the first SSH session, once it is open or has failed; of
 * TunnelStep *.
 */
extern List *tunnel_steps(Tunnel *tunnel);

/*
 * What libpq connects to: "127.0.0.1" or the socket's directory, and the port.
 */
extern const char *tunnel_host(Tunnel *tunnel);
extern int	tunnel_port(Tunnel *tunnel);

/*
 * For wait loops: passes NOTICEs on, and raises what ended the tunnel if it
 * has ended.  Cheap.
 */
extern void tunnel_check(Tunnel *tunnel);

/*
 * What ended the tunnel, if it ended by an error (else NULL): a loader's
 * "server closed the connection" is only the symptom of it.
 */
extern ErrorData *tunnel_error(Tunnel *tunnel);

/* Closes everything; idempotent; may be called while an error is handled. */
extern void tunnel_stop(Tunnel *tunnel);

/* From a before_shmem_exit callback: signals the worker, does not wait. */
extern void tunnel_kill(Tunnel *tunnel);

/* What a process needs for tunnel_gate_attach(). */
extern dsm_handle tunnel_gate_handle(Tunnel *tunnel);

#endif							/* PGTUNSYNC_TUNNEL_H */
