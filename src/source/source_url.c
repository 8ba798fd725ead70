/*-------------------------------------------------------------------------
 *
 * source_url.c
 *	  PGSYNC_FROM_URL: parsed, and completed until nothing is left to guess.
 *
 * Where the URL may point is decided in source_way.c, and which parameters of
 * other programs it may have in url_parameters.c.
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
#include "source/source_url.h"

#define URL_VARIABLE	"PGSYNC_FROM_URL"
#define OTHER_URL_VARIABLE "DATABASE_URL"
#define CLEARTEXT_VARIABLE "PGSYNC_ALLOW_CLEARTEXT"

/* Where a file is expected that shall not be read; missing files are no error. */
#define NO_SUCH_FILE	"/nonexistent/pgtunsync"

/* One keyword with its value. */
typedef struct Option
{
	const char *keyword;
	const char *value;
} Option;

/* Environment that no conninfo keyword overrides. */
static const char *const other_variables[] = {
	"PGSERVICE", "PGSERVICEFILE", "PGSYSCONFDIR", "PGREQUIRESSL",
	"PGDATESTYLE", "PGTZ", "PGGEQO", "PGCLIENTENCODING"
};

/* ---- parsing ---- */

const char *
url_get(const SourceUrl *url, const char *keyword)
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
	if (url_get(url, keyword) == NULL)
		option_set(url, keyword, value);
}

/* "line N of file "…"", for DETAILs. */
static char *
url_place(const SourceUrl *url)
{
	return psprintf("line %d of file \"%s\"", env_file_line(url->env, url->variable),
					env_file_path(url->env));
}

static void pg_attribute_noreturn()
raise_no_url(const EnvFile *env)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("%s is not set", URL_VARIABLE),
			 errdetail("File \"%s\" does not give it a value.", env_file_path(env)),
			 errhint("Add a line such as %s='postgresql://USER:PASSWORD@HOST:5432/DATABASE', with the source's own address, and PGSYNC_SSH_HOST with the jump host. See the template .env.pgsync.example; the file is chosen by the setting pgtunsync.env_file.",
					 URL_VARIABLE)));
}

/* A parameter that cannot be used. */
static void pg_attribute_noreturn()
raise_bad_parameter(const SourceUrl *url)
{
	const UrlReading *reading = url->reading;

	ereport(ERROR,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 reading->parameter ?
			 errmsg("the parameter \"%s\" of %s %s", reading->parameter, url->variable,
					reading->problem) :
			 errmsg("a parameter of %s %s", url->variable, reading->problem),
			 errdetail("It is set in %s.", url_place(url)),
			 errhint("%s", reading->hint)));
}

SourceUrl *
url_parse(const EnvFile *env)
{
	SourceUrl  *url = palloc0(sizeof(SourceUrl));
	const char *text = env_file_get_secret(env, URL_VARIABLE);
	PQconninfoOption *parsed;

	url->env = env;
	url->variable = text ? URL_VARIABLE : OTHER_URL_VARIABLE;
	if (text == NULL)
		text = env_file_get_secret(env, OTHER_URL_VARIABLE);
	if (text == NULL)
		raise_no_url(env);
	url->reading = url_read(text);
	url->is_uri = url_is_uri(url->reading->text);
	url->showable = url_is_showable(url->reading->text);
	if (url->reading->problem != NULL)
		raise_bad_parameter(url);

	parsed = PQconninfoParse(url->reading->text, NULL);
	if (parsed == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("%s is not a valid connection string", url->variable),
				 errdetail("It is set in %s.", url_place(url)),
				 errhint("Write postgresql://USER:PASSWORD@localhost:PORT/DATABASE, with characters such as @ : / ? # %% in user and password percent-encoded.")));
	for (PQconninfoOption *option = parsed; option->keyword != NULL; option++)
	{
		if (option->val != NULL && option->val[0] != '\0')
			option_set(url, pstrdup(option->keyword), pstrdup(option->val));
	}
	PQconninfoFree(parsed);
	return url;
}

