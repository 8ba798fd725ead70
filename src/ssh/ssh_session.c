/*-------------------------------------------------------------------------
 *
 * ssh_session.c
 *	  Connects by SSH through any number of hops, step by step.
 *
 *		CONNECT → HANDSHAKE → LOGIN ──────────────→ UP
 *					  ↑			└→ JUMP (more hops) ┐
 *					  └─────────────────────────────┘
 *
 * The handshake ends with the verification of the host key.  So no hop learns
 * anything about the user before it has proven its identity.  A jump is a
 * direct-tcpip channel to the next hop; the next session runs inside it.
 *
 * A link is a state machine that never waits, because one process connects
 * several links while the first one already carries data.  Failures are either
 * transient (the network, a busy server) or final (keys and permissions);
 * final ones must not be retried.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "utils/memutils.h"

#include "ssh/ssh_link.h"

#include "base/compat.h"
#include "ssh/ssh_link.h"
#include "ssh/ssh_session.h"

#define JUMP_WINDOW		(4 * 1024 * 1024)
#define LOW_WINDOW		(2 * 1024 * 1024)
#define HIGH_WINDOW		(4 * 1024 * 1024)
#define HIGH_RTT		20		/* ms from which the larger window is faster */
#define PACKET_SIZE		32768
#define OUT_LIMIT		(256 * 1024)	/* unsent bytes at which writing stops */
#define PROBE_CHANNEL	"probe@pgtunsync"

/* ---- secrets ---- */

void
ssh_secrets_read(const EnvFile *env, SshSecrets *secrets)
{
	const char *passphrase = env_file_get_secret(env, "PGSYNC_SSH_KEY_PASSPHRASE");
	const char *password = env_file_get_secret(env, "PGSYNC_SSH_PASSWORD");

	secrets->passphrase = passphrase ? pstrdup(passphrase) : NULL;
	secrets->password = password ? pstrdup(password) : NULL;
}

static void
wipe_string(char **string)
{
	if (*string != NULL)
	{
		explicit_bzero(*string, strlen(*string));
		pfree(*string);
	}
	*string = NULL;
}

void
ssh_secrets_wipe(SshSecrets *secrets)
{
	wipe_string(&secrets->passphrase);
	wipe_string(&secrets->password);
}

/* ---- starting and ending ---- */

static void
close_everything(SshLink *link)
{
	for (int i = link->count - 1; i >= 0; i--)
		ssh_node_end(&link->nodes[i]);
	if (link->tcp != NULL)
		tcp_connect_free(link->tcp);
	link->tcp = NULL;
	if (link->sock >= 0)
		close(link->sock);
	link->sock = -1;
}

static void
on_reset(void *arg)
{
	close_everything(arg);
}

SshLink *
ssh_link_start(const SshRoute *route, const SshSecrets *secrets, int connect_timeout,
			   int number)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pgtunsync SSH link",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext oldcontext = MemoryContextSwitchTo(context);
	SshLink    *link = palloc0(sizeof(SshLink));

	if (libssh2_init(0) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not initialize libssh2")));
	link->context = context;
	link->route = route;
	link->secrets = secrets;
	link->connect_timeout = connect_timeout;
	link->number = number;
	link->since = clock_ms();
	link->sock = -1;
	link->count = list_length(route->hops);
	link->nodes = palloc0(link->count * sizeof(SshNode));
	for (int i = 0; i < link->count; i++)
	{
		link->nodes[i].link = link;
		link->nodes[i].index = i;
		link->nodes[i].hop = list_nth(route->hops, i);
		link->nodes[i].name = ssh_hop_display(link->nodes[i].hop);
	}
	link->on_reset.func = on_reset;
	link->on_reset.arg = link;
	MemoryContextRegisterResetCallback(context, &link->on_reset);
	MemoryContextSwitchTo(oldcontext);
	return link;
}

void
ssh_link_hold(SshLink *link, bool hold)
{
	link->held = hold;
}

