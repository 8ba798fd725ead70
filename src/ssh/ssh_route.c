/*-------------------------------------------------------------------------
 *
 * ssh_route.c
 *	  Displays a route, and passes it to another process.
 *
 * The leader resolves the alias, and the tunnel worker connects.  A table of
 * the fields of SshHop describes what is passed between them, so that writing
 * and reading cannot differ.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/compat.h"
#include "base/serialize.h"
#include "ssh/ssh_route.h"
#include "base/trace.h"

typedef enum FieldType
{
	FIELD_STRING,
	FIELD_STRINGS,
	FIELD_INT,
	FIELD_BOOL
} FieldType;

typedef struct Field
{
	FieldType	type;
	size_t		offset;
} Field;

static const Field hop_fields[] = {
	{FIELD_STRING, offsetof(SshHop, alias)},
	{FIELD_STRING, offsetof(SshHop, host)},
	{FIELD_INT, offsetof(SshHop, port)},
	{FIELD_STRING, offsetof(SshHop, user)},
	{FIELD_INT, offsetof(SshHop, family)},
	{FIELD_STRING, offsetof(SshHop, host_key_alias)},
	{FIELD_STRINGS, offsetof(SshHop, known_hosts)},
	{FIELD_STRING, offsetof(SshHop, add_to_file)},
	{FIELD_BOOL, offsetof(SshHop, accept_new)},
	{FIELD_BOOL, offsetof(SshHop, hash_names)},
	{FIELD_STRING, offsetof(SshHop, host_key_algorithms)},
	{FIELD_STRING, offsetof(SshHop, pinned_key)},
	{FIELD_STRINGS, offsetof(SshHop, identity_files)},
	{FIELD_STRINGS, offsetof(SshHop, certificates)},
	{FIELD_STRING, offsetof(SshHop, identity_agent)},
	{FIELD_BOOL, offsetof(SshHop, identities_only)},
	{FIELD_BOOL, offsetof(SshHop, try_publickey)},
	{FIELD_BOOL, offsetof(SshHop, try_keyboard)},
	{FIELD_BOOL, offsetof(SshHop, try_password)},
	{FIELD_STRING, offsetof(SshHop, preferred)},
	{FIELD_STRING, offsetof(SshHop, kex_algorithms)},
	{FIELD_STRING, offsetof(SshHop, ciphers)},
	{FIELD_STRING, offsetof(SshHop, macs)},
	{FIELD_BOOL, offsetof(SshHop, compression)},
	{FIELD_INT, offsetof(SshHop, connect_timeout)},
	{FIELD_INT, offsetof(SshHop, alive_interval)},
	{FIELD_INT, offsetof(SshHop, alive_count)},
};

static void
pack_field(StringInfo buf, const Field *field, const SshHop *hop)
{
	const void *at = (const char *) hop + field->offset;

	switch (field->type)
	{
		case FIELD_STRING:
			pack_string(buf, *(char *const *) at);
			break;
		case FIELD_STRINGS:
			pack_strings(buf, *(List *const *) at);
			break;
		case FIELD_INT:
			pack_int(buf, *(const int *) at);
			break;
		case FIELD_BOOL:
			pack_int(buf, *(const bool *) at);
			break;
	}
}

static void
unpack_field(StringInfo buf, const Field *field, SshHop *hop)
{
	void	   *at = (char *) hop + field->offset;

	switch (field->type)
	{
		case FIELD_STRING:
			*(char **) at = unpack_string(buf);
			break;
		case FIELD_STRINGS:
			*(List **) at = unpack_strings(buf);
			break;
		case FIELD_INT:
			*(int *) at = (int) unpack_int(buf);
			break;
		case FIELD_BOOL:
			*(bool *) at = unpack_int(buf) != 0;
			break;
	}
}

void
ssh_route_pack(StringInfo buf, const SshRoute *route)
{
	ListCell   *lc;

	pack_int(buf, route->from_ssh_config);
	pack_int(buf, list_length(route->hops));
	foreach(lc, route->hops)
	{
		for (int i = 0; i < lengthof(hop_fields); i++)
			pack_field(buf, &hop_fields[i], lfirst(lc));
	}
}

SshRoute *
ssh_route_unpack(StringInfo buf)
{
	SshRoute   *route = palloc0(sizeof(SshRoute));
	int64		hops;

	route->from_ssh_config = unpack_int(buf) != 0;
	hops = unpack_int(buf);
	for (int64 n = 0; n < hops; n++)
	{
		SshHop	   *hop = palloc0(sizeof(SshHop));

		for (int i = 0; i < lengthof(hop_fields); i++)
			unpack_field(buf, &hop_fields[i], hop);
		route->hops = lappend(route->hops, hop);
	}
	return route;
}

char *
ssh_hop_display(const SshHop *hop)
{
	if (strchr(hop->host, ':') != NULL)
		return psprintf("%s@[%s]:%d", hop->user, hop->host, hop->port);
	return psprintf("%s@%s:%d", hop->user, hop->host, hop->port);
}

/* Follows ssh's put_host_port(): an alias is used alone, without a port. */
char *
ssh_hop_known_name(const SshHop *hop)
{
	char	   *name;

	if (hop->host_key_alias != NULL)
		name = pstrdup(hop->host_key_alias);
	else if (hop->port == 22)
		name = pstrdup(hop->host);
	else
		name = psprintf("[%s]:%d", hop->host, hop->port);
	for (char *c = name; *c != '\0'; c++)
		*c = (char) tolower((unsigned char) *c);
	return name;
}

