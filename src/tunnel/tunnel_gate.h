/*-------------------------------------------------------------------------
 *
 * tunnel_gate.h
 *	  What the tunnel worker and the run's other processes share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_TUNNEL_GATE_H
#define PGTUNSYNC_TUNNEL_GATE_H

#include "storage/dsm.h"
#include "storage/shm_mq.h"
#include "storage/spin.h"

#include "base/connection_gate.h"
#include "tunnel/peer.h"

#define GATE_SLOTS	128			/* more than a run has processes */

/* A connection that is about to arrive. */
typedef struct Announcement
{
	int64		ticket;			/* 0: free */
	bool		admitted;
	bool		is_unix;
	pid_t		pid;			/* who connects */
	ino_t		inode;			/* of its socket */
	struct sockaddr_in address; /* its end of a TCP connection */
	int64		since;			/* clock_ms() */
} Announcement;

typedef struct TunnelGate
{
	slock_t		mutex;
	int64		last_ticket;
	Announcement announced[GATE_SLOTS];
} TunnelGate;

/* The shared segment: this, then the queue, then the packed options. */
typedef struct TunnelShared
{
	uint32		magic;
	volatile bool leader_gone;	/* nobody is left to serve */
	volatile bool leader_done;	/* it ends the tunnel; its clients have closed */
	int			options_len;
	TunnelGate	gate;
} TunnelShared;

#define TUNNEL_MAGIC	0x70677473

#define tunnel_shared_queue(shared) \
	((shm_mq *) ((char *) (shared) + MAXALIGN(sizeof(TunnelShared))))
#define tunnel_shared_options(shared) \
	((char *) tunnel_shared_queue(shared) + RELAY_QUEUE_SIZE)

typedef enum GateVerdict
{
	GATE_UNKNOWN,				/* not announced, or not yet */
	GATE_ADMITTED,
	GATE_REFUSED				/* the announcement is another socket's */
} GateVerdict;

/* ---- for the tunnel ---- */

extern void tunnel_gate_init(TunnelGate *gate);

/* Was this connection announced?  Each announcement admits one connection. */
extern GateVerdict tunnel_gate_judge(TunnelGate *gate, const Peer *peer);

/* ---- for the leader and the loaders ---- */

/*
 * Maps the gate into this process until it exits.  Raises CONNECTION_FAILURE
 * when the tunnel is closed.
 */
extern void tunnel_gate_attach(dsm_handle handle);

/*
 * The calls for connections to the entrance; their handle is the gate's.  The
 * tunnel drops every connection that was not announced.  announce() raises
 * CONNECTION_FAILURE when the socket is not bound or the gate is gone.
 */
extern const ConnectionGate tunnel_connection_gate;

#endif							/* PGTUNSYNC_TUNNEL_GATE_H */