/* ---- messages ---- */

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
url_suggestion(const SourceUrl *url)
{
	int			local_port = env_file_get_int(url->env, "PGSYNC_LOCAL_PORT", 5433, 0, 65535);
	const char *user = url_get(url, "user");
	const char *dbname = url_get(url, "dbname");
	const char *password = url_get(url, "password") ? "****" : NULL;
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

/* The URL that points at the entrance. */
static char *
usual_hint(const SourceUrl *url)
{
	return psprintf("Write %s%s; the source server's own address belongs in PGSYNC_REMOTE_HOST and PGSYNC_REMOTE_PORT. Or set PGSYNC_SSH_HOST and leave PGSYNC_LOCAL_PORT, PGSYNC_REMOTE_HOST and PGSYNC_REMOTE_PORT out: then the URL has the source's own address.",
					url_suggestion(url),
					url->showable ? " (other parameters as they are)" :
					", with characters such as @ : / ? # % in user and password percent-encoded");
}

void
url_refuse(const SourceUrl *url, const char *msg, const char *detail, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("%s", msg),
			 detail ? errdetail("%s It is set in %s.", detail, url_place(url)) :
			 errdetail("It is set in %s.", url_place(url)),
			 errhint("%s", hint ? hint : usual_hint(url))));
}

bool
url_is_loopback(const char *host)
{
	return pg_strcasecmp(host, "localhost") == 0 || strcmp(host, "127.0.0.1") == 0;
}

/* Only characters that a host name, address, list or path has. */
static bool
is_host_like(const char *host)
{
	return strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,-_:/") == strlen(host);
}

char *
url_target(const SourceUrl *url)
{
	const char *host = url_get(url, "host");
	const char *hostaddr = url_get(url, "hostaddr");
	const char *port = url_get(url, "port");
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

bool
url_demands_tls(const SourceUrl *url)
{
	const char *sslmode = url_get(url, "sslmode");

	return sslmode != NULL &&
		(strcmp(sslmode, "require") == 0 || strncmp(sslmode, "verify-", 7) == 0);
}

/* ---- what others need to know ---- */

/*
 * How the password may be sent.  Allowing clear text weakens the connection, so
 * only the file itself can do it, not the server's environment.
 */
static PasswordRule
password_rule(const SourceUrl *url)
{
	const char *sslmode = url_get(url, "sslmode");

	bool		allowed = env_file_get_bool(url->env, CLEARTEXT_VARIABLE, false);

	if (url_get(url, "password") == NULL)
		return PASSWORD_NONE;
	if (allowed)
		return PASSWORD_CLEAR;
	if (sslmode != NULL && strncmp(sslmode, "verify-", 7) == 0)
		return PASSWORD_VERIFIED;
	return PASSWORD_HASHED;
}

char *
source_display(const EnvFile *env)
{
	SourceUrl  *url = url_parse(env);
	const char *user = url_get(url, "user");
	const char *host = url_get(url, "host");
	const char *port = url_get(url, "port");
	const char *dbname = url_get(url, "dbname");

	if (!url->showable)
		return pstrdup(url->variable);
	return source_text(psprintf("%s%s%s%s%s/%s",
								user ? user : "", user ? "@" : "",
								host ? host : "localhost",
								port ? ":" : "", port ? port : "",
								dbname ? dbname : ""));
}

/* ---- completing ---- */

/* Where to connect: the address decides, the host is what TLS verifies. */
static void
set_address(SourceUrl *url, const SourceWay *way, const char *host, int port)
{
	option_set(url, "port", psprintf("%d", port));
	if (host[0] == '/')
	{
		option_set(url, "host", host);
		option_set(url, "hostaddr", NULL);
		return;
	}
	option_set(url, "host", way->tls_name);
	if (way->entrance != ENTRANCE_DIRECT)
		option_set(url, "hostaddr", host);
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
	const char *value = url_get(url, "connect_timeout");
	int			seconds = value ? atoi(value) : 0;

	if (seconds > 0 && seconds < PG_INT32_MAX / 1000)
		return seconds * 1000;
	return default_timeout;
}

SourceParams *
source_params(const EnvFile *env, const SourceWay *way, const char *host, int port,
			  int default_timeout, int64 run_id)
{
	SourceUrl  *url = url_parse(env);
	SourceParams *params = palloc0(sizeof(SourceParams));
	StringInfoData buf;
	ListCell   *lc;

	params->connect_timeout = connect_timeout(url, default_timeout);
	params->display = source_display(env);

	params->password_rule = password_rule(url);
	params->warn_md5 = true;

	set_address(url, way, host, port);
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
source_add_options(SourceParams *params, const char *options)
{
	PQconninfoOption *parsed = PQconninfoParse(params->conninfo, NULL);
	StringInfoData buf;

	initStringInfo(&buf);
	for (PQconninfoOption *option = parsed; option && option->keyword; option++)
	{
		const char *value = option->val;

		if (strcmp(option->keyword, "options") == 0)
			value = value ? psprintf("%s %s", value, options) : options;
		if (value != NULL)
			append_conninfo(&buf, option->keyword, value);
	}
	PQconninfoFree(parsed);
	params->conninfo = buf.data;
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
