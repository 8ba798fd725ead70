/*-------------------------------------------------------------------------
 *
 * source_way.c
 *	  Where the source is, and through which entrance it is reached.
 *
 * The URL decides.  There are four kinds:
 *
 *	URL points at		PGSYNC_SSH_HOST		the way
 *	localhost			a jump host			as shell tools use the same file: the
 *											entrance is PGSYNC_LOCAL_PORT, the source
 *											is at PGSYNC_REMOTE_HOST and _PORT
 *	a real host			a jump host			a DATABASE_URL as it is: its host is the
 *											source, the entrance is private
 *	localhost			none				another program forwards the port
 *	a real host			none				only with PGSYNC_DIRECT=yes and
 *											sslmode=verify-full
 *
 * Whatever contradicts itself is refused, saying what to write instead: a URL
 * of a real host beside a port for the entrance or beside another remote host.
 * To follow one of them in silence would hide a mistake, and could pull from
 * another database than was meant.
 *
 * A private entrance is a Unix socket.  A Unix socket carries no TLS, so for a
 * URL that demands TLS it is a port that the system chooses.
 *
 * The name that TLS verifies is the source's own, never the entrance's.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "source/source_url.h"
#include "source/source_way.h"

#define SSH_VARIABLE	"PGSYNC_SSH_HOST"
#define PORT_VARIABLE	"PGSYNC_LOCAL_PORT"
#define HOST_VARIABLE	"PGSYNC_REMOTE_HOST"
#define REMOTE_PORT_VARIABLE "PGSYNC_REMOTE_PORT"
#define DIRECT_VARIABLE "PGSYNC_DIRECT"
#define DEFAULT_LOCAL_PORT 5433

/* Parameters that would take the connection, or its credentials, elsewhere. */
static const struct
{
	const char *keyword;
	const char *reason;
	const char *hint;			/* NULL: the usual one */
}			refused_keywords[] = {
	{"service", "A service file would supply values that the environment file does not show.", NULL},
	{"servicefile", "A service file would supply values that the environment file does not show.", NULL},
	{"passfile", "The password belongs into the URL itself.", NULL},
	{"replication", "A replication connection cannot read tables.", "Remove the parameter."},
};

static bool
is_directory(const char *host)
{
	return host[0] == '/';
}

/* The address that counts: libpq connects to hostaddr if it is given. */
static const char *
address_of(const SourceUrl *url)
{
	const char *hostaddr = url_get(url, "hostaddr");

	return hostaddr ? hostaddr : url_get(url, "host");
}

/* The URL's port; 0 if it is no number. */
static int
port_of(const SourceUrl *url)
{
	const char *port = url_get(url, "port");
	char	   *end;
	long		number;

	if (port == NULL)
		return DEF_PGPORT;
	number = strtol(port, &end, 10);
	return *end == '\0' && number > 0 && number <= 65535 ? (int) number : 0;
}

static bool
is_loopback_url(const SourceUrl *url)
{
	const char *address = address_of(url);
	const char *host = url_get(url, "host");

	return address != NULL && url_is_loopback(address) && (host == NULL || !is_directory(host));
}

static int
local_port(const EnvFile *env)
{
	return env_file_get_int(env, PORT_VARIABLE, DEFAULT_LOCAL_PORT, 0, 65535);
}

/* ---- checks ---- */

static void
check_keywords(const SourceUrl *url)
{
	for (int i = 0; i < lengthof(refused_keywords); i++)
	{
		if (url_get(url, refused_keywords[i].keyword) != NULL)
			url_refuse(url,
					   psprintf("%s must not use the parameter \"%s\"", url->variable,
								refused_keywords[i].keyword),
					   refused_keywords[i].reason, refused_keywords[i].hint);
	}
}

static void
check_one_host(const SourceUrl *url)
{
	static const char *const keywords[] = {"host", "hostaddr", "port"};

	for (int i = 0; i < lengthof(keywords); i++)
	{
		const char *value = url_get(url, keywords[i]);

		if (value != NULL && strchr(value, ',') != NULL)
			url_refuse(url, psprintf("%s names several hosts", url->variable),
					   "A pull reads one server, in one snapshot.",
					   "Name the host to pull from; a replica will do.");
	}
}

