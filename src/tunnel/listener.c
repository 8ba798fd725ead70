/*-------------------------------------------------------------------------
 *
 * listener.c
 *	  The local end of the tunnel: a listening socket.
 *
 * Either a port on 127.0.0.1, or a Unix socket in a directory that only the
 * server's user can enter.  The directory's name holds random bits, mkdir()
 * creates it exclusively, and it is checked before use, so that nobody can
 * prepare one in /tmp that we would take for ours.  It must not outlive the
 * run, however that ends:
 *
 *	 - normally, and after an error, the worker removes it as it exits;
 *	 - after a crash the server itself empties base/pgsql_tmp when it starts
 *	   again (RemovePgTempFiles), so it lies there, with that prefix;
 *	 - what is left nevertheless is removed by the next run, which knows by
 *	   the pid in the name that its owner is gone.
 *
 * The path of a Unix socket has little room (about 107 bytes).  Where the data
 * directory's own path is too long for it, the directory is made in /tmp.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/file_perm.h"
#include "common/file_utils.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "tunnel/listener.h"

#define SOCKET_PORT		1		/* any number: the directory is ours alone */
#define SOCKET_NAME		".s.PGSQL.1"
#define TEMP_PARENT		"base/" PG_TEMP_FILES_DIR
#define TEMP_PREFIX		PG_TEMP_FILE_PREFIX ".pgtunsync."
#define RANDOM_CHARS	12		/* six bits each, in the directory's name */
#define BACKLOG			64

struct Entrance
{
	int			sock;
	int			port;
	char		directory[MAXPGPATH];	/* of the Unix socket, else "" */
};

/* There is one in a process at most; the exit callback must find it. */
static Entrance *current = NULL;

static void
port_in_use(int port)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("port %d on 127.0.0.1 is in use", port),
			 errdetail("The tunnel's local entrance cannot be opened there."),
			 errhint("Wait for another run to end, or set PGSYNC_LOCAL_PORT (and the port of PGSYNC_FROM_URL) to a free port, or to 0 for a private Unix socket.")));
}

static int
new_socket(int family)
{
	int			sock = socket(family, SOCK_STREAM, 0);

	if (sock < 0)
		ereport(ERROR,
				(errcode_for_socket_access(),
				 errmsg("could not create a socket for the tunnel's entrance: %m")));
	(void) fcntl(sock, F_SETFD, FD_CLOEXEC);
	(void) fcntl(sock, F_SETFL, fcntl(sock, F_GETFL) | O_NONBLOCK);
	return sock;
}

/*
 * A socket that listens on the port (0: any); raises an error if it cannot.
 */
static int
listen_tcp(int port)
{
	struct sockaddr_in addr;
	int			on = 1;
	int			sock = new_socket(AF_INET);

	memset(&addr, 0, sizeof(addr));
	addr.sin_family = AF_INET;
	addr.sin_port = htons(port);
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	(void) setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(sock, (struct sockaddr *) &addr, sizeof(addr)) != 0 || listen(sock, BACKLOG) != 0)
	{
		int			save_errno = errno;

		close(sock);
		errno = save_errno;
		if (errno == EADDRINUSE)
			port_in_use(port);
		ereport(ERROR,
				(errcode_for_socket_access(),
				 errmsg("could not listen on 127.0.0.1:%d: %m", port),
				 errhint("See PGSYNC_LOCAL_PORT.")));
	}
	return sock;
}

void
entrance_check(int local_port)
{
	if (local_port > 0)
		close(listen_tcp(local_port));
}

/* The port that the socket has. */
static int
port_of_socket(int sock)
{
	struct sockaddr_in addr;
	socklen_t	len = sizeof(addr);

	if (getsockname(sock, (struct sockaddr *) &addr, &len) != 0)
		ereport(ERROR,
				(errcode_for_socket_access(),
				 errmsg("could not find out the port of the tunnel's entrance: %m")));
	return ntohs(addr.sin_port);
}

static void
remove_directory(const char *directory)
{
	char		path[MAXPGPATH * 2];

	snprintf(path, sizeof(path), "%s/%s", directory, SOCKET_NAME);
	(void) unlink(path);
	(void) rmdir(directory);
}

/* The pid at the end of a directory's name, 0 if there is none. */
static long
pid_in_name(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot ? strtol(dot + 1, NULL, 10) : 0;
}

/* Removes the directories in parent whose name ends in the pid of nobody. */
static void
remove_leftovers(const char *parent, const char *prefix)
{
	DIR		   *dir = opendir(parent);
	struct dirent *entry;

	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL)
	{
		char		path[MAXPGPATH * 2];
		struct stat st;
		long		pid;

		if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
			continue;
		pid = pid_in_name(entry->d_name);
		if (pid > 0 && pid != MyProcPid && (kill((pid_t) pid, 0) == 0 || errno != ESRCH))
			continue;
		snprintf(path, sizeof(path), "%s/%s", parent, entry->d_name);
		if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid())
			remove_directory(path);
	}
	closedir(dir);
}