bool
ssh_link_connected(const SshLink *link)
{
	return link->stage != STAGE_CONNECT && link->stage != STAGE_FAILED;
}

/*
 * Closes the session, with a message to the server if that needs no waiting.
 */
void
ssh_link_free(SshLink *link)
{
	if (link->failure == NULL)
		ssh_link_trace_end(link);
	if (link->stage == STAGE_UP)
	{
		for (int i = link->count - 1; i >= 0; i--)
		{
			link->nodes[i].budget = 0;
			(void) libssh2_session_disconnect(link->nodes[i].session, "done");
		}
	}
	MemoryContextDelete(link->context);
}

const SshFailure *
ssh_link_failure(const SshLink *link)
{
	return link->failure;
}

void
ssh_link_raise(const SshFailure *failure)
{
	ereport(ERROR,
			(errcode(failure->sqlerrcode),
			 errmsg_internal("%s", failure->message),
			 failure->detail ? errdetail_internal("%s", failure->detail) : 0,
			 failure->hint ? errhint("%s", failure->hint) : 0));
	pg_unreachable();
}

List *
ssh_link_steps(const SshLink *link)
{
	return link->steps;
}

static SshNode *
last_node(const SshLink *link)
{
	return &link->nodes[link->count - 1];
}

const char *
ssh_link_name(const SshLink *link)
{
	return last_node(link)->name;
}

int
ssh_link_number(const SshLink *link)
{
	return link->number;
}

/* ---- the stages ---- */

static void
enter_stage(SshLink *link, LinkStage stage)
{
	link->stage = stage;
	ssh_link_extend(link);
}

/*
 * Limits the time until the kernel reports lost packets, which would be a
 * quarter of an hour by default.
 */
