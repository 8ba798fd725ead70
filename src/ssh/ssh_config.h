/*-------------------------------------------------------------------------
 *
 * ssh_config.h
 *	  Resolves an alias to the hosts that the tunnel passes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_SSH_CONFIG_H
#define PGTUNSYNC_SSH_CONFIG_H

#include "config/env_file.h"
#include "ssh/ssh_route.h"

/*
 * Resolves PGSYNC_SSH_HOST (default "hatchbox") for the server's operating
 * system user.  The result lives in the current memory context.  Raises
 * CONFIG_FILE_ERROR with the alias and the option if an option is not
 * supported.
 */
extern SshRoute *ssh_route_resolve(const EnvFile *env);

#endif							/* PGTUNSYNC_SSH_CONFIG_H */
