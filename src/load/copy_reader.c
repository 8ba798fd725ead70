/*-------------------------------------------------------------------------
 *
 * copy_reader.c
 *	  The rows of a COPY on the source, as values of a local table.
 *
 * Text goes through the server's own COPY: BeginCopyFrom() with a callback that
 * reads from libpq, NextCopyFrom() for the lines.  Binary rows come in messages that
 * binary_rows.c takes apart; what COPY does besides, defaults for the
 * columns that do not travel, is done here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/copy.h"
#include "executor/executor.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteHandler.h"
#include "utils/rel.h"

#include "load/binary_rows.h"
#include "base/compat.h"
#include "load/copy_reader.h"

/* A column that the COPY does not have. */
typedef struct DefaultColumn
{
	int			index;			/* counted from 0 */
	ExprState  *expression;
} DefaultColumn;

struct CopyReader
{
	Source	   *source;
	uint64		bytes;
	int			natts;

	/* text */
	CopyFromState copy;			/* NULL: binary */
	char	   *data;			/* what is left of a message */
	int			left;
	bool		ended;

	/* binary */
	BinaryRows *rows;
	List	   *defaults;		/* of DefaultColumn * */
};

/* Where NextCopyFrom's callback reads: it has no argument of its own. */
static CopyReader *text_reader;

/* ---- text ---- */

/* COPY's data source: at least minread bytes unless the data ends. */
static int
read_text(void *outbuf, int minread, int maxread)
{
	CopyReader *reader = text_reader;
	int			got = 0;

	while (got < minread && !reader->ended)
	{
		int			n;

		if (reader->left == 0)
		{
			reader->left = source_copy_data(reader->source, &reader->data);
			if (reader->left < 0)
			{
				reader->left = 0;
				reader->ended = true;
				break;
			}
			reader->bytes += reader->left;
		}
		n = Min(reader->left, maxread - got);
		memcpy((char *) outbuf + got, reader->data, n);
		got += n;
		reader->data += n;
		reader->left -= n;
		/* a large row exists often enough while its values are made */
		if (reader->left == 0)
			source_copy_consumed(reader->source);
	}
	return got;
}

/* ---- binary ---- */

static bool
is_in_copy(List *columns, const char *name)
{
	ListCell   *lc;

	foreach(lc, columns)
	{
		if (strcmp(lfirst(lc), name) == 0)
			return true;
	}
	return false;
}

/* As BeginCopyFrom() of copyfrom.c. */
static List *
prepare_defaults(Relation rel, List *columns)
{
	List	   *defaults = NIL;

	for (int i = 0; i < RelationGetNumberOfAttributes(rel); i++)
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), i);
		Expr	   *expression;
		DefaultColumn *column;

		if (att->attisdropped || att->attgenerated || is_in_copy(columns, NameStr(att->attname)))
			continue;
		expression = (Expr *) build_column_default(rel, i + 1);
		if (expression == NULL)
			continue;
		column = palloc(sizeof(DefaultColumn));
		column->index = i;
		column->expression = ExecInitExpr(expression_planner(expression), NULL);
		defaults = lappend(defaults, column);
	}
	return defaults;
}

/* The values of the next message that holds a row; false at the end. */
static bool
read_binary(CopyReader *reader, Datum *values, bool *isnull)
{
	bool		found = false;

	while (!found)
	{
		char	   *message;
		int			len = source_copy_data(reader->source, &message);

		if (len < 0)
		{
			binary_rows_end(reader->rows);
			return false;
		}
		reader->bytes += len;
		found = binary_rows_read(reader->rows, message, len, values, isnull);
		/* a large row exists often enough while it is stored */
		source_copy_consumed(reader->source);
	}
	return true;
}

static bool
next_binary(CopyReader *reader, ExprContext *econtext, Datum *values, bool *isnull)
{
	ListCell   *lc;

	memset(values, 0, sizeof(Datum) * reader->natts);
	memset(isnull, true, sizeof(bool) * reader->natts);
	if (!read_binary(reader, values, isnull))
		return false;
	foreach(lc, reader->defaults)
	{
		DefaultColumn *column = lfirst(lc);

		values[column->index] = ExecEvalExpr(column->expression, econtext, &isnull[column->index]);
	}
	return true;
}

/* ---- both ---- */

static List *
string_list(List *columns)
{
	List	   *strings = NIL;
	ListCell   *lc;

	foreach(lc, columns)
		strings = lappend(strings, makeString(lfirst(lc)));
	return strings;
}

CopyReader *
copy_reader_begin(Relation rel, ParseState *pstate, List *columns, bool binary, Source *source)
{
	CopyReader *reader = palloc0(sizeof(CopyReader));

	reader->source = source;
	reader->natts = RelationGetNumberOfAttributes(rel);
	if (binary)
	{
		reader->rows = binary_rows_begin(rel, columns);
		reader->defaults = prepare_defaults(rel, columns);
	}
	else
	{
		text_reader = reader;
		reader->copy = BeginCopyFrom(pstate, rel, NULL, NULL, false, read_text,
									 string_list(columns), NIL);
	}
	return reader;
}

bool
copy_reader_next(CopyReader *reader, ExprContext *econtext, Datum *values, bool *isnull)
{
	if (reader->copy != NULL)
		return NextCopyFrom(reader->copy, econtext, values, isnull);
	return next_binary(reader, econtext, values, isnull);
}

uint64
copy_reader_bytes(const CopyReader *reader)
{
	return reader->bytes;
}

void
copy_reader_push_context(CopyReader *reader, ErrorContextCallback *callback)
{
	callback->callback = reader->copy != NULL ? CopyFromErrorCallback : binary_rows_context;
	callback->arg = reader->copy != NULL ? (void *) reader->copy : (void *) reader->rows;
	callback->previous = error_context_stack;
	error_context_stack = callback;
}

void
copy_reader_end(CopyReader *reader)
{
	if (reader->copy != NULL)
		EndCopyFrom(reader->copy);
	text_reader = NULL;
}