static void
limit_silence(const SshLink *link, const SshHop *hop)
{
	int			on = 1;

	(void) setsockopt(link->sock, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
#ifdef TCP_USER_TIMEOUT
	{
		int			ms = hop->alive_interval * (hop->alive_count + 1) * 1000;

		(void) setsockopt(link->sock, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
	}
#endif
}

static Progress
begin_handshake(SshLink *link, SshNode *node)
{
	if (!ssh_node_begin(node))
	{
		ssh_link_fail(link, ERRCODE_OUT_OF_MEMORY, false,
					  pstrdup("out of memory for an SSH session"), NULL, NULL);
		return PROGRESS_FAILED;
	}
	if (node->unusable != NULL)
	{
		ssh_link_fail(link, ERRCODE_CONFIG_FILE_ERROR, false,
					  psprintf("%s of \"%s\" (hop %d) allows no algorithm that the tunnel supports",
							   node->unusable, node->hop->alias, node->index + 1),
					  psprintf("libssh2 %s knows none of the algorithms that ssh_config allows for this host.",
							   libssh2_version(0)),
					  psprintf("Compare \"ssh -G %s\" with the algorithms of libssh2, and allow one more for this host in ssh_config.",
							   node->hop->alias));
		return PROGRESS_FAILED;
	}
	enter_stage(link, STAGE_HANDSHAKE);
	return PROGRESS_DONE;
}

static Progress
stage_connect(SshLink *link, SshNode *node)
{
	const SshHop *hop = node->hop;
	Progress	progress;

	if (link->tcp == NULL)
	{
		ssh_trace(TRACE_DEBUG1, node, "connecting to %s port %d", hop->host, hop->port);
		link->tcp = tcp_connect_start(hop->host, hop->port, hop->family, ssh_link_timeout(link, node));
		enter_stage(link, STAGE_CONNECT);
		link->deadline = PG_INT64_MAX;	/* tcp_connect has its own deadline */
	}
	progress = tcp_connect_step(link->tcp);
	if (progress == PROGRESS_FAILED)
	{
		bool		transient;
		const char *problem = tcp_connect_problem(link->tcp, &transient);
		const char *address = tcp_connect_address(link->tcp);

		ssh_link_fail(link, ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION, transient,
					  psprintf("could not connect to SSH server \"%s\"%s%s: %s", node->name,
							   address[0] ? " at " : "", address, problem),
					  strstr(hop->alias, hop->host) != NULL ? NULL :
					  psprintf("The host \"%s\" resolves to \"%s\".", hop->alias, hop->host),
					  address[0] ?
					  "Check HostName and Port of the SSH target, and that its SSH server can be reached from this machine." :
					  psprintf("\"%s\" must be an alias in the ssh_config of operating system user \"%s\", who runs the server (your own ~/.ssh/config does not count), or a host name; see PGSYNC_SSH_HOST and PGSYNC_SSH_CONFIG.",
							   hop->alias, ssh_server_user()));
	}
	if (progress != PROGRESS_DONE)
		return progress;
	ssh_trace(TRACE_DEBUG1, node, "connected to %s", tcp_connect_address(link->tcp));
	ssh_link_note(node, "connect", pstrdup(tcp_connect_address(link->tcp)));
	link->sock = tcp_connect_take(link->tcp);
	tcp_connect_free(link->tcp);
	link->tcp = NULL;
	limit_silence(link, hop);
	return begin_handshake(link, node);
}

/* Connects again from the first hop, with any host key type. */
static Progress
connect_again(SshLink *link)
{
	ssh_trace(TRACE_DEBUG1, &link->nodes[link->current],
			  "the server has no host key of a known type; connecting again to get the key it has");
	close_everything(link);
	link->current = 0;
	link->any_type = true;
	link->steps = NIL;
	link->stage = STAGE_CONNECT;
	return PROGRESS_DONE;
}

static const char *
mismatch_hint(const SshMismatch *mismatch)
{
	if (mismatch->needs_etm)
		return "Add hmac-sha2-256 to MACs in the SSH server's sshd_config, or use libssh2 1.11 or later, which knows -etm MACs.";
	if (mismatch->host_key && libssh2_version(0x010b00) == NULL)
		return "libssh2 before 1.11 supports RSA host keys with SHA-1 only, which OpenSSH 8.8 and later do not use. Give the SSH server an ed25519 key, or use libssh2 1.11 or later.";
	return psprintf("Allow one of these in %s of ssh_config, or one more in that of the SSH server's sshd_config.",
					mismatch->option);
}

static Progress
fail_mismatch(SshLink *link, SshNode *node, const SshMismatch *mismatch)
{
	ssh_link_fail(link, ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION, false,
				  psprintf("no common %s with SSH server \"%s\" (hop %d)", mismatch->purpose,
						   node->name, node->index + 1),
				  mismatch->detail, pstrdup(mismatch_hint(mismatch)));
	return PROGRESS_FAILED;
}

static Progress
fail_handshake(SshLink *link, SshNode *node, int rc)
{
	SshMismatch mismatch;
	bool		found = ssh_offer_mismatch(node, &mismatch);
	bool		no_common = found || rc == LIBSSH2_ERROR_KEX_FAILURE ||
		rc == LIBSSH2_ERROR_KEY_EXCHANGE_FAILURE || rc == LIBSSH2_ERROR_METHOD_NONE;

	if (found && (link->any_type || !mismatch.host_key))
		return fail_mismatch(link, node, &mismatch);
	if (!no_common && (node->ended || node->io_errno != 0 || rc == LIBSSH2_ERROR_SOCKET_DISCONNECT))
		ssh_link_fail(link, ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION, true,
					  psprintf("SSH server \"%s\" (hop %d) closed the connection before the login",
							   node->name, node->index + 1),
					  ssh_node_error(node),
					  pstrdup("It may be too busy (MaxStartups), or reject this host."));
	else if (no_common && !link->any_type)
		return connect_again(link);
	else
		ssh_link_fail(link, no_common ?
					  ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION : ERRCODE_PROTOCOL_VIOLATION,
					  false,
					  psprintf("the key exchange with SSH server \"%s\" (hop %d) failed",
							   node->name, node->index + 1),
					  ssh_node_error(node),
					  pstrdup("Check that an SSH server listens on this port."));
	return PROGRESS_FAILED;
}

static const char *
method(SshNode *node, int which)
{
	const char *name = libssh2_session_methods(node->session, which);

	return name ? name : "none";
}

static void
trace_banner(SshNode *node)
{
	const char *banner = libssh2_session_banner_get(node->session);

	if (banner != NULL)
		ssh_trace(TRACE_DEBUG1, node, "the server's banner is \"%s\"", banner);
}

/* Traces the agreed methods. */
static void
trace_methods(SshNode *node)
{
	ssh_trace(TRACE_DEBUG1, node, "key exchange %s, host key algorithm %s", method(node, LIBSSH2_METHOD_KEX),
			  method(node, LIBSSH2_METHOD_HOSTKEY));
	ssh_trace(TRACE_DEBUG1, node, "client to server: cipher %s, MAC %s, compression %s",
			  method(node, LIBSSH2_METHOD_CRYPT_CS), method(node, LIBSSH2_METHOD_MAC_CS),
			  method(node, LIBSSH2_METHOD_COMP_CS));
	ssh_trace(TRACE_DEBUG1, node, "server to client: cipher %s, MAC %s, compression %s",
			  method(node, LIBSSH2_METHOD_CRYPT_SC), method(node, LIBSSH2_METHOD_MAC_SC),
			  method(node, LIBSSH2_METHOD_COMP_SC));
}

static Progress
stage_handshake(SshLink *link, SshNode *node)
{
	int			rc = libssh2_session_handshake(node->session, link->sock);

	if (rc == LIBSSH2_ERROR_EAGAIN)
		return PROGRESS_AGAIN;
	trace_banner(node);
	if (rc != 0)
		return fail_handshake(link, node, rc);
	trace_methods(node);
	if (!ssh_verify_host(node))
		return PROGRESS_FAILED;
	enter_stage(link, STAGE_LOGIN);
	return PROGRESS_DONE;
}

/*
 * Returns whether the link is held before its login.  The server waits, too,
 * so there is nothing to read.
 */
static bool
is_waiting(const SshLink *link)
{
	return link->held && link->stage == STAGE_LOGIN;
}

static Progress
stage_login(SshLink *link, SshNode *node)
{
	Progress	progress;

	if (is_waiting(link))
	{
		ssh_link_extend(link);
		return PROGRESS_AGAIN;
	}
	progress = ssh_auth_step(node);
	if (progress == PROGRESS_DONE)
		enter_stage(link, link->current + 1 < link->count ? STAGE_JUMP : STAGE_UP);
	return progress;
}

/* ---- channels ---- */

static void
append_uint32(StringInfo buf, uint32 value)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		appendStringInfoCharMacro(buf, (char) ((value >> shift) & 0xff));
}

static void
append_ssh_string(StringInfo buf, const char *value)
{
	append_uint32(buf, (uint32) strlen(value));
	appendStringInfoString(buf, value);
}

static LIBSSH2_CHANNEL *
open_channel(SshNode *node, const char *type, uint32 window, const char *message, int len)
{
	node->budget = SSH_BUFFER;
	return libssh2_channel_open_ex(node->session, type, (unsigned) strlen(type), window,
								   PACKET_SIZE, message, len);
}

/*
 * Opens a channel (RFC 4254 §7.2): host and port to connect to, then the
 * originator.
 */
static LIBSSH2_CHANNEL *
open_direct_tcpip(SshNode *node, const char *host, int port, uint32 window)
{
	StringInfoData message;
	LIBSSH2_CHANNEL *channel;

	initStringInfo(&message);
	append_ssh_string(&message, host);
	append_uint32(&message, port);
	append_ssh_string(&message, "127.0.0.1");
	append_uint32(&message, 0);
	channel = open_channel(node, "direct-tcpip", window, message.data, message.len);
	pfree(message.data);
	return channel;
}

/*
 * Opens a channel to a Unix socket of the server (OpenSSH's PROTOCOL §2.4): its
 * path, which is freed here, then two reserved fields.
 */
static LIBSSH2_CHANNEL *
open_direct_streamlocal(SshNode *node, char *path, uint32 window)
{
	StringInfoData message;
	LIBSSH2_CHANNEL *channel;

	initStringInfo(&message);
	append_ssh_string(&message, path);
	append_ssh_string(&message, "");
	append_uint32(&message, 0);
	channel = open_channel(node, "direct-streamlocal@openssh.com", window, message.data, message.len);
	pfree(message.data);
	pfree(path);
	return channel;
}

static bool
is_socket_directory(const char *host)
{
	return host[0] == '/';
}

/* Returns "host:port", or the path of the source's Unix socket. */
static char *
remote_text(const char *host, int port)
{
	return psprintf(is_socket_directory(host) ? "%s/.s.PGSQL.%d" : "%s:%d", host, port);
}

/* Opens a channel to the source. */
static LIBSSH2_CHANNEL *
open_to_source(SshNode *node, const char *host, int port, uint32 window)
{
	if (is_socket_directory(host))
		return open_direct_streamlocal(node, remote_text(host, port), window);
	return open_direct_tcpip(node, host, port, window);
}

static bool
is_refused_open(SshNode *node)
{
	return libssh2_session_last_errno(node->session) == LIBSSH2_ERROR_CHANNEL_FAILURE;
}

static Progress
stage_jump(SshLink *link, SshNode *node)
{
	SshNode    *next = node + 1;
	bool		prohibited;

	next->carrier = open_direct_tcpip(node, next->hop->host, next->hop->port, JUMP_WINDOW);
	if (next->carrier != NULL)
	{
		ssh_trace(TRACE_DEBUG1, node, "a channel to %s port %d is open, for the next hop", next->hop->host, next->hop->port);
		ssh_link_note(node, "jump", psprintf("to %s:%d", next->hop->host, next->hop->port));
		link->current++;
		return begin_handshake(link, next);
	}
	if (libssh2_session_last_errno(node->session) == LIBSSH2_ERROR_EAGAIN)
		return PROGRESS_AGAIN;
	prohibited = strstr(ssh_node_error(node), "prohibited") != NULL;
	ssh_link_fail(link,
				  prohibited ? ERRCODE_SQLSERVER_REJECTED_ESTABLISHMENT_OF_SQLCONNECTION :
				  ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION,
				  !prohibited,
				  psprintf("could not reach SSH server \"%s\" (hop %d) through \"%s\"",
						   next->name, next->index + 1, node->name),
				  ssh_node_error(node),
				  prohibited ? pstrdup("The jump host forbids forwarding to it: see AllowTcpForwarding and PermitOpen in its sshd_config.") : NULL);
	return PROGRESS_FAILED;
}

static const char *
stage_name(LinkStage stage)
{
	return stage == STAGE_HANDSHAKE ? "key exchange with" :
		stage == STAGE_LOGIN ? "login to" : "jump from";
}

char *
ssh_link_waits_for(const SshLink *link)
{
	const SshNode *node = &link->nodes[link->current];

	if (link->stage == STAGE_CONNECT)
		return psprintf("the connection to SSH server \"%s\"", node->name);
	if (link->stage == STAGE_UP)
		return psprintf("SSH server \"%s\" to connect to the source", node->name);
	return psprintf("the %s SSH server \"%s\" (hop %d)", stage_name(link->stage), node->name,
					node->index + 1);
}

static bool
deadline_passed(SshLink *link, SshNode *node)
{
	if (clock_ms() < link->deadline)
		return false;
	ssh_link_fail(link, ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION,
				  link->stage != STAGE_LOGIN,
				  psprintf("timeout during the %s SSH server \"%s\" (hop %d)",
						   stage_name(link->stage), node->name, node->index + 1),
				  psprintf("There was no progress within %d ms.", ssh_link_timeout(link, node)),
				  pstrdup("See \"pgtunsync.connect_timeout\", or ConnectTimeout in ssh_config."));
	return true;
}

static Progress
step_once(SshLink *link)
{
	SshNode    *node = &link->nodes[link->current];

	node->budget = SSH_BUFFER;
	switch (link->stage)
	{
		case STAGE_CONNECT:
			return stage_connect(link, node);
		case STAGE_HANDSHAKE:
			return stage_handshake(link, node);
		case STAGE_LOGIN:
			return stage_login(link, node);
		case STAGE_JUMP:
			return stage_jump(link, node);
		case STAGE_UP:
			return PROGRESS_DONE;
		case STAGE_FAILED:
			break;
	}
	return PROGRESS_FAILED;
}

Progress
ssh_link_step(SshLink *link)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(link->context);
	Progress	progress;

	(void) ssh_link_flush(link);
	do
		progress = step_once(link);
	while (progress == PROGRESS_DONE && link->stage != STAGE_UP);
	if (progress == PROGRESS_AGAIN && deadline_passed(link, &link->nodes[link->current]))
		progress = PROGRESS_FAILED;
	if (progress == PROGRESS_FAILED)
		close_everything(link);
	MemoryContextSwitchTo(oldcontext);
	return progress;
}

