/*-------------------------------------------------------------------------
 *
 * copy_reader.h
 *	  Reads the rows of a COPY on the source as values for a local table.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_COPY_READER_H
#define PGTUNSYNC_COPY_READER_H

#include "nodes/execnodes.h"
#include "parser/parse_node.h"
#include "source/source.h"

typedef struct CopyReader CopyReader;

/*
 * Begins to read the COPY that was started on the source.  "columns" are the
 * names (char *) of the relation's columns in the COPY, in the same order.
 * The other columns get their defaults.  Since these are prepared here, the
 * caller must have entered the context of the relation's owner.  A process can
 * have only one reader at a time.
 */
extern CopyReader *copy_reader_begin(Relation rel, ParseState *pstate, List *columns,
									 bool binary, Source *source);

/*
 * Reads the next row and sets all columns.  A column without data or default
 * becomes null.  Returns false at the end, when the source has reported
 * success.  Allocates in the current memory context, which must be the
 * per-tuple context of econtext.  Raises what COPY raises.
 */
extern bool copy_reader_next(CopyReader *reader, ExprContext *econtext,
							 Datum *values, bool *isnull);

/* The number of bytes of data read so far. */
extern uint64 copy_reader_bytes(const CopyReader *reader);

/*
 * Pushes an error context with table, line and column.  The caller pops it
 * before copy_reader_end().
 */
extern void copy_reader_push_context(CopyReader *reader, ErrorContextCallback *callback);

extern void copy_reader_end(CopyReader *reader);

#endif							/* PGTUNSYNC_COPY_READER_H */
