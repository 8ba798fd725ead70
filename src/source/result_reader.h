/*-------------------------------------------------------------------------
 *
 * result_reader.h
 *	  The rows that the source returns, as values of the types that a query
 *	  declares.
 *
 * A query states its columns once:
 *
 *		enum {TABLE_OID, TABLE_NAME};
 *		static const ResultColumn columns[] = {
 *			[TABLE_OID] = {"oid", RESULT_OID},
 *			[TABLE_NAME] = {"relname", RESULT_NAME, .nullable = true}};
 *		static const ResultShape shape = {"tables", columns, 2};
 *
 *		source_send(source, "BEGIN; SELECT oid, relname …");
 *		source_receive(source);
 *		result_skip(source);
 *		reader = result_begin(source, &shape, 0, RESULT_ROWS_ANY);
 *		while (result_next(reader))
 *			… result_oid(reader, TABLE_OID) …
 *		result_finish(source);
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_RESULT_READER_H
#define PGTUNSYNC_RESULT_READER_H

#include "source/source.h"

typedef enum ResultKind
{
	RESULT_TEXT,				/* of at most max bytes, 0: RESULT_TEXT_MAX */
	RESULT_NAME,				/* an identifier, not empty */
	RESULT_BOOL,
	RESULT_INT,					/* min to max */
	RESULT_INT64,				/* any */
	RESULT_OID,					/* not 0 */
	RESULT_NUMBER,				/* finite, min to max */
	RESULT_CHAR					/* one of set */
} ResultKind;

typedef struct ResultColumn
{
	const char *name;			/* for errors */
	ResultKind	kind;
	bool		nullable;
	int64		min;
	int64		max;
	const char *set;
} ResultColumn;

typedef struct ResultShape
{
	const char *query;			/* what is asked for: "tables", for errors */
	const ResultColumn *columns;
	int			ncolumns;
} ResultShape;

typedef struct ResultReader ResultReader;

/* The longest text of a catalog; no row of pg_class has room for it. */
#define RESULT_TEXT_MAX		(1024 * 1024)

/* No limit but that of the answer's size, see result_reader.c. */
#define RESULT_ROWS_ANY		PG_INT64_MAX

/*
 * All functions below raise the source's own error if it sent one, and
 * PROTOCOL_VIOLATION, with the names of query and column, if its answer is
 * not what was declared.  After the latter the connection counts as lost.
 */

/*
 * The number in this column of a row that answers the session's set-up; 0 if it
 * is none, or less than 0.
 */
extern int	result_setting(const PGresult *row, int column);

/* Runs one simple-query message and drops its results. */
extern void result_run(Source *source, const char *sql);

/* Drops the result of the answer's next statement. */
extern void result_skip(Source *source);

/* Drops the results of all statements that are left. */
extern void result_finish(Source *source);

/*
 * Begins to read the result of the answer's next statement, which must have
 * min_rows to max_rows rows.  The reader belongs to the current memory context.
 */
extern ResultReader *result_begin(Source *source, const ResultShape *shape,
								  int64 min_rows, int64 max_rows);

/*
 * Reads and checks the next row; false at the result's end.  It must be called
 * until then, and nothing else may be read from the source meanwhile.
 */
extern bool result_next(ResultReader *reader);

/*
 * The row's values.  NULL is returned as NULL, false, 0 or InvalidOid.
 * result_int() is for both kinds of integers.  result_text() is for texts and
 * names; it returns a copy in the current memory context, which is valid in the
 * database's encoding.
 */
extern bool result_is_null(const ResultReader *reader, int column);
extern char *result_text(const ResultReader *reader, int column);
extern bool result_bool(const ResultReader *reader, int column);
extern int64 result_int(const ResultReader *reader, int column);
extern Oid	result_oid(const ResultReader *reader, int column);
extern double result_number(const ResultReader *reader, int column);
extern char result_char(const ResultReader *reader, int column);

/*
 * Refuse the row because of this column, or the answer because its rows
 * contradict each other ("A table appears twice.").  For what only the caller
 * can check.
 */
extern void result_refuse_column(const ResultReader *reader, int column,
								 const char *expected) pg_attribute_noreturn();
extern void result_refuse(const ResultReader *reader, const char *reason) pg_attribute_noreturn();

#endif							/* PGTUNSYNC_RESULT_READER_H */
