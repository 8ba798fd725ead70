/*-------------------------------------------------------------------------
 *
 * tcp_connect.h
 *	  Connects to a host name by TCP without blocking.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_TCP_CONNECT_H
#define PGTUNSYNC_TCP_CONNECT_H

/* The state of work that is done step by step. */
typedef enum Progress
{
	PROGRESS_AGAIN,				/* wait for the socket, then call again */
	PROGRESS_DONE,
	PROGRESS_FAILED
} Progress;

typedef struct TcpConnect TcpConnect;

/*
 * Starts to connect.  Resolves the name (in a child process unless it is an
 * address) and tries its addresses one by one, each for at most timeout_ms.
 * family is AF_UNSPEC, AF_INET or AF_INET6.  The result lives in the current
 * memory context; call tcp_connect_free() on every path.
 */
extern TcpConnect *tcp_connect_start(const char *host, int port, int family,
									 int timeout_ms);
extern Progress tcp_connect_step(TcpConnect *conn);

/* Returns the descriptor to wait for between steps, and its poll() events. */
extern int	tcp_connect_poll(const TcpConnect *conn, short *events);

/* Returns the connected, non-blocking socket, which the caller then owns. */
extern int	tcp_connect_take(TcpConnect *conn);

/* Returns the current address as "10.0.0.1:22", or "". */
extern const char *tcp_connect_address(const TcpConnect *conn);

/*
 * Returns why the connection failed, and whether a later attempt may succeed.
 */
extern const char *tcp_connect_problem(const TcpConnect *conn, bool *transient);

extern void tcp_connect_free(TcpConnect *conn);

#endif							/* PGTUNSYNC_TCP_CONNECT_H */
