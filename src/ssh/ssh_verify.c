/*-------------------------------------------------------------------------
 *
 * ssh_verify.c
 *	  Verifies the host key of a hop.
 *
 * Each hop is verified after the key exchange, before anything about the user
 * is sent.  A key is rejected unless known_hosts (or a pinned fingerprint)
 * contains it.
 *
 * The type of the host key is negotiated.  libssh2 would ask for ECDSA first,
 * but known_hosts mostly contains ed25519, which OpenSSH asks for first.  So
 * the tunnel asks for the types that known_hosts contains for this host.  If
 * the server has none of them, the link connects again and asks for any type,
 * so that the error can show the key that was found (any_type in ssh_link.h).
 *
 * A server may start a new key exchange at any time, and libssh2 then accepts
 * any host key.  The key must stay the same during the session.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "ssh/known_hosts.h"
#include "ssh/ssh_link.h"

#include "base/compat.h"

#define ANY_TYPE \
	"ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521," \
	"rsa-sha2-512,rsa-sha2-256,ssh-rsa"

/*
 * Returns whether HostKeyAlgorithms contains the algorithm (a plain list, as
 * "ssh -G" prints it).
 */
static bool
algorithm_allowed(const SshHop *hop, const char *algorithm)
{
	return hop->host_key_algorithms == NULL || ssh_listed(hop->host_key_algorithms, algorithm);
}

static void
append_algorithm(StringInfo list, const SshHop *hop, const char *algorithm)
{
	if (algorithm_allowed(hop, algorithm))
		appendStringInfo(list, "%s%s", list->len > 0 ? "," : "", algorithm);
}

/*
 * Appends the algorithms for a key type of known_hosts.  RSA keys have three.
 */
static void
append_type(StringInfo list, const SshHop *hop, const char *type)
{
	if (strcmp(type, "ssh-rsa") == 0)
	{
		append_algorithm(list, hop, "rsa-sha2-512");
		append_algorithm(list, hop, "rsa-sha2-256");
	}
	append_algorithm(list, hop, type);
}

/* Returns the host key algorithms to ask the server for. */
char *
ssh_verify_preference(SshNode *node)
{
	const SshHop *hop = node->hop;
	StringInfoData list;
	List	   *types = NIL;
	ListCell   *lc;

	node->restricted = false;
	if (!node->link->any_type)
		types = known_hosts_types(hop->known_hosts, ssh_hop_known_name(hop));
	initStringInfo(&list);
	foreach(lc, types)
		append_type(&list, hop, lfirst(lc));
	node->restricted = list.len > 0;
	if (list.len == 0)
	{
		char	   *any = pstrdup(ANY_TYPE);
		char	   *save = NULL;

		for (char *type = strtok_r(any, ",", &save); type != NULL; type = strtok_r(NULL, ",", &save))
			append_algorithm(&list, hop, type);
	}
	if (list.len == 0)
		return pstrdup(ANY_TYPE);
	return list.data;
}

static char *
join(const List *strings)
{
	StringInfoData buf;
	const ListCell *lc;

	initStringInfo(&buf);
	foreach(lc, strings)
		appendStringInfo(&buf, "%s%s", buf.len > 0 ? ", " : "", (char *) lfirst(lc));
	return buf.data;
}

/* Returns a hint with the command that adds the key after it was compared. */
static char *
keyscan_hint(SshNode *node, const char *type)
{
	const SshHop *hop = node->hop;
	const char *file = hop->add_to_file ? hop->add_to_file : "~/.ssh/known_hosts";
	const char *scan_type = strncmp(type, "ecdsa", 5) == 0 ? "ecdsa" :
		strcmp(type, "ssh-rsa") == 0 ? "rsa" : "ed25519";
	char	   *command;

	if (hop->host_key_alias != NULL)
		command = psprintf("ssh-keyscan -t %s -p %d %s | sed 's/^[^ ]*/%s/' >> %s",
						   scan_type, hop->port, hop->host, hop->host_key_alias, file);
	else
		command = psprintf("ssh-keyscan -t %s -p %d %s >> %s",
						   scan_type, hop->port, hop->host, file);
	return psprintf("Compare the fingerprint with the one the host's administrator gives you; then, as the server's operating system user: %s",
					command);
}

