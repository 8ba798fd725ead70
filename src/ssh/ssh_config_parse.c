/*-------------------------------------------------------------------------
 *
 * ssh_config_parse.c
 *	  Parses the output of "ssh -G".
 *
 * Each line has one keyword and its value.  A table lists the keywords that
 * matter for a connection, each with the function that stores its value.  The
 * others (forwardings, terminals, X11) have no meaning here.  Options whose
 * absence a user would notice, but which are not supported, raise an error:
 * ProxyCommand, RevokedHostKeys, and disabled host key checking.
 *
 * Paths may still contain "~" and tokens ("%h"), which ssh expands only when
 * it connects.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>
#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/compat.h"
#include "ssh/ssh_config_parse.h"

/* The state of parsing. */
typedef struct Parse
{
	SshHop	   *hop;
	const char *home;
	char	   *user_known_hosts;
	char	   *global_known_hosts;
	char	   *jumps;
} Parse;

typedef struct Keyword
{
	const char *name;
	void		(*store) (Parse *parse, char *value);
} Keyword;

static bool
is_yes(const char *value)
{
	return strcmp(value, "yes") == 0 || strcmp(value, "true") == 0 ||
		strcmp(value, "unbound") == 0 || strcmp(value, "host-bound") == 0;
}

static void
raise_unsupported(const Parse *parse, const char *option, const char *detail, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("SSH host \"%s\" uses %s, which the tunnel does not support",
					parse->hop->alias, option),
			 errdetail_internal("%s", detail),
			 errhint("%s", hint)));
}

static void
set_hostname(Parse *parse, char *value)
{
	parse->hop->host = value;
}

static void
set_user(Parse *parse, char *value)
{
	parse->hop->user = value;
}

static void
set_port(Parse *parse, char *value)
{
	int			port = atoi(value);

	if (port > 0 && port < 65536)
		parse->hop->port = port;
}

static void
set_family(Parse *parse, char *value)
{
	if (strcmp(value, "inet") == 0)
		parse->hop->family = AF_INET;
	else if (strcmp(value, "inet6") == 0)
		parse->hop->family = AF_INET6;
}

static void
add_identity(Parse *parse, char *value)
{
	parse->hop->identity_files = lappend(parse->hop->identity_files, value);
}

static void
add_certificate(Parse *parse, char *value)
{
	parse->hop->certificates = lappend(parse->hop->certificates, value);
}

static void
set_agent(Parse *parse, char *value)
{
	parse->hop->identity_agent = value;
}

static void
set_identities_only(Parse *parse, char *value)
{
	parse->hop->identities_only = is_yes(value);
}

static void
set_user_known_hosts(Parse *parse, char *value)
{
	parse->user_known_hosts = value;
}

static void
set_global_known_hosts(Parse *parse, char *value)
{
	parse->global_known_hosts = value;
}

static void
set_host_key_alias(Parse *parse, char *value)
{
	parse->hop->host_key_alias = value;
}

static void
set_host_key_algorithms(Parse *parse, char *value)
{
	parse->hop->host_key_algorithms = value;
}

static void
set_hash_known_hosts(Parse *parse, char *value)
{
	parse->hop->hash_names = is_yes(value);
}

static void
set_strict(Parse *parse, char *value)
{
	if (strcmp(value, "accept-new") == 0)
		parse->hop->accept_new = true;
	else if (strcmp(value, "no") == 0 || strcmp(value, "off") == 0 ||
			 strcmp(value, "false") == 0)
		raise_unsupported(parse, "StrictHostKeyChecking no",
						  "Without a host key that is checked, anybody between the hosts could read and change the data.",
			   "Set it to \"accept-new\" or \"yes\" for this host in ssh_config.");
}

/* Rejects RevokedHostKeys: ignoring it would accept keys that ssh rejects. */
static void
check_revoked(Parse *parse, char *value)
{
	if (strcmp(value, "none") != 0)
		raise_unsupported(parse, "RevokedHostKeys",
						  "The tunnel reads revoked keys only from known_hosts.",
			   "Mark the keys \"@revoked\" in known_hosts, and set RevokedHostKeys to \"none\" for this host.");
}

static void
set_proxy_jump(Parse *parse, char *value)
{
	if (strcmp(value, "none") != 0)
		parse->jumps = value;
}

static void
check_proxy_command(Parse *parse, char *value)
{
	if (strcmp(value, "none") != 0)
		raise_unsupported(parse, "ProxyCommand",
						  "The tunnel does not run programs.",
			   "Use ProxyJump, or set PGSYNC_SSH_HOST to a host that can be reached directly.");
}

static void
set_publickey(Parse *parse, char *value)
{
	parse->hop->try_publickey = is_yes(value);
}

static void
set_keyboard(Parse *parse, char *value)
{
	parse->hop->try_keyboard = is_yes(value);
}

static void
set_password(Parse *parse, char *value)
{
	parse->hop->try_password = is_yes(value);
}

static void
set_preferred(Parse *parse, char *value)
{
	parse->hop->preferred = value;
}

static void
set_kex_algorithms(Parse *parse, char *value)
{
	parse->hop->kex_algorithms = value;
}

static void
set_ciphers(Parse *parse, char *value)
{
	parse->hop->ciphers = value;
}

static void
set_macs(Parse *parse, char *value)
{
	parse->hop->macs = value;
}

static void
set_compression(Parse *parse, char *value)
{
	parse->hop->compression = is_yes(value);
}

static void
set_connect_timeout(Parse *parse, char *value)
{
	int			seconds = atoi(value);

	if (seconds > 0 && seconds < 3600)
		parse->hop->connect_timeout = seconds * 1000;
}

