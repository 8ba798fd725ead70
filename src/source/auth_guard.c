/*-------------------------------------------------------------------------
 *
 * auth_guard.c
 *	  Keeps the source's password from whoever asks for it in clear text.
 *
 * The tunnel ends at the jump host.  Whoever answers there as the source
 * chooses the authentication method, and libpq sends the password in clear text
 * when that is what is asked for.  libpq 16 can be told not to (require_auth);
 * older ones cannot, so the request has to be seen before libpq sees it.
 *
 * Looking at the socket ahead of libpq is not enough: libpq reads whatever has
 * arrived since.  The guard therefore takes the network connection away from
 * libpq for as long as the login lasts.  dup2() puts one end of a socket pair in
 * its place, and the guard hands over one unit at a time:
 *
 *		source <-- network --> guard <-- inner | socket pair --> libpq
 *
 *	 - the answer to a request for encryption: one byte;
 *	 - without TLS, one message;
 *	 - with TLS, one record.  Its contents are seen through SSL_peek() on libpq's
 *	   own session, before libpq is called again.
 *
 * Every byte of the exchange passes through AuthStream once, in order, and a
 * forbidden request raises an error before libpq has read it.  After
 * AuthenticationOk no password is sent any more: libpq gets the network back.
 *
 * libpq knows its socket by number, as OpenSSL does, so neither notices.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef USE_OPENSSL
#include <openssl/err.h>
#include <openssl/ssl.h>
#endif

#include "port/pg_bswap.h"
#include "storage/fd.h"

#include "base/compat.h"
#include "source/auth_guard.h"

#define TLS_HEADER		5
#define TLS_PLAIN_MAX	16384
#define MESSAGE_HEADER	5		/* type and length */
#define UNIT_MAX		32768	/* libpq takes errors up to 30000 bytes */
#define OUTGOING_SIZE	16384
#define REQUEST_MAX		2000	/* libpq's bound for an authentication request */

/* Authentication requests (protocol documentation, "Message Formats"). */
#define REQUEST_OK			0
#define REQUEST_CLEARTEXT	3
#define REQUEST_MD5			5
#define REQUEST_GSS			7
#define REQUEST_SSPI		9
#define REQUEST_SASL		10

/* The messages from the source, as a stream of bytes. */
typedef struct AuthStream
{
	unsigned char header[9];	/* type, length, kind of request */
	int			have;
	int			skip;			/* bytes left of the message's body */
	bool		over;			/* no request can follow that libpq would answer */
	int			request;		/* the last one other than OK and its continuations, or -1 */
	bool		md5;			/* one of them was for MD5 */
} AuthStream;

struct AuthGuard
{
	PGconn	   *conn;
	PasswordRule rule;
	char	   *display;
	int			network;		/* -1: closed */
	int			inner;			/* our end of the pair, the same */
	ino_t		pair_inode;		/* of libpq's end */
	AuthStream	stream;
	bool		tls_up;			/* the handshake was over once */
	bool		ended;			/* the source has closed the connection */

	unsigned char unit[UNIT_MAX];
	int			have;			/* bytes of the unit so far */

	char		outgoing[OUTGOING_SIZE];
	int			out_start;
	int			out_end;
};

bool
auth_libpq_knows_require_auth(void)
{
	PQconninfoOption *options = PQconndefaults();
	bool		known = false;

	for (PQconninfoOption *option = options; option && option->keyword; option++)
		known |= strcmp(option->keyword, "require_auth") == 0;
	PQconninfoFree(options);
	return known;
}

/* ---- the exchange ---- */

static uint32
get_uint32(const unsigned char *bytes)
{
	uint32		value;

	memcpy(&value, bytes, sizeof(value));
	return pg_ntoh32(value);
}

static void pg_attribute_noreturn()
raise_bad_message(const AuthGuard *guard)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROTOCOL_VIOLATION),
			 errmsg("could not connect to the source %s: invalid message during authentication",
					guard->display),
			 errhint("Check that PGSYNC_REMOTE_HOST and PGSYNC_REMOTE_PORT are those of a PostgreSQL server.")));
}

