/*-------------------------------------------------------------------------
 *
 * ssh_config.h
 *	  From an alias to the hosts that a tunnel has to pass.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_SSH_CONFIG_H
#define PGTUNSYNC_SSH_CONFIG_H

#include "config/env_file.h"
#include "ssh/ssh_route.h"

/*
 * Resolves PGSYNC_SSH_HOST (default "hatchbox") as the server's operating
 * system user would see it.  Lives in the current memory context.  Raises
 * CONFIG_FILE_ERROR naming alias and option for what cannot be honoured.
 */
extern SshRoute *ssh_route_resolve(const EnvFile *env);

#endif							/* PGTUNSYNC_SSH_CONFIG_H */
