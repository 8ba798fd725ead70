/*-------------------------------------------------------------------------
 *
 * ssh_config.c
 *	  Resolves an alias to the hosts that the tunnel passes.
 *
 * libssh2 does not read ssh_config.  Its language (Include, Match, patterns,
 * tokens, first value wins) is not imitated here.  Instead, OpenSSH resolves
 * the alias: "ssh -G alias" prints the options it would use, one lower-case
 * keyword and its value per line.  Each jump host is an alias of its own and
 * is resolved by another call.
 *
 *		PGSYNC_SSH_HOST=prod
 *		  ssh -G -- prod			hostname 10.0.0.9, proxyjump ops@gate
 *		  ssh -G -l ops -- gate		hostname gate.example.com
 *		→ route: ops@gate.example.com:22, then deploy@10.0.0.9:22
 *
 * The environment file (PGSYNC_SSH_USER, …) overrides ssh_config for the jump
 * host itself, but not for the hosts before it.  Without the ssh program, the
 * name is read as user@host:port, with OpenSSH's defaults.
 *
 * An alias comes from a file, and must never be interpreted as an option.  It
 * may contain only certain characters, cannot start with '-', and is passed
 * after "--".  No shell is involved.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>
#include <limits.h>
#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/compat.h"
#include "ssh/ssh_config.h"
#include "ssh/ssh_config_parse.h"
#include "base/subprocess.h"
#include "base/trace.h"

#define DEFAULT_ALIAS		"hatchbox"
#define MAX_HOPS			8
#define SSH_TIMEOUT			20000	/* ms; a Match exec may take time */

/* The parts of "user@host:port". */
typedef struct Destination
{
	char	   *user;			/* or NULL */
	char	   *host;
	int			port;			/* 0 if not given */
} Destination;

/* Returns the server's operating system user. */
static const struct passwd *
server_user(void)
{
	const struct passwd *pw = getpwuid(geteuid());

	if (pw == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("operating system user %u has no entry in the user database",
						(unsigned) geteuid())));
	return pw;
}

static void
raise_bad_alias(const char *alias, const char *why)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("invalid SSH host name \"%s\"", alias),
			 errdetail_internal("%s", why),
			 errhint("PGSYNC_SSH_HOST is an alias of ssh_config or user@host:port.")));
}

/*
 * Allows only letters, digits and a few characters.  So an alias is never an
 * option, and never contains shell syntax.
 */
static void
check_alias(const char *alias)
{
	if (alias[0] == '-')
		raise_bad_alias(alias, "A host name cannot start with \"-\".");
	if (strlen(alias) > 255)
		raise_bad_alias(alias, "It is longer than 255 characters.");
	for (const char *c = alias; *c != '\0'; c++)
	{
		if (!isalnum((unsigned char) *c) && strchr("._@:%-[]", *c) == NULL)
			raise_bad_alias(alias, "Letters, digits and ._-@:%[] are allowed.");
	}
}

/* Parses "[host]:port", "host:port" or "host" (also a bare IPv6 address). */
static void
split_port(const char *alias, char *text, Destination *dest)
{
	char	   *colon = strrchr(text, ':');
	char	   *end;
	long		port;

	dest->host = text;
	if (text[0] == '[')
	{
		char	   *bracket = strchr(text, ']');

		if (bracket == NULL || (bracket[1] != '\0' && bracket[1] != ':'))
			raise_bad_alias(alias, "Unbalanced brackets.");
		dest->host = text + 1;
		*bracket = '\0';
		colon = bracket[1] == ':' ? bracket + 1 : NULL;
	}
	else if (colon != NULL && strchr(text, ':') != colon)
		colon = NULL;
	if (colon != NULL)
	{
		*colon = '\0';
		port = strtol(colon + 1, &end, 10);
		if (end == colon + 1 || *end != '\0' || port < 1 || port > 65535)
			raise_bad_alias(alias, "The port is not a number between 1 and 65535.");
		dest->port = (int) port;
	}
	if (dest->host[0] == '\0' || dest->host[0] == '-' || strchr(dest->host, '@') != NULL)
		raise_bad_alias(alias, "It contains no host.");
}

static void
split_destination(const char *alias, Destination *dest)
{
	char	   *text = pstrdup(alias);
	char	   *at;

	memset(dest, 0, sizeof(Destination));
	check_alias(alias);
	at = strrchr(text, '@');
	if (at != NULL)
	{
		*at = '\0';
		if (text[0] == '\0' || text[0] == '-')
			raise_bad_alias(alias, "There is no user before the \"@\".");
		dest->user = text;
		text = at + 1;
	}
	split_port(alias, text, dest);
}

