/*-------------------------------------------------------------------------
 *
 * source_way.h
 *	  Where the source is, and through which entrance it is reached.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_SOURCE_WAY_H
#define PGTUNSYNC_SOURCE_WAY_H

#include "config/env_file.h"

typedef enum EntranceKind
{
	ENTRANCE_PORT,				/* the tunnel's, a port that the file names */
	ENTRANCE_SOCKET,			/* the tunnel's, a private Unix socket */
	ENTRANCE_FREE_PORT,			/* the tunnel's, a port that the system chooses */
	ENTRANCE_FOREIGN,			/* a port of this machine that another program forwards */
	ENTRANCE_DIRECT				/* the source itself, by verified TLS */
} EntranceKind;

typedef struct SourceWay
{
	EntranceKind entrance;
	int			local_port;		/* of ENTRANCE_PORT */
	const char *host;			/* the source as the jump host sees it, or a
								 * directory with its Unix socket; without a tunnel,
								 * what to connect to */
	int			port;
	const char *tls_name;		/* the name that the source's certificate must have */
	bool		from_url;		/* host and port are the URL's */
} SourceWay;

/*
 * Reads the URL and the variables that say how the source is reached, and
 * checks that they agree.  A NOTICE names the parameters of the URL that have
 * no effect.  The result lives in the current memory context.
 *
 * Raises CONFIG_FILE_ERROR; the message never shows the password.
 */
extern SourceWay *source_way(const EnvFile *env);

/* Returns whether the source is reached through a tunnel of ours. */
extern bool source_way_has_tunnel(const SourceWay *way);

/* Returns "host:port", or the path of the Unix socket; palloc'd. */
extern char *source_way_remote(const SourceWay *way);

#endif							/* PGTUNSYNC_SOURCE_WAY_H */
