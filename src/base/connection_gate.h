/*-------------------------------------------------------------------------
 *
 * connection_gate.h
 *	  How a new connection identifies itself to a gate that it goes through.
 *
 * The side that connects knows nothing of the gate but these calls, and the
 * gate nothing of what is connected.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_CONNECTION_GATE_H
#define PGTUNSYNC_CONNECTION_GATE_H

typedef struct ConnectionGate
{
	/*
	 * Announces a socket of this process that is bound and connecting.  The
	 * gate admits that socket and no other.  Returns a ticket, never 0.
	 */
	int64		(*announce) (int sock, uint32 handle);

	/*
	 * Has the gate admitted the socket?  Data that arrives before that comes
	 * from somebody else.
	 */
	bool		(*admitted) (int64 ticket, uint32 handle);

	/*
	 * Ends the announcement.  Safe when the gate is gone or the ticket is
	 * used up, and while an error is handled.
	 */
	void		(*withdraw) (int64 ticket, uint32 handle);
} ConnectionGate;

#endif							/* PGTUNSYNC_CONNECTION_GATE_H */
