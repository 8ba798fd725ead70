/*-------------------------------------------------------------------------
 *
 * ssh_route.h
 *	  The hosts that a tunnel passes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_SSH_ROUTE_H
#define PGTUNSYNC_SSH_ROUTE_H

#include "lib/stringinfo.h"
#include "nodes/pg_list.h"

/* One host to log in to. */
typedef struct SshHop
{
	char	   *alias;			/* the alias as configured */
	char	   *host;			/* the host to connect to */
	int			port;
	char	   *user;
	int			family;			/* AF_UNSPEC, AF_INET, AF_INET6 */

	/* host key verification */
	char	   *host_key_alias; /* the name in known_hosts, or NULL */
	List	   *known_hosts;	/* of char *: absolute paths of the user's and the global files */
	char	   *add_to_file;			/* the user's first known_hosts file */
	bool		accept_new;		/* StrictHostKeyChecking accept-new */
	bool		hash_names;		/* HashKnownHosts */
	char	   *host_key_algorithms;	/* comma-separated list, or NULL for any */
	char	   *pinned_key;		/* "SHA256:…", or NULL */

	/* authentication */
	List	   *identity_files; /* of char *: absolute paths */
	List	   *certificates;	/* of char *: named in messages; not supported */
	char	   *identity_agent; /* path of the socket, or NULL for none */
	bool		identities_only;
	bool		try_publickey;
	bool		try_keyboard;	/* keyboard-interactive */
	bool		try_password;
	char	   *preferred;		/* PreferredAuthentications, or NULL */

	/* connection */
	char	   *kex_algorithms; /* comma-separated lists, or NULL for the tunnel's own */
	char	   *ciphers;
	char	   *macs;
	bool		compression;
	int			connect_timeout;	/* ms; 0 for the run's */
	int			alive_interval; /* seconds without data before a keepalive is sent */
	int			alive_count;	/* unanswered keepalives that end the session */
} SshHop;

/*
 * The route to the jump host: hops in the order of connecting.  The last one
 * is the jump host.
 */
typedef struct SshRoute
{
	List	   *hops;			/* of SshHop * */
	bool		from_ssh_config;	/* resolved by "ssh -G"; else the alias is the host */
} SshRoute;

/*
 * Return "user@host:port", and "via …" or "" if there is no host on the way, for
 * the banner; palloc'd.
 */
extern char *ssh_route_target(const SshRoute *route);
extern char *ssh_route_via(const SshRoute *route);

/* Returns "user@host:port" of one hop; palloc'd. */
extern char *ssh_hop_display(const SshHop *hop);

/* Returns the name of a hop in known_hosts: "host" or "[host]:port". */
extern char *ssh_hop_known_name(const SshHop *hop);

/* Writes the route to the trace (trace.h). */
extern void ssh_route_trace(const SshRoute *route);

/* Pass a route to another process. */
extern void ssh_route_pack(StringInfo buf, const SshRoute *route);
extern SshRoute *ssh_route_unpack(StringInfo buf);

#endif							/* PGTUNSYNC_SSH_ROUTE_H */
