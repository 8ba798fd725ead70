/*-------------------------------------------------------------------------
 *
 * tunnel_gate.c
 *	  Admits only connections that a process of this run has announced.
 *
 * A port on 127.0.0.1 is open to every process of the machine, and behind
 * ours is a production database.  So each process of the run announces its
 * connection through shared memory, and the tunnel admits only what was
 * announced.  The rules:
 *
 *	 - An announcement names one socket: address, port and inode of a TCP
 *	   socket, the process of a Unix socket.  All of it is compared.
 *	 - The socket is bound and open when it is announced, so nobody else can
 *	   have its address and port at that time.
 *	 - It is withdrawn when its connection attempt ends, whether by success or
 *	   by an error, and when the process detaches from the segment.  Between the
 *	   end of a socket and the withdrawal the inode still protects us.
 *	 - An announcement admits one connection.
 *	 - The process that connects reads nothing before the gate has admitted
 *	   it: otherwise it talks to somebody who took over the port.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/dsm.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/worker_message.h"
#include "tunnel/tunnel_gate.h"

#define EXPIRES_MS	30000

void
tunnel_gate_init(TunnelGate *gate)
{
	memset(gate, 0, sizeof(TunnelGate));
	SpinLockInit(&gate->mutex);
}

/* ---- the side that connects ---- */

/* Detach callback: an announcement does not outlive its process. */
static void
withdraw_all(dsm_segment *segment, Datum arg)
{
	TunnelGate *gate = (TunnelGate *) DatumGetPointer(arg);

	SpinLockAcquire(&gate->mutex);
	for (int i = 0; i < GATE_SLOTS; i++)
	{
		if (gate->announced[i].pid == MyProcPid)
			gate->announced[i].ticket = 0;
	}
	SpinLockRelease(&gate->mutex);
}

void
tunnel_gate_attach(dsm_handle handle)
{
	dsm_segment *segment;
	TunnelShared *shared;

	if (dsm_find_mapping(handle) != NULL)
		return;
	segment = dsm_attach(handle);
	if (segment == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CONNECTION_FAILURE),
				 errmsg("the tunnel is closed")));
	dsm_pin_mapping(segment);
	shared = dsm_segment_address(segment);
	if (shared->magic != TUNNEL_MAGIC)
		elog(ERROR, "not a tunnel's segment");
	on_dsm_detach(segment, withdraw_all, PointerGetDatum(&shared->gate));
}

/* The gate, or NULL when this process has let go of it. */
static TunnelGate *
find_gate(dsm_handle handle)
{
	dsm_segment *segment = dsm_find_mapping(handle);

	return segment ? &((TunnelShared *) dsm_segment_address(segment))->gate : NULL;
}

/*
 * Describes a socket of this process; false if it is not bound to an address.
 */
static bool
describe_socket(int sock, Announcement *announcement)
{
	struct sockaddr_storage address;
	socklen_t	len = sizeof(address);
	struct stat st;

	if (getsockname(sock, (struct sockaddr *) &address, &len) != 0 || fstat(sock, &st) != 0)
		return false;
	announcement->pid = MyProcPid;
	announcement->inode = st.st_ino;
	announcement->is_unix = address.ss_family == AF_UNIX;
	if (announcement->is_unix)
		return true;
	memcpy(&announcement->address, &address, sizeof(announcement->address));
	return address.ss_family == AF_INET && announcement->address.sin_port != 0;
}

/* A free place; if there is none, the one that was used first. */
static Announcement *
next_place(TunnelGate *gate)
{
	Announcement *oldest = &gate->announced[0];

	for (int i = 0; i < GATE_SLOTS; i++)
	{
		if (gate->announced[i].ticket < oldest->ticket)
			oldest = &gate->announced[i];
	}
	return oldest;
}

