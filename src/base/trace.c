/*-------------------------------------------------------------------------
 *
 * trace.c
 *	  What happens on the way to the source, told to the server log.
 *
 * "ssh -v" is how people find out why a connection does not come about.  Here
 * there is no terminal, so pgtunsync.log_level has leader and tunnel tell the
 * same to the server log, even where log_min_messages is "error", each line with
 * the run that it belongs to:
 *
 *		pgtunsync run 17: debug1: session 1, hop 2: known_hosts: …
 *
 * The lines never reach a client.  They name files, hosts and accounts of the
 * machine, which is why only superusers can turn them on; and a caller who may
 * only pull must not see what a superuser is looking for.
 *
 * Nothing here has secrets at hand: passwords, passphrases and keys are named by
 * where they come from.  libssh2's own trace is not used, since it prints
 * packets, the one with the password among them.
 *
 * What servers say goes through the same door, so lines are cleaned as
 * OpenSSH's are: a terminal that shows the log must not be taken over by a
 * banner, nor a line be faked by a newline.
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
