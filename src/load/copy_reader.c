/*-------------------------------------------------------------------------
 *
 * copy_reader.c
 *	  Reads the rows of a COPY on the source as values for a local table.
 *
 * Text format is read by the server's own COPY: BeginCopyFrom() with a
 * callback that reads from libpq, and NextCopyFrom() for each row.  Binary
 * rows are parsed by binary_rows.c, and this file computes the defaults of the
 * columns that the COPY does not have.  In both formats it computes the
 * defaults that advance a sequence: code of the owner is read-only
 * (user_context.c), and only these defaults are exempt.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/copy.h"
#include "executor/executor.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteHandler.h"
#include "utils/rel.h"

#include "base/text.h"
#include "load/binary_rows.h"
#include "base/compat.h"
#include "load/copy_reader.h"
#include "base/user_context.h"
#include "eval/user_code.h"

/* A column whose default is computed here. */
typedef struct DefaultColumn
{
	int			index;			/* counted from 0 */
	ExprState  *expression;
	bool		sequences;		/* the default may advance a sequence */
} DefaultColumn;

struct CopyReader
{
	Source	   *source;
	uint64		bytes;
	int			natts;

	/* text */
	CopyFromState copy;			/* NULL: binary */
	char	   *data;			/* rest of the current message */
	int			left;			/* its length */
	bool		ended;

	BinaryRows *rows;			/* binary */
	List	   *defaults;		/* of DefaultColumn * */
};

/*
 * The reader for the callback of NextCopyFrom(), which has no argument for it.
 */
static CopyReader *text_reader;

/*
 * Reads the next message.  The wait does not count as time of the owner's
 * code.
 */
static int
next_message(CopyReader *reader, char **message)
{
	int			len;

	owner_wait_begin();
	len = source_copy_data(reader->source, message);
	owner_wait_end();
	return len;
}

/* ---- text ---- */

/*
 * The data source of COPY: reads at least minread bytes unless the data ends.
 */
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
			reader->left = next_message(reader, &reader->data);
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
		/* free the message now: other copies of a large row follow */
		if (reader->left == 0)
			source_copy_consumed(reader->source);
	}
	return got;
}

/* ---- defaults ---- */

/*
 * True if a sequence is all that the default changes.  Identity columns are
 * like this.
 */
static bool
advances_sequence(Node *expression)
{
	return contain_volatile_functions(expression) && user_code_may_use_sequences(expression);
}

/*
 * Prepares the default of a column like BeginCopyFrom() in copyfrom.c.
 * Returns NULL if it has none.
 */
static DefaultColumn *
prepare_default(Relation rel, int index)
{
	Node	   *expression = build_column_default(rel, index + 1);
	DefaultColumn *column;

	if (expression == NULL)
		return NULL;
	column = palloc(sizeof(DefaultColumn));
	column->index = index;
	column->sequences = advances_sequence(expression);
	column->expression = ExecInitExpr(expression_planner((Expr *) expression), NULL);
	return column;
}

/*
 * Prepares the defaults that are computed here: all in binary, else those of
 * sequences.
 */
static List *
prepare_defaults(Relation rel, List *columns, bool binary)
{
	List	   *defaults = NIL;

	for (int i = 0; i < RelationGetNumberOfAttributes(rel); i++)
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), i);
		DefaultColumn *column;

		if (att->attisdropped || att->attgenerated || names_include(columns, NameStr(att->attname)))
			continue;
		column = prepare_default(rel, i);
		if (column != NULL && (binary || column->sequences))
			defaults = lappend(defaults, column);
	}
	return defaults;
}

/* Copies the relation without these defaults, which COPY must not compute. */
static Relation
hide_defaults(Relation rel, List *defaults)
{
	Relation	copy = palloc(sizeof(RelationData));
	ListCell   *lc;

	*copy = *rel;
	copy->rd_att = CreateTupleDescCopyConstr(RelationGetDescr(rel));
	foreach(lc, defaults)
	{
		Form_pg_attribute att = TupleDescAttr(copy->rd_att, ((DefaultColumn *) lfirst(lc))->index);

		att->atthasdef = false;
		att->attidentity = '\0';
	}
	return copy;
}

static void
compute_default(const DefaultColumn *column, ExprContext *econtext, Datum *values, bool *isnull)
{
	if (column->sequences)
		owner_sequences_begin();
	values[column->index] = ExecEvalExpr(column->expression, econtext, &isnull[column->index]);
	if (column->sequences)
		owner_sequences_end();
}

static void
compute_defaults(const CopyReader *reader, ExprContext *econtext, Datum *values, bool *isnull)
{
	ListCell   *lc;

	foreach(lc, reader->defaults)
		compute_default(lfirst(lc), econtext, values, isnull);
}

/* ---- binary ---- */

/*
 * Reads values from the next message that has a row.  Returns false at the
 * end.
 */
static bool
read_binary(CopyReader *reader, Datum *values, bool *isnull)
{
	bool		found = false;

	while (!found)
	{
		char	   *message;
		int			len = next_message(reader, &message);

		if (len < 0)
		{
			binary_rows_end(reader->rows);
			return false;
		}
		reader->bytes += len;
		found = binary_rows_read(reader->rows, message, len, values, isnull);
		/* free the message now: other copies of a large row follow */
		source_copy_consumed(reader->source);
	}
	return true;
}

static bool
next_binary(CopyReader *reader, Datum *values, bool *isnull)
{
	memset(values, 0, sizeof(Datum) * reader->natts);
	memset(isnull, true, sizeof(bool) * reader->natts);
	return read_binary(reader, values, isnull);
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
	reader->defaults = prepare_defaults(rel, columns, binary);
	if (binary)
		reader->rows = binary_rows_begin(rel, columns);
	else
	{
		text_reader = reader;
		reader->copy = BeginCopyFrom(pstate, hide_defaults(rel, reader->defaults), NULL, NULL,
									 false, read_text, string_list(columns), NIL);
	}
	return reader;
}

bool
copy_reader_next(CopyReader *reader, ExprContext *econtext, Datum *values, bool *isnull)
{
	bool		more;

	if (reader->copy != NULL)
		more = NextCopyFrom(reader->copy, econtext, values, isnull);
	else
		more = next_binary(reader, values, isnull);
	if (more)
		compute_defaults(reader, econtext, values, isnull);
	return more;
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