static bool
reject(SshNode *node, const char *what, char *detail, char *hint)
{
	ssh_link_fail(node->link, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, false,
				  psprintf("host key verification failed for SSH server \"%s\" (hop %d): %s",
						   node->name, node->index + 1, what),
				  detail, hint);
	return false;
}

static bool
accept_key(SshNode *node, const char *type, const char *fingerprint, const char *because)
{
	ssh_trace(TRACE_DEBUG1, node, "host key %s %s is accepted: %s", type, fingerprint, because);
	ssh_link_note(node, "host key", psprintf("%s %s (%s)", type, fingerprint, because));
	return true;
}

static bool
reject_revoked(SshNode *node, const KnownHostVerdict *verdict, const char *type,
			   const char *fingerprint)
{
	return reject(node, "its key is revoked",
				  psprintf("The server shows the %s key %s, marked @revoked in %s line %d.",
						   type, fingerprint, verdict->file, verdict->line),
				  NULL);
}

/*
 * Verifies a pinned key.  A pin replaces known_hosts, but a revocation
 * overrides it.
 */
static bool
verify_pinned(SshNode *node, const KnownHostVerdict *verdict, const char *type,
			  const char *fingerprint)
{
	if (verdict->result == KNOWN_HOST_REVOKED)
		return reject_revoked(node, verdict, type, fingerprint);
	if (strcmp(node->hop->pinned_key, fingerprint) == 0)
		return accept_key(node, type, fingerprint, "pinned by PGSYNC_SSH_HOST_KEY");
	return reject(node, "it is not the pinned key",
				  psprintf("The server shows the %s key %s; PGSYNC_SSH_HOST_KEY is %s.",
						   type, fingerprint, node->hop->pinned_key),
				  pstrdup("If the pinned fingerprint is of a key of another type, pin this one after comparing it, or use known_hosts instead."));
}

/* Accepts and stores a new key (accept-new). */
static bool
accept_new_key(SshNode *node, const unsigned char *key, size_t len, const char *type,
			   const char *fingerprint)
{
	const SshHop *hop = node->hop;
	char	   *line = known_hosts_line(ssh_hop_known_name(hop), key, len, hop->hash_names);
	char	   *problem = hop->add_to_file ? known_hosts_append(hop->add_to_file, line) :
		pstrdup("there is no known_hosts file of the user");

	if (problem != NULL)
		return reject(node, "its key is new and could not be stored", problem, NULL);
	ereport(NOTICE,
			(errmsg("the host key of \"%s\" was new and is now known", node->name),
			 errdetail("%s %s was added to \"%s\" (StrictHostKeyChecking accept-new).",
					   type, fingerprint, hop->add_to_file)));
	return accept_key(node, type, fingerprint, "new, added to known_hosts");
}

static char *
unknown_detail(SshNode *node, const KnownHostVerdict *verdict, const char *type,
			   const char *fingerprint)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "The server shows the %s key %s; no entry for \"%s\" in %s.",
					 type, fingerprint, ssh_hop_known_name(node->hop),
					 node->hop->known_hosts ? join(node->hop->known_hosts) : "any file");
	if (verdict->unreadable != NIL)
		appendStringInfo(&buf, " Could not be read: %s.", join(verdict->unreadable));
	if (verdict->authority)
		appendStringInfoString(&buf, " A @cert-authority stands for this host, but libssh2 cannot verify host certificates; add the host's own key.");
	return buf.data;
}

