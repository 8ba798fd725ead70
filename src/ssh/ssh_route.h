/*-------------------------------------------------------------------------
 *
 * ssh_route.h
 *	  The hosts that a tunnel has to pass.
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
	char	   *alias;			/* as asked for */
	char	   *host;			/* what to connect to */
	int			port;
	char	   *user;
	int			family;			/* AF_UNSPEC, AF_INET, AF_INET6 */

	/* whom to believe */
	char	   *host_key_alias; /* the name in known_hosts, or NULL */
	List	   *known_hosts;	/* of char *, absolute: user's and global ones */
	char	   *add_to;			/* the user's first known_hosts file */
	bool		accept_new;		/* StrictHostKeyChecking accept-new */
	bool		hash_names;		/* HashKnownHosts */
	char	   *host_key_algorithms;	/* comma list, or NULL: any */
	char	   *pinned_key;		/* "SHA256:…", or NULL */

	/* how to log in */
	List	   *identity_files; /* of char *, absolute */
	List	   *certificates;	/* of char *: named, and not supported */
	char	   *identity_agent; /* socket path, or NULL: none */
	bool		identities_only;
	bool		try_publickey;
	bool		try_keyboard;	/* keyboard-interactive */
	bool		try_password;
	char	   *preferred;		/* PreferredAuthentications, or NULL */

	/* the connection */
	char	   *kex_algorithms; /* comma lists, or NULL: our own */
	char	   *ciphers;
	char	   *macs;
	bool		compression;
	int			connect_timeout;	/* ms, 0: the run's */
	int			alive_interval; /* s without a sign of life before asking */
	int			alive_count;	/* unanswered questions that end it */
} SshHop;

/* The way to the jump host: hops in the order of connecting, the last one is it. */
typedef struct SshRoute
{
	List	   *hops;			/* of SshHop * */
	bool		from_ssh_config;	/* resolved by "ssh -G", else taken as a host */
} SshRoute;

/* "user@host:port" and "via …" texts for the banner; palloc'd. */
extern char *ssh_route_target(const SshRoute *route);
extern char *ssh_route_via(const SshRoute *route);

/* "user@host:port" of one hop; palloc'd. */
extern char *ssh_hop_display(const SshHop *hop);

/* The name under which known_hosts has a hop: "host" or "[host]:port". */
extern char *ssh_hop_known_name(const SshHop *hop);

/* Tells the server log what the way looks like (trace.h). */
extern void ssh_route_trace(const SshRoute *route);

/* To another process and back. */
extern void ssh_route_pack(StringInfo buf, const SshRoute *route);
extern SshRoute *ssh_route_unpack(StringInfo buf);

#endif							/* PGTUNSYNC_SSH_ROUTE_H */
