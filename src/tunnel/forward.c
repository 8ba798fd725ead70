/*-------------------------------------------------------------------------
 *
 * forward.c
 *	  One local connection and its SSH channel.
 *
 *		OPENING → OPEN → CLOSING → ENDED
 *
 * Two one-way streets, each with one buffer: nothing is read into a buffer
 * before what is in it has gone out at the other side.  That is all the flow
 * control there is, and enough: an unread socket fills up and stops its
 * writer, an unread channel uses up its window and stops the server, so memory
 * stays bounded however slow either side is.
 *
 * Each direction ends by itself: an end of file is passed on (shutdown() here,
 * SSH_MSG_CHANNEL_EOF there) once everything before it has gone out.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tunnel/forward.h"
#include "base/clock.h"
#include "base/trace.h"

#include "base/compat.h"
#include "base/platform.h"

#define INBOUND_SIZE	(128 * 1024)
#define OUTBOUND_SIZE	(64 * 1024)

typedef enum ForwardState
{
	FORWARD_OPENING,
	FORWARD_OPEN,
	FORWARD_CLOSING,
	FORWARD_ENDED
} ForwardState;

typedef struct Pipe
{
	char	   *data;
	size_t		start;
	size_t		end;
	bool		eof;			/* nothing will come any more */
	bool		eof_passed;		/* and the other side knows */
} Pipe;

struct Forward
{
	ForwardState state;
	SshLink    *link;
	LIBSSH2_CHANNEL *channel;
	int			sock;
	const char *host;
	int			port;
	Pipe		inbound;		/* channel → socket */
	Pipe		outbound;		/* socket → channel */
	bool		reads;
	SshFailure *failure;

	int			number;			/* for the trace, with what follows */
	int64		since;			/* clock_ms() */
	int64		told;			/* when the last line was written */
	int64		bytes_in;
	int64		bytes_out;
};

static int	started = 0;		/* connections of this process so far */

Forward *
forward_start(SshLink *link, int sock, LIBSSH2_CHANNEL *channel, const char *host, int port)
{
	Forward    *forward = palloc0(sizeof(Forward));

	forward->number = ++started;
	forward->since = forward->told = clock_ms();
	trace(TRACE_DEBUG1, "connection %d: through SSH session %d%s", forward->number, ssh_link_number(link),
		  channel ? ", by the channel that is open" : "");
	forward->state = channel ? FORWARD_OPEN : FORWARD_OPENING;
	forward->link = link;
	forward->channel = channel;
	forward->sock = sock;
	forward->host = host;
	forward->port = port;
	forward->inbound.data = palloc(INBOUND_SIZE);
	forward->outbound.data = palloc(OUTBOUND_SIZE);
	return forward;
}

static bool
is_empty(const Pipe *pipe)
{
	return pipe->start == pipe->end;
}