char *
ssh_route_target(const SshRoute *route)
{
	const SshHop *hop = llast(route->hops);
	char	   *display = ssh_hop_display(hop);

	if (strcmp(hop->alias, hop->host) == 0 || strcmp(hop->alias, display) == 0)
		return display;
	return psprintf("%s (alias \"%s\")", display, hop->alias);
}

char *
ssh_route_via(const SshRoute *route)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < list_length(route->hops) - 1; i++)
		appendStringInfo(&buf, "%s%s", i == 0 ? "via " : ", then ",
						 ssh_hop_display(list_nth(route->hops, i)));
	return buf.data;
}

static void
trace_files(const char *what, const List *files)
{
	const ListCell *lc;

	foreach(lc, files)
		trace(TRACE_DEBUG1, "  %s %s", what, (const char *) lfirst(lc));
}

static void
trace_value(const char *what, const char *value)
{
	if (value != NULL)
		trace(TRACE_DEBUG1, "  %s %s", what, value);
}

static void
trace_hop(const SshHop *hop, int number)
{
	trace(TRACE_DEBUG1, "hop %d: \"%s\" is host %s, port %d, user %s%s", number, hop->alias, hop->host,
		  hop->port, hop->user, hop->family == AF_INET ? ", by IPv4" :
		  hop->family == AF_INET6 ? ", by IPv6" : "");
	trace_files("key file", hop->identity_files);
	trace_files("certificate (not supported)", hop->certificates);
	trace_value("agent", hop->identity_agent);
	trace_value("authentication in the order", hop->preferred);
	trace_files("known_hosts", hop->known_hosts);
	trace_value("known_hosts by the name", hop->host_key_alias);
	trace_value("pinned host key", hop->pinned_key);
	trace(TRACE_DEBUG2, "  agent's other keys: %s; new host keys: %s; compression: %s", hop->identities_only ? "no" : "yes",
		  hop->accept_new ? "accepted" : "refused", hop->compression ? "yes" : "no");
	trace(TRACE_DEBUG2, "  a keepalive every %d s, lost after %d unanswered", hop->alive_interval, hop->alive_count);
	if (hop->connect_timeout > 0)
		trace(TRACE_DEBUG2, "  ConnectTimeout %d s", hop->connect_timeout / 1000);
	trace(TRACE_DEBUG3, "  KexAlgorithms %s", hop->kex_algorithms ? hop->kex_algorithms : "not limited");
	trace(TRACE_DEBUG3, "  HostKeyAlgorithms %s", hop->host_key_algorithms ? hop->host_key_algorithms : "not limited");
	trace(TRACE_DEBUG3, "  Ciphers %s", hop->ciphers ? hop->ciphers : "not limited");
	trace(TRACE_DEBUG3, "  MACs %s", hop->macs ? hop->macs : "not limited");
}

void
ssh_route_trace(const SshRoute *route)
{
	int			number = 0;
	ListCell   *lc;

	trace(TRACE_DEBUG1, "the route to the jump host, %s: %d hops",
		  route->from_ssh_config ? "resolved by \"ssh -G\"" : "without ssh_config (there is no ssh program)",
		  list_length(route->hops));
	foreach(lc, route->hops)
		trace_hop(lfirst(lc), ++number);
}