static int64
announce(int sock, uint32 handle)
{
	TunnelGate *gate = find_gate(handle);
	Announcement announcement = {0};

	if (gate == NULL || !describe_socket(sock, &announcement))
		ereport(ERROR,
				(errcode(ERRCODE_CONNECTION_FAILURE),
				 errmsg("could not announce a connection to the tunnel")));
	announcement.since = clock_ms();
	SpinLockAcquire(&gate->mutex);
	announcement.ticket = ++gate->last_ticket;
	*next_place(gate) = announcement;
	SpinLockRelease(&gate->mutex);
	return announcement.ticket;
}

/* The announcement with this ticket, or NULL; the caller holds the mutex. */
static Announcement *
find_ticket(TunnelGate *gate, int64 ticket)
{
	for (int i = 0; i < GATE_SLOTS; i++)
	{
		if (gate->announced[i].ticket == ticket)
			return &gate->announced[i];
	}
	return NULL;
}

static bool
is_admitted(int64 ticket, uint32 handle)
{
	TunnelGate *gate = find_gate(handle);
	Announcement *announcement;
	bool		admitted;

	if (gate == NULL)
		return false;
	SpinLockAcquire(&gate->mutex);
	announcement = find_ticket(gate, ticket);
	admitted = announcement != NULL && announcement->admitted;
	SpinLockRelease(&gate->mutex);
	return admitted;
}

static void
withdraw(int64 ticket, uint32 handle)
{
	TunnelGate *gate = find_gate(handle);
	Announcement *announcement;

	if (gate == NULL || ticket == 0)
		return;
	SpinLockAcquire(&gate->mutex);
	announcement = find_ticket(gate, ticket);
	if (announcement != NULL)
		announcement->ticket = 0;
	SpinLockRelease(&gate->mutex);
}

const ConnectionGate tunnel_connection_gate = {announce, is_admitted, withdraw};

/* ---- the tunnel worker ---- */

/* True if the announcement describes this peer, as far as addresses show. */
static bool
describes(const Announcement *announcement, const Peer *peer)
{
	if (announcement->is_unix != peer->is_unix)
		return false;
	if (peer->is_unix)
		return peer->same_user && (peer->pid == 0 || peer->pid == announcement->pid);
	return peer->address.sin_family == AF_INET &&
		announcement->address.sin_addr.s_addr == peer->address.sin_addr.s_addr &&
		announcement->address.sin_port == peer->address.sin_port;
}

/* Copies the open announcement of this peer; false: there is none. */
static bool
find_open(TunnelGate *gate, const Peer *peer, Announcement *found)
{
	int64		now = clock_ms();
	bool		open = false;

	SpinLockAcquire(&gate->mutex);
	for (int i = 0; i < GATE_SLOTS && !open; i++)
	{
		*found = gate->announced[i];
		open = found->ticket != 0 && !found->admitted && now - found->since <= EXPIRES_MS &&
			describes(found, peer);
	}
	SpinLockRelease(&gate->mutex);
	return open;
}

/* Uses the announcement up; false: it was withdrawn meanwhile. */
static bool
use_ticket(TunnelGate *gate, int64 ticket)
{
	Announcement *announcement;
	bool		usable;

	SpinLockAcquire(&gate->mutex);
	announcement = find_ticket(gate, ticket);
	usable = announcement != NULL && !announcement->admitted;
	if (usable)
		announcement->admitted = true;
	SpinLockRelease(&gate->mutex);
	return usable;
}

GateVerdict
tunnel_gate_judge(TunnelGate *gate, const Peer *peer)
{
	Announcement announcement;
	PeerMatch	match = PEER_MATCHES;

	if (!find_open(gate, peer, &announcement))
		return GATE_UNKNOWN;
	if (!peer->is_unix)
		match = peer_socket_match(peer, announcement.inode);
	if (match == PEER_DIFFERS)
		return GATE_REFUSED;
	return match == PEER_MATCHES && use_ticket(gate, announcement.ticket) ?
		GATE_ADMITTED : GATE_UNKNOWN;
}
