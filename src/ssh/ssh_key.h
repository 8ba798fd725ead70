/*-------------------------------------------------------------------------
 *
 * ssh_key.h
 *	  Private key files, as far as one can tell without the passphrase.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_SSH_KEY_H
#define PGTUNSYNC_SSH_KEY_H

typedef struct SshKeyFile
{
	char	   *path;
	char	   *problem;		/* why it cannot be used, or NULL */
	bool		missing;		/* the problem is that there is no such file */
	bool		encrypted;
	char	   *type;			/* "ssh-ed25519", …; NULL: not known */
	unsigned char *public_key;	/* from the file or from path.pub, or NULL */
	size_t		public_len;
	char	   *text;			/* the private key; ssh_key_wipe() it */
	size_t		text_len;
} SshKeyFile;

/* Reads a key file; never raises an error for what the file is. */
extern SshKeyFile *ssh_key_read(const char *path);

/* Forgets the private part. */
extern void ssh_key_wipe(SshKeyFile *key);

/*
 * What can be told of a private key's text: encrypted, type, public_key.
 * False when it is no private key.
 */
extern bool ssh_key_inspect(SshKeyFile *key);

#endif							/* PGTUNSYNC_SSH_KEY_H */
