/*-------------------------------------------------------------------------
 *
 * known_hosts.h
 *	  Looks up host keys in known_hosts files.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_KNOWN_HOSTS_H
#define PGTUNSYNC_KNOWN_HOSTS_H

#include "nodes/pg_list.h"

typedef enum KnownHostResult
{
	KNOWN_HOST_MATCH,			/* this key is known for this host */
	KNOWN_HOST_UNKNOWN,			/* no key of this host is known */
	KNOWN_HOST_CHANGED,			/* another key of this type is known */
	KNOWN_HOST_OTHER_TYPE,		/* only keys of other types are known */
	KNOWN_HOST_REVOKED			/* the key is marked @revoked for this host */
} KnownHostResult;

typedef struct KnownHostVerdict
{
	KnownHostResult result;
	char	   *file;			/* file of the decisive entry, or NULL */
	int			line;
	List	   *types;			/* of char *: the key types known for this host */
	bool		authority;		/* a @cert-authority entry matches this host */
	List	   *unreadable;		/* of char *: files that exist but cannot be read */
} KnownHostVerdict;

/*
 * Looks up the key of a host.  files (of char *) may be missing; missing ones
 * are skipped.  name has the form of known_hosts (lower case, "host" or
 * "[host]:port").  key is the public key as the server sent it (RFC 4253
 * §6.6).  The strings of the verdict are palloc'd.  Follows
 * check_hostkeys_by_key_or_type() of OpenSSH.
 */
extern void known_hosts_check(const List *files, const char *name,
							  const unsigned char *key, size_t key_len,
							  KnownHostVerdict *verdict);

/*
 * Returns the key types that the files contain for a host, in order; of char
 * *.
 */
extern List *known_hosts_types(const List *files, const char *name);

/* Returns whether the first field of a line matches this host. */
extern bool known_hosts_field_matches(const char *field, const char *name);

/*
 * Returns the line that adds a key.  If hashed, the name cannot be read from
 * it.
 */
extern char *known_hosts_line(const char *name, const unsigned char *key,
							  size_t key_len, bool hashed);

/*
 * Appends a line to a file, creating the file and its directory.  Returns
 * NULL, or the reason for a failure.
 */
extern char *known_hosts_append(const char *file, const char *line);

/*
 * Return the type ("ssh-ed25519") and fingerprint ("SHA256:…") of a public
 * key; palloc'd.
 */
extern char *ssh_key_type(const unsigned char *key, size_t key_len);
extern char *ssh_key_fingerprint(const unsigned char *key, size_t key_len);

/*
 * Returns the public key as authorized_keys has it: type and base64; palloc'd.
 */
extern char *ssh_key_text(const unsigned char *key, size_t key_len);

#endif							/* PGTUNSYNC_KNOWN_HOSTS_H */
