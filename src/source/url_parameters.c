/*-------------------------------------------------------------------------
 *
 * url_parameters.c
 *	  Reads a DATABASE_URL as other programs write it.
 *
 * Frameworks and drivers add parameters of their own to the URL of a database,
 * and libpq refuses a URL with a parameter that it does not know.  Here each
 * of them has one line in a table:
 *
 *	- It means what a parameter of libpq means: it is renamed, or its value is
 *	  translated (ssl=true, sslmode=no-verify).
 *	- It does not concern a pull (pools, caches, timeouts of the application):
 *	  it is dropped, and named in a NOTICE.
 *	- Without it, the connection would be less safe, or could not log in: it is
 *	  refused, and the hint says what to write.
 *
 * A parameter that is neither libpq's nor in the table is refused by its name:
 * it may be a misspelled "sslmode".
 *
 * Some programs also have their own scheme (jdbc:postgresql, ecto,
 * postgresql+psycopg2).  The rest of such a URL is the same.
 *
 * Only the names of parameters are shown, and only if the URL is such that
 * they cannot be a piece of an unencoded password.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "lib/stringinfo.h"
#include "libpq-fe.h"

#include "base/compat.h"
#include "source/url_parameters.h"

#define SYSTEM_ROOTS_VERSION 160000 /* libpq knows sslrootcert=system */

#define HINT_STRICT \
	"Write sslmode=verify-full, and sslrootcert=FILE with the certificate of the source's authority."
#define HINT_IDENTITY \
	"Write sslcert=FILE and sslkey=FILE; \"openssl pkcs12 -nodes\" extracts both from a PKCS #12 file."

typedef enum ParameterUse
{
	PARAM_IGNORED,				/* text is not used */
	PARAM_SCHEMA,					/* ignored; a schema other than public is noted */
	PARAM_RENAMED,				/* text: the parameter of libpq */
	PARAM_SSL,					/* a switch or an sslmode */
	PARAM_SSLACCEPT,				/* Prisma's; text: the hint if it is refused */
	PARAM_REFUSED					/* text: the hint */
} ParameterUse;

