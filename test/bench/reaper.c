/*
 * reaper PROGRAM ARG…: runs a program and waits for every process that
 * descends from it, so that the CPU time of all of them can be read as that of this
 * one's children.  sshd leaves the processes of a session to init when the
 * client hangs up.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t program;

static void
pass_on(int signal_number)
{
	if (program > 0)
		kill(program, signal_number);
}

int
main(int argc, char **argv)
{
	if (argc < 2 || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0)
	{
		fprintf(stderr, "usage: reaper PROGRAM ARG…\n");
		return 2;
	}
	program = fork();
	if (program == 0)
	{
		execv(argv[1], argv + 1);
		_exit(127);
	}
	signal(SIGTERM, pass_on);
	signal(SIGINT, pass_on);
	/* until there is nobody left to wait for */
	while (wait(NULL) > 0 || errno == EINTR)
		;
	return 0;
}
