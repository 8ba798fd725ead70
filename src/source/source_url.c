/*-------------------------------------------------------------------------
 *
 * source_url.c
 *	  PGSYNC_FROM_URL: checked, and completed until nothing is left to guess.
 *
 * The URL names the tunnel's *local* entrance, as it does for the shell tools
 * that read the same file, so a URL that points anywhere else is out of
 * contract: connecting there would bypass the tunnel, and rewriting it in
 * silence would hide a mistake.  It is refused, saying what to write instead.
 *
 * libpq fills in what a URL leaves open: from PG* variables, a password file,
 * a service file, client certificates below ~/.postgresql, a Kerberos ticket.
 * In a server these belong to whoever runs it and not to the run.  So we let
 * libpq parse the URL, take the values that it really holds, add or replace
 * ours, and hand back a conninfo in which every such fallback is answered;
 * what no keyword can answer is removed from the environment.
 *
 * The password goes out in clear text only where the URL makes libpq verify the
 * server's certificate, or where the file allows it; see auth_guard.c.  A libpq
 * that has require_auth is told so, too.
 *
 * A URL holds a password, and a malformed one can hold it in any of its parts
 * ("postgres://app:p@ss/w@localhost/shop": host "ss", database "w@localhost…").
 * libpq's parse errors are therefore never passed on, and parts are shown only
 * when the URL has a single '@', before its first '/'.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "base/compat.h"
#include "source/source.h"

#define URL_VARIABLE	"PGSYNC_FROM_URL"
#define CLEARTEXT_VARIABLE "PGSYNC_ALLOW_CLEARTEXT"

/* Where a file is expected that shall not be read; missing files are no error. */
#define NO_SUCH_FILE	"/nonexistent/pgtunsync"

/* One keyword with its value. */
typedef struct Option
{
	const char *keyword;
	const char *value;
} Option;

typedef struct SourceUrl
{
	const EnvFile *env;
	List	   *options;		/* of Option * */
	bool		is_uri;			/* else "keyword=value …" */
	bool		showable;		/* its parts are what they seem to be */
} SourceUrl;

/* Keywords that would take the connection, or its credentials, elsewhere. */
static const struct
{
	const char *keyword;
	const char *reason;
}			refused_keywords[] = {
	{"service", "A service file would supply values that the environment file does not show."},
	{"servicefile", "A service file would supply values that the environment file does not show."},
	{"passfile", "The password belongs into the URL itself."},
	{"replication", "A replication connection cannot read tables."},
};

/* Environment that no conninfo keyword overrides. */
static const char *const other_variables[] = {
	"PGSERVICE", "PGSERVICEFILE", "PGSYSCONFDIR", "PGREQUIRESSL",
	"PGDATESTYLE", "PGTZ", "PGGEQO", "PGCLIENTENCODING"
};

/* ---- parsing ---- */

static const char *
option_get(const SourceUrl *url, const char *keyword)
{
	ListCell   *lc;

	foreach(lc, url->options)
	{
		Option	   *option = lfirst(lc);

		if (strcmp(option->keyword, keyword) == 0)
			return option->value;
	}
	return NULL;
}

/* Adds the keyword or replaces its value. */
static void
option_set(SourceUrl *url, const char *keyword, const char *value)
{
	Option	   *option;
	ListCell   *lc;

	foreach(lc, url->options)
	{
		option = lfirst(lc);
		if (strcmp(option->keyword, keyword) == 0)
		{
			option->value = value;
			return;
		}
	}
	option = palloc(sizeof(Option));
	option->keyword = keyword;
	option->value = value;
	url->options = lappend(url->options, option);
}

/* Adds the keyword unless the URL has it. */
static void
option_default(SourceUrl *url, const char *keyword, const char *value)
{
	if (option_get(url, keyword) == NULL)
		option_set(url, keyword, value);
}

/* "line N of file "…"", for DETAILs. */
static char *
url_place(const EnvFile *env)
{
	return psprintf("line %d of file \"%s\"", env_file_line(env, URL_VARIABLE),
					env_file_path(env));
}

/* True if no part can hold a piece of the password. */
static bool
url_showable(const char *text, bool is_uri)
{
	const char *authority;
	const char *at;

	if (!is_uri)
		return true;
	authority = strstr(text, "://") + 3;
	at = strchr(authority, '@');
	if (at == NULL)
		return true;
	return strchr(at + 1, '@') == NULL &&
		(at - authority) < strcspn(authority, "/?#");
}