/* Fills name with random characters that a file name can have. */
static void
random_name(char *name)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	unsigned char bits[RANDOM_CHARS];

	if (!pg_strong_random(bits, sizeof(bits)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values for the tunnel's entrance")));
	for (int i = 0; i < RANDOM_CHARS; i++)
		name[i] = alphabet[bits[i] % (sizeof(alphabet) - 1)];
	name[RANDOM_CHARS] = '\0';
}

/*
 * Raises an error unless the directory is ours and closed to everybody else.
 */
static void
check_directory(const char *directory)
{
	struct stat st;

	if (lstat(directory, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
		(st.st_mode & 0777) == 0700)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("directory \"%s\" for the tunnel's entrance is not private", directory),
			 errdetail("It must be a directory with mode 0700 that belongs to the server's user.")));
}

/* A fresh directory of our own, with room for the socket's name. */
static void
make_directory(char *directory)
{
	char		own_tmp[64];
	char		random[RANDOM_CHARS + 1];

	random_name(random);
	remove_leftovers(TEMP_PARENT, TEMP_PREFIX);
	snprintf(own_tmp, sizeof(own_tmp), "pgtunsync.%u.", (unsigned) geteuid());
	remove_leftovers("/tmp", own_tmp);

	snprintf(directory, MAXPGPATH, "%s/%s/%s%s.%d", DataDir, TEMP_PARENT, TEMP_PREFIX, random,
			 MyProcPid);
	if (strlen(directory) + sizeof(SOCKET_NAME) + 1 <= sizeof(((struct sockaddr_un *) 0)->sun_path))
		(void) MakePGDirectory(TEMP_PARENT);
	else
		snprintf(directory, MAXPGPATH, "/tmp/%s%s.%d", own_tmp, random, MyProcPid);
	if (mkdir(directory, 0700) != 0)
	{
		int			save_errno = errno;
		char	   *failed = pstrdup(directory);

		directory[0] = '\0';	/* not ours to remove */
		errno = save_errno;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create directory \"%s\" for the tunnel's entrance: %m", failed)));
	}
	check_directory(directory);
}

static int
listen_unix(const char *directory)
{
	struct sockaddr_un addr;
	int			sock = new_socket(AF_UNIX);

	memset(&addr, 0, sizeof(addr));
	addr.sun_family = AF_UNIX;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/%s", directory, SOCKET_NAME);
	if (bind(sock, (struct sockaddr *) &addr, sizeof(addr)) != 0 ||
		chmod(addr.sun_path, 0600) != 0 || listen(sock, BACKLOG) != 0)
	{
		int			save_errno = errno;

		close(sock);
		errno = save_errno;
		ereport(ERROR,
				(errcode_for_socket_access(),
				 errmsg("could not listen on Unix socket \"%s\": %m", addr.sun_path)));
	}
	return sock;
}

static void
close_at_exit(int code, Datum arg)
{
	if (current != NULL)
		entrance_close(current);
}

Entrance *
entrance_open(int local_port)
{
	Entrance   *entrance = MemoryContextAllocZero(TopMemoryContext, sizeof(Entrance));

	entrance->sock = -1;
	current = entrance;
	before_shmem_exit(close_at_exit, 0);
	if (local_port != ENTRANCE_UNIX_SOCKET)
	{
		entrance->sock = listen_tcp(Max(local_port, 0));
		entrance->port = port_of_socket(entrance->sock);
	}
	else
	{
		make_directory(entrance->directory);
		entrance->port = SOCKET_PORT;
		entrance->sock = listen_unix(entrance->directory);
	}
	return entrance;
}

void
entrance_close(Entrance *entrance)
{
	if (entrance->sock >= 0)
		close(entrance->sock);
	entrance->sock = -1;
	if (entrance->directory[0] != '\0')
		remove_directory(entrance->directory);
	entrance->directory[0] = '\0';
}

int
entrance_socket(const Entrance *entrance)
{
	return entrance->sock;
}

const char *
entrance_host(const Entrance *entrance)
{
	return entrance->directory[0] ? entrance->directory : "127.0.0.1";
}

int
entrance_port(const Entrance *entrance)
{
	return entrance->port;
}

bool
entrance_accept(Entrance *entrance, Visitor *visitor)
{
	struct sockaddr_storage addr = {0};
	socklen_t	len = sizeof(addr);
	int			on = 1;
	int			sock = accept(entrance->sock, (struct sockaddr *) &addr, &len);

	if (sock < 0)
		return false;
	(void) fcntl(sock, F_SETFD, FD_CLOEXEC);
	(void) fcntl(sock, F_SETFL, fcntl(sock, F_GETFL) | O_NONBLOCK);
	visitor->sock = sock;
	peer_identify(sock, &addr, &visitor->peer);
	if (!visitor->peer.is_unix)
		(void) setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return true;
}
