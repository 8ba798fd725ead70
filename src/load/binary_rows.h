/*-------------------------------------------------------------------------
 *
 * binary_rows.h
 *	  The rows of a binary COPY, from its messages.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_BINARY_ROWS_H
#define PGTUNSYNC_BINARY_ROWS_H

#include "nodes/pg_list.h"
#include "utils/relcache.h"

typedef struct BinaryRows BinaryRows;

/*
 * columns: the names (char *) of the relation's columns that the COPY has, in
 * its order.  All lives in the current memory context.
 */
extern BinaryRows *binary_rows_begin(Relation rel, List *columns);

/*
 * Takes a CopyData message apart, which holds one row, and may hold the
 * COPY's header before it.  Sets the values of the columns that it has, allocated in the
 * current memory context, and leaves others alone.  The message may be written to,
 * and has a byte behind its end that is 0.
 *
 * Returns false for a message without a row: the header alone, or the trailer.
 * Raises BAD_COPY_FILE_FORMAT and what the types' receive functions raise.
 */
extern bool binary_rows_read(BinaryRows *rows, char *message, int len,
							 Datum *values, bool *isnull);

/*
 * The COPY has ended.  Raises BAD_COPY_FILE_FORMAT if its trailer did not come: who
 * sends it, sends it always, and rows may be missing.
 */
extern void binary_rows_end(const BinaryRows *rows);

/* For ErrorContextCallback, with the BinaryRows as argument: table, line and column. */
extern void binary_rows_context(void *arg);

#endif							/* PGTUNSYNC_BINARY_ROWS_H */
