/*-------------------------------------------------------------------------
 *
 * ssh_key.h
 *	  Reads private key files and what they reveal without the passphrase.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_SSH_KEY_H
#define PGTUNSYNC_SSH_KEY_H

typedef struct SshKeyFile
{
	char	   *path;
	char	   *problem;		/* why it cannot be used, or NULL */
	bool		missing;		/* the problem is that the file does not exist */
	bool		encrypted;
	char	   *type;			/* "ssh-ed25519", …; NULL if unknown */
	unsigned char *public_key;	/* from the file or from path.pub, or NULL */
	size_t		public_len;
	char	   *text;			/* the private key; overwritten by ssh_key_wipe() */
	size_t		text_len;
} SshKeyFile;

/*
 * Reads a key file.  Problems with the file do not raise an error; they are
 * stored in problem.
 */
extern SshKeyFile *ssh_key_read(const char *path);

/* Overwrites and frees the private key. */
extern void ssh_key_wipe(SshKeyFile *key);

/*
 * Finds out whether key->text is encrypted, its type and its public key.
 * Returns false if it is not a private key.
 */
extern bool ssh_key_inspect(SshKeyFile *key);

#endif							/* PGTUNSYNC_SSH_KEY_H */
