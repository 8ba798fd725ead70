/*-------------------------------------------------------------------------
 *
 * ssh_transport.c
 *	  Moves bytes between libssh2 and the carrier of a session.
 *
 * libssh2 never uses a socket itself.  Both directions go through callbacks:
 *
 *		libssh2 session of hop 2
 *			│ send/recv callbacks, buffers of node 2
 *		channel of hop 1's session ("carrier")
 *			│ send/recv callbacks, buffers of node 1
 *		TCP socket
 *
 * Receiving.  By default, libssh2_channel_read() reads the socket until it is
 * empty before it returns anything, so data moves in bursts with idle gaps.
 * So the callback reports an empty socket after 128 KiB.  The caller gets its
 * data, and calls again before it waits (ssh_link_more()).  This more than
 * doubles the throughput of a session.
 *
 * Sending.  The callback always accepts everything.  Data that the carrier has
 * no room for waits in a buffer.  So libssh2 never holds a partially sent
 * packet, a state it does not handle well: it rejects any other packet as bad
 * use, and a key exchange may stall forever.  The buffer stays small, because
 * nothing is written to channels while ssh_link_congested() returns true.
 *
 * Algorithms.  ssh_config determines the allowed ones (KexAlgorithms, Ciphers,
 * MACs, with OpenSSH's defaults).  Their order is chosen here, because their
 * costs differ between libssh2 and OpenSSH.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "miscadmin.h"
#include "postmaster/interrupt.h"

#include "ssh/ssh_link.h"
#include "base/compat.h"
#include "base/platform.h"
#include "ssh/compat_libssh2.h"
#include "ssh/mac_speed.h"

#define MAX_DISCONNECT_REASON	200			/* maximum length of a disconnect message */

/*
 * Allocates memory for libssh2.  Until the session is up, it holds keys and
 * passphrases, so it is overwritten when it is freed.  Blocks come directly
 * from malloc(), without a header: libssh2 1.11.1 passes one to free() itself
 * when OpenSSL 3 makes the public key of an ECDSA key.
 *
 * The block with the server's host key is tracked.  Its change is the only
 * sign of a new key exchange (ssh_verify_rekey()), and libssh2 1.10 frees it
 * twice if a server sends invalid data in one.
 */
void *
ssh_alloc(size_t size, void **abstract)
{
	SshNode    *node = *abstract;
	void	   *data = malloc(size);

	if (data != NULL && data == node->freed_host_key)
		node->freed_host_key = NULL;
	return data;
}

static void
ssh_free(void *data, void **abstract)
{
	SshNode    *node = *abstract;

	if (data != NULL && data == node->freed_host_key)
		return;
	if (data != NULL && data == node->host_key)
	{
		node->freed_host_key = data;
		node->host_key = NULL;
	}
	if (data != NULL && node->link->stage != STAGE_UP)
		explicit_bzero(data, malloced_size(data));
	free(data);
}

static void *
ssh_realloc(void *data, size_t size, void **abstract)
{
	void	   *moved = ssh_alloc(size, abstract);

	if (moved != NULL && data != NULL)
	{
		memcpy(moved, data, Min(size, malloced_size(data)));
		ssh_free(data, abstract);
	}
	return moved;
}

/*
 * Reads from the socket or the carrier.  Returns the bytes, 0 at the end, or
 * -errno.
 */
static ssize_t
receive_some(SshNode *node)
{
	ssize_t		n;

	if (node->carrier == NULL)
	{
		n = recv(node->link->sock, node->in, SSH_BUFFER, 0);
		return n < 0 ? -errno : n;
	}
	node[-1].budget = SSH_BUFFER;
	n = libssh2_channel_read(node->carrier, node->in, SSH_BUFFER);
	if (n == LIBSSH2_ERROR_EAGAIN)
		return -EAGAIN;
	if (n == 0 && !libssh2_channel_eof(node->carrier))
		return -EAGAIN;
	return n < 0 ? -ECONNRESET : n;
}

/*
 * Fills the buffer if it is empty.  Returns 1 or more, 0 at the end, or
 * -errno.
 */
