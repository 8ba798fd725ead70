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

#include "config/env_file.h"
#include "ssh/ssh_route.h"
#include "ssh/ssh_session.h"

/* What the leader asks for. */
typedef struct TunnelOptions
{
	const SshRoute *route;
	const EnvFile *env;			/* for key passphrase, password, … */
	int			local_port;		/* entrance on 127.0.0.1, or ENTRANCE_… of listener.h */
	const char *remote_host;	/* the source server, as the jump host sees it */
	int			remote_port;
	int			sessions;		/* SSH sessions wanted: one per loader + control */
	int			connect_timeout;	/* ms, for each attempt */
	int			connect_attempts;
	int			connect_retry_delay;	/* ms */
	int			total_timeout;	/* ms, until the tunnel is open; 0: none */
	int			progress_level; /* NOTICE or WARNING */
	int			log_level;		/* TraceLevel */
	int64		run_id;			/* for the trace */
} TunnelOptions;

/* The same as the worker has it, palloc'd, with the secrets of env. */
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
	int			total_timeout;	/* ms */
	int			progress_level;
	int			log_level;		/* TraceLevel */
	int64		run_id;
} TunnelOrders;

extern void tunnel_options_pack(StringInfo buf, const TunnelOptions *options);
extern TunnelOrders *tunnel_options_unpack(StringInfo buf);

#endif							/* PGTUNSYNC_TUNNEL_OPTIONS_H */