#define CLEARTEXT_HINT "On the source, set password_encryption = 'scram-sha-256', set the role's password again and use scram-sha-256 in pg_hba.conf. " \
	"Or use sslmode=verify-full in PGSYNC_FROM_URL. " \
	"Or set PGSYNC_ALLOW_CLEARTEXT=yes in the environment file for a source that you trust, such as an old PgBouncer."

static void pg_attribute_noreturn()
raise_cleartext(const AuthGuard *guard)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
			 errmsg("the source %s asks for the password in clear text", guard->display),
			 errdetail("The password was not sent: any server that answers behind the jump host could ask for it."),
			 errhint("%s", CLEARTEXT_HINT)));
}

static void pg_attribute_noreturn()
raise_unseen(const AuthGuard *guard, const char *encryption)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
			 errmsg("the password cannot be protected on the connection to the source %s", guard->display),
			 errdetail("The connection is encrypted by %s without verifying the server, and this libpq (%d) cannot be told to refuse a request for the password in clear text.",
					   encryption, PQlibVersion()),
			 errhint("Use sslmode=verify-full in PGSYNC_FROM_URL, or set PGSYNC_ALLOW_CLEARTEXT=yes in the environment file for a source that you trust.")));
}

/* True if the password may be sent in clear text on this connection. */
static bool
may_send_clear(const AuthGuard *guard)
{
	return guard->rule == PASSWORD_CLEAR ||
		(guard->rule == PASSWORD_VERIFIED && PQsslInUse(guard->conn));
}

/* Judges a request of the source. */
static void
check_request(AuthGuard *guard, uint32 request)
{
	AuthStream *stream = &guard->stream;

	if (request == REQUEST_CLEARTEXT && !may_send_clear(guard))
		raise_cleartext(guard);
	if (request == REQUEST_OK)
		stream->over = true;
	else if (request == REQUEST_CLEARTEXT || request == REQUEST_MD5 || request == REQUEST_GSS ||
			 request == REQUEST_SSPI || request == REQUEST_SASL)
		stream->request = (int) request;
	stream->md5 |= request == REQUEST_MD5;
}

/* True if libpq accepts a message of this type and length. */
static bool
length_is_valid(char type, uint32 length)
{
	if (type == 'R')
		return length >= 8 && length <= REQUEST_MAX;
	return length >= 4 && length <= UNIT_MAX - 1;
}

/* The header of a message is complete, apart from a request's kind. */
static void
check_header(AuthGuard *guard)
{
	AuthStream *stream = &guard->stream;
	uint32		length = get_uint32(stream->header + 1);

	/* after an error, libpq gives up this connection; old servers' have no length */
	if (stream->header[0] == 'E')
		stream->over = true;
	else if (!length_is_valid(stream->header[0], length))
		raise_bad_message(guard);
	if (stream->header[0] == 'R')
		return;					/* its kind comes next */
	stream->skip = length - 4;
	stream->have = 0;
}

/* Takes in what libpq is going to read; raises an error for what it must not. */
static void
check_bytes(AuthGuard *guard, const unsigned char *bytes, int count)
{
	AuthStream *stream = &guard->stream;

	for (int i = 0; i < count && !stream->over; i++)
	{
		if (stream->skip > 0)
		{
			stream->skip--;
			continue;
		}
		stream->header[stream->have++] = bytes[i];
		if (stream->have == MESSAGE_HEADER)
			check_header(guard);
		else if (stream->have == sizeof(stream->header))
		{
			check_request(guard, get_uint32(stream->header + MESSAGE_HEADER));
			stream->skip = get_uint32(stream->header + 1) - 8;
			stream->have = 0;
		}
	}
}

/* ---- TLS ---- */

/*
 * Checks the contents of the record that libpq is going to read next.  During
 * the handshake there are none.
 */
