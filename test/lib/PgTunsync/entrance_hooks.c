/*
 * entrance_hooks.c: preloaded into a PostgreSQL server, shifts the moments of
 * a connection to the tunnel's entrance.  HOOKS_DIR is the directory of the
 * files that switch it; HOOKS_PORT the entrance's port.
 *
 *	hold			connect() to the entrance waits while this file exists
 *	held			made by connect() while it waits
 *	hold_after		connect() returns when this file is gone
 *	connected		made by connect() then
 *	redirect		connect() goes to the port in it instead
 *	port			getsockname() of such a socket reports the port in it
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const char *
path(const char *name)
{
	static char buffer[1024];

	snprintf(buffer, sizeof(buffer), "%s/%s", getenv("HOOKS_DIR"), name);
	return buffer;
}

static void
touch(const char *name)
{
	close(open(path(name), O_CREAT | O_WRONLY, 0600));
}

static int
is_entrance(const struct sockaddr *address)
{
	if (address->sa_family == AF_UNIX)
		return strstr(((const struct sockaddr_un *) address)->sun_path, "pgtunsync") != NULL;
	return address->sa_family == AF_INET &&
		ntohs(((const struct sockaddr_in *) address)->sin_port) == atoi(getenv("HOOKS_PORT"));
}

static void
wait_while(const char *name, const char *mark)
{
	if (access(path(name), F_OK) != 0)
		return;
	touch(mark);
	while (access(path(name), F_OK) == 0)
		usleep(10000);
}

/* The number in a file, 0 if there is none. */
static int
number_in(const char *name)
{
	FILE	   *file = fopen(path(name), "r");
	int			number = 0;

	if (file != NULL)
	{
		if (fscanf(file, "%d", &number) != 1)
			number = 0;
		fclose(file);
	}
	return number;
}

int
connect(int sock, const struct sockaddr *address, socklen_t len)
{
	int			(*real) (int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "connect");
	int			rc;
	int			save_errno;

	if (!is_entrance(address))
		return real(sock, address, len);
	wait_while("hold", "held");
	if (address->sa_family == AF_INET && number_in("redirect") != 0)
		((struct sockaddr_in *) address)->sin_port = htons(number_in("redirect"));
	rc = real(sock, address, len);
	save_errno = errno;
	wait_while("hold_after", "connected");
	errno = save_errno;
	return rc;
}

int
getsockname(int sock, struct sockaddr *address, socklen_t *len)
{
	int			(*real) (int, struct sockaddr *, socklen_t *) = dlsym(RTLD_NEXT, "getsockname");
	int			rc = real(sock, address, len);
	struct sockaddr_storage peer;
	socklen_t	peer_len = sizeof(peer);

	if (rc == 0 && address->sa_family == AF_INET &&
		getpeername(sock, (struct sockaddr *) &peer, &peer_len) == 0 &&
		is_entrance((struct sockaddr *) &peer) && number_in("port") != 0)
		((struct sockaddr_in *) address)->sin_port = htons(number_in("port"));
	return rc;
}
