/*-------------------------------------------------------------------------
 *
 * ssh_config_parse.h
 *	  What "ssh -G" prints, understood.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_SSH_CONFIG_PARSE_H
#define PGTUNSYNC_SSH_CONFIG_PARSE_H

#include "ssh/ssh_route.h"

/*
 * Applies the output of "ssh -G" (modified here) to a hop that holds the
 * defaults.  home: of the server's user.  *jumps: the value of ProxyJump, or
 * NULL.  identity_agent is left as printed ("none", "SSH_AUTH_SOCK" or a
 * path).  Raises CONFIG_FILE_ERROR for what cannot be honoured.
 */
extern void ssh_config_parse(char *output, const char *home, SshHop *hop,
							 char **jumps);

#endif							/* PGTUNSYNC_SSH_CONFIG_PARSE_H */