static bool
is_uri(const char *text)
{
	return strncmp(text, "postgresql://", 13) == 0 ||
		strncmp(text, "postgres://", 11) == 0;
}

/* The URL as libpq reads it: only what is written there, no defaults. */
static SourceUrl *
url_parse(const EnvFile *env)
{
	const char *text = env_file_get_secret(env, URL_VARIABLE);
	SourceUrl  *url = palloc0(sizeof(SourceUrl));
	PQconninfoOption *parsed;
	char	   *errors = NULL;

	if (text == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("%s is not set", URL_VARIABLE),
				 errdetail("File \"%s\" does not give it a value.", env_file_path(env)),
				 errhint("See the template .env.pgsync.example; the file is chosen by the setting pgtunsync.env_file.")));

	parsed = PQconninfoParse(text, &errors);
	if (parsed == NULL)
	{
		if (errors)
			PQfreemem(errors);
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("%s is not a valid connection string", URL_VARIABLE),
				 errdetail("It is set in %s.", url_place(env)),
				 errhint("Write postgresql://USER:PASSWORD@localhost:PORT/DATABASE, with characters such as @ : / ? # %% in user and password percent-encoded.")));
	}

	url->env = env;
	url->is_uri = is_uri(text);
	url->showable = url_showable(text, url->is_uri);
	for (PQconninfoOption *option = parsed; option->keyword != NULL; option++)
	{
		if (option->val != NULL && option->val[0] != '\0')
			option_set(url, pstrdup(option->keyword), pstrdup(option->val));
	}
	PQconninfoFree(parsed);
	return url;
}

/* ---- checking ---- */

/* Percent-encodes what has a meaning in a URI. */
static char *
uri_encode(const char *text)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (const unsigned char *p = (const unsigned char *) text; *p; p++)
	{
		if (*p > ' ' && *p < 0x7f && strchr("@:/?#%[]\"'", *p) == NULL)
			appendStringInfoChar(&buf, *p);
		else
			appendStringInfo(&buf, "%%%02X", *p);
	}
	return buf.data;
}

/* Appends keyword='value' as libpq's conninfo_parse() reads it. */
static void
append_conninfo(StringInfo buf, const char *keyword, const char *value)
{
	bool		plain = value[0] != '\0' && strpbrk(value, " \t\n\r\f\v'\\") == NULL;

	if (buf->len > 0)
		appendStringInfoChar(buf, ' ');
	appendStringInfo(buf, "%s=", keyword);
	if (plain)
	{
		appendStringInfoString(buf, value);
		return;
	}
	appendStringInfoChar(buf, '\'');
	for (const char *p = value; *p; p++)
	{
		if (*p == '\'' || *p == '\\')
			appendStringInfoChar(buf, '\\');
		appendStringInfoChar(buf, *p);
	}
	appendStringInfoChar(buf, '\'');
}

/* The URL as it should be, in the form that it has, without the password. */
static char *
url_suggestion(const SourceUrl *url, int local_port)
{
	const char *user = option_get(url, "user");
	const char *dbname = option_get(url, "dbname");
	const char *password = option_get(url, "password") ? "****" : NULL;
	StringInfoData buf;

	if (!url->showable)
		return psprintf("postgresql://USER:PASSWORD@localhost:%d/DATABASE", local_port);

	initStringInfo(&buf);
	if (url->is_uri)
	{
		appendStringInfo(&buf, "postgresql://%s%s%s@localhost",
						 user ? uri_encode(user) : "USER",
						 password ? ":" : "", password ? password : "");
		if (local_port != 0)
			appendStringInfo(&buf, ":%d", local_port);
		appendStringInfo(&buf, "/%s", dbname ? uri_encode(dbname) : "DATABASE");
		return buf.data;
	}
	append_conninfo(&buf, "host", "localhost");
	if (local_port != 0)
		append_conninfo(&buf, "port", psprintf("%d", local_port));
	append_conninfo(&buf, "user", user ? user : "USER");
	if (password)
		append_conninfo(&buf, "password", password);
	append_conninfo(&buf, "dbname", dbname ? dbname : "DATABASE");
	return buf.data;
}

