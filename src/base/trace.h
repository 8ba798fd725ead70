/*-------------------------------------------------------------------------
 *
 * trace.h
 *	  Writes a trace of connecting to the source into the server log.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_TRACE_H
#define PGTUNSYNC_TRACE_H

typedef enum TraceLevel
{
	TRACE_INFO,					/* no trace, only the messages of the run */
	TRACE_DEBUG1,				/* like ssh -v: each step and its result */
	TRACE_DEBUG2,				/* like ssh -vv: choices, sizes, connections */
	TRACE_DEBUG3				/* like ssh -vvv: what is read and transferred */
} TraceLevel;

extern int	trace_level;		/* the TraceLevel of this process */

/* Sets the level and the run ID of this process; run_id is 0 for a check. */
extern void trace_begin(int level, int64 run_id);

/*
 * Writes a line of the trace.  The arguments are evaluated only if the level
 * is enabled.  They must not contain secrets, and may contain untrusted text.
 */
#define trace(level, ...) \
	do { \
		if (trace_level >= (level)) \
			trace_write(level, __VA_ARGS__); \
	} while (0)

extern void trace_write(TraceLevel level, const char *format,...) pg_attribute_printf(2, 3);

/*
 * Copies text and replaces everything that is not printable ASCII by \xNN.
 * Writes at most size - 1 bytes and a terminator.  Use it for text from
 * untrusted servers.
 */
extern void make_printable(char *to, size_t size, const char *text, size_t len);

#endif							/* PGTUNSYNC_TRACE_H */