static void
check_record(AuthGuard *guard)
{
#ifdef USE_OPENSSL
	SSL		   *ssl = PQsslStruct(guard->conn, "OpenSSL");
	static unsigned char plain[TLS_PLAIN_MAX];
	int			count;

	if (ssl != NULL)
	{
		guard->tls_up |= SSL_is_init_finished(ssl) != 0;
		if (!guard->tls_up)
			return;
		ERR_clear_error();
		count = SSL_peek(ssl, plain, sizeof(plain));
		ERR_clear_error();
		if (count > 0)
			check_bytes(guard, plain, count);
		return;
	}
#endif
	if (guard->rule == PASSWORD_HASHED && !auth_libpq_knows_require_auth())
		raise_unseen(guard, "TLS");
	guard->stream.over = true;
}

/* True if libpq's TLS session holds contents that libpq has not read. */
static bool
tls_pending(const AuthGuard *guard)
{
#ifdef USE_OPENSSL
	SSL		   *ssl = PQsslInUse(guard->conn) ? PQsslStruct(guard->conn, "OpenSSL") : NULL;

	return ssl != NULL && SSL_pending(ssl) > 0;
#else
	return false;
#endif
}

/* ---- units ---- */

/* True while the answer to a request for encryption is expected. */
static bool
negotiates(const AuthGuard *guard)
{
	ConnStatusType status = PQstatus(guard->conn);

	return !PQsslInUse(guard->conn) &&
		(status == CONNECTION_SSL_STARTUP || status == CONNECTION_GSS_STARTUP);
}

/* How many bytes the unit has, as far as it can be said yet. */
static int
unit_size(const AuthGuard *guard)
{
	uint32		length;

	if (guard->stream.over)
		return Max(1, guard->have);
	if (negotiates(guard))
		return 1;
	if (PQsslInUse(guard->conn))
		return guard->have < TLS_HEADER ? TLS_HEADER :
			TLS_HEADER + (guard->unit[3] << 8 | guard->unit[4]);
	if (guard->have < MESSAGE_HEADER)
		return MESSAGE_HEADER;
	length = get_uint32(guard->unit + 1);
	if (length_is_valid(guard->unit[0], length))
		return 1 + length;
	if (guard->unit[0] != 'E')
		raise_bad_message(guard);
	return MESSAGE_HEADER;		/* an old server's error: text without a length */
}

static bool
would_block(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* Receives until the unit is complete; false if that needs more time. */
static bool
receive_unit(AuthGuard *guard)
{
	int			size;

	while (!guard->ended && guard->have < (size = unit_size(guard)))
	{
		ssize_t		n;

		if (size > UNIT_MAX)
			raise_bad_message(guard);
		n = recv(guard->network, guard->unit + guard->have, size - guard->have, 0);
		if (n < 0 && would_block())
			return false;
		if (n <= 0)
			guard->ended = true;
		else
			guard->have += n;
	}
	return true;
}

/* Gives libpq the unit; the pair always has room for one. */
static void
deliver_unit(AuthGuard *guard)
{
	if (guard->have > 0 && send(guard->inner, guard->unit, guard->have, 0) != guard->have)
		ereport(ERROR,
				(errcode(ERRCODE_CONNECTION_FAILURE),
				 errmsg("could not hand the source's answer to libpq: %m")));
	guard->have = 0;
	if (guard->ended)
		(void) shutdown(guard->inner, SHUT_WR);
}

/* GSSAPI encryption hides what follows. */
static void
check_negotiation(const AuthGuard *guard)
{
	if (guard->have > 0 && guard->unit[0] == 'G' && guard->rule != PASSWORD_CLEAR)
		raise_unseen(guard, "GSSAPI");
}

bool
auth_guard_step(AuthGuard *guard)
{
	bool		encrypted;

	if (auth_guard_unread(guard) || guard->ended)
		return true;
	if (!receive_unit(guard))
		return false;
	encrypted = PQsslInUse(guard->conn);
	if (negotiates(guard))
		check_negotiation(guard);
	else if (!encrypted)
		check_bytes(guard, guard->unit, guard->have);
	deliver_unit(guard);
	if (encrypted && !guard->stream.over)
		check_record(guard);
	return true;
}

/* ---- the other direction ---- */

bool
auth_guard_must_send(const AuthGuard *guard)
{
	return guard->out_start < guard->out_end;
}

/* Sends what is held; false if the network takes no more now. */
static bool
flush_outgoing(AuthGuard *guard)
{
	while (auth_guard_must_send(guard))
	{
		ssize_t		n = send(guard->network, guard->outgoing + guard->out_start,
							 guard->out_end - guard->out_start, 0);

		if (n < 0 && would_block())
			return false;
		if (n < 0)
			guard->out_start = guard->out_end;	/* recv() reports what is wrong */
		else
			guard->out_start += n;
	}
	return true;
}

void
auth_guard_send(AuthGuard *guard)
{
	while (flush_outgoing(guard))
	{
		ssize_t		n = recv(guard->inner, guard->outgoing, OUTGOING_SIZE, 0);

		if (n <= 0)
			break;
		guard->out_start = 0;
		guard->out_end = n;
	}
}

/* ---- begin and end ---- */

static ino_t
socket_inode(int sock)
{
	struct stat st;

	return sock >= 0 && fstat(sock, &st) == 0 ? st.st_ino : 0;
}

static void
prepare_socket(int sock)
{
	(void) fcntl(sock, F_SETFD, FD_CLOEXEC);
	(void) fcntl(sock, F_SETFL, fcntl(sock, F_GETFL) | O_NONBLOCK);
}

static void pg_attribute_noreturn()
raise_no_socket(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
			 errmsg("could not guard the connection to the source: %m")));
}

