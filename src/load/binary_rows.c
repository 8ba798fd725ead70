/*-------------------------------------------------------------------------
 *
 * binary_rows.c
 *	  Parses the messages of a binary COPY.
 *
 * NextCopyFrom() reads a stream of bytes.  It would copy each message to its
 * buffer, each value to a second buffer, and each value once more into its
 * Datum.  In the protocol, each message has one row.  So we pass the receive
 * functions of the types pointers into the message.
 *
 * The most frequent types are received here without a call.  A value that is
 * not obviously valid goes to the receive function of its type, which raises
 * the usual error.
 *
 * The source is not trusted: every length is checked against that of the
 * message.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "datatype/timestamp.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "port/pg_bswap.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "load/binary_rows.h"
#include "base/compat.h"
#include "load/jsonb_text.h"

/* How a column's values are received. */
typedef enum Receive
{
	RECEIVE_CALL,				/* call the receive function */
	RECEIVE_BOOL,
	RECEIVE_2,					/* a number of 2 bytes */
	RECEIVE_4,
	RECEIVE_8,
	RECEIVE_TIMESTAMP,
	RECEIVE_TEXT,
	RECEIVE_JSONB
} Receive;

typedef struct BinaryColumn
{
	int			index;			/* counted from 0 */
	const char *name;
	Receive		receive;
	FmgrInfo	function;
	Oid			ioparam;
	int32		typmod;
} BinaryColumn;

struct BinaryRows
{
	const char *relname;
	int			ncolumns;
	BinaryColumn *columns;
	uint64		line;
	const char *column;			/* name of the current column, or NULL */
	bool		header_read;
	bool		ended;
};

/* The rest of a message. */
typedef struct Rest
{
	char	   *data;
	int			len;
} Rest;

static const char signature[11] = "PGCOPY\n\377\r\n";

/* ---- columns ---- */

static bool
text_needs_no_conversion(void)
{
	return pg_get_client_encoding() == GetDatabaseEncoding();
}

static Receive
choose_receive(Oid function, int32 typmod)
{
	switch (function)
	{
		case F_BOOLRECV:
			return RECEIVE_BOOL;
		case F_INT2RECV:
			return RECEIVE_2;
		case F_INT4RECV:
		case F_FLOAT4RECV:
			return RECEIVE_4;
		case F_INT8RECV:
		case F_FLOAT8RECV:
			return RECEIVE_8;
		case F_TIMESTAMP_RECV:
		case F_TIMESTAMPTZ_RECV:
			/* a lower precision requires rounding */
			return typmod < 0 || typmod >= MAX_TIMESTAMP_PRECISION ?
				RECEIVE_TIMESTAMP : RECEIVE_CALL;
		case F_TEXTRECV:
		case F_VARCHARRECV:
			return text_needs_no_conversion() ? RECEIVE_TEXT : RECEIVE_CALL;
		case F_JSONB_RECV:
			return text_needs_no_conversion() ? RECEIVE_JSONB : RECEIVE_CALL;
		default:
			return RECEIVE_CALL;
	}
}

BinaryRows *
binary_rows_begin(Relation rel, List *columns)
{
	BinaryRows *rows = palloc0(sizeof(BinaryRows));
	ListCell   *lc;

	rows->relname = pstrdup(RelationGetRelationName(rel));
	rows->columns = palloc0(sizeof(BinaryColumn) * Max(list_length(columns), 1));
	foreach(lc, columns)
	{
		BinaryColumn *column = &rows->columns[rows->ncolumns++];
		AttrNumber	attnum = get_attnum(RelationGetRelid(rel), lfirst(lc));
		Form_pg_attribute att;
		Oid			function;

		if (attnum <= 0)
			elog(ERROR, "column \"%s\" not found", (char *) lfirst(lc));
		att = TupleDescAttr(RelationGetDescr(rel), attnum - 1);
		getTypeBinaryInputInfo(att->atttypid, &function, &column->ioparam);
		fmgr_info(function, &column->function);
		column->index = attnum - 1;
		column->name = pstrdup(NameStr(att->attname));
		column->typmod = att->atttypmod;
		column->receive = choose_receive(function, att->atttypmod);
	}
	return rows;
}

