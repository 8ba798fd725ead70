/*-------------------------------------------------------------------------
 *
 * ssh_link.h
 *	  The inside of an SshLink, for ssh_*.c only.
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

#define SSH_BUFFER		(128 * 1024)	/* receive buffer, and budget of a call */

typedef struct SshAuth SshAuth;

/* One hop: its SSH session, and the bytes between it and what carries it. */
typedef struct SshNode
{
	SshLink    *link;
	int			index;
	const SshHop *hop;
	char	   *name;			/* "user@host:port" */

	LIBSSH2_SESSION *session;
	LIBSSH2_CHANNEL *carrier;	/* in the session before; NULL: the socket */

	char	   *in;				/* received, not yet taken by libssh2 */
	size_t		in_head;
	size_t		in_len;
	ssize_t		budget;			/* what libssh2 may still take in this call */
	StringInfoData out;			/* produced by libssh2, not yet sent */
	int			out_sent;

	bool		ended;			/* the other side has closed */
	int			io_errno;		/* what broke it, or 0 */

	int64		received;		/* bytes, as they travel */
	int64		sent;
	char	   *goodbye;		/* the server's words when it disconnected, or NULL */

	const char *host_key;		/* libssh2's block with the key of the last key exchange */
	const void *freed_host_key; /* and the one that it gave back last */
	char	   *verified_key;	/* a copy of the one that was verified */
	size_t		verified_len;
	int			rekeys;
	const char *unusable;		/* the option of ssh_config that leaves no algorithm, or NULL */

	int64		heard;			/* when anything last arrived */
	int64		asked;			/* when we last asked for a sign of life */
	int			unanswered;

	SshAuth    *auth;
	bool		restricted;		/* host key types limited to the known ones */
	int64		question_sent;	/* when the list of methods was asked for */
	int			answer_ms;		/* and how long the answer took */
} SshNode;

typedef enum LinkStage
{
	STAGE_CONNECT,				/* TCP to the first hop */
	STAGE_HANDSHAKE,			/* key exchange, then the host key is verified */
	STAGE_LOGIN,
	STAGE_JUMP,					/* a channel to the next hop */
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

	int			number;			/* of the session in its run, from 1: for the trace */
	int64		since;			/* clock_ms() */
	LinkStage	stage;
	int64		deadline;		/* of the stage */
	TcpConnect *tcp;
	int			sock;
	SshNode    *nodes;
	int			count;
	int			current;		/* the node being connected */
	bool		held;			/* must not log in yet */
	bool		any_type;		/* the known host key types did not do */
	bool		opening;		/* a channel open is under way */
	bool		probing;		/* and it is ours, to hear from the server */

	SshFailure *failure;
	List	   *steps;
};

#define ssh_trace(level, node, format, ...) \
	trace(level, "session %d, hop %d: " format, (node)->link->number, (node)->index + 1, ##__VA_ARGS__)

/* ssh_transport.c */
extern bool ssh_node_begin(SshNode *node);
extern void ssh_node_end(SshNode *node);
extern bool ssh_node_flush(SshNode *node);
extern void *ssh_alloc(size_t size, void **abstract);	/* as libssh2 will free it */
extern char *ssh_node_error(SshNode *node); /* the server's last words or libssh2's, palloc'd */

/* ssh_verify.c */
extern char *ssh_verify_preference(SshNode *node);
extern bool ssh_verify_host(SshNode *node);
extern bool ssh_verify_rekey(SshNode *node);

/* ssh_auth.c */
extern Progress ssh_auth_step(SshNode *node);
extern void ssh_auth_end(SshNode *node);

/* ssh_link.c */
extern void ssh_link_fail(SshLink *link, int sqlerrcode, bool transient, char *message,
						  char *detail, char *hint);
extern int	ssh_link_timeout(const SshLink *link, const SshNode *node); /* of a stage, in ms */
extern void ssh_link_extend(SshLink *link); /* the stage's deadline begins anew */
extern void ssh_link_trace_end(SshLink *link);
extern void ssh_link_note(SshNode *node, const char *name, char *detail);
extern bool ssh_listed(const char *list, const char *word); /* in a comma list? */

#endif							/* PGTUNSYNC_SSH_LINK_H */