static ssize_t
fill_buffer(SshNode *node)
{
	ssize_t		n;

	if (node->in_len > 0)
		return 1;
	n = receive_some(node);
	if (n > 0)
	{
		node->in_head = 0;
		node->in_len = n;
		node->received += n;
		if (node->link->stage == STAGE_HANDSHAKE)
			ssh_offer_collect(node, node->in, n);
		if (node->unanswered > 0)
			ssh_trace(TRACE_DEBUG1, node, "data arrives again after %d ms", (int) (clock_ms() - node->last_received));
		node->last_received = clock_ms();
		node->unanswered = 0;
	}
	else if (n == 0)
		node->ended = true;
	else if (n == -EINTR || n == -EWOULDBLOCK)
		n = -EAGAIN;
	else if (n != -EAGAIN)
		node->io_errno = (int) -n;
	return n;
}

/*
 * Communicates with the agent for libssh2, on a blocking socket.  Gives up
 * after the deadline, or when the process is asked to end.
 */
static ssize_t
agent_io(SshNode *node, int sock, void *buf, size_t len, bool sending)
{
	struct pollfd pfd = {.fd = sock,.events = sending ? POLLOUT : POLLIN};
	ssize_t		n;

	while (poll(&pfd, 1, 100) <= 0)
	{
		if (ShutdownRequestPending || InterruptPending || clock_ms() > node->link->deadline)
			return -ETIMEDOUT;
	}
	n = sending ? send(sock, buf, len, MSG_NOSIGNAL) : recv(sock, buf, len, 0);
	if (n == 0)
		return -ECONNRESET;		/* libssh2 would retry forever */
	return n < 0 ? -errno : n;
}

static ssize_t
receive_callback(libssh2_socket_t sock, void *buf, size_t len, int flags, void **abstract)
{
	SshNode    *node = *abstract;
	ssize_t		n;

	if (sock != node->link->sock)
		return agent_io(node, sock, buf, len, false);
	if (node->session == NULL)
		return 0;				/* the session is being freed */
	if (node->budget <= 0)
		return -EAGAIN;
	n = fill_buffer(node);
	if (n <= 0)
		return n;
	n = Min(len, node->in_len);
	memcpy(buf, node->in + node->in_head, n);
	node->in_head += n;
	node->in_len -= n;
	node->budget -= n;
	return n;
}

static ssize_t
send_callback(libssh2_socket_t sock, const void *buf, size_t len, int flags, void **abstract)
{
	SshNode    *node = *abstract;

	if (sock != node->link->sock)
		return agent_io(node, sock, unconstify(void *, buf), len, true);
	if (node->session == NULL)
		return len;				/* the session is being freed */
	if (node->io_errno != 0)
		return -node->io_errno;
	appendBinaryStringInfo(&node->out, buf, (int) len);
	(void) ssh_node_flush(node);
	return len;
}

/* Sends some bytes.  Returns how many, 0 if there is no room, or -errno. */
static ssize_t
send_some(SshNode *node, const char *data, size_t len)
{
	ssize_t		n;

	if (node->carrier == NULL)
	{
		n = send(node->link->sock, data, len, MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : -errno;
		return n;
	}
	node[-1].budget = SSH_BUFFER;
	n = libssh2_channel_write(node->carrier, data, len);
	if (n == LIBSSH2_ERROR_EAGAIN)
		return 0;
	return n < 0 ? -EPIPE : n;
}

/* Sends waiting data.  Returns false if the carrier is broken. */
bool
ssh_node_flush(SshNode *node)
{
	while (node->io_errno == 0 && node->out_sent < node->out.len)
	{
		ssize_t		n = send_some(node, node->out.data + node->out_sent,
								  node->out.len - node->out_sent);

		if (n == 0)
			return true;
		if (n < 0)
			node->io_errno = (int) -n;
		else
		{
			node->out_sent += (int) n;
			node->sent += n;
		}
	}
	resetStringInfo(&node->out);
	node->out_sent = 0;
	return node->io_errno == 0;
}

/* Appends the names that are supported, allowed and not yet in the list. */
static void
append_algorithms(StringInfo list, const char *names, const char *supported, const char *allowed)
{
	char	   *wanted = pstrdup(names);
	char	   *save = NULL;

	for (char *name = strtok_r(wanted, ",", &save); name != NULL; name = strtok_r(NULL, ",", &save))
	{
		if (ssh_listed(supported, name) && (allowed == NULL || ssh_listed(allowed, name)) &&
			!ssh_listed(list->data, name))
			appendStringInfo(list, "%s%s", list->len > 0 ? "," : "", name);
	}
	pfree(wanted);
}

/*
 * Returns the algorithms that this libssh2 supports, as a comma-separated
 * list.
 */
static char *
supported_algorithms(SshNode *node, int method)
{
	const char **supported = NULL;
	int			count = libssh2_session_supported_algs(node->session, method, &supported);
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < count; i++)
		appendStringInfo(&list, "%s%s", i > 0 ? "," : "", supported[i]);
	if (supported != NULL)
		libssh2_free(node->session, supported);
	return list.data;
}