/* A Unix socket carries no TLS: what insists on it cannot be kept. */
static void
check_tls(const SourceUrl *url, const SourceWay *way)
{
	const char *sslmode = url_get(url, "sslmode");

	if (!url_demands_tls(url))
		return;
	if (way->entrance == ENTRANCE_SOCKET)
		url_refuse(url, psprintf("sslmode \"%s\" of %s cannot be had through a Unix socket", sslmode,
								 url->variable),
				   PORT_VARIABLE " is 0, so that the tunnel's entrance is a private Unix socket.",
				   way->from_url ? "Leave " PORT_VARIABLE " out." :
				   "Give " PORT_VARIABLE " a port number.");
	if (is_directory(way->host))
		url_refuse(url, psprintf("sslmode \"%s\" of %s cannot be had through a Unix socket", sslmode,
								 url->variable),
				   psprintf("The source is reached by the Unix socket %s.", source_way_remote(way)),
				   "Leave sslmode out, or name the source's host.");
}

/* ---- the four ways ---- */

static void pg_attribute_noreturn()
refuse_entrance(const SourceUrl *url)
{
	int			port = local_port(url->env);

	url_refuse(url, psprintf("%s does not point at the tunnel's local entrance", url->variable),
			   port == 0 ?
			   psprintf("%s The entrance is a private socket, which is written as localhost.",
						url_target(url)) :
			   psprintf("%s The entrance is 127.0.0.1, port %d (" PORT_VARIABLE ").",
						url_target(url), port),
			   NULL);
}

/* The name in the certificate of a source that the URL calls localhost. */
static const char *
tls_name(const SourceUrl *url, const char *remote_host)
{
	const char *host = url_get(url, "host");

	if (url_get(url, "hostaddr") != NULL && host != NULL)
		return host;
	if (!is_directory(remote_host) && !url_is_loopback(remote_host))
		return remote_host;
	return host ? host : "localhost";
}

/* The URL points at the entrance. */
static void
way_by_port(const SourceUrl *url, SourceWay *way)
{
	const char *remote_host = env_file_get(url->env, HOST_VARIABLE);

	way->local_port = local_port(url->env);
	way->entrance = way->local_port == 0 ? ENTRANCE_SOCKET : ENTRANCE_PORT;
	way->host = remote_host ? remote_host : "localhost";
	way->port = env_file_get_int(url->env, REMOTE_PORT_VARIABLE, DEF_PGPORT, 1, 65535);
	way->tls_name = tls_name(url, way->host);
	if (way->local_port != 0 && port_of(url) != way->local_port)
		refuse_entrance(url);
}

/* Host and port of the file, if it has them, must be those of the URL. */
static void
check_same_remote(const SourceUrl *url, const SourceWay *way)
{
	const char *host = env_file_get(url->env, HOST_VARIABLE);
	int			port = env_file_get_int(url->env, REMOTE_PORT_VARIABLE, way->port, 1, 65535);

	if ((host == NULL || pg_strcasecmp(host, way->host) == 0) && port == way->port)
		return;
	url_refuse(url, psprintf("%s and " HOST_VARIABLE " name different servers", url->variable),
			   psprintf("%s " HOST_VARIABLE " and " REMOTE_PORT_VARIABLE " lead to %s:%d.",
						url_target(url), host ? host : way->host, port),
			   "Leave " HOST_VARIABLE ", " REMOTE_PORT_VARIABLE " and " PORT_VARIABLE
			   " out, so that the URL alone says where the source is.");
}

/* The URL is the source's own. */
static void
way_of_real_host(const SourceUrl *url, SourceWay *way)
{
	const char *host = url_get(url, "host");

	if (address_of(url) == NULL || port_of(url) == 0 ||
		env_file_get(url->env, SSH_VARIABLE) == NULL ||
		(env_file_get(url->env, PORT_VARIABLE) != NULL && local_port(url->env) != 0))
		refuse_entrance(url);
	way->entrance = url_demands_tls(url) && env_file_get(url->env, PORT_VARIABLE) == NULL ?
		ENTRANCE_FREE_PORT : ENTRANCE_SOCKET;
	way->host = address_of(url);
	way->port = port_of(url);
	way->tls_name = host ? host : way->host;
	way->from_url = true;
	check_same_remote(url, way);
}

/* Another program forwards a port of this machine. */
static void
way_of_foreign_port(const SourceUrl *url, SourceWay *way)
{
	const char *remote_host = env_file_get(url->env, HOST_VARIABLE);
	int			expected = env_file_get_int(url->env, PORT_VARIABLE, port_of(url), 0, 65535);

	way->entrance = ENTRANCE_FOREIGN;
	way->host = address_of(url);
	if (strcmp(way->host, "::1") != 0)
		way->host = "127.0.0.1";
	way->port = port_of(url);
	way->tls_name = tls_name(url, remote_host ? remote_host : "localhost");
	way->from_url = true;
	if (way->port == 0 || (expected != 0 && expected != way->port))
		url_refuse(url, psprintf("%s and " PORT_VARIABLE " name different ports", url->variable),
				   url_target(url), "Leave " PORT_VARIABLE " out.");
}

