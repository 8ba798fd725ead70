/*-------------------------------------------------------------------------
 *
 * connection_gate.h
 *	  Lets a new connection identify itself to a gate that it passes.
 *
 * The connecting side knows only these functions of the gate.  The gate does
 * not know what connects.
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
	 * Returns whether the gate has admitted the socket.  Data that arrives
	 * earlier comes from somebody else.
	 */
	bool		(*admitted) (int64 ticket, uint32 handle);

	/*
	 * Ends the announcement.  It may be called if the gate is gone, if the
	 * ticket is used up, and while an error is handled.
	 */
	void		(*withdraw) (int64 ticket, uint32 handle);
} ConnectionGate;

#endif							/* PGTUNSYNC_CONNECTION_GATE_H */