/* ---- waiting ---- */

int
ssh_link_poll(const SshLink *link, short *events, long *timeout)
{
	*timeout = 1000;
	if (is_waiting(link))
		return -1;
	if (link->tcp != NULL)
		return tcp_connect_poll(link->tcp, events);
	*events = POLLIN;
	if (link->nodes[0].out_sent < link->nodes[0].out.len)
		*events |= POLLOUT;
	if (link->stage != STAGE_UP)
		*timeout = Max(0, Min(1000, link->deadline - clock_ms()));
	return link->sock;
}

bool
ssh_link_more(const SshLink *link)
{
	if (is_waiting(link))
		return false;
	for (int i = 0; i < link->count; i++)
	{
		const SshNode *node = &link->nodes[i];

		if (node->session != NULL && (node->in_len > 0 || node->budget <= 0))
			return true;
	}
	return false;
}

bool
ssh_link_probing(const SshLink *link)
{
	return link->probing;
}

bool
ssh_link_congested(const SshLink *link)
{
	for (int i = 0; i < link->count; i++)
	{
		if (link->nodes[i].out.len - link->nodes[i].out_sent > OUT_LIMIT)
			return true;
	}
	return false;
}

int
ssh_link_rtt(const SshLink *link)
{
	int			rtt = last_node(link)->answer_ms;

#if defined(TCP_INFO) && defined(__linux__)
	struct tcp_info info;
	socklen_t	len = sizeof(info);

	/*
	 * answer_ms includes the server's processing time; with one hop, the
	 * kernel's measurement is better
	 */
	if (link->count == 1 && getsockopt(link->sock, IPPROTO_TCP, TCP_INFO, &info, &len) == 0)
		rtt = (int) (info.tcpi_rtt / 1000);
#endif
	return rtt;
}

