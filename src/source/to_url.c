/*-------------------------------------------------------------------------
 *
 * to_url.c
 *	  PGSYNC_TO_URL: is it this very database?
 *
 * Where a shell script pulled into whatever PGSYNC_TO_URL named, a pull always
 * writes into the database it is called in.  A file that was written for the
 * script and names another one must not be taken for consent: the run is
 * refused.  The URL is compared, not connected to: it has to name this
 * server's port on this machine, and this database.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "libpq-fe.h"
#include "miscadmin.h"
#include "postmaster/postmaster.h"
#include "utils/guc.h"

#include "source/to_url.h"
#include "source/url_parameters.h"

/* The parts of a URL that say where it leads. */
typedef struct Destination
{
	char	   *host;
	char	   *port;
	char	   *dbname;
	char	   *user;
} Destination;

/* Splits the URL; NULL if libpq cannot read it. */
static Destination *
parse_url(const char *url)
{
	PQconninfoOption *options = PQconninfoParse(url_read(url)->text, NULL);
	Destination *to;

	if (options == NULL)
		return NULL;
	to = palloc0(sizeof(Destination));
	for (PQconninfoOption *o = options; o->keyword != NULL; o++)
	{
		if (o->val == NULL)
			continue;
		if (strcmp(o->keyword, "host") == 0 || strcmp(o->keyword, "hostaddr") == 0)
			to->host = pstrdup(o->val);
		else if (strcmp(o->keyword, "port") == 0)
			to->port = pstrdup(o->val);
		else if (strcmp(o->keyword, "dbname") == 0)
			to->dbname = pstrdup(o->val);
		else if (strcmp(o->keyword, "user") == 0)
			to->user = pstrdup(o->val);
	}
	PQconninfoFree(options);
	return to;
}

/* A name or socket directory that stands for this machine. */
static bool
is_this_machine(const char *host)
{
	static const char *const loopback[] = {"localhost", "127.0.0.1", "::1", "[::1]"};
	char		own_name[256];

	if (host == NULL || host[0] == '\0' || host[0] == '@')
		return true;
	if (host[0] == '/')
	{
		const char *dirs = GetConfigOption("unix_socket_directories", true, false);

		return dirs == NULL || strstr(dirs, host) != NULL;
	}
	for (int i = 0; i < lengthof(loopback); i++)
		if (pg_strcasecmp(host, loopback[i]) == 0)
			return true;
	return gethostname(own_name, sizeof(own_name)) == 0 &&
		pg_strcasecmp(host, own_name) == 0;
}

static void
refuse(const EnvFile *env, const Destination *to, const char *database)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("PGSYNC_TO_URL does not name this database"),
			 errdetail("It names database \"%s\" on \"%s\" port %s; this is database \"%s\" on this machine, port %d (file \"%s\", line %d).",
					   to->dbname ? to->dbname : "", to->host ? to->host : "localhost",
					   to->port ? to->port : DEF_PGPORT_STR, database, PostPortNumber,
					   env_file_path(env), env_file_line(env, "PGSYNC_TO_URL")),
			 errhint("A pull always writes into the database it is called in: call it there, or remove PGSYNC_TO_URL.")));
}

void
destination_check(const EnvFile *env, const char *database)
{
	const char *url = env_file_get_secret(env, "PGSYNC_TO_URL");
	Destination *to;
	const char *name;

	if (url == NULL)
		return;
	to = parse_url(url);
	if (to == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("PGSYNC_TO_URL is not a valid connection string"),
				 errdetail("File \"%s\", line %d.", env_file_path(env),
						   env_file_line(env, "PGSYNC_TO_URL")),
				 errhint("Write it as postgres://user@host:port/dbname, or remove it.")));
	name = to->dbname ? to->dbname : to->user;
	if (name == NULL || strcmp(name, database) != 0 ||
		!is_this_machine(to->host) ||
		atoi(to->port ? to->port : DEF_PGPORT_STR) != PostPortNumber)
		refuse(env, to, database);
}
