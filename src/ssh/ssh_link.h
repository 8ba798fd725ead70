/*-------------------------------------------------------------------------
 *
 * ssh_link.h
 *	  The internals of an SshLink, for ssh_*.c only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_SSH_LINK_H
#define PGTUNSYNC_SSH_LINK_H

#include <libssh2.h>

#include "base/clock.h"
#include "base/trace.h"
#include "ssh/ssh_route.h"
#include "ssh/ssh_types.h"
#include "ssh/tcp_connect.h"

#define SSH_BUFFER		(128 * 1024)	/* size of the receive buffer, and budget of a call */

#define SSH_METHODS		6		/* purposes that need a common algorithm, from LIBSSH2_METHOD_KEX */

typedef struct SshAuth SshAuth;

/*
 * One hop: its SSH session, and the buffers between the session and its
 * carrier.
 */
typedef struct SshNode
{
	SshLink    *link;
	int			index;
	const SshHop *hop;
	char	   *name;			/* "user@host:port" */

	LIBSSH2_SESSION *session;
	LIBSSH2_CHANNEL *carrier;	/* channel of the previous session; NULL for the socket */

	char	   *in;				/* received, but not yet read by libssh2 */
	size_t		in_head;
	size_t		in_len;
	ssize_t		budget;			/* bytes that libssh2 may still read in this call */
	StringInfoData out;			/* produced by libssh2, not yet sent */
	int			out_sent;

	bool		ended;			/* the other side has closed the connection */
	int			io_errno;		/* the error that broke it, or 0 */

	int64		received;		/* bytes on the wire */
	int64		sent;
	char	   *disconnect_reason;		/* the server's reason for disconnecting, or NULL */

	const char *host_key;		/* libssh2's memory with the host key of the last key exchange */
	const void *freed_host_key; /* the block that libssh2 freed last */
	char	   *verified_key;	/* a copy of the verified key */
	size_t		verified_len;
	int			rekeys;
	StringInfoData offer;		/* the server's banner and first packet */
	char	   *our_offer[SSH_METHODS];	/* comma-separated, by LIBSSH2_METHOD_… */
	const char *unusable;		/* ssh_config option that allows no supported algorithm */

	int64		last_received;			/* time of the last received data */
	int64		last_keepalive;			/* time of the last keepalive */
	int			unanswered;

	SshAuth    *auth;
	bool		restricted;		/* host key types are limited to the known ones */
	int64		methods_requested;	/* time of the request for the list of methods */
	int			answer_ms;		/* time until its answer */
} SshNode;

typedef enum LinkStage
{
	STAGE_CONNECT,				/* TCP to the first hop */
	STAGE_HANDSHAKE,			/* key exchange, then the host key is verified */
	STAGE_LOGIN,
	STAGE_JUMP,					/* opening a channel to the next hop */
	STAGE_UP,
	STAGE_FAILED
} LinkStage;

struct SshLink
{
	MemoryContext context;
	MemoryContextCallback on_reset;
	const SshRoute *route;
	const SshSecrets *secrets;
	int			connect_timeout;

	int			number;			/* number of the session in its run, from 1, for the trace */
	int64		since;			/* start time, from clock_ms() */
	LinkStage	stage;
	int64		deadline;		/* of the stage */
	TcpConnect *tcp;
	int			sock;
	SshNode    *nodes;
	int			count;
	int			current;		/* the node being connected */
	bool		held;			/* must not log in yet */
	bool		any_type;		/* the server has no host key of a known type */
	bool		opening;		/* opening a channel is in progress */
	bool		probing;		/* the channel is a probe, which makes libssh2 read */

	SshFailure *failure;
	List	   *steps;
};

#define ssh_trace(level, node, format, ...) \
	trace(level, "session %d, hop %d: " format, (node)->link->number, (node)->index + 1, ##__VA_ARGS__)

/* ssh_transport.c */
extern bool ssh_node_begin(SshNode *node);
extern void ssh_node_end(SshNode *node);
extern bool ssh_node_flush(SshNode *node);
extern void *ssh_alloc(size_t size, void **abstract);	/* memory that libssh2 frees */
extern char *ssh_node_error(SshNode *node); /* the last error of the server or libssh2, palloc'd */

/* ssh_offer.c */

/* Why a key exchange finds no common algorithm. */
typedef struct SshMismatch
{
	bool		host_key;		/* it is about the server's host key */
	bool		needs_etm;		/* the server has only MACs that this libssh2 lacks */
	const char *purpose;		/* "MAC", … */
	const char *option;			/* of ssh_config and sshd_config */
	char	   *detail;			/* what each side offers */
} SshMismatch;

/* Keeps what the server sends during the handshake, up to a limit. */
extern void ssh_offer_collect(SshNode *node, const char *data, size_t len);

/* Returns false if there is a common algorithm, or no offer was seen. */
extern bool ssh_offer_mismatch(const SshNode *node, SshMismatch *mismatch);

/* ssh_verify.c */
extern char *ssh_verify_preference(SshNode *node);
extern bool ssh_verify_host(SshNode *node);
extern bool ssh_verify_rekey(SshNode *node);

/* ssh_auth.c */
extern Progress ssh_auth_step(SshNode *node);
extern void ssh_auth_end(SshNode *node);

/* ssh_link.c */
extern const char *ssh_server_user(void);	/* the operating system user, palloc'd */
extern void ssh_link_fail(SshLink *link, int sqlerrcode, bool transient, char *message,
						  char *detail, char *hint);
extern int	ssh_link_timeout(const SshLink *link, const SshNode *node); /* in ms */
extern void ssh_link_extend(SshLink *link); /* restarts the deadline of the stage */
extern void ssh_link_trace_end(SshLink *link);
extern void ssh_link_note(SshNode *node, const char *name, char *detail);
extern bool ssh_listed(const char *list, const char *word); /* comma-separated */

#endif							/* PGTUNSYNC_SSH_LINK_H */