AuthGuard *
auth_guard_start(PGconn *conn, PasswordRule rule, const char *display)
{
	AuthGuard  *guard = palloc0(sizeof(AuthGuard));
	int			pair[2];

	guard->conn = conn;
	guard->rule = rule;
	guard->display = pstrdup(display);
	guard->stream.request = -1;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
		raise_no_socket();
	guard->inner = pair[0];
	guard->network = dup(PQsocket(conn));
	if (guard->network < 0 || dup2(pair[1], PQsocket(conn)) < 0)
	{
		if (guard->network >= 0)
			close(guard->network);
		close(pair[0]);
		close(pair[1]);
		raise_no_socket();
	}
	close(pair[1]);
	prepare_socket(guard->inner);
	prepare_socket(guard->network);
	prepare_socket(PQsocket(conn));
	guard->pair_inode = socket_inode(PQsocket(conn));
	ReserveExternalFD();		/* for a moment: the login */
	ReserveExternalFD();
	return guard;
}

int
auth_guard_socket(const AuthGuard *guard)
{
	return guard->network;
}

bool
auth_guard_unread(const AuthGuard *guard)
{
	struct pollfd entry = {.fd = PQsocket(guard->conn),.events = POLLIN};

	return tls_pending(guard) || (entry.fd >= 0 && poll(&entry, 1, 0) > 0);
}

bool
auth_guard_done(const AuthGuard *guard)
{
	return guard->stream.over && guard->have == 0 && !guard->ended &&
		!auth_guard_must_send(guard) && !auth_guard_unread(guard);
}

void
auth_guard_end(AuthGuard *guard)
{
	int			sock;

	if (guard == NULL || guard->network < 0)
		return;
	sock = PQsocket(guard->conn);
	if (socket_inode(sock) == guard->pair_inode && dup2(guard->network, sock) >= 0)
		(void) fcntl(sock, F_SETFD, FD_CLOEXEC);
	close(guard->network);
	close(guard->inner);
	guard->network = guard->inner = -1;
	explicit_bzero(guard->outgoing, sizeof(guard->outgoing));
	ReleaseExternalFD();
	ReleaseExternalFD();
}

/* ---- what was seen ---- */

const char *
auth_guard_method(const AuthGuard *guard)
{
	switch (guard->stream.request)
	{
		case REQUEST_CLEARTEXT:
			return "clear text";
		case REQUEST_MD5:
			return "MD5";
		case REQUEST_GSS:
		case REQUEST_SSPI:
			return "GSSAPI";
		case REQUEST_SASL:
			return "SCRAM-SHA-256";
	}
	return NULL;
}

bool
auth_guard_used_md5(const AuthGuard *guard)
{
	return guard->stream.md5;
}
