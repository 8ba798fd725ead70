/*-------------------------------------------------------------------------
 *
 * copy_reader.h
 *	  The rows of a COPY on the source, as values of a local table.
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
 * Begins to read the COPY that was started on the source.  columns: the names
 * (char *) of the relation's columns that it has, in its order; the others get
 * their defaults, which are prepared here and so belong to whom the relation
 * belongs to.  One at a time in a process.
 */
extern CopyReader *copy_reader_begin(Relation rel, ParseState *pstate, List *columns,
									 bool binary, Source *source);

/*
 * The next row: sets all columns, null where there is neither data nor default.
 * False at the end, when the source has reported success.  Allocates in the current memory
 * context, which is econtext's for each row.  Raises what COPY
 * raises, with its context (table, line, column).
 */
extern bool copy_reader_next(CopyReader *reader, ExprContext *econtext,
							 Datum *values, bool *isnull);

/* How many bytes of data have come. */
extern uint64 copy_reader_bytes(const CopyReader *reader);

/* Puts its context onto errors until copy_reader_end(), or an error. */
extern void copy_reader_push_context(CopyReader *reader, ErrorContextCallback *callback);

extern void copy_reader_end(CopyReader *reader);

#endif							/* PGTUNSYNC_COPY_READER_H */
