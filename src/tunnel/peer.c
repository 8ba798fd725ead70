/*-------------------------------------------------------------------------
 *
 * peer.c
 *	  Who is at the other end of a local connection.
 *
 * A Unix socket knows its peer's credentials.  A TCP socket on the loopback
 * does not, but Linux lists both ends of such a connection in /proc/net/tcp,
 * each with the inode of its socket.  The inode identifies the socket, and so
 * the process that announced it: a stranger that has got the same address and
 * port, after the socket there was closed, has another inode.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pwd.h>
#include <sys/un.h>
#include <unistd.h>

#include "storage/fd.h"

#include "base/compat.h"
#include "tunnel/peer.h"

/* The process at the other end of a Unix socket. */
static void
read_credentials(int sock, Peer *peer)
{
#if defined(SO_PEERCRED) && defined(__linux__)
	struct ucred credentials;
	socklen_t	len = sizeof(credentials);

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &credentials, &len) == 0)
	{
		peer->same_user = credentials.uid == geteuid();
		peer->pid = credentials.pid;
	}
#else
	uid_t		uid;
	gid_t		gid;

	peer->same_user = getpeereid(sock, &uid, &gid) == 0 && uid == geteuid();
#ifdef LOCAL_PEERPID
	{
		socklen_t	len = sizeof(peer->pid);

		if (getsockopt(sock, 0 /* SOL_LOCAL */ , LOCAL_PEERPID, &peer->pid, &len) != 0)
			peer->same_user = false;
	}
#endif
#endif
}

void
peer_identify(int sock, const struct sockaddr_storage *address, Peer *peer)
{
	socklen_t	len = sizeof(peer->entrance);

	memset(peer, 0, sizeof(Peer));
	peer->is_unix = address->ss_family == AF_UNIX;
	if (peer->is_unix)
	{
		read_credentials(sock, peer);
		return;
	}
	memcpy(&peer->address, address, sizeof(peer->address));
	if (getsockname(sock, (struct sockaddr *) &peer->entrance, &len) != 0)
		memset(&peer->entrance, 0, sizeof(peer->entrance));
}

#ifdef __linux__

/*
 * The inode in a line of /proc/net/tcp, if it is the line of the peer's end.
 */
static bool
parse_line(const char *line, const Peer *peer, unsigned long *inode)
{
	unsigned int local_address;
	unsigned int local_port;
	unsigned int remote_address;
	unsigned int remote_port;

	return sscanf(line, " %*u: %8X:%4X %8X:%4X %*X %*X:%*X %*X:%*X %*X %*u %*u %lu",
				  &local_address, &local_port, &remote_address, &remote_port, inode) == 5 &&
		local_address == peer->address.sin_addr.s_addr &&
		local_port == ntohs(peer->address.sin_port) &&
		remote_address == peer->entrance.sin_addr.s_addr &&
		remote_port == ntohs(peer->entrance.sin_port);
}

PeerMatch
peer_socket_match(const Peer *peer, ino_t inode)
{
	FILE	   *file = AllocateFile("/proc/net/tcp", "r");
	PeerMatch	match = PEER_NOT_FOUND;
	char		line[256];
	unsigned long found;

	if (file == NULL)
		return PEER_MATCHES;
	while (match == PEER_NOT_FOUND && fgets(line, sizeof(line), file) != NULL)
	{
		if (parse_line(line, peer, &found))
			match = found == inode ? PEER_MATCHES : PEER_DIFFERS;
	}
	FreeFile(file);
	return match;
}

/*
 * The user in a line of /proc/net/tcp, if it is the line of a socket that
 * listens on the port.
 */
static bool
parse_listener(const char *line, int port, unsigned int *uid)
{
	unsigned int address;
	unsigned int local_port;
	unsigned int state;

	return sscanf(line, " %*u: %8X:%4X %*X:%*X %2X %*X:%*X %*X:%*X %*X %u",
				  &address, &local_port, &state, uid) == 4 &&
		state == TCP_LISTEN && local_port == (unsigned int) port &&
		(address == htonl(INADDR_LOOPBACK) || address == htonl(INADDR_ANY));
}

char *
peer_port_owner(int port)
{
	FILE	   *file = AllocateFile("/proc/net/tcp", "r");
	const struct passwd *pw = NULL;
	char		line[256];
	unsigned int uid;

	if (file == NULL)
		return NULL;
	while (pw == NULL && fgets(line, sizeof(line), file) != NULL)
	{
		if (parse_listener(line, port, &uid))
			pw = getpwuid(uid);
	}
	FreeFile(file);
	return pw ? pstrdup(pw->pw_name) : NULL;
}

#else

char *
peer_port_owner(int port)
{
	return NULL;
}

PeerMatch
peer_socket_match(const Peer *peer, ino_t inode)
{
	return PEER_MATCHES;
}

#endif

char *
peer_text(const Peer *peer)
{
	char		address[INET_ADDRSTRLEN];

	if (peer->is_unix)
		return psprintf("process %d", (int) peer->pid);
	if (inet_ntop(AF_INET, &peer->address.sin_addr, address, sizeof(address)) == NULL)
		return pstrdup("an unknown address");
	return psprintf("%s:%d", address, (int) ntohs(peer->address.sin_port));
}