/*
 * Sets the preference for a method: the names in this order, then the other
 * allowed ones (a comma-separated list; NULL for none).  Returns false if this
 * libssh2 supports none of them.  Unsupported ones are removed here, because
 * libssh2 1.10 does it with an overlapping memcpy().
 */
static bool
prefer(SshNode *node, int method, const char *names, const char *allowed)
{
	char	   *supported = supported_algorithms(node, method);
	StringInfoData list;

	initStringInfo(&list);
	append_algorithms(&list, names, supported, allowed);
	if (allowed != NULL)
		append_algorithms(&list, allowed, supported, NULL);
	ssh_trace(TRACE_DEBUG3, node, "  offer: %s", list.data);
	if (method < SSH_METHODS)
		node->our_offer[method] = list.data;
	return list.len > 0 && libssh2_session_method_pref(node->session, method, list.data) == 0;
}

/*
 * Does the same for an option of ssh_config that may allow nothing supported.
 */
static void
prefer_allowed(SshNode *node, const char *option, int method, const char *names, const char *allowed)
{
	if (!prefer(node, method, names, allowed))
		node->unusable = option;
}

/*
 * Sets all preferences.  Fast ciphers come first, because the library decrypts
 * in small pieces.
 */
static void
set_preferences(SshNode *node)
{
	static const char *const kex = "curve25519-sha256,curve25519-sha256@libssh.org,"
		"ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,"
		"diffie-hellman-group16-sha512,diffie-hellman-group18-sha512,"
		"diffie-hellman-group-exchange-sha256,diffie-hellman-group14-sha256";
	static const char *const ciphers = "aes128-gcm@openssh.com,aes256-gcm@openssh.com,"
		"aes128-ctr,aes192-ctr,aes256-ctr,chacha20-poly1305@openssh.com";
	static const char *const compressions = "zlib@openssh.com,zlib,none";

	const char *macs = mac_preference();
	const SshHop *hop = node->hop;

	node->unusable = NULL;
	prefer_allowed(node, "KexAlgorithms", LIBSSH2_METHOD_KEX, kex, hop->kex_algorithms);
	prefer_allowed(node, "Ciphers", LIBSSH2_METHOD_CRYPT_CS, ciphers, hop->ciphers);
	prefer_allowed(node, "Ciphers", LIBSSH2_METHOD_CRYPT_SC, ciphers, hop->ciphers);
	prefer_allowed(node, "MACs", LIBSSH2_METHOD_MAC_CS, macs, hop->macs);
	prefer_allowed(node, "MACs", LIBSSH2_METHOD_MAC_SC, macs, hop->macs);
	if (!prefer(node, LIBSSH2_METHOD_HOSTKEY, ssh_verify_preference(node), NULL))
	{
		/* only unsupported types are known, so ask for any */
		node->link->any_type = true;
		(void) prefer(node, LIBSSH2_METHOD_HOSTKEY, ssh_verify_preference(node), NULL);
	}
	if (hop->compression)
	{
		libssh2_session_flag(node->session, LIBSSH2_FLAG_COMPRESS, 1);
		(void) prefer(node, LIBSSH2_METHOD_COMP_CS, compressions, NULL);
		(void) prefer(node, LIBSSH2_METHOD_COMP_SC, compressions, NULL);
	}
}

