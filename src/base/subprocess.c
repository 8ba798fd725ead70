/*-------------------------------------------------------------------------
 *
 * subprocess.c
 *	  Runs short-lived child processes and waits for them interruptibly.
 *
 * Two tasks need calls that block: running "ssh -G" to resolve an alias, and
 * resolving a host name (getaddrinfo() neither returns on a signal nor has a
 * timeout).  Both run in a child process.  The parent waits for the child's
 * pipe as for any socket, and kills the child if it no longer needs the
 * result.
 *
 * popen() is not used.  There is no shell between this process and the
 * program, so no argument can be interpreted as a command.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif
#include <sys/wait.h>
#include <unistd.h>

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/subprocess.h"
#include "base/wait_event.h"

#define MAX_OUTPUT	(1024 * 1024)
#define CLOSE_FROM	3			/* the first descriptor after the standard streams */

/* Resets the signal handlers, which are the parent's. */
static void
reset_signals(void)
{
	static const int handled[] = {SIGHUP, SIGINT, SIGTERM, SIGQUIT, SIGUSR1,
	SIGUSR2, SIGALRM, SIGPIPE, SIGCHLD, SIGFPE};
	sigset_t	none;

	for (int i = 0; i < lengthof(handled); i++)
		signal(handled[i], SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Closes all descriptors in one system call, if the system has it. */
static bool
close_range_all(void)
{
#ifdef SYS_close_range
	return syscall(SYS_close_range, CLOSE_FROM, ~0U, 0) == 0;
#else
	return false;
#endif
}

/* Closes the descriptors that the system lists as open, if it lists them. */
static bool
close_listed(void)
{
	DIR		   *dir = opendir("/dev/fd");
	struct dirent *entry;
	int			seen = 0;

	if (dir == NULL)
		return false;
	while ((entry = readdir(dir)) != NULL)
	{
		int			fd = atoi(entry->d_name);

		seen += entry->d_name[0] != '.';
		if (fd >= CLOSE_FROM && fd != dirfd(dir))
			close(fd);
	}
	closedir(dir);
	return seen > 3;			/* some systems list only the standard streams */
}

/*
 * Closes the server's descriptors in the child, which could outlive the
 * server.  No upper limit is reliable, because descriptors may have been
 * opened before the limit was lowered.  So the loop is the last resort.
 */
static void
close_descriptors(void)
{
	long		limit = sysconf(_SC_OPEN_MAX);

	if (close_range_all() || close_listed())
		return;
	if (limit < 0 || limit > 1024 * 1024)
		limit = 1024 * 1024;
	for (int fd = CLOSE_FROM; fd < limit; fd++)
		close(fd);
}

/* Runs in the child: keeps the three standard streams and nothing else. */
static void
become_child(int out, int err)
{
	int			null = open("/dev/null", O_RDWR);

	if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
		_exit(126);
	close_descriptors();
	reset_signals();
}

static void
set_nonblocking(int fd)
{
	int			flags = fcntl(fd, F_GETFL);

	(void) fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	(void) fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static void
raise_start_failure(const char *call)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
			 errmsg("could not start a helper process: %s: %m", call)));
}

void
subprocess_start(Subprocess *child, SubprocessMain main, void *arg)
{
	int			out[2];
	int			err[2];
	sigset_t	all;
	sigset_t	before;
	pid_t		pid;

	if (pipe(out) < 0)
		raise_start_failure("pipe");
	if (pipe(err) < 0)
	{
		close(out[0]);
		close(out[1]);
		raise_start_failure("pipe");
	}

	/* block signals, so that no handler of the parent runs in the child */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid == 0)
	{
		become_child(out[1], err[1]);
		_exit(main(arg));
	}
	sigprocmask(SIG_SETMASK, &before, NULL);

	close(out[1]);
	close(err[1]);
	child->pid = pid;
	child->out = out[0];
	child->err = err[0];
	set_nonblocking(child->out);
	set_nonblocking(child->err);
	if (pid < 0)
	{
		child->pid = 0;
		(void) subprocess_end(child);
		raise_start_failure("fork");
	}
}

int
subprocess_end(Subprocess *child)
{
	int			status = 0;

	if (child->out >= 0)
		close(child->out);
	if (child->err >= 0)
		close(child->err);
	child->out = child->err = -1;
	if (child->pid > 0)
	{
		/* a child that has already ended keeps its exit status */
		kill(child->pid, SIGKILL);
		while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	child->pid = 0;
	return status;
}

/*
 * Appends everything that can be read.  Returns false at the end of the
 * stream.
 */
static bool
read_available(int fd, StringInfo buf)
{
	for (;;)
	{
		char		chunk[4096];
		ssize_t		n = read(fd, chunk, sizeof(chunk));

		if (n < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
		if (n == 0)
			return false;
		if (buf->len + n <= MAX_OUTPUT)
			appendBinaryStringInfo(buf, chunk, (int) n);
	}
}

static void
wait_readable(int fd, long timeout_ms)
{
	(void) WaitLatchOrSocket(MyLatch,
							 WL_LATCH_SET | WL_SOCKET_READABLE | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
							 fd, timeout_ms, wait_event(WAIT_SUBPROCESS));
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

/* Reads both streams to the end.  Returns false when time is up. */
static bool
collect(Subprocess *child, int timeout_ms, StringInfo out, StringInfo err)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), timeout_ms);
	bool		more_out = true;
	bool		more_err = true;

	while (more_out || more_err)
	{
		if (more_out)
			more_out = read_available(child->out, out);
		if (more_err)
			more_err = read_available(child->err, err);
		if (GetCurrentTimestamp() >= deadline)
			return false;
		if (more_out)
			wait_readable(child->out, 100);
		else if (more_err)
			wait_readable(child->err, 100);
	}
	return true;
}

static int
exec_program(void *arg)
{
	char	  **argv = arg;

	execvp(argv[0], argv);
	return errno == ENOENT ? 127 : 126;
}

/* Waits for a child that has closed its output to end. */
static int
reap(Subprocess *child)
{
	int			status = 0;

	while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
		;
	child->pid = 0;
	return status;
}

int
subprocess_capture(char *const argv[], int timeout_ms, char **output, char **errors)
{
	return subprocess_call(exec_program, (void *) argv, timeout_ms, output, errors);
}

int
subprocess_call(SubprocessMain main, void *arg, int timeout_ms, char **output, char **errors)
{
	Subprocess	child = {0, -1, -1};
	StringInfoData out;
	StringInfoData err;
	volatile int status = -1;
	volatile bool complete = false;

	initStringInfo(&out);
	initStringInfo(&err);
	subprocess_start(&child, main, arg);
	PG_TRY();
	{
		complete = collect(&child, timeout_ms, &out, &err);
		if (complete)
			status = reap(&child);
	}
	PG_FINALLY();
	{
		(void) subprocess_end(&child);
	}
	PG_END_TRY();

	*output = out.data;
	*errors = err.data;
	return complete && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