/* Returns a text if the known key type could not be requested. */
static char *
other_type_reason(const List *types)
{
	const ListCell *lc;

	foreach(lc, types)
	{
		if (strcmp(lfirst(lc), "ssh-rsa") == 0 && libssh2_version(0x010b00) == NULL)
			return psprintf(" libssh2 %s supports RSA host keys with SHA-1 only, which OpenSSH 8.8 and later do not offer.",
							libssh2_version(0));
	}
	return "";
}

static bool
verify_known(SshNode *node, const KnownHostVerdict *verdict, const unsigned char *key,
			 size_t len, const char *type, const char *fingerprint)
{
	char	   *entry = verdict->file ? psprintf("%s line %d", verdict->file, verdict->line) : "";

	switch (verdict->result)
	{
		case KNOWN_HOST_MATCH:
			return accept_key(node, type, fingerprint, psprintf("known: %s", entry));
		case KNOWN_HOST_UNKNOWN:
			if (node->hop->accept_new && verdict->unreadable == NIL)
				return accept_new_key(node, key, len, type, fingerprint);
			return reject(node, "it is not known",
						  unknown_detail(node, verdict, type, fingerprint),
						  keyscan_hint(node, type));
		case KNOWN_HOST_CHANGED:
			return reject(node, "its key has changed",
						  psprintf("The server shows the %s key %s; %s has another one. Somebody may be intercepting the connection, or the host was reinstalled.",
								   type, fingerprint, entry),
						  psprintf("Ask the host's administrator. If the change is legitimate: ssh-keygen -f %s -R '%s', then add the new key.",
								   verdict->file, ssh_hop_known_name(node->hop)));
		case KNOWN_HOST_OTHER_TYPE:
			return reject(node, "its key is of another type than the known one",
						  psprintf("The server shows the %s key %s; known for this host: %s (%s).%s",
								   type, fingerprint, join(verdict->types), entry,
								   other_type_reason(verdict->types)),
						  keyscan_hint(node, type));
		case KNOWN_HOST_REVOKED:
			return reject_revoked(node, verdict, type, fingerprint);
	}
	return false;
}

bool
ssh_verify_host(SshNode *node)
{
	size_t		len = 0;
	int			libssh2_type;
	const char *raw = libssh2_session_hostkey(node->session, &len, &libssh2_type);
	const unsigned char *key = (const unsigned char *) raw;
	char	   *type;
	char	   *fingerprint;
	KnownHostVerdict verdict;

	if (key == NULL || len == 0)
		return reject(node, "the server sent none", NULL, NULL);
	type = ssh_key_type(key, len);
	fingerprint = ssh_key_fingerprint(key, len);
	node->host_key = raw;
	node->verified_key = palloc(len);
	memcpy(node->verified_key, raw, len);
	node->verified_len = len;
	ssh_trace(TRACE_DEBUG1, node, "the server shows the host key %s %s; looking for \"%s\"",
			  type, fingerprint, ssh_hop_known_name(node->hop));
	known_hosts_check(node->hop->known_hosts, ssh_hop_known_name(node->hop), key, len, &verdict);
	if (node->hop->pinned_key != NULL)
		return verify_pinned(node, &verdict, type, fingerprint);
	return verify_known(node, &verdict, key, len, type, fingerprint);
}

/* Detects a new key exchange.  Returns false if the host key has changed. */
bool
ssh_verify_rekey(SshNode *node)
{
	size_t		len = 0;
	int			libssh2_type;
	const char *raw = libssh2_session_hostkey(node->session, &len, &libssh2_type);

	if (raw == NULL || raw == node->host_key || (const void *) raw == node->freed_host_key)
		return true;
	node->host_key = raw;
	node->rekeys++;
	ssh_trace(TRACE_DEBUG1, node, "new session keys, number %d, after " INT64_FORMAT " bytes in and " INT64_FORMAT " out",
			  node->rekeys, node->received, node->sent);
	return len == node->verified_len && memcmp(raw, node->verified_key, len) == 0;
}
