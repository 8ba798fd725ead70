/*-------------------------------------------------------------------------
 *
 * tunnel_worker.c
 *	  The tunnel's own process: one loop that never blocks.
 *
 * Started by tunnel_start(), without a database.  In the order of events:
 *
 *		connect the first SSH session		transient failures are retried, visibly
 *		connect the other sessions			beside it, up to the login
 *		prove the way to the remote port	a channel, kept for the first visitor
 *		open the entrance, tell the leader	'O'; all this within a time
 *		carry connections					until the leader ends it
 *
 * The other sessions save their round trips by starting early, but log in only
 * when the first one has: what is refused is refused once, not as often as
 * there are sessions.
 *
 * Several sessions, because one is bound by its window and by one core's
 * decryption at the server.  A new connection goes to the session that has the
 * fewest.  A server that allows fewer sessions than we want (MaxSessions,
 * MaxStartups) only makes the run slower.
 *
 * Everything happens in one poll() loop.  A WaitEventSet would have to be
 * rebuilt whenever a connection comes or goes, and cannot be told to wait for
 * nothing on a socket; so signals arrive through a pipe of our own, and the
 * postmaster's death through its.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "postmaster/postmaster.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/pmsignal.h"
#include "storage/proc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/wait_event.h"

#include "tunnel/listener.h"
#include "tunnel/forward.h"
#include "base/serialize.h"
#include "base/worker_message.h"
#include "base/clock.h"
#include "base/trace.h"
#include "tunnel/tunnel_gate.h"
#include "tunnel/tunnel_options.h"

#include "base/compat.h"
#include "base/wait_event.h"

#define ANNOUNCE_WAIT	2000	/* ms that an unannounced visitor may stand there */
#define SESSION_WAIT	1000	/* ms that one waits for a session to itself */
#define SPARE_LIFE		10000	/* ms that the proven channel is kept */
#define MAX_LOGINS		8		/* sessions that connect at a time: sshd's MaxStartups is 10 */
#define MAX_VISITORS	64
#define MAX_WARNINGS	20		/* about uninvited visitors */
#define FIRST_PROGRESS	3000	/* ms without an answer until the caller learns of it */

typedef enum SlotState
{
	SLOT_IDLE,					/* not wanted yet */
	SLOT_CONNECTING,
	SLOT_WAITING,				/* for the next attempt */
	SLOT_UP,
	SLOT_GIVEN_UP
} SlotState;

/* An SSH session that we have or want. */
typedef struct Slot
{
	SlotState	state;
	SshLink    *link;
	int			attempt;
	int64		retry_at;
	int			forwards;
	bool		read;			/* in this round */
	LIBSSH2_CHANNEL *channel;	/* one of its open channels */
} Slot;

/* Somebody who has connected and not been let in yet. */
typedef struct Arrival
{
	Visitor		visitor;
	GateVerdict verdict;
	int64		since;
} Arrival;

typedef struct TunnelWorker
{
	TunnelShared *shared;
	TunnelOrders *orders;
	int64		since;
	bool		told;			/* the caller knows that it takes time */
	SshFailure *last_failure;	/* of an attempt of the first slot, or NULL */
	Slot	   *slots;
	int			slot_count;
	bool		settled;		/* every slot is up or given up */
	char	   *shortage;		/* why one was given up, or NULL */
	Entrance   *entrance;		/* NULL: not open yet */
	LIBSSH2_CHANNEL *spare;		/* the proven channel, of the first slot */
	int64		spare_since;
	List	   *arrivals;		/* of Arrival * */
	List	   *forwards;		/* of Forward * */
	int			warnings;
	struct pollfd *pollfds;
	int			poll_size;
	int			poll_count;
	bool		visitors_wait;	/* poll() said so */
} TunnelWorker;

PGDLLEXPORT void pgtunsync_tunnel_main(Datum arg);

static int	wake_pipe[2] = {-1, -1};

/* ---- signals and exit ---- */

static void
handle_sigterm(SIGNAL_ARGS)
{
	int			save_errno = errno;

	ShutdownRequestPending = true;
	SetLatch(MyLatch);
	(void) !write(wake_pipe[1], "", 1);
	errno = save_errno;
}