/* Returns a hop with OpenSSH's defaults. */
static SshHop *
default_hop(const char *alias, const Destination *dest)
{
	SshHop	   *hop = palloc0(sizeof(SshHop));

	hop->alias = pstrdup(alias);
	hop->host = dest->host;
	hop->port = dest->port ? dest->port : 22;
	hop->user = dest->user ? dest->user : pstrdup(server_user()->pw_name);
	hop->family = AF_UNSPEC;
	hop->try_publickey = hop->try_keyboard = hop->try_password = true;
	hop->alive_interval = 5;
	hop->alive_count = 3;
	return hop;
}

/* Sets the files that ssh uses by default. */
static void
default_files(SshHop *hop)
{
	static const char *const keys[] = {"id_rsa", "id_ecdsa", "id_ed25519"};
	const char *home = server_user()->pw_dir;

	for (int i = 0; i < lengthof(keys); i++)
		hop->identity_files = lappend(hop->identity_files,
									  psprintf("%s/.ssh/%s", home, keys[i]));
	hop->add_to_file = psprintf("%s/.ssh/known_hosts", home);
	hop->known_hosts = list_make4(hop->add_to_file,
								  psprintf("%s/.ssh/known_hosts2", home),
								  pstrdup("/etc/ssh/ssh_known_hosts"),
								  pstrdup("/etc/ssh/ssh_known_hosts2"));
}

/* Returns the NULL-terminated command line of "ssh -G". */
static char **
ssh_command(const EnvFile *env, const Destination *dest)
{
	char	  **argv = palloc0(12 * sizeof(char *));
	const char *file = env_file_get(env, "PGSYNC_SSH_CONFIG");
	int			n = 0;

	argv[n++] = pstrdup("ssh");
	argv[n++] = pstrdup("-G");
	if (file != NULL)
	{
		argv[n++] = pstrdup("-F");
		argv[n++] = pstrdup(file);
	}
	if (dest->user != NULL)
	{
		argv[n++] = pstrdup("-l");
		argv[n++] = dest->user;
	}
	if (dest->port != 0)
	{
		argv[n++] = pstrdup("-p");
		argv[n++] = psprintf("%d", dest->port);
	}
	argv[n++] = pstrdup("--");
	argv[n++] = dest->host;
	return argv;
}

/* Runs "ssh -G".  Returns NULL if the program does not exist. */
static char *
run_ssh(const EnvFile *env, const char *alias, const Destination *dest)
{
	char	   *output;
	char	   *errors;
	int			code = subprocess_capture(ssh_command(env, dest), SSH_TIMEOUT,
										  &output, &errors);

	trace(TRACE_DEBUG2, "\"ssh -G\" for \"%s\": exit code %d, %d bytes", alias, code, (int) strlen(output));
	if (code == 127 && output[0] == '\0')
		return NULL;
	if (code != 0)
	{
		size_t		len = strlen(errors);

		while (len > 0 && isspace((unsigned char) errors[len - 1]))
			errors[--len] = '\0';
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("could not resolve the SSH host \"%s\"", alias),
				 code < 0 ? errdetail("\"ssh -G\" did not end within %d s.", SSH_TIMEOUT / 1000) :
				 errdetail("\"ssh -G\" failed: %s", errors),
				 errhint("Try \"ssh -G %s\" as the operating system user \"%s\".",
						 alias, server_user()->pw_name)));
	}
	return output;
}

/* Resolves IdentityAgent: a path, a variable that contains it, or none. */
static char *
resolve_agent(const EnvFile *env, const char *agent)
{
	const char *variable = "SSH_AUTH_SOCK";
	const char *path;

	if (agent != NULL && strcmp(agent, "none") == 0)
		return NULL;
	if (agent != NULL && agent[0] == '$')
		variable = agent + 1;
	else if (agent != NULL && strcmp(agent, variable) != 0)
		return pstrdup(agent);
	path = env_file_get(env, variable);
	return path ? pstrdup(path) : NULL;
}

/* Resolves one hop.  *jumps receives its ProxyJump, or NULL. */
static SshHop *
resolve_hop(const EnvFile *env, const char *alias, const Destination *dest,
			char **jumps, bool *from_ssh)
{
	SshHop	   *hop = default_hop(alias, dest);
	char	   *output = run_ssh(env, alias, dest);

	*jumps = NULL;
	*from_ssh = output != NULL;
	if (output == NULL)
		default_files(hop);
	else
		ssh_config_parse(output, server_user()->pw_dir, hop, jumps);
	hop->identity_agent = resolve_agent(env, hop->identity_agent);
	return hop;
}

/*
 * Resolves the hosts before a hop as "ssh -J" does.  The last host of the list
 * is reached through those before it.  Only the first host's own ProxyJump is
 * used.
 */
