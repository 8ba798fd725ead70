/*-------------------------------------------------------------------------
 *
 * tunnel.c
 *	  The tunnel as the leader sees it: a worker, a segment, a queue.
 *
 * The leader packs the resolved route and the secrets into a shared segment,
 * starts the worker on it, and from then on only listens: the worker's reports
 * come through the queue, and so does the word that the entrance is open.
 *
 * The worker wipes the secrets from the segment as soon as it has read them;
 * the leader does it as well when it lets go, for the worker may never have
 * run.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#include "base/compat.h"
#include "base/serialize.h"
#include "base/worker_message.h"
#include "ssh/ssh_session.h"
#include "tunnel/tunnel.h"
#include "tunnel/tunnel_gate.h"
#include "tunnel/tunnel_options.h"
#include "base/worker.h"
#include "base/wait_event.h"

struct Tunnel
{
	MemoryContext context;
	Worker	   *worker;			/* NULL once stopped */
	dsm_segment *segment;		/* NULL once stopped */
	TunnelShared *shared;
	shm_mq_handle *queue;
	StringInfoData message;
	bool		open;
	bool		closed;			/* the worker has ended */
	char	   *host;
	int			port;
	List	   *steps;			/* of TunnelStep * */
	ErrorData  *error;
};

static void
note_leader_gone(dsm_segment *segment, Datum arg)
{
	((TunnelShared *) DatumGetPointer(arg))->leader_gone = true;
}

/* A new segment with everything that the worker needs. */
static void
make_segment(Tunnel *tunnel, StringInfo options)
{
	Size		size = MAXALIGN(sizeof(TunnelShared)) + RELAY_QUEUE_SIZE + options->len;
	TunnelShared *shared;
	shm_mq	   *queue;

	tunnel->segment = dsm_create(size, 0);
	dsm_pin_mapping(tunnel->segment);
	shared = tunnel->shared = dsm_segment_address(tunnel->segment);
	memset(shared, 0, sizeof(TunnelShared));
	shared->magic = TUNNEL_MAGIC;
	tunnel_gate_init(&shared->gate);
	shared->options_len = options->len;
	memcpy(tunnel_shared_options(shared), options->data, options->len);
	queue = shm_mq_create(tunnel_shared_queue(shared), RELAY_QUEUE_SIZE);
	shm_mq_set_receiver(queue, MyProc);
	tunnel->queue = shm_mq_attach(queue, tunnel->segment, NULL);
	on_dsm_detach(tunnel->segment, note_leader_gone, PointerGetDatum(shared));
}

static void
wipe_options(TunnelShared *shared)
{
	explicit_bzero(tunnel_shared_options(shared), shared->options_len);
}

Tunnel *
tunnel_start(const TunnelOptions *options)
{
	Tunnel	   *tunnel = palloc0(sizeof(Tunnel));
	StringInfoData packed;

	tunnel->context = CurrentMemoryContext;
	initStringInfo(&tunnel->message);
	initStringInfo(&packed);
	tunnel_options_pack(&packed, options);
	make_segment(tunnel, &packed);
	explicit_bzero(packed.data, packed.maxlen);
	pfree(packed.data);

	tunnel->worker = worker_launch("pgtunsync_tunnel_main", TUNNEL_TITLE,
								   dsm_segment_handle(tunnel->segment), false);
	if (tunnel->worker == NULL)
	{
		wipe_options(tunnel->shared);
		dsm_detach(tunnel->segment);
		tunnel->segment = NULL;
		worker_no_slot("tunnel");
	}
	return tunnel;
}

pid_t
tunnel_pid(Tunnel *tunnel)
{
	return tunnel->worker ? worker_pid(tunnel->worker) : 0;
}

/* 'O': the port, then the host. */
static void
take_open(Tunnel *tunnel)
{
	tunnel->port = (int) unpack_int(&tunnel->message);
	tunnel->host = unpack_string(&tunnel->message);
	tunnel->open = true;
}