static void
set_up_signals(void)
{
	if (pipe(wake_pipe) != 0)
		elog(ERROR, "could not create a pipe: %m");
	for (int i = 0; i < 2; i++)
	{
		(void) fcntl(wake_pipe[i], F_SETFL, O_NONBLOCK);
		(void) fcntl(wake_pipe[i], F_SETFD, FD_CLOEXEC);
	}
	pqsignal(SIGTERM, handle_sigterm);
	pqsignal(SIGPIPE, SIG_IGN);
	BackgroundWorkerUnblockSignals();
}

/* The last words must get through before the queue goes away. */
static void
flush_at_exit(int code, Datum arg)
{
	relay_flush_wait(1000);
}

/* ---- sessions ---- */

static void
start_slot(TunnelWorker *worker, Slot *slot)
{
	slot->state = SLOT_CONNECTING;
	slot->attempt++;
	slot->link = ssh_link_start(worker->orders->route, &worker->orders->secrets,
								worker->orders->connect_timeout,
								(int) (slot - worker->slots) + 1);
}

static bool
is_first(const TunnelWorker *worker, const Slot *slot)
{
	return slot == &worker->slots[0];
}

/* Would a link write a new host key down?  Once is enough. */
static bool
learns_keys(const SshRoute *route)
{
	ListCell   *lc;

	foreach(lc, route->hops)
	{
		if (((SshHop *) lfirst(lc))->accept_new)
			return true;
	}
	return false;
}

/* Has the first session logged in?  One that was given up had. */
static bool
first_is_in(const TunnelWorker *worker)
{
	SlotState	state = worker->slots[0].state;

	return state == SLOT_UP || state == SLOT_GIVEN_UP;
}

/* True if the sessions beside the first one may begin to connect. */
static bool
others_may_start(const TunnelWorker *worker)
{
	const Slot *first = &worker->slots[0];

	return first_is_in(worker) ||
		(first->state == SLOT_CONNECTING && ssh_link_connected(first->link) &&
		 !learns_keys(worker->orders->route));
}

/*
 * Is there room for one more that has not logged in? Others log in there, too.
 * The first may always start: those that have may be waiting for it.
 */
static bool
may_start(const TunnelWorker *worker, const Slot *slot)
{
	int			connecting = 0;

	for (int i = 0; i < worker->slot_count; i++)
		connecting += worker->slots[i].state == SLOT_CONNECTING;
	return is_first(worker, slot) || connecting < MAX_LOGINS;
}

static int
slots_up(const TunnelWorker *worker)
{
	int			up = 0;

	for (int i = 0; i < worker->slot_count; i++)
		up += worker->slots[i].state == SLOT_UP;
	return up;
}

static bool
slots_pending(const TunnelWorker *worker)
{
	for (int i = 0; i < worker->slot_count; i++)
	{
		if (worker->slots[i].state != SLOT_UP && worker->slots[i].state != SLOT_GIVEN_UP)
			return true;
	}
	return false;
}

/* What the first session has done so far, for tunnel_steps(). */
static void
report_steps(const SshLink *link)
{
	ListCell   *lc;

	foreach(lc, ssh_link_steps(link))
	{
		SshStep    *step = lfirst(lc);
		StringInfoData buf;

		initStringInfo(&buf);
		pack_string(&buf, psprintf("hop %d: %s", step->hop, step->name));
		pack_string(&buf, step->detail);
		relay_send('S', buf.data, buf.len);
		pfree(buf.data);
	}
}

/*
 * The first session's failure is the run's, any other's only makes it slower.
 */
static void
give_up_slot(TunnelWorker *worker, Slot *slot)
{
	const SshFailure *failure = ssh_link_failure(slot->link);

	if (is_first(worker, slot))
	{
		if (slot->attempt > 1)
			ereport(worker->orders->progress_level,
					(errmsg("opening the tunnel: giving up after %d attempts", slot->attempt)));
		report_steps(slot->link);
		ssh_link_raise(failure);
	}
	slot->state = SLOT_GIVEN_UP;
	if (worker->shortage == NULL)
		worker->shortage = pstrdup(failure->message);
	ssh_link_free(slot->link);
	slot->link = NULL;
}