/* Parameters of others, by program. */
static const struct
{
	const char *name;
	ParameterUse use;
	const char *text;
}			parameters[] =
{
	/* several programs */
	{"schema", PARAM_SCHEMA, NULL},
	{"ssl", PARAM_SSL, NULL},
	{"pool", PARAM_IGNORED, NULL},
	{"pool_size", PARAM_IGNORED, NULL},
	{"pool_timeout", PARAM_IGNORED, NULL},
	{"max_connections", PARAM_IGNORED, NULL},
	{"statement_cache_size", PARAM_IGNORED, NULL},
	{"statement_timeout", PARAM_IGNORED, NULL},
	{"lock_timeout", PARAM_IGNORED, NULL},
	{"idle_timeout", PARAM_IGNORED, NULL},
	{"timeout", PARAM_IGNORED, NULL},
	{"encoding", PARAM_IGNORED, NULL},
	{"charset", PARAM_IGNORED, NULL},
	{"user_agent", PARAM_IGNORED, NULL},

	/* Prisma */
	{"pgbouncer", PARAM_IGNORED, NULL},
	{"connection_limit", PARAM_IGNORED, NULL},
	{"socket_timeout", PARAM_IGNORED, NULL},
	{"max_connection_lifetime", PARAM_IGNORED, NULL},
	{"max_idle_connection_lifetime", PARAM_IGNORED, NULL},
	{"single_use_connections", PARAM_IGNORED, NULL},
	{"sslaccept", PARAM_SSLACCEPT, HINT_STRICT},
	{"sslidentity", PARAM_REFUSED, HINT_IDENTITY},

	/* Rails */
	{"adapter", PARAM_IGNORED, NULL},
	{"schema_search_path", PARAM_SCHEMA, NULL},
	{"checkout_timeout", PARAM_IGNORED, NULL},
	{"reaping_frequency", PARAM_IGNORED, NULL},
	{"prepared_statements", PARAM_IGNORED, NULL},
	{"statement_limit", PARAM_IGNORED, NULL},
	{"advisory_locks", PARAM_IGNORED, NULL},
	{"insert_returning", PARAM_IGNORED, NULL},
	{"min_messages", PARAM_IGNORED, NULL},

	/* Django, SQLAlchemy, asyncpg */
	{"conn_max_age", PARAM_IGNORED, NULL},
	{"conn_health_checks", PARAM_IGNORED, NULL},
	{"disable_server_side_cursors", PARAM_IGNORED, NULL},
	{"async_fallback", PARAM_IGNORED, NULL},
	{"prepared_statement_cache_size", PARAM_IGNORED, NULL},
	{"command_timeout", PARAM_IGNORED, NULL},
	{"max_overflow", PARAM_IGNORED, NULL},
	{"pool_pre_ping", PARAM_IGNORED, NULL},
	{"pool_recycle", PARAM_IGNORED, NULL},

	/* JDBC */
	{"currentSchema", PARAM_SCHEMA, NULL},
	{"ApplicationName", PARAM_IGNORED, NULL},
	{"connectTimeout", PARAM_RENAMED, "connect_timeout"},
	{"loginTimeout", PARAM_RENAMED, "connect_timeout"},
	{"socketTimeout", PARAM_IGNORED, NULL},
	{"tcpKeepAlive", PARAM_IGNORED, NULL},
	{"prepareThreshold", PARAM_IGNORED, NULL},
	{"preparedStatementCacheQueries", PARAM_IGNORED, NULL},
	{"preparedStatementCacheSizeMiB", PARAM_IGNORED, NULL},
	{"preferQueryMode", PARAM_IGNORED, NULL},
	{"defaultRowFetchSize", PARAM_IGNORED, NULL},
	{"reWriteBatchedInserts", PARAM_IGNORED, NULL},
	{"stringtype", PARAM_IGNORED, NULL},
	{"readOnly", PARAM_IGNORED, NULL},
	{"targetServerType", PARAM_REFUSED, "Write target_session_attrs, which is libpq's name for it."},
	{"sslfactory", PARAM_REFUSED, "Write sslmode=require, or sslmode=verify-full with sslrootcert=FILE."},

	/* node-postgres and its kin */
	{"max", PARAM_IGNORED, NULL},
	{"query_timeout", PARAM_IGNORED, NULL},
	{"idleTimeoutMillis", PARAM_IGNORED, NULL},
	{"connectionTimeoutMillis", PARAM_IGNORED, NULL},
	{"idle_in_transaction_session_timeout", PARAM_IGNORED, NULL},
	{"uselibpqcompat", PARAM_IGNORED, NULL},
	{"prepare", PARAM_IGNORED, NULL},
	{"workaround", PARAM_IGNORED, NULL},
	{"supa", PARAM_IGNORED, NULL},

	/* Go: lib/pq and pgx */
	{"binary_parameters", PARAM_IGNORED, NULL},
	{"pool_max_conns", PARAM_IGNORED, NULL},
	{"pool_min_conns", PARAM_IGNORED, NULL},
	{"pool_max_conn_lifetime", PARAM_IGNORED, NULL},
	{"pool_max_conn_idle_time", PARAM_IGNORED, NULL},
	{"pool_max_conn_lifetime_jitter", PARAM_IGNORED, NULL},
	{"pool_health_check_period", PARAM_IGNORED, NULL},
	{"default_query_exec_mode", PARAM_IGNORED, NULL},
	{"statement_cache_capacity", PARAM_IGNORED, NULL},
	{"statement_cache_mode", PARAM_IGNORED, NULL},
	{"description_cache_capacity", PARAM_IGNORED, NULL},

	/* PHP */
	{"serverVersion", PARAM_IGNORED, NULL}
};

/* Schemes of others; a suffix such as "+asyncpg" is dropped before. */
static const char *const other_schemes[] = {
	"postgres", "postgresql", "jdbc:postgresql", "jdbc:postgres", "psql", "pgsql", "postgis",
	"ecto", "timescale", "timescaledb"
};

/* Where systems keep the certificates of public authorities. */
static const char *const system_roots[] = {
	"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"
};

/* ---- the parts of a URL ---- */

bool
url_is_uri(const char *text)
{
	return strncmp(text, "postgresql://", 13) == 0 ||
		strncmp(text, "postgres://", 11) == 0;
}