/* ---- the established link ---- */

/* Marks the link as lost.  Only the first reason is kept. */
static void
set_lost(SshLink *link, SshNode *node, char *detail)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(link->context);

	if (link->failure == NULL)
		ssh_link_fail(link, ERRCODE_CONNECTION_FAILURE, false,
					  psprintf("the connection to SSH server \"%s\" was lost", node->name),
					  detail, NULL);
	MemoryContextSwitchTo(oldcontext);
}

/* Returns the node that broke first, from the outermost hop inwards. */
static SshNode *
broken_node(SshLink *link)
{
	for (int i = 0; i < link->count; i++)
	{
		if (link->nodes[i].ended || link->nodes[i].io_errno != 0)
			return &link->nodes[i];
	}
	return last_node(link);
}

/*
 * Returns whether an error of libssh2 ends the link, and not only the channel.
 */
static bool
check_loss(SshLink *link, int rc)
{
	SshNode    *node = broken_node(link);

	if (link->failure != NULL)
		return true;
	if (rc >= 0 || rc == LIBSSH2_ERROR_EAGAIN || rc == LIBSSH2_ERROR_CHANNEL_CLOSED ||
		rc == LIBSSH2_ERROR_CHANNEL_EOF_SENT || rc == LIBSSH2_ERROR_CHANNEL_FAILURE)
	{
		if (!node->ended && node->io_errno == 0)
			return false;
		/* data before the end of the connection must still be read */
		if (rc >= 0)
			return false;
	}
	set_lost(link, node, node->ended && node->disconnect_reason == NULL ? pstrdup("The server closed the connection.") :
			 ssh_node_error(node));
	return true;
}