/* All that could be connected are: what that means for the run. */
static void
settle_slots(TunnelWorker *worker)
{
	worker->settled = true;
	ssh_secrets_wipe(&worker->orders->secrets);
	if (worker->shortage != NULL)
		ereport(NOTICE,
				(errmsg("the tunnel goes on with %d of %d SSH sessions",
						slots_up(worker), worker->slot_count),
				 errdetail_internal("%s", worker->shortage)));
}

/* Keeps the failure of an attempt, which ends with its link. */
static void
keep_failure(TunnelWorker *worker, const SshFailure *failure)
{
	SshFailure *copy = palloc(sizeof(SshFailure));

	*copy = *failure;
	copy->message = pstrdup(failure->message);
	copy->detail = failure->detail ? pstrdup(failure->detail) : NULL;
	copy->hint = failure->hint ? pstrdup(failure->hint) : NULL;
	worker->last_failure = copy;
}

static void
retry_slot(TunnelWorker *worker, Slot *slot)
{
	const TunnelOrders *orders = worker->orders;
	const SshFailure *failure = ssh_link_failure(slot->link);

	if (is_first(worker, slot))
		keep_failure(worker, failure);
	worker->told |= is_first(worker, slot);
	ereport(is_first(worker, slot) ? orders->progress_level : DEBUG1,
			(errmsg("opening the tunnel: attempt %d of %d in %g s", slot->attempt + 1,
					orders->connect_attempts, orders->connect_retry_delay / 1000.0),
			 errdetail_internal("%s", failure->message)));
	slot->state = SLOT_WAITING;
	slot->retry_at = clock_ms() + orders->connect_retry_delay;
	ssh_link_free(slot->link);
	slot->link = NULL;
}

/* Returns whether another attempt is allowed, and would begin in time. */
static bool
may_retry(const TunnelWorker *worker, const Slot *slot)
{
	const TunnelOrders *orders = worker->orders;

	if (!ssh_link_failure(slot->link)->transient || slot->attempt >= orders->connect_attempts)
		return false;
	return worker->entrance != NULL || orders->total_timeout == 0 ||
		clock_ms() + orders->connect_retry_delay < worker->since + orders->total_timeout;
}

static void
step_connecting(TunnelWorker *worker, Slot *slot)
{
	switch (ssh_link_step(slot->link))
	{
		case PROGRESS_AGAIN:
			break;
		case PROGRESS_DONE:
			slot->state = SLOT_UP;
			trace(TRACE_DEBUG1, "session %d of %d is up, round trip %d ms",
				  (int) (slot - worker->slots) + 1, worker->slot_count, ssh_link_rtt(slot->link));
			break;
		case PROGRESS_FAILED:
			if (may_retry(worker, slot))
				retry_slot(worker, slot);
			else
				give_up_slot(worker, slot);
			break;
	}
}

static void
step_slots(TunnelWorker *worker)
{
	for (int i = 0; i < worker->slot_count; i++)
	{
		Slot	   *slot = &worker->slots[i];

		if (slot->state == SLOT_IDLE && (i == 0 || others_may_start(worker)) && may_start(worker, slot))
			start_slot(worker, slot);
		if (slot->state == SLOT_WAITING && clock_ms() >= slot->retry_at && may_start(worker, slot))
			start_slot(worker, slot);
		if (slot->state == SLOT_CONNECTING)
		{
			ssh_link_hold(slot->link, i > 0 && !first_is_in(worker));
			step_connecting(worker, slot);
		}
	}
	if (!worker->settled && !slots_pending(worker))
		settle_slots(worker);
}

/* A session that carried something takes the run with it. */
static void
lose_slot(TunnelWorker *worker, Slot *slot)
{
	const SshFailure *failure = ssh_link_failure(slot->link);

	if (slot->forwards > 0 || slots_up(worker) == 1)
		ssh_link_raise(failure);
	if (is_first(worker, slot))
		worker->spare = NULL;
	slot->state = SLOT_GIVEN_UP;
	ereport(NOTICE,
			(errmsg("an idle SSH session was lost, going on without it"),
			 errdetail_internal("%s", failure->message)));
	ssh_link_free(slot->link);
	slot->link = NULL;
}

/* ---- opening ---- */