bool
url_is_showable(const char *text)
{
	const char *authority;
	const char *at;
	const char *colon;

	if (!url_is_uri(text))
		return true;
	authority = strstr(text, "://") + 3;
	at = strchr(authority, '@');
	if (at != NULL)
		return strchr(at + 1, '@') == NULL && (at - authority) < strcspn(authority, "/?#");

	/* what follows a colon must be a port */
	colon = strchr(authority + (authority[0] == '[' ? strcspn(authority, "]/?#") : 0), ':');
	return colon == NULL || (colon - authority) >= strcspn(authority, "/?#") ||
		strchr("/?#", colon[1 + strspn(colon + 1, "0123456789")]) != NULL;
}

/* The scheme of others replaced by libpq's. */
static char *
with_our_scheme(const char *text)
{
	const char *end = strstr(text, "://");
	size_t		len = end ? end - text : 0;
	const char *plus = end ? memchr(text, '+', len) : NULL;

	if (plus != NULL)
		len = plus - text;
	for (int i = 0; end != NULL && i < lengthof(other_schemes); i++)
	{
		if (strlen(other_schemes[i]) == len && pg_strncasecmp(text, other_schemes[i], len) == 0)
			return psprintf("postgresql%s", end);
	}
	return pstrdup(text);
}

/* The '?' before the parameters as libpq finds it, or NULL. */
static char *
find_query(char *uri)
{
	char	   *rest = strstr(uri, "://") + 3;
	char	   *credentials = rest + strcspn(rest, "@/");

	return strchr(*credentials == '@' ? credentials : rest, '?');
}

/* ---- one parameter ---- */

/* The parameters for libpq. */
typedef struct LibpqQuery
{
	StringInfoData text;		/* with '?', or empty */
	const char *sslmode;		/* the URL's, or NULL */
} LibpqQuery;

static bool
is_name(const char *text)
{
	return text[0] != '\0' && strlen(text) < NAMEDATALEN &&
		strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == strlen(text);
}

/* Returns whether libpq knows the parameter. */
static bool
libpq_knows(const char *name)
{
	PQconninfoOption *options = PQconninfoParse("", NULL);
	bool		known = false;

	for (PQconninfoOption *option = options; option && option->keyword; option++)
		known |= strcmp(option->keyword, name) == 0;
	PQconninfoFree(options);
	return known;
}

static void
append_parameter(LibpqQuery *query, const char *name, const char *value)
{
	appendStringInfo(&query->text, "%c%s=%s", query->text.len == 0 ? '?' : '&', name, value);
}

static void
set_problem(UrlReading *reading, const char *name, const char *problem, const char *hint)
{
	reading->parameter = url_is_showable(reading->text) && is_name(name) ? pstrdup(name) : NULL;
	reading->problem = pstrdup(problem);
	reading->hint = pstrdup(hint);
}

/* The sslmode of libpq for what other programs write. */
static const char *
ssl_mode(const char *value)
{
	static const char *const words[][2] = {
		{"true", "require"}, {"1", "require"}, {"on", "require"}, {"yes", "require"}, {"", "require"},
		{"no-verify", "require"},
		{"false", "disable"}, {"0", "disable"}, {"off", "disable"}, {"no", "disable"}
	};

	for (int i = 0; i < lengthof(words); i++)
	{
		if (pg_strcasecmp(value, words[i][0]) == 0)
			return words[i][1];
	}
	return value;
}

/* The file with the certificates of public authorities, or NULL. */
static const char *
system_root_file(void)
{
	for (int i = 0; i < lengthof(system_roots); i++)
	{
		if (access(system_roots[i], R_OK) == 0)
			return system_roots[i];
	}
	return NULL;
}

/*
 * libpq before 16 takes "system" for a file's name.  Newer ones then allow no
 * sslmode but verify-full, and so do we.
 */
