/*-------------------------------------------------------------------------
 *
 * subprocess.h
 *	  Runs short-lived child processes and waits for them interruptibly.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_SUBPROCESS_H
#define PGTUNSYNC_SUBPROCESS_H

#include <sys/types.h>

typedef struct Subprocess
{
	pid_t		pid;			/* 0 if there is none */
	int			out;			/* standard output, non-blocking; -1 if closed */
	int			err;			/* standard error, non-blocking; -1 if closed */
} Subprocess;

/* The function that the child runs.  Its result is the exit code. */
typedef int (*SubprocessMain) (void *arg);

/*
 * Starts a child; its standard input is /dev/null.  Raises
 * INSUFFICIENT_RESOURCES.  The caller must call subprocess_end() on every
 * path.
 */
extern void subprocess_start(Subprocess *child, SubprocessMain main, void *arg);

/*
 * Kills the child if it still runs, reaps it and closes the pipes.  Returns
 * the wait status.
 */
extern int	subprocess_end(Subprocess *child);

/*
 * Runs a program (looked up in PATH) for at most timeout_ms and collects up to
 * 1 MiB of its output.  Interruptible.  Returns the exit code, 127 if the
 * program does not exist, or -1 if it was killed or took too long.  *output
 * and *errors are palloc'd.
 */
extern int	subprocess_capture(char *const argv[], int timeout_ms,
							   char **output, char **errors);

/* Does the same with a function instead of a program. */
extern int	subprocess_call(SubprocessMain main, void *arg, int timeout_ms,
							char **output, char **errors);

#endif							/* PGTUNSYNC_SUBPROCESS_H */