static void
announce_open(TunnelWorker *worker)
{
	StringInfoData buf;

	initStringInfo(&buf);
	pack_int(&buf, entrance_port(worker->entrance));
	pack_string(&buf, entrance_host(worker->entrance));
	trace(TRACE_DEBUG1, "the entrance is open: %s port %d", entrance_host(worker->entrance), entrance_port(worker->entrance));
	relay_send('O', buf.data, buf.len);
	pfree(buf.data);
}

/* The way to the remote port, proven by going it once. */
static void
prove_forward(TunnelWorker *worker)
{
	const TunnelOrders *orders = worker->orders;
	Slot	   *slot = &worker->slots[0];
	SshFailure *failure;

	switch (ssh_link_open(slot->link, orders->remote_host, orders->remote_port,
						  &worker->spare, &failure))
	{
		case PROGRESS_AGAIN:
			break;
		case PROGRESS_FAILED:
			report_steps(slot->link);
			ssh_link_raise(failure);
			break;
		case PROGRESS_DONE:
			report_steps(slot->link);
			worker->spare_since = clock_ms();
			worker->entrance = entrance_open(orders->local_port);
			announce_open(worker);
			break;
	}
}

/* Nobody came for it: do not keep the source waiting for a login. */
static void
drop_spare(TunnelWorker *worker)
{
	if (worker->spare != NULL && clock_ms() - worker->spare_since > SPARE_LIFE &&
		ssh_link_close_channel(worker->slots[0].link, worker->spare) != LIBSSH2_ERROR_EAGAIN)
		worker->spare = NULL;
}

/* ---- visitors ---- */

static void
turn_away(TunnelWorker *worker, Arrival *arrival)
{
	char	   *from = peer_text(&arrival->visitor.peer);

	trace(TRACE_DEBUG2, "client %s is turned away: this run did not announce it", from);
	if (worker->warnings++ < MAX_WARNINGS)
		ereport(WARNING,
				(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
				 errmsg("dropped a connection from %s to the tunnel's entrance", from),
				 errdetail("It does not belong to this run.")));
	pfree(from);
	close(arrival->visitor.sock);
}

static void
receive_visitors(TunnelWorker *worker)
{
	Visitor		visitor;

	while (worker->visitors_wait && list_length(worker->arrivals) < MAX_VISITORS &&
		   entrance_accept(worker->entrance, &visitor))
	{
		Arrival    *arrival = palloc0(sizeof(Arrival));

		trace(TRACE_DEBUG2, "client %s at the entrance", peer_text(&visitor.peer));
		arrival->visitor = visitor;
		arrival->since = clock_ms();
		worker->arrivals = lappend(worker->arrivals, arrival);
	}
}

/* The session with the fewest connections. */
static Slot *
least_loaded(TunnelWorker *worker)
{
	Slot	   *best = NULL;

	for (int i = 0; i < worker->slot_count; i++)
	{
		Slot	   *slot = &worker->slots[i];

		if (slot->state == SLOT_UP && (best == NULL || slot->forwards < best->forwards))
			best = slot;
	}
	return best;
}

/* Gives an admitted visitor a session; false: it had better wait a moment. */
static bool
serve(TunnelWorker *worker, Arrival *arrival)
{
	const TunnelOrders *orders = worker->orders;
	Slot	   *slot = least_loaded(worker);
	LIBSSH2_CHANNEL *channel = NULL;

	if (slot->forwards > 0 && slots_pending(worker) &&
		clock_ms() - arrival->since < SESSION_WAIT)
		return false;
	if (is_first(worker, slot) && worker->spare != NULL &&
		clock_ms() - worker->spare_since <= SPARE_LIFE && !libssh2_channel_eof(worker->spare))
	{
		channel = worker->spare;
		worker->spare = NULL;
	}
	slot->forwards++;
	worker->forwards = lappend(worker->forwards,
							   forward_start(slot->link, arrival->visitor.sock, channel,
											 orders->remote_host, orders->remote_port));
	return true;
}

