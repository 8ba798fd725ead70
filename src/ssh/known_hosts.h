/*-------------------------------------------------------------------------
 *
 * known_hosts.h
 *	  Whom to believe to be which host.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_KNOWN_HOSTS_H
#define PGTUNSYNC_KNOWN_HOSTS_H

#include "nodes/pg_list.h"

typedef enum KnownHostResult
{
	KNOWN_HOST_MATCH,			/* this very key is known for this host */
	KNOWN_HOST_UNKNOWN,			/* no key of this host is known */
	KNOWN_HOST_CHANGED,			/* another key of this type is known */
	KNOWN_HOST_OTHER_TYPE,		/* only keys of other types are known */
	KNOWN_HOST_REVOKED			/* the key is marked @revoked for this host */
} KnownHostResult;

typedef struct KnownHostVerdict
{
	KnownHostResult result;
	char	   *file;			/* where the entry that decided stands, or NULL */
	int			line;
	List	   *types;			/* of char *: the key types known for this host */
	bool		authority;		/* a @cert-authority stands for this host */
	List	   *unreadable;		/* of char *: files that exist but cannot be read */
} KnownHostVerdict;

/*
 * Looks a host's key up.  files: of char *, missing ones are skipped.  name:
 * as known_hosts has it (lower case, "host" or "[host]:port").  key: the
 * public key as the server sent it (RFC 4253 §6.6).  The verdict's strings
 * are palloc'd.  Follows check_hostkeys_by_key_or_type() of OpenSSH.
 */
extern void known_hosts_check(const List *files, const char *name,
							  const unsigned char *key, size_t key_len,
							  KnownHostVerdict *verdict);

/* The key types that the files have for a host, in their order; of char *. */
extern List *known_hosts_types(const List *files, const char *name);

/* Does the first field of a line stand for this host? */
extern bool known_hosts_field_matches(const char *field, const char *name);

/* The line that makes a key known; hashed: the name is not to be read off. */
extern char *known_hosts_line(const char *name, const unsigned char *key,
							  size_t key_len, bool hashed);

/*
 * Appends the line to the file, creating both file and directory.  Returns
 * NULL, or why it did not work.
 */
extern char *known_hosts_append(const char *file, const char *line);

/* "ssh-ed25519" and "SHA256:…" of a public key; palloc'd. */
extern char *ssh_key_type(const unsigned char *key, size_t key_len);
extern char *ssh_key_fingerprint(const unsigned char *key, size_t key_len);

#endif							/* PGTUNSYNC_KNOWN_HOSTS_H */