/* ---- the message ---- */

static void
raise_short(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
			 errmsg("unexpected end of a row in COPY data")));
}

static char *
read_bytes(Rest *rest, int len)
{
	char	   *data = rest->data;

	if (len < 0 || len > rest->len)
		raise_short();
	rest->data += len;
	rest->len -= len;
	return data;
}

static uint16
read_uint16(Rest *rest)
{
	uint16		n;

	memcpy(&n, read_bytes(rest, sizeof(n)), sizeof(n));
	return pg_ntoh16(n);
}

static uint32
read_uint32(Rest *rest)
{
	uint32		n;

	memcpy(&n, read_bytes(rest, sizeof(n)), sizeof(n));
	return pg_ntoh32(n);
}

/* Like ReceiveCopyBinaryHeader() in copyfromparse.c. */
static void
read_header(Rest *rest)
{
	uint32		flags;

	if (rest->len < sizeof(signature) ||
		memcmp(read_bytes(rest, sizeof(signature)), signature, sizeof(signature)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
				 errmsg("COPY file signature not recognized")));
	flags = read_uint32(rest);
	if (flags >> 16 != 0)
		ereport(ERROR,
				(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
				 errmsg("unrecognized critical flags in COPY file header")));
	/* skip the header extension */
	(void) read_bytes(rest, (int32) read_uint32(rest));
}

/* ---- values ---- */

static Datum
call_receive(BinaryColumn *column, char *data, int len)
{
	StringInfoData buf = {.data = data, .len = len, .maxlen = len + 1};
	Datum		value;
	char		next = data[len];

	/* a StringInfo must end with a zero byte; see exec_bind_message() */
	data[len] = '\0';
	value = ReceiveFunctionCall(&column->function, &buf, column->ioparam, column->typmod);
	if (buf.cursor != buf.len)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("incorrect binary data format")));
	data[len] = next;
	return value;
}

static Datum
receive_number(BinaryColumn *column, char *data, int len)
{
	union
	{
		uint16		two;
		uint32		four;
		uint64		eight;
	}			n;

	if (column->receive == RECEIVE_2 && len == sizeof(n.two))
	{
		memcpy(&n.two, data, sizeof(n.two));
		return Int16GetDatum((int16) pg_ntoh16(n.two));
	}
	if (column->receive == RECEIVE_4 && len == sizeof(n.four))
	{
		memcpy(&n.four, data, sizeof(n.four));
		return Int32GetDatum((int32) pg_ntoh32(n.four));
	}
	/* if a Datum has four bytes, the type is passed by reference */
	if (column->receive == RECEIVE_8 && len == sizeof(n.eight) && FLOAT8PASSBYVAL)
	{
		memcpy(&n.eight, data, sizeof(n.eight));
		return Int64GetDatum((int64) pg_ntoh64(n.eight));
	}
	return call_receive(column, data, len);
}

static Datum
receive_timestamp(BinaryColumn *column, char *data, int len)
{
	uint64		n;

	if (len == sizeof(n) && FLOAT8PASSBYVAL)
	{
		memcpy(&n, data, sizeof(n));
		n = pg_ntoh64(n);
		if (IS_VALID_TIMESTAMP((Timestamp) n))
			return TimestampGetDatum((Timestamp) n);
	}
	return call_receive(column, data, len);
}

static Datum
receive_text(BinaryColumn *column, char *data, int len)
{
	text	   *value;

	/* varchar(n) limits characters; with n bytes or fewer, the value fits */
	if (column->typmod >= (int32) VARHDRSZ && len > column->typmod - (int32) VARHDRSZ)
		return call_receive(column, data, len);
	(void) pg_verify_mbstr(GetDatabaseEncoding(), data, len, false);
	value = palloc(len + VARHDRSZ);
	SET_VARSIZE(value, len + VARHDRSZ);
	memcpy(VARDATA(value), data, len);
	return PointerGetDatum(value);
}

