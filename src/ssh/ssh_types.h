/*-------------------------------------------------------------------------
 *
 * ssh_types.h
 *	  What a session of SSH is given, and what came of it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_SSH_TYPES_H
#define PGTUNSYNC_SSH_TYPES_H

typedef struct SshLink SshLink;

/* What the environment file lets us use to log in; either may be NULL. */
typedef struct SshSecrets
{
	char	   *passphrase;		/* of encrypted keys, at any hop */
	char	   *password;		/* for the last hop only */
} SshSecrets;

typedef struct SshFailure
{
	int			sqlerrcode;
	bool		transient;		/* trying again later may help */
	char	   *message;
	char	   *detail;			/* or NULL */
	char	   *hint;			/* or NULL */
} SshFailure;

/* Something that worked on the way, for those who look inside. */
typedef struct SshStep
{
	int			hop;			/* from 1 */
	const char *name;			/* "connect", "host key", "login", "jump" */
	char	   *detail;
} SshStep;

#endif							/* PGTUNSYNC_SSH_TYPES_H */
