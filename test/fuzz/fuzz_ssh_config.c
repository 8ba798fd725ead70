/*-------------------------------------------------------------------------
 *
 * fuzz_ssh_config.c
 *	  libFuzzer target: any bytes as what "ssh -G" answers, and as the
 *	  environment file's word about SSH.
 *
 * The input is a list of sections, divided by lines "--": first the variables
 * (NAME=value), then the answers to one question after the other; where they
 * run out there is no ssh program.  Apart from what the sanitizers see: no
 * question has an option in it that we did not put there, a route can be
 * connected to, and it arrives in another process as it left.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>
#include <sys/socket.h>

#include "ssh/ssh_config.h"
#include "base/subprocess.h"
#include "../parsers/shim.h"

#define MOST_HOPS	9			/* MAX_HOPS, and the host behind them */
#define DIVIDER		"\n--\n"

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *variables;
static char *answers;

/* ---- what the room asks of others ---- */

const char *
env_file_get(const EnvFile *env, const char *name)
{
	size_t		len = strlen(name);

	for (const char *at = variables; *at; at += strcspn(at, "\n"), at += *at == '\n')
	{
		if (strncmp(at, name, len) == 0 && at[len] == '=' && at[len + 1] != '\n' && at[len + 1] != '\0')
			return pnstrdup(at + len + 1, strcspn(at + len + 1, "\n"));
	}
	return NULL;
}

int
env_file_get_int(const EnvFile *env, const char *name, int fallback, int min, int max)
{
	const char *value = env_file_get(env, name);

	return value ? Max(min, Min(max, atoi(value))) : fallback;
}

int
env_file_line(const EnvFile *env, const char *name)
{
	return 1;
}

const char *
env_file_path(const EnvFile *env)
{
	return "fuzz";
}

static void
check_question(char *const argv[])
{
	int			n = 2;

	if (strcmp(argv[0], "ssh") != 0 || strcmp(argv[1], "-G") != 0)
		abort();
	if (strcmp(argv[n], "-F") == 0)
		n += 2;
	if (strcmp(argv[n], "-l") == 0)
	{
		if (argv[n + 1][0] == '-' || argv[n + 1][0] == '\0')
			abort();
		n += 2;
	}
	if (strcmp(argv[n], "-p") == 0)
	{
		if (argv[n + 1][strspn(argv[n + 1], "0123456789")] != '\0')
			abort();
		n += 2;
	}
	if (strcmp(argv[n], "--") != 0 || argv[n + 1][0] == '-' || argv[n + 1][0] == '\0' || argv[n + 2] != NULL)
		abort();
	for (const char *c = argv[n + 1]; *c; c++)
	{
		if (isspace((unsigned char) *c) || strchr("'\"\\$`;|&<>(){}*?!#~/=", *c) != NULL)
			abort();
	}
}

int
subprocess_capture(char *const argv[], int timeout_ms, char **output, char **errors)
{
	char	   *end;

	check_question(argv);
	*errors = pstrdup("");
	*output = pstrdup("");
	if (answers == NULL)
		return 127;
	end = strstr(answers, DIVIDER);
	*output = end ? pnstrdup(answers, end - answers) : pstrdup(answers);
	answers = end ? end + strlen(DIVIDER) : NULL;
	return strncmp(*output, "exit", 4) == 0 ? 255 : 0;
}

/* ---- what must hold ---- */

static void
check_paths(List *paths)
{
	ListCell   *lc;

	foreach(lc, paths)
	{
		if (*(char *) lfirst(lc) == '\0')
			abort();
	}
}

static void
check_hop(const SshHop *hop)
{
	if (hop->host == NULL || hop->host[0] == '\0' || hop->user == NULL || hop->user[0] == '\0')
		abort();
	if (hop->port < 1 || hop->port > 65535)
		abort();
	if (hop->family != AF_UNSPEC && hop->family != AF_INET && hop->family != AF_INET6)
		abort();
	if (hop->alive_interval < 1 || hop->alive_count < 1 || hop->connect_timeout < 0)
		abort();
	check_paths(hop->identity_files);
	check_paths(hop->known_hosts);
	(void) ssh_hop_known_name(hop);
}

static void
check_travels(const SshRoute *route)
{
	StringInfoData first;
	StringInfoData second;
	SshRoute   *arrived;

	initStringInfo(&first);
	initStringInfo(&second);
	ssh_route_pack(&first, route);
	arrived = ssh_route_unpack(&first);
	ssh_route_pack(&second, arrived);
	if (first.cursor != first.len || first.len != second.len ||
		memcmp(first.data, second.data, first.len) != 0 ||
		strcmp(ssh_route_target(route), ssh_route_target(arrived)) != 0 ||
		strcmp(ssh_route_via(route), ssh_route_via(arrived)) != 0)
		abort();
}

static void
resolve(void *arg)
{
	SshRoute   *route = ssh_route_resolve(NULL);
	ListCell   *lc;

	if (route->hops == NIL || list_length(route->hops) > MOST_HOPS)
		abort();
	foreach(lc, route->hops)
		check_hop(lfirst(lc));
	check_travels(route);
}

static void
report(int elevel, const char *sqlstate, const char *message,
	   const char *detail, const char *hint)
{
	if (elevel >= ERROR && strcmp(sqlstate, "F0000") != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	   *copy = malloc(size + 1);

	memcpy(copy, data, size);
	copy[size] = '\0';
	variables = copy;
	answers = strstr(copy, DIVIDER);
	if (answers != NULL)
	{
		*answers = '\0';
		answers += strlen(DIVIDER);
	}
	shim_reporter = report;
	shim_try(resolve, NULL);
	shim_reset();
	free(copy);
	return 0;
}