/* The source itself, which must prove by TLS that it is the source. */
static void
way_direct(const SourceUrl *url, SourceWay *way)
{
	const char *sslmode = url_get(url, "sslmode");
	const char *address = address_of(url);

	if (!env_file_get_bool(url->env, DIRECT_VARIABLE, false))
		url_refuse(url, psprintf("%s does not point at localhost", url->variable),
				   psprintf("%s With " SSH_VARIABLE "=none, another program forwards a port of this machine.",
							url_target(url)),
				   "Write localhost and the port that is forwarded. Only a source that can be reached without a tunnel, and that has a certificate, may be named itself: set " DIRECT_VARIABLE "=yes, and sslmode=verify-full in the URL.");
	if (address == NULL || is_directory(address) || port_of(url) == 0)
		url_refuse(url, psprintf("%s names no host", url->variable), url_target(url),
				   "Name the source's host.");
	if (sslmode == NULL || strcmp(sslmode, "verify-full") != 0)
		url_refuse(url, psprintf(DIRECT_VARIABLE " needs sslmode=verify-full in %s", url->variable),
				   "Without a tunnel, nothing else proves that the source answers.",
				   "Write sslmode=verify-full, and sslrootcert=FILE with the certificate of the source's authority (or sslrootcert=system).");
	way->entrance = ENTRANCE_DIRECT;
	way->host = address;
	way->port = port_of(url);
	way->tls_name = url_get(url, "host") ? url_get(url, "host") : address;
	way->from_url = true;
}

/* ---- all of it ---- */

/* One NOTICE for what the URL says in vain. */
static void
report_ignored(const SourceUrl *url)
{
	StringInfoData names;
	ListCell   *lc;

	if (url->reading->ignored == NIL)
		return;
	initStringInfo(&names);
	foreach(lc, url->reading->ignored)
		appendStringInfo(&names, "%s%s", names.len ? ", " : "", (char *) lfirst(lc));
	ereport(NOTICE,
			(errmsg("parameters of %s without effect on a pull: %s", url->variable, names.data),
			 url->reading->other_schema ?
			 errhint("Name the schema in the call (schemas => '{…}') or in the configuration.") : 0));
}

static void
choose_way(const SourceUrl *url, SourceWay *way)
{
	const char *ssh_host = env_file_get(url->env, SSH_VARIABLE);
	bool		none = ssh_host != NULL && pg_strcasecmp(ssh_host, "none") == 0;

	if (!none && env_file_get_bool(url->env, DIRECT_VARIABLE, false))
		url_refuse(url, DIRECT_VARIABLE "=yes needs " SSH_VARIABLE "=none",
				   "The source is reached either directly or through a jump host.",
				   "Set " SSH_VARIABLE "=none, or remove " DIRECT_VARIABLE ".");
	if (none && (is_loopback_url(url) ||
				 (address_of(url) != NULL && strcmp(address_of(url), "::1") == 0)))
		way_of_foreign_port(url, way);
	else if (none)
		way_direct(url, way);
	else if (is_loopback_url(url))
		way_by_port(url, way);
	else
		way_of_real_host(url, way);
}

SourceWay *
source_way(const EnvFile *env)
{
	SourceUrl  *url = url_parse(env);
	SourceWay  *way = palloc0(sizeof(SourceWay));

	check_keywords(url);
	check_one_host(url);
	choose_way(url, way);
	check_tls(url, way);
	if (url_get(url, "user") == NULL)
		url_refuse(url, psprintf("%s names no user", url->variable), NULL, NULL);
	if (url_get(url, "dbname") == NULL)
		url_refuse(url, psprintf("%s names no database", url->variable), NULL, NULL);
	(void) env_file_get_bool(env, "PGSYNC_ALLOW_CLEARTEXT", false); /* is it well-formed? */
	report_ignored(url);
	return way;
}

bool
source_way_has_tunnel(const SourceWay *way)
{
	return way->entrance != ENTRANCE_FOREIGN && way->entrance != ENTRANCE_DIRECT;
}

char *
source_way_remote(const SourceWay *way)
{
	if (is_directory(way->host))
		return psprintf("%s/.s.PGSQL.%d", way->host, way->port);
	if (strchr(way->host, ':') != NULL)
		return psprintf("[%s]:%d", way->host, way->port);
	return psprintf("%s:%d", way->host, way->port);
}