/* 'S': a step on the way. */
static void
take_step(Tunnel *tunnel)
{
	TunnelStep *step = palloc(sizeof(TunnelStep));

	step->name = unpack_string(&tunnel->message);
	step->detail = unpack_string(&tunnel->message);
	tunnel->steps = lappend(tunnel->steps, step);
}

static void
keep_error(Tunnel *tunnel)
{
	ErrorData	edata;

	relay_parse_report(&tunnel->message, &edata);
	if (edata.elevel > ERROR)
		edata.elevel = ERROR;
	if (tunnel->error == NULL)
	{
		tunnel->error = palloc(sizeof(ErrorData));
		*tunnel->error = edata;
	}
}

/* Takes in all that has come; false when nothing more will. */
static bool
drain(Tunnel *tunnel)
{
	MemoryContext oldcontext;
	char		type;
	RelayResult result;

	if (tunnel->segment == NULL)
		return false;
	oldcontext = MemoryContextSwitchTo(tunnel->context);
	while ((result = relay_receive(tunnel->queue, &type, &tunnel->message)) == RELAY_MESSAGE)
	{
		if (type == 'O')
			take_open(tunnel);
		else if (type == 'S')
			take_step(tunnel);
		else if (type == 'E')
			keep_error(tunnel);
		else if (type == 'N')
			relay_throw_report(&tunnel->message, DEBUG5);
	}
	MemoryContextSwitchTo(oldcontext);
	return result != RELAY_CLOSED;
}

/* The same, also noticing a worker that never got as far as the queue. */
static void
update(Tunnel *tunnel)
{
	bool		alive = tunnel->worker != NULL && worker_alive(tunnel->worker);

	/* asked in this order, nothing that a dead worker sent is overlooked */
	if (!drain(tunnel) || !alive)
		tunnel->closed = true;
}

/* Raises what ended the tunnel. */
static void
raise_end(Tunnel *tunnel)
{
	if (tunnel->error != NULL)
		ThrowErrorData(tunnel->error);
	ereport(ERROR,
			(errcode(ERRCODE_CONNECTION_FAILURE),
			 errmsg("the tunnel ended unexpectedly"),
			 errhint("See the server log.")));
}

void
tunnel_check(Tunnel *tunnel)
{
	update(tunnel);
	if (tunnel->error != NULL || tunnel->closed)
		raise_end(tunnel);
}

void
tunnel_wait_open(Tunnel *tunnel)
{
	for (;;)
	{
		tunnel_check(tunnel);
		if (tunnel->open)
			return;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 1000, wait_event(WAIT_TUNNEL_OPEN));
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

const char *
tunnel_host(Tunnel *tunnel)
{
	return tunnel->host;
}

int
tunnel_port(Tunnel *tunnel)
{
	return tunnel->port;
}

ErrorData *
tunnel_error(Tunnel *tunnel)
{
	update(tunnel);
	return tunnel->error;
}

void
tunnel_stop(Tunnel *tunnel)
{
	if (tunnel == NULL)
		return;
	if (tunnel->worker != NULL)
	{
		tunnel->shared->leader_done = true;
		worker_terminate(tunnel->worker);
		worker_wait_end(tunnel->worker);
		worker_free(tunnel->worker);
		tunnel->worker = NULL;
	}
	if (tunnel->segment != NULL)
	{
		wipe_options(tunnel->shared);
		dsm_detach(tunnel->segment);
		tunnel->segment = NULL;
		tunnel->shared = NULL;
	}
	tunnel->closed = true;
}

void
tunnel_kill(Tunnel *tunnel)
{
	if (tunnel == NULL || tunnel->worker == NULL)
		return;
	tunnel->shared->leader_done = true;
	worker_terminate(tunnel->worker);
}

dsm_handle
tunnel_gate_handle(Tunnel *tunnel)
{
	return dsm_segment_handle(tunnel->segment);
}

List *
tunnel_steps(Tunnel *tunnel)
{
	return tunnel->steps;
}
