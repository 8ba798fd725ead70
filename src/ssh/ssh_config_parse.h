/*-------------------------------------------------------------------------
 *
 * ssh_config_parse.h
 *	  Parses the output of "ssh -G".
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_SSH_CONFIG_PARSE_H
#define PGTUNSYNC_SSH_CONFIG_PARSE_H

#include "ssh/ssh_route.h"

/*
 * Applies the output of "ssh -G", which is modified, to a hop that contains
 * the defaults.  home is the home directory of the server's user.  *jumps
 * receives the value of ProxyJump, or NULL.  identity_agent is stored as
 * printed ("none", "SSH_AUTH_SOCK" or a path).  Raises CONFIG_FILE_ERROR for
 * unsupported options.
 */
extern void ssh_config_parse(char *output, const char *home, SshHop *hop,
							 char **jumps);

#endif							/* PGTUNSYNC_SSH_CONFIG_PARSE_H */
