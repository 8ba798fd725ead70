/*-------------------------------------------------------------------------
 *
 * tunnel_gate.h
 *	  What the tunnel worker and the run's other processes share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_TUNNEL_GATE_H
#define PGTUNSYNC_TUNNEL_GATE_H

#include "storage/shm_mq.h"
#include "storage/spin.h"
#include "tunnel/tunnel.h"

#define GATE_SLOTS	64

/* A connection that is about to arrive. */
typedef struct Announcement
{
	pid_t		pid;			/* who connects; 0: free */
	int			port;			/* its end of a TCP connection, 0: Unix socket */
	int64		since;			/* clock_ms() */
} Announcement;

struct TunnelGate
{
	slock_t		mutex;
	int			next;			/* the slot to use next, round and round */
	Announcement announced[GATE_SLOTS];
};

/* The shared segment: this, then the queue, then the packed options. */
typedef struct TunnelShared
{
	uint32		magic;
	volatile bool leader_gone;	/* nobody is left to serve */
	int			options_len;
	TunnelGate	gate;
} TunnelShared;

#define TUNNEL_MAGIC	0x70677473

#define tunnel_shared_queue(shared) \
	((shm_mq *) ((char *) (shared) + MAXALIGN(sizeof(TunnelShared))))
#define tunnel_shared_options(shared) \
	((char *) tunnel_shared_queue(shared) + RELAY_QUEUE_SIZE)

extern void tunnel_gate_init(TunnelGate *gate);

/*
 * Was this connection announced?  Each announcement admits one connection.
 * port: of the peer, for TCP; else pid decides.
 */
extern bool tunnel_gate_admit(TunnelGate *gate, pid_t pid, int port);

#endif							/* PGTUNSYNC_TUNNEL_GATE_H */