/* Stores the server's reason for disconnecting (RFC 4253 §11.1). */
static void
disconnect_callback(LIBSSH2_SESSION *session, int reason, const char *message, int message_len,
					const char *language, int language_len, void **abstract)
{
	SshNode    *node = *abstract;
	char		text[MAX_DISCONNECT_REASON];

	if (node->session == NULL)
		return;					/* the session is being freed */
	make_printable(text, sizeof(text), message, message ? Max(message_len, 0) : 0);
	ssh_trace(TRACE_DEBUG1, node, "the server disconnects, reason %d: \"%s\"", reason, text);
	if (node->disconnect_reason == NULL && text[0] != '\0')
		node->disconnect_reason = MemoryContextStrdup(node->link->context, text);
}

/* Traces a debug message of the server (RFC 4253 §11.3). */
static void
debug_callback(LIBSSH2_SESSION *session, int always_display, const char *message, int message_len,
			   const char *language, int language_len, void **abstract)
{
	SshNode    *node = *abstract;
	char		text[1024];

	if (node->session == NULL)
		return;
	make_printable(text, sizeof(text), message, message ? Max(message_len, 0) : 0);
	ssh_trace(TRACE_DEBUG2, node, "debug message of the server: \"%s\"", text);
}

/*
 * Starts a new session on the node's carrier.  Returns false if out of memory.
 */
bool
ssh_node_begin(SshNode *node)
{
	node->session = libssh2_session_init_ex(ssh_alloc, ssh_free, ssh_realloc, node);
	if (node->session == NULL)
		return false;
	if (node->in == NULL)
	{
		node->in = MemoryContextAlloc(node->link->context, SSH_BUFFER);
		initStringInfo(&node->out);
		initStringInfo(&node->offer);
	}
	resetStringInfo(&node->offer);
	node->in_head = node->in_len = 0;
	resetStringInfo(&node->out);
	node->out_sent = 0;
	node->received = node->sent = 0;
	node->disconnect_reason = NULL;
	node->host_key = NULL;
	node->freed_host_key = NULL;
	node->rekeys = 0;
	node->ended = false;
	node->io_errno = 0;
	node->last_received = node->last_keepalive = clock_ms();
	node->unanswered = 0;
	compat_libssh2_set_callback(node->session, LIBSSH2_CALLBACK_RECV, receive_callback);
	compat_libssh2_set_callback(node->session, LIBSSH2_CALLBACK_SEND, send_callback);
	compat_libssh2_set_callback(node->session, LIBSSH2_CALLBACK_DISCONNECT, disconnect_callback);
	compat_libssh2_set_callback(node->session, LIBSSH2_CALLBACK_DEBUG, debug_callback);
	libssh2_session_set_blocking(node->session, 0);
	libssh2_keepalive_config(node->session, 1, node->hop->alive_interval);
	set_preferences(node);
	return true;
}

/* Frees the session without sending anything to the server. */
void
ssh_node_end(SshNode *node)
{
	LIBSSH2_SESSION *session = node->session;

	if (session == NULL)
		return;
	ssh_auth_end(node);
	node->session = NULL;		/* the callbacks check this */
	for (int i = 0; i < 100 && libssh2_session_free(session) == LIBSSH2_ERROR_EAGAIN; i++)
		;
	node->carrier = NULL;
}

char *
ssh_node_error(SshNode *node)
{
	char	   *text = NULL;
	char		clean[512];

	if (node->disconnect_reason != NULL)
		return psprintf("the server disconnected, saying \"%s\"", node->disconnect_reason);
	if (node->io_errno != 0)
		return pstrdup(strerror(node->io_errno));
	(void) libssh2_session_last_error(node->session, &text, NULL, 0);
	if (text == NULL || text[0] == '\0')
		return pstrdup("no reason given");
	make_printable(clean, sizeof(clean), text, strlen(text));
	return pstrdup(clean);
}