/* Describes a refused channel in terms of the source. */
static SshFailure *
open_failure(SshLink *link, const char *host, int port)
{
	SshFailure *failure = palloc0(sizeof(SshFailure));
	char	   *reason = ssh_node_error(last_node(link));
	const char *name = ssh_link_name(link);
	char	   *remote = remote_text(host, port);

	failure->sqlerrcode = ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION;
	failure->detail = reason;
	if (strstr(reason, "prohibited") != NULL)
	{
		failure->sqlerrcode = ERRCODE_SQLSERVER_REJECTED_ESTABLISHMENT_OF_SQLCONNECTION;
		failure->message = psprintf("SSH server \"%s\" forbids forwarding to %s", name, remote);
		failure->hint = pstrdup("See AllowTcpForwarding and PermitOpen in its sshd_config, and restrictions of the key in authorized_keys.");
	}
	else if (strstr(reason, "connect failed") != NULL)
	{
		failure->message = psprintf("%s cannot be reached from SSH server \"%s\"", remote, name);
		failure->hint = is_socket_directory(host) ?
			pstrdup("Check PGSYNC_REMOTE_HOST (the directory of the socket) and PGSYNC_REMOTE_PORT, and AllowStreamLocalForwarding in the SSH server's sshd_config.") :
			pstrdup("Check PGSYNC_REMOTE_HOST and PGSYNC_REMOTE_PORT: they are seen from the jump host.");
	}
	else
		failure->message = psprintf("SSH server \"%s\" did not open a channel to %s", name, remote);
	return failure;
}