/* Refuses the URL: msg says what is wrong with it, detail (may be NULL) more. */
static void pg_attribute_noreturn()
url_refuse(const SourceUrl *url, int local_port, const char *msg, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("%s", msg),
			 detail ? errdetail("%s It is set in %s.", detail, url_place(url->env)) :
			 errdetail("It is set in %s.", url_place(url->env)),
			 url->showable ?
			 errhint("Write %s (other parameters as they are); the source server's own address belongs in PGSYNC_REMOTE_HOST and PGSYNC_REMOTE_PORT.",
					 url_suggestion(url, local_port)) :
			 errhint("Write %s, with characters such as @ : / ? # %% in user and password percent-encoded; the source server's own address belongs in PGSYNC_REMOTE_HOST and PGSYNC_REMOTE_PORT.",
					 url_suggestion(url, local_port))));
}

/* True for the loopback, by name or address. */
static bool
is_loopback(const char *host)
{
	return pg_strcasecmp(host, "localhost") == 0 || strcmp(host, "127.0.0.1") == 0;
}

/* Only characters that a host name, address, list or path has. */
static bool
is_host_like(const char *host)
{
	return strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,-_:/") == strlen(host);
}

/* Where the URL points, for a DETAIL. */
static char *
url_target(const SourceUrl *url)
{
	const char *host = option_get(url, "host");
	const char *hostaddr = option_get(url, "hostaddr");
	const char *port = option_get(url, "port");
	StringInfoData buf;

	if (!url->showable ||
		(host && !is_host_like(host)) || (hostaddr && !is_host_like(hostaddr)) ||
		(port && strspn(port, "0123456789,") != strlen(port)))
		return pstrdup("It points elsewhere.");

	initStringInfo(&buf);
	appendStringInfo(&buf, "It points at %s%s%s",
					 host ? "host \"" : "no host", host ? host : "", host ? "\"" : "");
	if (hostaddr)
		appendStringInfo(&buf, ", address \"%s\"", hostaddr);
	if (port)
		appendStringInfo(&buf, ", port %s.", port);
	else
		appendStringInfo(&buf, ", no port (which means %d).", DEF_PGPORT);
	return buf.data;
}

/* Does the URL lead to the entrance?  hostaddr, when given, is what libpq uses. */
static void
check_entrance(const SourceUrl *url, int local_port)
{
	const char *host = option_get(url, "host");
	const char *hostaddr = option_get(url, "hostaddr");
	const char *port = option_get(url, "port");
	const char *address = hostaddr ? hostaddr : host;
	char	   *end = "";
	long		number = port ? strtol(port, &end, 10) : DEF_PGPORT;

	if (address != NULL && is_loopback(address) &&
		(host == NULL || (strchr(host, ',') == NULL && host[0] != '/')) &&
		*end == '\0' && (local_port == 0 || number == local_port))
		return;

	if (local_port == 0)
		url_refuse(url, local_port, URL_VARIABLE " does not point at the tunnel's local entrance",
				   psprintf("%s The entrance is a private socket, which is written as localhost.",
							url_target(url)));
	url_refuse(url, local_port, URL_VARIABLE " does not point at the tunnel's local entrance",
			   psprintf("%s The entrance is 127.0.0.1, port %d (PGSYNC_LOCAL_PORT).",
						url_target(url), local_port));
}

/* A Unix socket carries no TLS: what insists on it cannot be kept. */
static void
check_socket(const SourceUrl *url, int local_port)
{
	const char *sslmode = option_get(url, "sslmode");

	if (local_port != 0 || sslmode == NULL)
		return;
	if (strcmp(sslmode, "require") == 0 || strncmp(sslmode, "verify-", 7) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("sslmode \"%s\" of %s cannot be had through a Unix socket", sslmode, URL_VARIABLE),
				 errdetail("PGSYNC_LOCAL_PORT is 0, so that the tunnel's entrance is a private Unix socket; the URL is set in %s.",
						   url_place(url->env)),
				 errhint("Give PGSYNC_LOCAL_PORT a port number.")));
}

/* All checks. */
static SourceUrl *
url_check(const EnvFile *env, int local_port)
{
	SourceUrl  *url = url_parse(env);

	for (int i = 0; i < lengthof(refused_keywords); i++)
	{
		if (option_get(url, refused_keywords[i].keyword) != NULL)
			url_refuse(url, local_port,
					   psprintf("%s must not use the parameter \"%s\"", URL_VARIABLE,
								refused_keywords[i].keyword),
					   refused_keywords[i].reason);
	}
	check_entrance(url, local_port);
	check_socket(url, local_port);
	if (option_get(url, "user") == NULL)
		url_refuse(url, local_port, URL_VARIABLE " names no user", NULL);
	if (option_get(url, "dbname") == NULL)
		url_refuse(url, local_port, URL_VARIABLE " names no database", NULL);
	return url;
}

