/*-------------------------------------------------------------------------
 *
 * tcp_connect.c
 *	  Connects to a host name by TCP without blocking.
 *
 * getaddrinfo() blocks, cannot be interrupted and has its own timeouts.  So a
 * child process calls it and writes the addresses into a pipe.  Then the
 * addresses are tried one by one with a non-blocking connect().
 *
 * Failures are transient if waiting may help: a refused connection or an
 * unreachable network may recover, but a name that does not exist will not.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>


#include "base/compat.h"
#include "base/clock.h"
#include "base/subprocess.h"
#include "ssh/tcp_connect.h"

#define MAX_ADDRESSES	16

typedef struct Address
{
	socklen_t	len;
	struct sockaddr_storage addr;
} Address;

/* The result that the child writes. */
typedef struct Lookup
{
	int			error;			/* result of getaddrinfo() */
	int			count;
	Address		addresses[MAX_ADDRESSES];
} Lookup;

struct TcpConnect
{
	char	   *host;
	int			port;
	int			family;
	int			timeout_ms;

	Subprocess	resolver;
	size_t		received;		/* received bytes of lookup */
	Lookup		lookup;
	int64		deadline;

	int			next;			/* next address to try */
	int			sock;			/* the connecting socket, or -1 */
	char		address[NI_MAXHOST + 16];

	char	   *problem;
	bool		transient;
};

/*
 * Fills in the lookup.  With AI_NUMERICHOST in flags, no name server is asked.
 */
static void
look_up(const TcpConnect *conn, int flags, Lookup *lookup)
{
	struct addrinfo hints;
	struct addrinfo *list = NULL;
	char		service[16];

	memset(lookup, 0, sizeof(Lookup));
	memset(&hints, 0, sizeof(hints));
	hints.ai_family = conn->family;
	hints.ai_socktype = SOCK_STREAM;
	hints.ai_flags = flags | AI_NUMERICSERV;
	snprintf(service, sizeof(service), "%d", conn->port);
	lookup->error = getaddrinfo(conn->host, service, &hints, &list);
	if (lookup->error != 0)
		return;
	for (struct addrinfo *ai = list; ai != NULL && lookup->count < MAX_ADDRESSES; ai = ai->ai_next)
	{
		Address    *address = &lookup->addresses[lookup->count++];

		address->len = ai->ai_addrlen;
		memcpy(&address->addr, ai->ai_addr, ai->ai_addrlen);
	}
	freeaddrinfo(list);
}

static int
resolver_main(void *arg)
{
	Lookup		lookup;

	look_up(arg, 0, &lookup);
	return write(1, &lookup, sizeof(lookup)) == (ssize_t) sizeof(lookup) ? 0 : 1;
}

TcpConnect *
tcp_connect_start(const char *host, int port, int family, int timeout_ms)
{
	TcpConnect *conn = palloc0(sizeof(TcpConnect));

	conn->host = pstrdup(host);
	conn->port = port;
	conn->family = family;
	conn->timeout_ms = timeout_ms;
	conn->sock = -1;
	conn->resolver.out = conn->resolver.err = -1;
	conn->deadline = clock_ms() + timeout_ms;

	look_up(conn, AI_NUMERICHOST, &conn->lookup);
	if (conn->lookup.error == 0)
		conn->received = sizeof(Lookup);
	else
		subprocess_start(&conn->resolver, resolver_main, conn);
	return conn;
}

static Progress
set_failed(TcpConnect *conn, const char *problem, bool transient)
{
	if (conn->sock >= 0)
		close(conn->sock);
	conn->sock = -1;
	conn->problem = pstrdup(problem);
	conn->transient = transient;
	return PROGRESS_FAILED;
}

/* Reads the result of the resolver. */
static Progress
resolve(TcpConnect *conn)
{
	ssize_t		n;

	while (conn->received < sizeof(Lookup))
	{
		n = read(conn->resolver.out, (char *) &conn->lookup + conn->received,
				 sizeof(Lookup) - conn->received);
		if (n > 0)
			conn->received += n;
		else if (n < 0 && errno == EINTR)
			continue;
		else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		{
			if (clock_ms() < conn->deadline)
				return PROGRESS_AGAIN;
			return set_failed(conn, "the name could not be resolved in time", true);
		}
		else
			return set_failed(conn, "the name resolver ended unexpectedly", true);
	}
	(void) subprocess_end(&conn->resolver);
	if (conn->lookup.error == EAI_AGAIN)
		return set_failed(conn, gai_strerror(conn->lookup.error), true);
	if (conn->lookup.error != 0)
		return set_failed(conn, gai_strerror(conn->lookup.error), false);
	return PROGRESS_DONE;
}

