/*-------------------------------------------------------------------------
 *
 * host_address.c
 *	  Resolves a host name interruptibly.
 *
 * libpq resolves names by getaddrinfo(), which blocks, cannot be interrupted
 * and has timeouts of its own.  So a child process calls it and prints the
 * addresses, and libpq gets only these.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/compat.h"
#include "base/subprocess.h"
#include "source/host_address.h"

/* In the child: prints an address per line.  Returns 0 if it found any. */
static int
resolver_main(void *arg)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;
	int			error = getaddrinfo(arg, NULL, &hints, &list);

	for (struct addrinfo *ai = list; error == 0 && ai != NULL; ai = ai->ai_next)
	{
		char		text[NI_MAXHOST + 1];

		if (getnameinfo(ai->ai_addr, ai->ai_addrlen, text, NI_MAXHOST, NULL, 0,
						NI_NUMERICHOST) != 0)
			continue;
		strlcat(text, "\n", sizeof(text));
		if (write(1, text, strlen(text)) < 0)
			return 1;
	}
	return error == 0 ? 0 : 1;
}

List *
host_addresses(const char *host, int timeout_ms)
{
	List	   *addresses = NIL;
	char	   *output;
	char	   *errors;
	char	   *save = NULL;
	int			code = subprocess_call(resolver_main, unconstify(char *, host), timeout_ms,
									   &output, &errors);

	for (char *line = strtok_r(output, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save))
		addresses = lappend(addresses, line);
	if (code != 0 || addresses == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION),
				 errmsg("could not find the address of host \"%s\"", host),
				 code < 0 ? errdetail("There was no answer within %d ms.", timeout_ms) : 0,
				 errhint("Check the host in PGSYNC_FROM_URL, and that this machine can resolve it.")));
	return addresses;
}
