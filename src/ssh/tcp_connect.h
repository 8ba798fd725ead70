/*-------------------------------------------------------------------------
 *
 * tcp_connect.h
 *	  A TCP connection to a host name, without blocking.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_TCP_CONNECT_H
#define PGTUNSYNC_TCP_CONNECT_H

/* How far something is that is done step by step. */
typedef enum Progress
{
	PROGRESS_AGAIN,				/* wait for the socket, then call again */
	PROGRESS_DONE,
	PROGRESS_FAILED
} Progress;

typedef struct TcpConnect TcpConnect;

/*
 * Begins: resolves the name (in a child process unless it is an address) and
 * tries its addresses one after the other, each for at most timeout_ms.
 * family: AF_UNSPEC or one of them.  Lives in the current memory context;
 * tcp_connect_free() on every path.
 */
extern TcpConnect *tcp_connect_start(const char *host, int port, int family,
									 int timeout_ms);
extern Progress tcp_connect_step(TcpConnect *conn);

/* What to wait for between steps: poll() events of a descriptor. */
extern int	tcp_connect_poll(const TcpConnect *conn, short *events);

/* The connected, non-blocking socket, now the caller's. */
extern int	tcp_connect_take(TcpConnect *conn);

/* "10.0.0.1:22" of the address in question, or "". */
extern const char *tcp_connect_address(const TcpConnect *conn);

/* Why it failed, and whether trying later might help. */
extern const char *tcp_connect_problem(const TcpConnect *conn, bool *transient);

extern void tcp_connect_free(TcpConnect *conn);

#endif							/* PGTUNSYNC_TCP_CONNECT_H */