/* Lets in who was announced; true when somebody still waits. */
static bool
step_arrivals(TunnelWorker *worker)
{
	ListCell   *lc;

	receive_visitors(worker);
	foreach(lc, worker->arrivals)
	{
		Arrival    *arrival = lfirst(lc);
		bool		settled = false;

		if (arrival->verdict == GATE_UNKNOWN)
			arrival->verdict = tunnel_gate_judge(&worker->shared->gate, &arrival->visitor.peer);
		if (arrival->verdict == GATE_ADMITTED)
			settled = serve(worker, arrival);
		else if (arrival->verdict == GATE_REFUSED || clock_ms() - arrival->since > ANNOUNCE_WAIT)
		{
			turn_away(worker, arrival);
			settled = true;
		}
		if (settled)
		{
			pfree(arrival);
			worker->arrivals = foreach_delete_current(worker->arrivals, lc);
		}
	}
	return worker->arrivals != NIL;
}

/* ---- carrying ---- */

static Slot *
slot_of(TunnelWorker *worker, const SshLink *link)
{
	for (int i = 0; i < worker->slot_count; i++)
	{
		if (worker->slots[i].link == link)
			return &worker->slots[i];
	}
	elog(ERROR, "forward without a session");
	return NULL;
}

static void
end_forward(TunnelWorker *worker, Forward *forward, const SshFailure *failure)
{
	slot_of(worker, forward_link(forward))->forwards--;
	if (failure != NULL && ssh_link_failure(forward_link(forward)) == NULL)
		ereport(WARNING,
				(errcode(failure->sqlerrcode),
				 errmsg_internal("%s", failure->message),
				 failure->detail ? errdetail_internal("%s", failure->detail) : 0));
	forward_free(forward);
}

/* One round over all connections; true if anything moved. */
static bool
step_forwards(TunnelWorker *worker)
{
	bool		moved = false;
	SshLink    *opening = NULL;	/* one channel open at a time in a session */
	ListCell   *lc;

	foreach(lc, worker->forwards)
	{
		Forward    *forward = lfirst(lc);
		SshLink    *link = forward_link(forward);
		Slot	   *slot = slot_of(worker, link);
		const SshFailure *failure;

		moved |= forward_step(forward, link != opening);
		if (forward_opening(forward))
			opening = link;
		slot->read |= forward_reads(forward);
		if (forward_channel(forward) != NULL)
			slot->channel = forward_channel(forward);
		if (ssh_link_failure(link) != NULL)
			lose_slot(worker, slot);
		if (forward_ended(forward, &failure))
		{
			if (slot->channel == forward_channel(forward))
				slot->channel = NULL;
			end_forward(worker, forward, failure);
			worker->forwards = foreach_delete_current(worker->forwards, lc);
			moved = true;
		}
	}
	return moved;
}

/* True if poll() reported data on the session's socket. */
static bool
is_readable(const TunnelWorker *worker, const SshLink *link)
{
	short		events;
	long		timeout;
	int			fd = ssh_link_poll(link, &events, &timeout);

	for (int i = 0; i < worker->poll_count; i++)
	{
		if (worker->pollfds[i].fd == fd)
			return worker->pollfds[i].revents != 0;
	}
	return false;
}

/* Sessions have a life beside their channels: keepalives, key exchanges. */
static void
step_links(TunnelWorker *worker)
{
	for (int i = 0; i < worker->slot_count; i++)
	{
		Slot	   *slot = &worker->slots[i];

		if (slot->state != SLOT_UP)
			continue;
		if (ssh_link_flush(slot->link) && !slot->read &&
			(is_readable(worker, slot->link) || ssh_link_more(slot->link) ||
			 ssh_link_probing(slot->link)))
			(void) ssh_link_pump(slot->link, slot->channel ? slot->channel :
								 i == 0 ? worker->spare : NULL);
		if (!ssh_link_check_alive(slot->link))
			lose_slot(worker, slot);
	}
}

static void
begin_round(TunnelWorker *worker)
{
	for (int i = 0; i < worker->slot_count; i++)
	{
		worker->slots[i].read = false;
		worker->slots[i].channel = NULL;
	}
}

/* ---- waiting ---- */

