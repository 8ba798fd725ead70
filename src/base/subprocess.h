/*-------------------------------------------------------------------------
 *
 * subprocess.h
 *	  Short-lived children of a server process, waited for interruptibly.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_SUBPROCESS_H
#define PGTUNSYNC_SUBPROCESS_H

#include <sys/types.h>

typedef struct Subprocess
{
	pid_t		pid;			/* 0: none */
	int			out;			/* its standard output, non-blocking, -1: closed */
	int			err;			/* its standard error, the same */
} Subprocess;

/* What the child runs, between fork and _exit(result). */
typedef int (*SubprocessMain) (void *arg);

/*
 * Forks; standard input is /dev/null.  Raises INSUFFICIENT_RESOURCES.  The
 * owner calls subprocess_end() on every path.
 */
extern void subprocess_start(Subprocess *child, SubprocessMain main, void *arg);

/* Kills the child if it still runs, reaps it, closes; returns the wait status. */
extern int	subprocess_end(Subprocess *child);

/*
 * Runs a program (looked up in PATH) and collects what it prints, at most
 * 1 MiB, within timeout_ms.  Interruptible.  Returns the exit code, 127 when
 * the program is not there, -1 when it died or took too long.  output and
 * errors are palloc'd.
 */
extern int	subprocess_capture(char *const argv[], int timeout_ms,
							   char **output, char **errors);

#endif							/* PGTUNSYNC_SUBPROCESS_H */