static void
set_alive_interval(Parse *parse, char *value)
{
	int			seconds = atoi(value);

	if (seconds > 0 && seconds < 3600)
		parse->hop->alive_interval = seconds;
}

static void
set_alive_count(Parse *parse, char *value)
{
	int			count = atoi(value);

	if (count > 0 && count < 1000)
		parse->hop->alive_count = count;
}

static const Keyword keywords[] = {
	{"hostname", set_hostname},
	{"user", set_user},
	{"port", set_port},
	{"addressfamily", set_family},
	{"identityfile", add_identity},
	{"certificatefile", add_certificate},
	{"identityagent", set_agent},
	{"identitiesonly", set_identities_only},
	{"userknownhostsfile", set_user_known_hosts},
	{"globalknownhostsfile", set_global_known_hosts},
	{"hostkeyalias", set_host_key_alias},
	{"hostkeyalgorithms", set_host_key_algorithms},
	{"hashknownhosts", set_hash_known_hosts},
	{"stricthostkeychecking", set_strict},
	{"revokedhostkeys", check_revoked},
	{"proxyjump", set_proxy_jump},
	{"proxycommand", check_proxy_command},
	{"pubkeyauthentication", set_publickey},
	{"kbdinteractiveauthentication", set_keyboard},
	{"challengeresponseauthentication", set_keyboard},
	{"passwordauthentication", set_password},
	{"preferredauthentications", set_preferred},
	{"kexalgorithms", set_kex_algorithms},
	{"ciphers", set_ciphers},
	{"macs", set_macs},
	{"compression", set_compression},
	{"connecttimeout", set_connect_timeout},
	{"serveraliveinterval", set_alive_interval},
	{"serveralivecountmax", set_alive_count},
};

static void
parse_line(Parse *parse, char *line)
{
	char	   *value = strchr(line, ' ');

	if (value == NULL)
		return;
	*value++ = '\0';
	if (*value == '\0')
		return;
	for (int i = 0; i < lengthof(keywords); i++)
	{
		if (strcmp(line, keywords[i].name) == 0)
		{
			keywords[i].store(parse, pstrdup(value));
			return;
		}
	}
}

/* Returns the value of a token, or NULL if it is unknown. */
static const char *
token_value(const Parse *parse, char token)
{
	const SshHop *hop = parse->hop;
	static char local_host[HOST_NAME_MAX + 1];
	const struct passwd *pw;

	switch (token)
	{
		case '%':
			return "%";
		case 'd':
			return parse->home;
		case 'h':
			return hop->host;
		case 'k':
			return hop->host_key_alias ? hop->host_key_alias : hop->host;
		case 'n':
			return hop->alias;
		case 'p':
			return psprintf("%d", hop->port);
		case 'r':
			return hop->user;
		case 'i':
			return psprintf("%u", (unsigned) geteuid());
		case 'u':
			pw = getpwuid(geteuid());
			return pw ? pw->pw_name : NULL;
		case 'l':
		case 'L':
			if (gethostname(local_host, sizeof(local_host) - 1) != 0)
				return NULL;
			if (token == 'L')
				local_host[strcspn(local_host, ".")] = '\0';
			return local_host;
		default:
			return NULL;
	}
}

/*
 * Expands "~" and tokens.  An unknown token is kept, so that the file is not
 * found.
 */
static char *
expand_path(const Parse *parse, const char *path)
{
	StringInfoData buf;

	initStringInfo(&buf);
	if (strncmp(path, "~/", 2) == 0)
	{
		appendStringInfoString(&buf, parse->home);
		path++;
	}
	for (; *path != '\0'; path++)
	{
		const char *value = path[0] == '%' && path[1] != '\0' ? token_value(parse, path[1]) : NULL;

		if (value == NULL)
			appendStringInfoChar(&buf, *path);
		else
		{
			appendStringInfoString(&buf, value);
			path++;
		}
	}
	return buf.data;
}

static void
expand_paths(const Parse *parse, List *paths)
{
	ListCell   *lc;

	foreach(lc, paths)
		lfirst(lc) = expand_path(parse, lfirst(lc));
}

/*
 * Splits a list of files separated by blanks.  ssh prints the names without
 * quotes, so a part that does not start a path belongs to the one before it.
 */
static List *
split_files(const Parse *parse, char *value)
{
	List	   *files = NIL;
	char	   *save = NULL;

	if (value == NULL || strcmp(value, "none") == 0)
		return NIL;
	for (char *piece = strtok_r(value, " ", &save); piece != NULL;
		 piece = strtok_r(NULL, " ", &save))
	{
		if (files != NIL && piece[0] != '/' && piece[0] != '~')
			llast(files) = psprintf("%s %s", (char *) llast(files), piece);
		else
			files = lappend(files, expand_path(parse, piece));
	}
	return files;
}

void
ssh_config_parse(char *output, const char *home, SshHop *hop, char **jumps)
{
	Parse		parse = {.hop = hop,.home = home};
	char	   *save = NULL;

	for (char *line = strtok_r(output, "\r\n", &save); line != NULL;
		 line = strtok_r(NULL, "\r\n", &save))
		parse_line(&parse, line);

	expand_paths(&parse, hop->identity_files);
	expand_paths(&parse, hop->certificates);
	if (hop->identity_agent != NULL)
		hop->identity_agent = expand_path(&parse, hop->identity_agent);
	hop->known_hosts = split_files(&parse, parse.user_known_hosts);
	hop->add_to_file = hop->known_hosts != NIL ? linitial(hop->known_hosts) : NULL;
	hop->known_hosts = list_concat(hop->known_hosts,
								   split_files(&parse, parse.global_known_hosts));
	*jumps = parse.jumps;
}