static void
watch(TunnelWorker *worker, int fd, short events)
{
	if (fd < 0)
		return;
	if (worker->poll_count == worker->poll_size)
	{
		worker->poll_size = worker->poll_size ? worker->poll_size * 2 : 32;
		worker->pollfds = worker->pollfds ?
			repalloc(worker->pollfds, worker->poll_size * sizeof(struct pollfd)) :
			palloc(worker->poll_size * sizeof(struct pollfd));
	}
	worker->pollfds[worker->poll_count].fd = fd;
	worker->pollfds[worker->poll_count].events = events;
	worker->pollfds[worker->poll_count].revents = 0;
	worker->poll_count++;
}

/* Collects what to wait for; returns for how long at most. */
static long
watch_everything(TunnelWorker *worker)
{
	long		timeout = relay_flush() ? 1000 : 50;
	short		events;
	ListCell   *lc;

	worker->poll_count = 0;
	watch(worker, wake_pipe[0], POLLIN);	/* these two come first, for */
	watch(worker, postmaster_alive_fds[POSTMASTER_FD_WATCH], POLLIN);	/* react() */
	if (worker->entrance != NULL && list_length(worker->arrivals) < MAX_VISITORS)
		watch(worker, entrance_socket(worker->entrance), POLLIN);
	for (int i = 0; i < worker->slot_count; i++)
	{
		Slot	   *slot = &worker->slots[i];
		long		wait = 1000;

		if (slot->state == SLOT_CONNECTING || slot->state == SLOT_UP)
		{
			int			fd = ssh_link_poll(slot->link, &events, &wait);

			watch(worker, fd, events);
		}
		else if (slot->state == SLOT_WAITING && may_start(worker, slot))
			wait = Max(0, slot->retry_at - clock_ms());
		if (slot->state == SLOT_CONNECTING && ssh_link_more(slot->link))
			wait = 0;
		timeout = Min(timeout, wait);
	}
	foreach(lc, worker->forwards)
	{
		int			fd = forward_poll(lfirst(lc), &events);

		watch(worker, fd, events);
	}
	return timeout;
}

/* What poll() has to say beside the sessions and connections. */
static void
react(TunnelWorker *worker)
{
	const struct pollfd *pollfds = worker->pollfds;
	char		drained[16];

	if (pollfds[0].revents != 0 && read(wake_pipe[0], drained, sizeof(drained)) > 0)
		ResetLatch(MyLatch);
	if (pollfds[1].revents != 0 && !PostmasterIsAlive())
		proc_exit(1);
	worker->visitors_wait = worker->entrance != NULL && worker->poll_count > 2 &&
		pollfds[2].fd == entrance_socket(worker->entrance) && pollfds[2].revents != 0;
}

static void
wait_for_something(TunnelWorker *worker, bool busy, bool visitors)
{
	long		timeout = watch_everything(worker);

	if (visitors)
		timeout = Min(timeout, 5);
	if (busy)
		timeout = 0;
	pgstat_report_wait_start(wait_event(WAIT_TUNNEL_TRAFFIC));
	(void) poll(worker->pollfds, worker->poll_count, (int) timeout);
	pgstat_report_wait_end();
	react(worker);
}

/* True if a session has more data, and a connection can accept it. */
static bool
more_to_read(const TunnelWorker *worker)
{
	for (int i = 0; i < worker->slot_count; i++)
	{
		if (worker->slots[i].state == SLOT_UP && ssh_link_more(worker->slots[i].link))
			return true;
	}
	return false;
}

/* ---- the time that opening takes ---- */

static void pg_attribute_noreturn()
raise_too_late(TunnelWorker *worker)
{
	const TunnelOrders *orders = worker->orders;
	const Slot *first = &worker->slots[0];
	const SshFailure *failure = worker->last_failure;
	char	   *message = failure ? failure->message :
		psprintf("no answer while waiting for %s", ssh_link_waits_for(first->link));

	if (first->link != NULL)
		report_steps(first->link);
	ereport(ERROR,
			(errcode(failure ? failure->sqlerrcode : ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION),
			 errmsg_internal("%s", message),
			 errdetail("The tunnel was not open after %g s (\"pgtunsync.tunnel_timeout\"), in attempt %d of %d.",
					   orders->total_timeout / 1000.0, first->attempt, orders->connect_attempts),
			 errhint("%s", failure && failure->hint ? failure->hint :
					 "Check HostName and Port of the SSH target, and PGSYNC_REMOTE_HOST and PGSYNC_REMOTE_PORT: does a firewall drop the packets?")));
}