/* The first byte is the version of the format. */
static Datum
receive_jsonb(BinaryColumn *column, char *data, int len)
{
	Jsonb	   *value = NULL;

	if (len > 1 && *data == 1)
	{
		(void) pg_verify_mbstr(GetDatabaseEncoding(), data + 1, len - 1, false);
		value = jsonb_text_parse(data + 1, len - 1);
	}
	return value != NULL ? JsonbPGetDatum(value) : call_receive(column, data, len);
}

static Datum
receive_value(BinaryColumn *column, char *data, int len)
{
	switch (column->receive)
	{
		case RECEIVE_BOOL:
			return len == 1 ? BoolGetDatum(*data != 0) : call_receive(column, data, len);
		case RECEIVE_2:
		case RECEIVE_4:
		case RECEIVE_8:
			return receive_number(column, data, len);
		case RECEIVE_TIMESTAMP:
			return receive_timestamp(column, data, len);
		case RECEIVE_TEXT:
			return receive_text(column, data, len);
		case RECEIVE_JSONB:
			return receive_jsonb(column, data, len);
		default:
			return call_receive(column, data, len);
	}
}

static void
read_value(BinaryRows *rows, BinaryColumn *column, Rest *rest, Datum *value, bool *isnull)
{
	int32		len = (int32) read_uint32(rest);

	*isnull = len == -1;
	/* the receive function of a domain checks NOT NULL */
	if (*isnull)
		*value = ReceiveFunctionCall(&column->function, NULL, column->ioparam, column->typmod);
	else if (len < 0)
		ereport(ERROR,
				(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
				 errmsg("invalid field size")));
	else
		*value = receive_value(column, read_bytes(rest, len), len);
}

/* ---- rows ---- */

/* True if this is the trailer.  Raises an error if data follows it. */
static bool
is_trailer(BinaryRows *rows, int16 count, const Rest *rest)
{
	if (rows->ended || (count == -1 && rest->len > 0))
		ereport(ERROR,
				(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
				 errmsg("received copy data after EOF marker")));
	return rows->ended = count == -1;
}

static void
check_count(const BinaryRows *rows, int16 count)
{
	if (count != rows->ncolumns)
		ereport(ERROR,
				(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
				 errmsg("row field count is %d, expected %d", count, rows->ncolumns)));
}

bool
binary_rows_read(BinaryRows *rows, char *message, int len, Datum *values, bool *isnull)
{
	Rest		rest = {message, len};
	int16		count;

	if (!rows->header_read)
		read_header(&rest);
	rows->header_read = true;
	if (rest.len == 0)
		return false;

	rows->line++;
	count = (int16) read_uint16(&rest);
	if (is_trailer(rows, count, &rest))
		return false;
	check_count(rows, count);
	for (int i = 0; i < rows->ncolumns; i++)
	{
		BinaryColumn *column = &rows->columns[i];

		rows->column = column->name;
		read_value(rows, column, &rest, &values[column->index], &isnull[column->index]);
	}
	rows->column = NULL;
	if (rest.len > 0)
		ereport(ERROR,
				(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
				 errmsg("extra data after last expected column")));
	return true;
}

void
binary_rows_end(const BinaryRows *rows)
{
	if (!rows->ended)
		ereport(ERROR,
				(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
				 errmsg("unexpected EOF in COPY data")));
}

/* Uses the texts of CopyFromErrorCallback(). */
void
binary_rows_context(void *arg)
{
	BinaryRows *rows = arg;

	if (rows->column != NULL)
		errcontext("COPY %s, line " UINT64_FORMAT ", column %s",
				   rows->relname, rows->line, rows->column);
	else
		errcontext("COPY %s, line " UINT64_FORMAT, rows->relname, rows->line);
}