/*
 * How the password may be sent.  Allowing clear text weakens the connection, so
 * only the file itself can do it, not the server's environment.
 */
static PasswordRule
password_rule(const SourceUrl *url)
{
	const char *sslmode = option_get(url, "sslmode");

	bool		allowed = env_file_get_bool(url->env, CLEARTEXT_VARIABLE, false);

	if (option_get(url, "password") == NULL)
		return PASSWORD_NONE;
	if (allowed)
		return PASSWORD_CLEAR;
	if (sslmode != NULL && strncmp(sslmode, "verify-", 7) == 0)
		return PASSWORD_VERIFIED;
	return PASSWORD_HASHED;
}

void
source_check_url(const EnvFile *env, int local_port)
{
	(void) password_rule(url_check(env, local_port));
}

char *
source_display(const EnvFile *env)
{
	SourceUrl  *url = url_parse(env);
	const char *user = option_get(url, "user");
	const char *host = option_get(url, "host");
	const char *port = option_get(url, "port");
	const char *dbname = option_get(url, "dbname");

	if (!url->showable)
		return pstrdup(URL_VARIABLE);
	return source_text(psprintf("%s%s%s%s%s/%s",
								user ? user : "", user ? "@" : "",
								host ? host : "localhost",
								port ? ":" : "", port ? port : "",
								dbname ? dbname : ""));
}

/* ---- completing ---- */

/* Where to connect: the address decides, the URL's host is what TLS verifies. */
static void
set_address(SourceUrl *url, const char *host, int port)
{
	if (host[0] == '/')
	{
		option_set(url, "host", host);
		option_set(url, "hostaddr", NULL);
	}
	else
	{
		option_default(url, "host", "localhost");
		option_set(url, "hostaddr", host);
	}
	option_set(url, "port", psprintf("%d", port));
}

/* Answers what libpq would otherwise look up by itself. */
static void
close_keywords(SourceUrl *url)
{
	option_set(url, "passfile", NO_SUCH_FILE);
	option_default(url, "sslcert", NO_SUCH_FILE);
	option_default(url, "sslkey", NO_SUCH_FILE);
	option_default(url, "gssencmode", "disable");
}

/* The URL's connect_timeout (seconds) or the default, in milliseconds. */
static int
connect_timeout(const SourceUrl *url, int default_timeout)
{
	const char *value = option_get(url, "connect_timeout");
	int			seconds = value ? atoi(value) : 0;

	if (seconds > 0 && seconds < PG_INT32_MAX / 1000)
		return seconds * 1000;
	return default_timeout;
}

SourceParams *
source_params(const EnvFile *env, int local_port, const char *host, int port,
			  int default_timeout, int64 run_id)
{
	SourceUrl  *url = url_check(env, local_port);
	SourceParams *params = palloc0(sizeof(SourceParams));
	StringInfoData buf;
	ListCell   *lc;

	params->connect_timeout = connect_timeout(url, default_timeout);
	params->display = source_display(env);

	params->password_rule = password_rule(url);
	params->warn_md5 = true;

	set_address(url, host, port);
	close_keywords(url);
	if (params->password_rule == PASSWORD_HASHED && auth_libpq_knows_require_auth())
		option_default(url, "require_auth", "!password");
	option_set(url, "application_name",
			   psprintf("pgtunsync/" INT64_FORMAT, run_id));
	option_set(url, "client_encoding", GetDatabaseEncodingName());

	initStringInfo(&buf);
	foreach(lc, url->options)
	{
		Option	   *option = lfirst(lc);

		if (option->value != NULL)
			append_conninfo(&buf, option->keyword, option->value);
	}
	params->conninfo = buf.data;
	return params;
}

void
source_close_fallbacks(void)
{
	static bool done = false;
	PQconninfoOption *defaults;

	if (done)
		return;
	for (int i = 0; i < lengthof(other_variables); i++)
		unsetenv(other_variables[i]);
	defaults = PQconndefaults();
	if (defaults == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	for (PQconninfoOption *option = defaults; option->keyword != NULL; option++)
	{
		if (option->envvar != NULL)
			unsetenv(option->envvar);
	}
	PQconninfoFree(defaults);

	/* GSSAPI authentication would use the server's own ticket or keytab */
	setenv("KRB5CCNAME", "MEMORY:pgtunsync", 1);
	setenv("KRB5_CLIENT_KTNAME", "FILE:" NO_SUCH_FILE, 1);
	done = true;
}