static List *
resolve_jumps(const EnvFile *env, const char *alias, char *jumps, int behind)
{
	List	   *hops = NIL;
	char	   *save = NULL;

	for (char *jump = strtok_r(jumps, ",", &save); jump != NULL;
		 jump = strtok_r(NULL, ",", &save))
	{
		Destination dest;
		SshHop	   *hop;
		char	   *inner;
		bool		from_ssh;

		if (list_length(hops) + 1 + behind > MAX_HOPS)
			ereport(ERROR,
					(errcode(ERRCODE_CONFIG_FILE_ERROR),
					 errmsg("SSH host \"%s\" is behind more than %d jump hosts", alias, MAX_HOPS),
					 errdetail("A ProxyJump in ssh_config may lead back to itself.")));
		if (strncmp(jump, "ssh://", 6) == 0)
			jump += 6;
		split_destination(jump, &dest);
		hop = resolve_hop(env, jump, &dest, &inner, &from_ssh);
		if (inner != NULL && hops == NIL)
			hops = resolve_jumps(env, alias, inner, behind + 1);
		hops = lappend(hops, hop);
	}
	return hops;
}

/*
 * Returns a path from the environment file: absolute, or below the home
 * directory.
 */
static char *
env_path(const EnvFile *env, const char *variable)
{
	const char *value = env_file_get(env, variable);

	if (value == NULL)
		return NULL;
	if (strncmp(value, "~/", 2) == 0)
		return psprintf("%s%s", server_user()->pw_dir, value + 1);
	if (value[0] != '/')
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("%s must be an absolute path", variable),
				 errdetail("File \"%s\", line %d.", env_file_path(env),
						   env_file_line(env, variable))));
	return pstrdup(value);
}

static bool
env_bool(const EnvFile *env, const char *variable, bool fallback)
{
	const char *value = env_file_get(env, variable);

	if (value == NULL)
		return fallback;
	if (pg_strcasecmp(value, "yes") == 0 || pg_strcasecmp(value, "true") == 0 ||
		pg_strcasecmp(value, "on") == 0 || strcmp(value, "1") == 0)
		return true;
	if (pg_strcasecmp(value, "no") == 0 || pg_strcasecmp(value, "false") == 0 ||
		pg_strcasecmp(value, "off") == 0 || strcmp(value, "0") == 0)
		return false;
	ereport(ERROR,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("%s must be \"yes\" or \"no\"", variable),
			 errdetail("File \"%s\", line %d.", env_file_path(env),
					   env_file_line(env, variable))));
	return fallback;
}

static char *
env_host_key(const EnvFile *env)
{
	const char *value = env_file_get(env, "PGSYNC_SSH_HOST_KEY");
	size_t		len;

	if (value == NULL)
		return NULL;
	len = strlen(value);
	while (len > 0 && value[len - 1] == '=')
		len--;
	if (strncmp(value, "SHA256:", 7) != 0 || len != 7 + 43)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("PGSYNC_SSH_HOST_KEY is not a SHA256 fingerprint"),
				 errdetail("File \"%s\", line %d.", env_file_path(env),
						   env_file_line(env, "PGSYNC_SSH_HOST_KEY")),
				 errhint("Use the format of \"ssh-keygen -lf\": SHA256: and 43 characters.")));
	return pnstrdup(value, len);
}

/* Applies the environment file, which overrides ssh_config. */
static void
apply_environment(const EnvFile *env, SshHop *hop)
{
	char	   *key = env_path(env, "PGSYNC_SSH_KEY");
	char	   *known_hosts = env_path(env, "PGSYNC_SSH_KNOWN_HOSTS");

	if (key != NULL)
	{
		hop->identity_files = list_make1(key);
		hop->identities_only = true;
	}
	if (known_hosts != NULL)
	{
		hop->known_hosts = list_make1(known_hosts);
		hop->add_to_file = known_hosts;
	}
	hop->pinned_key = env_host_key(env);
	hop->compression = env_bool(env, "PGSYNC_SSH_COMPRESSION", hop->compression);
}

SshRoute *
ssh_route_resolve(const EnvFile *env)
{
	SshRoute   *route = palloc0(sizeof(SshRoute));
	const char *alias = env_file_get(env, "PGSYNC_SSH_HOST");
	const char *user = env_file_get(env, "PGSYNC_SSH_USER");
	Destination dest;
	SshHop	   *hop;
	char	   *jumps;

	if (alias == NULL)
		alias = DEFAULT_ALIAS;
	split_destination(alias, &dest);
	if (user != NULL)
	{
		check_alias(user);
		dest.user = pstrdup(user);
	}
	dest.port = env_file_get_int(env, "PGSYNC_SSH_PORT", dest.port, 1, 65535);

	hop = resolve_hop(env, alias, &dest, &jumps, &route->from_ssh_config);
	apply_environment(env, hop);
	if (jumps != NULL)
		route->hops = resolve_jumps(env, alias, jumps, 0);
	route->hops = lappend(route->hops, hop);
	return route;
}
