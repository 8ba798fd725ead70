/*-------------------------------------------------------------------------
 *
 * binary_rows.h
 *	  Parses the messages of a binary COPY.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_BINARY_ROWS_H
#define PGTUNSYNC_BINARY_ROWS_H

#include "nodes/pg_list.h"
#include "utils/relcache.h"

typedef struct BinaryRows BinaryRows;

/*
 * Prepares to parse a COPY with the given columns: names (char *) of columns
 * of the relation, in the order of the COPY.  Allocates in the current memory
 * context.
 */
extern BinaryRows *binary_rows_begin(Relation rel, List *columns);

/*
 * Parses a CopyData message, which has one row and possibly the header of the
 * COPY before it.  Sets the values of the columns in the COPY, allocated in
 * the current memory context, and leaves other columns alone.  This function
 * may change the message.  A zero byte must follow the message.
 *
 * Returns false if the message has no row: the header alone, or the trailer.
 * Raises BAD_COPY_FILE_FORMAT, and what the receive functions of the types
 * raise.
 */
extern bool binary_rows_read(BinaryRows *rows, char *message, int len,
							 Datum *values, bool *isnull);

/*
 * Ends the COPY.  Raises BAD_COPY_FILE_FORMAT if there was no trailer: a
 * server always sends it, so rows may be missing.
 */
extern void binary_rows_end(const BinaryRows *rows);

/*
 * An error context callback for table, line and column; arg is the BinaryRows.
 */
extern void binary_rows_context(void *arg);

#endif							/* PGTUNSYNC_BINARY_ROWS_H */