static bool
would_block(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* Gives up on the local side: nobody is there to read or write. */
static void
abandon(Forward *forward)
{
	forward->state = FORWARD_CLOSING;
}

static bool
read_channel(Forward *forward)
{
	Pipe	   *pipe = &forward->inbound;
	ssize_t		n;

	forward->reads = is_empty(pipe) && !pipe->eof;
	if (!forward->reads)
		return false;
	n = ssh_link_read(forward->link, forward->channel, pipe->data, INBOUND_SIZE);
	if (n > 0)
	{
		pipe->start = 0;
		pipe->end = n;
		forward->bytes_in += n;
		return true;
	}
	if (n == 0 && libssh2_channel_eof(forward->channel))
	{
		pipe->eof = true;
		trace(TRACE_DEBUG2, "connection %d: end of file from the source", forward->number);
		return true;
	}
	if (n < 0 && n != LIBSSH2_ERROR_EAGAIN)
		abandon(forward);
	return false;
}

static bool
write_socket(Forward *forward)
{
	Pipe	   *pipe = &forward->inbound;
	ssize_t		n;

	if (!is_empty(pipe))
	{
		n = send(forward->sock, pipe->data + pipe->start, pipe->end - pipe->start, MSG_NOSIGNAL);
		if (n < 0)
		{
			if (!would_block())
				abandon(forward);
			return false;
		}
		pipe->start += n;
		return is_empty(pipe);
	}
	if (pipe->eof && !pipe->eof_passed)
	{
		(void) shutdown(forward->sock, SHUT_WR);
		pipe->eof_passed = true;
		return true;
	}
	return false;
}

static bool
read_socket(Forward *forward)
{
	Pipe	   *pipe = &forward->outbound;
	ssize_t		n;

	if (!is_empty(pipe) || pipe->eof || ssh_link_congested(forward->link))
		return false;
	n = recv(forward->sock, pipe->data, OUTBOUND_SIZE, 0);
	if (n < 0)
	{
		if (!would_block())
			abandon(forward);
		return false;
	}
	if (n == 0)
	{
		pipe->eof = true;
		trace(TRACE_DEBUG2, "connection %d: end of file from here", forward->number);
	}
	pipe->start = 0;
	pipe->end = n;
	return true;
}

static bool
write_channel(Forward *forward)
{
	Pipe	   *pipe = &forward->outbound;
	ssize_t		n;

	if (!is_empty(pipe))
	{
		if (ssh_link_congested(forward->link))
			return false;
		n = ssh_link_write(forward->link, forward->channel, pipe->data + pipe->start,
						   pipe->end - pipe->start);
		if (n < 0 && n != LIBSSH2_ERROR_EAGAIN)
			abandon(forward);
		if (n > 0)
		{
			pipe->start += n;
			forward->bytes_out += n;
		}
		return n > 0;
	}
	if (pipe->eof && !pipe->eof_passed)
	{
		int			rc = ssh_link_send_eof(forward->link, forward->channel);

		pipe->eof_passed = rc != LIBSSH2_ERROR_EAGAIN;
		return pipe->eof_passed;
	}
	return false;
}

static bool
step_opening(Forward *forward)
{
	Progress	progress = ssh_link_open(forward->link, forward->host, forward->port,
										 &forward->channel, &forward->failure);

	if (progress == PROGRESS_AGAIN)
		return false;
	forward->state = progress == PROGRESS_DONE ? FORWARD_OPEN : FORWARD_ENDED;
	return true;
}

/*
 * Once a second: how far it has come, and the window that is left to the
 * source.
 */
static void
trace_progress(Forward *forward)
{
	int64		now;

	if (trace_level < TRACE_DEBUG3 || (now = clock_ms()) - forward->told < 1000)
		return;
	forward->told = now;
	trace(TRACE_DEBUG3, "connection %d: " INT64_FORMAT " bytes in, " INT64_FORMAT " out, window " UINT64_FORMAT "%s",
		  forward->number, forward->bytes_in, forward->bytes_out,
		  (uint64) libssh2_channel_window_read(forward->channel),
		  is_empty(&forward->inbound) ? "" : ", waiting for the local side");
}

static bool
step_open(Forward *forward)
{
	bool		moved = false;

	trace_progress(forward);
	moved |= read_channel(forward);
	if (forward->state == FORWARD_OPEN)
		moved |= write_socket(forward);
	if (forward->state == FORWARD_OPEN)
		moved |= read_socket(forward);
	if (forward->state == FORWARD_OPEN)
		moved |= write_channel(forward);
	if (forward->inbound.eof_passed && forward->outbound.eof_passed)
		forward->state = FORWARD_CLOSING;
	return moved || forward->state != FORWARD_OPEN;
}

static bool
step_closing(Forward *forward)
{
	if (forward->sock >= 0)
		close(forward->sock);
	forward->sock = -1;
	if (ssh_link_failure(forward->link) == NULL &&
		ssh_link_close_channel(forward->link, forward->channel) == LIBSSH2_ERROR_EAGAIN)
		return false;
	forward->channel = NULL;
	forward->state = FORWARD_ENDED;
	return true;
}

bool
forward_step(Forward *forward, bool may_open)
{
	forward->reads = false;
	switch (forward->state)
	{
		case FORWARD_OPENING:
			return may_open && step_opening(forward);
		case FORWARD_OPEN:
			return step_open(forward);
		case FORWARD_CLOSING:
			forward->reads = true;
			return step_closing(forward);
		case FORWARD_ENDED:
			break;
	}
	return false;
}

int
forward_poll(const Forward *forward, short *events)
{
	*events = 0;
	if (forward->state == FORWARD_OPEN)
	{
		if (!is_empty(&forward->inbound))
			*events |= POLLOUT;
		if (is_empty(&forward->outbound) && !forward->outbound.eof &&
			!ssh_link_congested(forward->link))
			*events |= POLLIN;
	}
	return *events ? forward->sock : -1;
}

SshLink *
forward_link(const Forward *forward)
{
	return forward->link;
}

bool
forward_opening(const Forward *forward)
{
	return forward->state == FORWARD_OPENING;
}

LIBSSH2_CHANNEL *
forward_channel(const Forward *forward)
{
	return forward->state == FORWARD_OPEN ? forward->channel : NULL;
}

bool
forward_reads(const Forward *forward)
{
	return forward->reads;
}

bool
forward_ended(const Forward *forward, const SshFailure **failure)
{
	*failure = forward->failure;
	return forward->state == FORWARD_ENDED;
}

void
forward_free(Forward *forward)
{
	trace(TRACE_DEBUG1, "connection %d: closed after " INT64_FORMAT " ms, " INT64_FORMAT " bytes in, " INT64_FORMAT " out",
		  forward->number, clock_ms() - forward->since, forward->bytes_in, forward->bytes_out);
	if (forward->sock >= 0)
		close(forward->sock);
	pfree(forward->inbound.data);
	pfree(forward->outbound.data);
	pfree(forward);
}
