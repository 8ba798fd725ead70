/*-------------------------------------------------------------------------
 *
 * ssh_types.h
 *	  The input and the result of an SSH session.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_SSH_TYPES_H
#define PGTUNSYNC_SSH_TYPES_H

typedef struct SshLink SshLink;

/* The secrets of the environment file for logging in; either may be NULL. */
typedef struct SshSecrets
{
	char	   *passphrase;		/* of encrypted keys, at any hop */
	char	   *password;		/* for the last hop only */
} SshSecrets;

typedef struct SshFailure
{
	int			sqlerrcode;
	bool		transient;		/* a later attempt may succeed */
	char	   *message;
	char	   *detail;			/* or NULL */
	char	   *hint;			/* or NULL */
} SshFailure;

/* A step that succeeded, for pgtunsync.check(). */
typedef struct SshStep
{
	int			hop;			/* from 1 */
	const char *name;			/* "connect", "host key", "login", "jump" */
	char	   *detail;
} SshStep;

#endif							/* PGTUNSYNC_SSH_TYPES_H */