static void
append_system_roots(UrlReading *reading, LibpqQuery *query)
{
	const char *file = system_root_file();

	if (query->sslmode != NULL && strcmp(query->sslmode, "verify-full") != 0)
		set_problem(reading, "sslrootcert", "allows no sslmode but verify-full if it is \"system\"",
					"Write sslmode=verify-full.");
	else if (file == NULL)
		set_problem(reading, "sslrootcert", "cannot be \"system\" with this version of libpq",
					"Write sslrootcert=FILE with the certificates of public authorities.");
	else
	{
		append_parameter(query, "sslrootcert", file);
		if (query->sslmode == NULL)
			append_parameter(query, "sslmode", "verify-full");
	}
}

/* A parameter of the table. */
static void
translate(UrlReading *reading, LibpqQuery *query, int index, const char *value)
{
	const char *name = parameters[index].name;
	const char *text = parameters[index].text;

	switch (parameters[index].use)
	{
		case PARAM_SCHEMA:
			reading->other_schema |= strcmp(value, "public") != 0;
			/* FALLTHROUGH */
		case PARAM_IGNORED:
			reading->ignored = lappend(reading->ignored, pstrdup(name));
			break;
		case PARAM_RENAMED:
			append_parameter(query, text, value);
			break;
		case PARAM_SSL:
			if (query->sslmode == NULL)
				append_parameter(query, "sslmode", ssl_mode(value));
			break;
		case PARAM_SSLACCEPT:
			if (strcmp(value, "accept_invalid_certs") == 0)
				reading->ignored = lappend(reading->ignored, pstrdup(name));
			else
				set_problem(reading, name, "is not understood", text);
			break;
		case PARAM_REFUSED:
			set_problem(reading, name, "is not understood", text);
			break;
	}
}

/* One parameter, as it is written. */
static void
read_parameter(UrlReading *reading, LibpqQuery *query, const char *name, const char *value)
{
	for (int i = 0; i < lengthof(parameters); i++)
	{
		if (strcmp(parameters[i].name, name) == 0)
		{
			translate(reading, query, i, value);
			return;
		}
	}
	if (strcmp(name, "sslmode") == 0)
		append_parameter(query, name, ssl_mode(value));
	else if (strcmp(name, "sslrootcert") == 0 && strcmp(value, "system") == 0 &&
			 PQlibVersion() < SYSTEM_ROOTS_VERSION)
		append_system_roots(reading, query);
	else if (libpq_knows(name))
		append_parameter(query, name, value);
	else
		set_problem(reading, name, "is not known",
					"Correct or remove it. The parameters are those of libpq; common ones of frameworks are understood, too.");
}

/* ---- the URL ---- */

/* The value of the last parameter of that name, or NULL. */
static char *
find_value(const char *query, const char *name)
{
	char	   *copy = pstrdup(query);
	char	   *value = NULL;
	char	   *save = NULL;

	for (char *part = strtok_r(copy, "&", &save); part; part = strtok_r(NULL, "&", &save))
	{
		size_t		len = strcspn(part, "=");

		if (strlen(name) == len && strncmp(part, name, len) == 0 && part[len] == '=')
			value = part + len + 1;
	}
	return value;
}

/* Reads the parameters behind the '?'. */
static void
read_query(UrlReading *reading, LibpqQuery *query, char *text)
{
	char	   *save = NULL;

	query->sslmode = find_value(text, "sslmode");
	for (char *part = strtok_r(text, "&", &save); part && reading->problem == NULL;
		 part = strtok_r(NULL, "&", &save))
	{
		char	   *equals = strchr(part, '=');

		if (equals == NULL)
		{
			reading->problem = pstrdup("has no value");
			reading->hint = pstrdup("Write the parameters behind the \"?\" as NAME=VALUE, with \"&\" between them.");
			return;
		}
		*equals = '\0';
		read_parameter(reading, query, part, equals + 1);
	}
}

UrlReading *
url_read(const char *text)
{
	UrlReading *reading = palloc0(sizeof(UrlReading));
	LibpqQuery		query = {0};
	char	   *mark;

	reading->text = with_our_scheme(text);
	if (!url_is_uri(reading->text))
		return reading;
	mark = find_query(reading->text);
	if (mark == NULL)
		return reading;
	initStringInfo(&query.text);
	read_query(reading, &query, pstrdup(mark + 1));
	*mark = '\0';
	reading->text = psprintf("%s%s", reading->text, query.text.data);
	return reading;
}