Progress
ssh_link_open(SshLink *link, const char *host, int port, LIBSSH2_CHANNEL **channel,
			  SshFailure **failure)
{
	SshNode    *node = last_node(link);
	uint32		window = ssh_link_rtt(link) >= HIGH_RTT ? HIGH_WINDOW : LOW_WINDOW;
	int			rc;

	*channel = NULL;
	if (link->failure != NULL)
	{
		*failure = link->failure;
		return PROGRESS_FAILED;
	}
	if (link->probing && !ssh_link_pump(link, NULL))
	{
		*failure = link->failure;
		return PROGRESS_FAILED;
	}
	if (link->probing)
		return PROGRESS_AGAIN;
	if (!link->opening)
		ssh_trace(TRACE_DEBUG1, node, "opening a channel to %s port %d, window %u bytes, round trip %d ms",
				  host, port, window, ssh_link_rtt(link));
	*channel = open_to_source(node, host, port, window);
	rc = *channel ? 0 : libssh2_session_last_errno(node->session);
	link->opening = rc == LIBSSH2_ERROR_EAGAIN;
	if (*channel != NULL)
	{
		ssh_trace(TRACE_DEBUG1, node, "the channel is open; the server's window is " UINT64_FORMAT " bytes",
				  (uint64) libssh2_channel_window_write(*channel));
		return PROGRESS_DONE;
	}
	if (rc == LIBSSH2_ERROR_EAGAIN)
		return check_loss(link, rc) ? (*failure = link->failure, PROGRESS_FAILED) : PROGRESS_AGAIN;
	if (is_refused_open(node))
		*failure = open_failure(link, host, port);
	else
	{
		(void) check_loss(link, rc);
		*failure = link->failure;
	}
	return PROGRESS_FAILED;
}

