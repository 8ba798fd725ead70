/*-------------------------------------------------------------------------
 *
 * trace.c
 *	  Writes a trace of connecting to the source into the server log.
 *
 * "ssh -v" shows why a connection fails.  Background workers have no terminal,
 * so pgtunsync.log_level makes the leader and the tunnel write the same kind
 * of trace to the server log.  They do so even if log_min_messages is "error".
 * Each line names its run:
 *
 *		pgtunsync run 17: debug1: session 1, hop 2: known_hosts: …
 *
 * The lines are never sent to a client.  They name files, hosts and accounts
 * of the machine.  So only superusers can turn the trace on, and a caller who
 * may only pull cannot see it.
 *
 * The trace contains no secrets.  Passwords, passphrases and keys appear only
 * by the name of their source.  libssh2's own trace is not used, because it
 * prints packets, including the one with the password.
 *
 * Messages of servers are part of the trace.  Lines are therefore escaped as
 * OpenSSH does it.  A banner cannot take over a terminal that shows the log,
 * and a newline cannot fake a line.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/trace.h"

#define MAX_LINE	2048

int			trace_level = TRACE_INFO;
static int64 trace_run;

void
trace_begin(int level, int64 run_id)
{
	trace_level = level;
	trace_run = run_id;
}

void
make_printable(char *to, size_t size, const char *text, size_t len)
{
	size_t		at = 0;

	for (size_t i = 0; i < len && at + 5 <= size; i++)
	{
		unsigned char c = text[i];

		if (c >= ' ' && c < 0x7f)
			to[at++] = (char) c;
		else
			at += sprintf(to + at, "\\x%02x", c);
	}
	to[at] = '\0';
}

void
trace_write(TraceLevel level, const char *format,...)
{
	char		text[MAX_LINE];
	char		line[MAX_LINE];
	char		who[40] = "check";
	va_list		args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	make_printable(line, sizeof(line), text, strlen(text));
	if (trace_run != 0)
		snprintf(who, sizeof(who), "run " INT64_FORMAT, trace_run);
	ereport(LOG_SERVER_ONLY,
			(errmsg_internal("pgtunsync %s: debug%d: %s", who, (int) level, line),
			 errhidestmt(true), errhidecontext(true)));
}