static void
describe_address(TcpConnect *conn, const Address *address)
{
	char		host[NI_MAXHOST];

	if (getnameinfo((const struct sockaddr *) &address->addr, address->len, host, sizeof(host),
					NULL, 0, NI_NUMERICHOST) != 0)
		strlcpy(host, "?", sizeof(host));
	snprintf(conn->address, sizeof(conn->address),
			 strchr(host, ':') ? "[%s]:%d" : "%s:%d", host, conn->port);
}

static bool
errno_is_transient(int code)
{
	return code == ECONNREFUSED || code == ECONNRESET || code == ETIMEDOUT ||
		code == EHOSTUNREACH || code == ENETUNREACH || code == EHOSTDOWN ||
		code == ENETDOWN || code == EADDRNOTAVAIL || code == ECONNABORTED ||
		code == EPIPE;
}

/*
 * Starts to connect to the next address; connect_result() returns the result.
 */
static void
start_connect(TcpConnect *conn)
{
	const Address *address = &conn->lookup.addresses[conn->next++];
	int			on = 1;

	describe_address(conn, address);
	conn->deadline = clock_ms() + conn->timeout_ms;
	conn->sock = socket(address->addr.ss_family, SOCK_STREAM, 0);
	if (conn->sock < 0)
		return;
	(void) fcntl(conn->sock, F_SETFD, FD_CLOEXEC);
	(void) fcntl(conn->sock, F_SETFL, fcntl(conn->sock, F_GETFL) | O_NONBLOCK);
	(void) setsockopt(conn->sock, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(conn->sock, (const struct sockaddr *) &address->addr, address->len) != 0 &&
		errno != EINPROGRESS && errno != EINTR)
	{
		int			save_errno = errno;

		close(conn->sock);
		conn->sock = -1;
		errno = save_errno;
	}
}

/*
 * Returns the result of the pending connect(): 0, an errno, or -1 if there is
 * none yet.
 */
static int
connect_result(const TcpConnect *conn)
{
	struct pollfd pfd = {.fd = conn->sock,.events = POLLOUT};
	int			code = 0;
	socklen_t	len = sizeof(code);

	if (poll(&pfd, 1, 0) <= 0)
		return clock_ms() < conn->deadline ? -1 : ETIMEDOUT;
	if (getsockopt(conn->sock, SOL_SOCKET, SO_ERROR, &code, &len) != 0)
		return errno;
	return code;
}

Progress
tcp_connect_step(TcpConnect *conn)
{
	int			code = 0;

	if (conn->problem != NULL)
		return PROGRESS_FAILED;
	if (conn->resolver.pid != 0)
	{
		Progress	progress = resolve(conn);

		if (progress != PROGRESS_DONE)
			return progress;
	}
	for (;;)
	{
		if (conn->sock >= 0)
		{
			code = connect_result(conn);
			if (code == 0)
				return PROGRESS_DONE;
			if (code < 0)
				return PROGRESS_AGAIN;
			close(conn->sock);
			conn->sock = -1;
		}
		if (conn->next >= conn->lookup.count)
			return set_failed(conn, code ? strerror(code) : "the name has no address",
							  errno_is_transient(code));
		start_connect(conn);
		if (conn->sock < 0)
			code = errno;
	}
}

int
tcp_connect_poll(const TcpConnect *conn, short *events)
{
	if (conn->resolver.pid != 0)
	{
		*events = POLLIN;
		return conn->resolver.out;
	}
	*events = POLLOUT;
	return conn->sock;
}

int
tcp_connect_take(TcpConnect *conn)
{
	int			sock = conn->sock;

	conn->sock = -1;
	return sock;
}

const char *
tcp_connect_address(const TcpConnect *conn)
{
	return conn->address;
}

const char *
tcp_connect_problem(const TcpConnect *conn, bool *transient)
{
	*transient = conn->transient;
	return conn->problem;
}

void
tcp_connect_free(TcpConnect *conn)
{
	(void) subprocess_end(&conn->resolver);
	if (conn->sock >= 0)
		close(conn->sock);
	conn->sock = -1;
}