/*
 * The caller learns that it takes time.  It may not take longer than allowed.
 */
static void
check_patience(TunnelWorker *worker)
{
	const TunnelOrders *orders = worker->orders;
	const Slot *first = &worker->slots[0];
	int64		elapsed = clock_ms() - worker->since;

	if (orders->total_timeout > 0 && elapsed >= orders->total_timeout)
		raise_too_late(worker);
	if (worker->told || elapsed < FIRST_PROGRESS || first->link == NULL)
		return;
	worker->told = true;
	ereport(orders->progress_level,
			(errmsg("opening the tunnel: waiting for %s", ssh_link_waits_for(first->link)),
			 errdetail("There has been no answer for %d s. This is attempt 1 of %d (\"pgtunsync.connect_attempts\").%s",
					   (int) (elapsed / 1000), orders->connect_attempts,
					   orders->total_timeout == 0 ? "" :
					   psprintf(" The tunnel must be open after %g s (\"pgtunsync.tunnel_timeout\").",
								orders->total_timeout / 1000.0))));
}

static void
run(TunnelWorker *worker)
{
	while (!ShutdownRequestPending && !worker->shared->leader_gone && !relay_receiver_gone())
	{
		bool		busy = false;
		bool		visitors = false;

		begin_round(worker);
		step_slots(worker);
		if (worker->entrance == NULL)
		{
			check_patience(worker);
			if (worker->slots[0].state == SLOT_UP)
				prove_forward(worker);
		}
		else
		{
			drop_spare(worker);
			visitors = step_arrivals(worker);
			busy = step_forwards(worker);
		}
		step_links(worker);
		wait_for_something(worker, busy || more_to_read(worker), visitors);
	}
}

static void
close_everything(TunnelWorker *worker)
{
	ListCell   *lc;

	if (worker->entrance != NULL)
		entrance_close(worker->entrance);
	foreach(lc, worker->forwards)
		forward_free(lfirst(lc));
	for (int i = 0; i < worker->slot_count; i++)
	{
		if (worker->slots[i].link != NULL)
			ssh_link_free(worker->slots[i].link);
	}
	ssh_secrets_wipe(&worker->orders->secrets);
}

/* Reads the orders and leaves no copy of them behind. */
static TunnelOrders *
read_orders(TunnelShared *shared)
{
	StringInfoData buf;
	TunnelOrders *orders;

	unpack_from(&buf, tunnel_shared_options(shared), shared->options_len);
	orders = tunnel_options_unpack(&buf);
	explicit_bzero(tunnel_shared_options(shared), shared->options_len);
	return orders;
}

void
pgtunsync_tunnel_main(Datum arg)
{
	TunnelWorker *worker;
	dsm_segment *segment;
	TunnelShared *shared;

	set_up_signals();
	CurrentMemoryContext = AllocSetContextCreate(TopMemoryContext, "pgtunsync tunnel",
												 ALLOCSET_DEFAULT_SIZES);
	segment = dsm_attach(DatumGetUInt32(arg));
	if (segment == NULL)
		proc_exit(0);			/* the leader has gone already */
	shared = dsm_segment_address(segment);
	shm_mq_set_sender(tunnel_shared_queue(shared), MyProc);
	relay_redirect(shm_mq_attach(tunnel_shared_queue(shared), segment, NULL));
	before_shmem_exit(flush_at_exit, 0);

	/*
	 * hashes of the server's own are accounted for by an owner
	 * (cryptohash_openssl.c)
	 */
	CurrentResourceOwner = ResourceOwnerCreate(NULL, "pgtunsync tunnel");

	worker = palloc0(sizeof(TunnelWorker));
	worker->shared = shared;
	worker->orders = read_orders(shared);
	trace_begin(worker->orders->log_level, worker->orders->run_id);
	worker->since = clock_ms();
	worker->slot_count = Max(1, worker->orders->sessions);
	worker->slots = palloc0(worker->slot_count * sizeof(Slot));
	entrance_check(worker->orders->local_port);
	run(worker);
	close_everything(worker);
	proc_exit(0);
}
