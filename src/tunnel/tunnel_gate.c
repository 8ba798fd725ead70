/*-------------------------------------------------------------------------
 *
 * tunnel_gate.c
 *	  Who may come in.
 *
 * A port on 127.0.0.1 is open to every process of the machine, and behind
 * ours is a production database.  So whoever of the run connects says so first,
 * through shared memory: its end of the TCP connection, or its pid where the
 * entrance is a Unix socket.  The tunnel admits only connections that somebody
 * announced; nobody else can have that end of a connection at the same time.
 *
 * An announcement whose connection never arrived expires, since its port may
 * come to belong to somebody else.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/dsm.h"

#include "base/compat.h"
#include "base/worker_message.h"
#include "base/clock.h"
#include "tunnel/tunnel_gate.h"

#define EXPIRES_MS	30000

void
tunnel_gate_init(TunnelGate *gate)
{
	memset(gate, 0, sizeof(TunnelGate));
	SpinLockInit(&gate->mutex);
}

TunnelGate *
tunnel_gate_attach(dsm_handle handle)
{
	dsm_segment *segment = dsm_find_mapping(handle);
	TunnelShared *shared;

	if (segment == NULL)
	{
		segment = dsm_attach(handle);
		if (segment == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_CONNECTION_FAILURE),
					 errmsg("the tunnel is closed")));
		dsm_pin_mapping(segment);
	}
	shared = dsm_segment_address(segment);
	if (shared->magic != TUNNEL_MAGIC)
		elog(ERROR, "not a tunnel's segment");
	return &shared->gate;
}

/* This process's end of a TCP connection; 0 for a Unix socket. */
static int
own_port(int sock)
{
	struct sockaddr_storage addr;
	socklen_t	len = sizeof(addr);

	if (getsockname(sock, (struct sockaddr *) &addr, &len) != 0)
		return 0;
	if (addr.ss_family == AF_INET)
		return ntohs(((struct sockaddr_in *) &addr)->sin_port);
	if (addr.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *) &addr)->sin6_port);
	return 0;
}

void
tunnel_announce(int sock, void *arg)
{
	TunnelGate *gate = arg;
	int			port = own_port(sock);
	int64		now = clock_ms();
	Announcement *slot;

	SpinLockAcquire(&gate->mutex);
	slot = &gate->announced[gate->next];
	gate->next = (gate->next + 1) % GATE_SLOTS;
	slot->pid = MyProcPid;
	slot->port = port;
	slot->since = now;
	SpinLockRelease(&gate->mutex);
}

bool
tunnel_gate_admit(TunnelGate *gate, pid_t pid, int port)
{
	int64		now = clock_ms();
	bool		admitted = false;

	SpinLockAcquire(&gate->mutex);
	for (int i = 0; i < GATE_SLOTS && !admitted; i++)
	{
		Announcement *slot = &gate->announced[i];

		if (slot->pid == 0 || now - slot->since > EXPIRES_MS)
			continue;
		if (slot->port == port && (port != 0 || slot->pid == pid))
		{
			slot->pid = 0;
			admitted = true;
		}
	}
	SpinLockRelease(&gate->mutex);
	return admitted;
}
