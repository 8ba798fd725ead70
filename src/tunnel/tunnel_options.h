/*-------------------------------------------------------------------------
 *
 * tunnel_options.h
 *	  What the tunnel worker is told, and how it travels.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_TUNNEL_OPTIONS_H
#define PGTUNSYNC_TUNNEL_OPTIONS_H

#include "lib/stringinfo.h"
#include "ssh/ssh_session.h"
#include "tunnel/tunnel.h"

/* The worker's copy of TunnelOptions; palloc'd. */
typedef struct TunnelOrders
{
	SshRoute   *route;
	SshSecrets	secrets;
	int			local_port;
	char	   *remote_host;
	int			remote_port;
	int			sessions;
	int			connect_timeout;	/* ms */
	int			connect_attempts;
	int			connect_retry_delay;	/* ms */
	int			log_level;		/* TraceLevel */
	int64		run_id;
} TunnelOrders;

extern void tunnel_options_pack(StringInfo buf, const TunnelOptions *options);
extern TunnelOrders *tunnel_options_unpack(StringInfo buf);

#endif							/* PGTUNSYNC_TUNNEL_OPTIONS_H */
