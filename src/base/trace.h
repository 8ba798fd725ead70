/*-------------------------------------------------------------------------
 *
 * trace.h
 *	  What happens on the way to the source, told to the server log.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_TRACE_H
#define PGTUNSYNC_TRACE_H

typedef enum TraceLevel
{
	TRACE_INFO,					/* nothing beside the run's own messages */
	TRACE_DEBUG1,				/* ssh -v: what is done, and how it ended */
	TRACE_DEBUG2,				/* ssh -vv: what was considered, sizes, who came */
	TRACE_DEBUG3				/* ssh -vvv: what is read, and what moves, as it goes */
} TraceLevel;

extern int	trace_level;		/* of this process; a TraceLevel */

/* Begins to trace in this process; run_id: 0 for a check. */
extern void trace_begin(int level, int64 run_id);

/*
 * A line of the trace.  Its arguments are evaluated only if it is wanted; they
 * must hold no secret, and may be untrusted text.
 */
#define trace(level, ...) \
	do { \
		if (trace_level >= (level)) \
			trace_write(level, __VA_ARGS__); \
	} while (0)

extern void trace_write(TraceLevel level, const char *format,...) pg_attribute_printf(2, 3);

/*
 * Copies text with all that is not printable ASCII written as \xNN, at most
 * size - 1 bytes; for what a server of unknown intentions has said.
 */
extern void make_printable(char *to, size_t size, const char *text, size_t len);

#endif							/* PGTUNSYNC_TRACE_H */