ssize_t
ssh_link_read(SshLink *link, LIBSSH2_CHANNEL *channel, char *buf, size_t len)
{
	ssize_t		n;

	last_node(link)->budget = SSH_BUFFER;
	n = libssh2_channel_read(channel, buf, len);
	(void) check_loss(link, (int) n);
	return n;
}

ssize_t
ssh_link_write(SshLink *link, LIBSSH2_CHANNEL *channel, const char *buf, size_t len)
{
	ssize_t		n;

	last_node(link)->budget = SSH_BUFFER;
	n = libssh2_channel_write(channel, buf, len);
	(void) check_loss(link, (int) n);
	return n;
}

int
ssh_link_close_channel(SshLink *link, LIBSSH2_CHANNEL *channel)
{
	last_node(link)->budget = SSH_BUFFER;
	return libssh2_channel_free(channel);
}

bool
ssh_link_flush(SshLink *link)
{
	for (int i = link->count - 1; i >= 0; i--)
	{
		if (link->nodes[i].session != NULL && !ssh_node_flush(&link->nodes[i]) &&
			link->stage == STAGE_UP)
			set_lost(link, &link->nodes[i], ssh_node_error(&link->nodes[i]));
	}
	return link->failure == NULL;
}

/*
 * Makes libssh2 read without a channel, for which it has no function.  Opening
 * a channel of a type that no server knows makes it read until the server has
 * refused, which also proves that the server is alive.
 */
static void
probe(SshLink *link)
{
	SshNode    *node = last_node(link);
	LIBSSH2_CHANNEL *channel = open_channel(node, PROBE_CHANNEL, 0, NULL, 0);
	int			rc = channel ? 0 : libssh2_session_last_errno(node->session);

	link->probing = rc == LIBSSH2_ERROR_EAGAIN;
	if (channel != NULL)
		(void) libssh2_channel_free(channel);
	else if (!is_refused_open(node))
		(void) check_loss(link, rc);
	else if (node->ended || node->io_errno != 0)
		(void) check_loss(link, LIBSSH2_ERROR_SOCKET_DISCONNECT);
}

bool
ssh_link_pump(SshLink *link, LIBSSH2_CHANNEL *channel)
{
	if (link->failure != NULL)
		return false;
	if (link->probing || (channel == NULL && !link->opening))
		probe(link);
	else if (channel != NULL)
	{
		last_node(link)->budget = SSH_BUFFER;
		(void) check_loss(link, libssh2_channel_wait_eof(channel));
	}
	return link->failure == NULL;
}

/* Sends a keepalive to one hop; fill_buffer() notices the answer. */
static void
send_keepalive(SshNode *node, int64 now)
{
	int			next;

	node->last_keepalive = now;
	node->unanswered++;
	node->budget = SSH_BUFFER;
	ssh_trace(TRACE_DEBUG1, node, "nothing was received for %d ms; keepalive %d of %d",
			  (int) (now - node->last_received), node->unanswered, node->hop->alive_count);
	(void) libssh2_keepalive_send(node->session, &next);
}

bool
ssh_link_check_alive(SshLink *link)
{
	int64		now = clock_ms();

	for (int i = 0; i < link->count && link->failure == NULL; i++)
	{
		SshNode    *node = &link->nodes[i];
		int64		interval = node->hop->alive_interval * 1000;

		if (!ssh_verify_rekey(node))
		{
			set_lost(link, node, pstrdup("It showed another host key in a new key exchange."));
			break;
		}
		if (now - node->last_received < interval || now - node->last_keepalive < interval)
			continue;
		if (node->unanswered >= node->hop->alive_count)
			set_lost(link, node, psprintf("It has been silent for %d s, and did not answer %d keepalives.",
										  (int) ((now - node->last_received) / 1000),
										  node->unanswered));
		else
			send_keepalive(node, now);
	}
	return link->failure == NULL;
}
