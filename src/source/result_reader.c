/*-------------------------------------------------------------------------
 *
 * result_reader.c
 *	  The rows that the source returns, as values of the types that a query
 *	  declares.
 *
 * The source may be hostile, or no PostgreSQL server at all, and libpq checks
 * little: PQgetvalue() returns NULL for a column that does not exist, and an
 * empty string for a null value.  So this file is the only one that reads
 * values from a PGresult (test/t/110_result_reader.pl enforces it).  It checks
 * each value against the declaration of its column before a caller gets it:
 * null or not, kind, range, length, encoding.
 *
 * Rows are read one by one and copied into the caller's structures, so libpq
 * never holds more than one.  An answer is limited to 512 MB of values.  A
 * schema of 100,000 tables needs about 16 MB for its relations, and 200 MB for
 * the columns if all tables are pulled at once with 25 columns each.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <errno.h>
#include <math.h>

#include "mb/pg_wchar.h"

#include "source/result_reader.h"

/* bytes of an answer, counted as the protocol sends them */
#define ANSWER_BYTES_MAX	((int64) 512 * 1024 * 1024)
#define ROW_OVERHEAD		7
#define VALUE_OVERHEAD		4

/* A name of 63 bytes can be four times as long in our encoding. */
#define NAME_BYTES_MAX		(4 * (NAMEDATALEN - 1))

typedef union ResultValue
{
	const char *text;			/* in the PGresult */
	bool		boolean;
	int64		integer;
	Oid			oid;
	double		number;
	char		character;
} ResultValue;

struct ResultReader
{
	Source	   *source;
	const ResultShape *shape;
	int64		min_rows;
	int64		max_rows;
	int64		row;			/* counted from 1 */
	int64		bytes;
	const PGresult *result;		/* the row */
	ResultValue *values;
	bool	   *isnull;
};

/* ---- errors ---- */

/* The answer as a whole; detail is palloc'd. */
static void pg_attribute_noreturn()
refuse_answer(Source *source, const char *query, const char *detail)
{
	source_distrust(source);
	ereport(ERROR,
			(errcode(ERRCODE_PROTOCOL_VIOLATION),
			 errmsg("invalid answer from the source to the query for %s", query),
			 errdetail("%s", detail),
			 errhint(SOURCE_PROTOCOL_HINT)));
}

/* What a value must be, in words. */
static const char *
expected(const ResultColumn *column)
{
	switch (column->kind)
	{
		case RESULT_NAME:
			return "a name";
		case RESULT_BOOL:
			return "a Boolean";
		case RESULT_INT64:
			return "an integer";
		case RESULT_INT:
			return psprintf("an integer from " INT64_FORMAT " to " INT64_FORMAT,
							column->min, column->max);
		case RESULT_OID:
			return "an OID";
		case RESULT_NUMBER:
			return "a number";
		case RESULT_CHAR:
			return psprintf("one of \"%s\"", column->set);
		default:
			return psprintf("text of at most " INT64_FORMAT " bytes",
							column->max > 0 ? column->max : RESULT_TEXT_MAX);
	}
}

/* The value as it came; masked ones are not shown. */
static const char *
shown_value(const ResultReader *reader, int column)
{
	if (PQgetisnull(reader->result, 0, column))
		return "NULL";
	if (!source_shows_texts(reader->source))
		return "a value";
	return psprintf("\"%s\"", source_value_text(PQgetvalue(reader->result, 0, column),
												PQgetlength(reader->result, 0, column)));
}

void
result_refuse_column(const ResultReader *reader, int column, const char *what)
{
	source_distrust(reader->source);
	ereport(ERROR,
			(errcode(ERRCODE_PROTOCOL_VIOLATION),
			 errmsg("invalid value from the source for column \"%s\" of the query for %s",
					reader->shape->columns[column].name, reader->shape->query),
			 errdetail("Row " INT64_FORMAT " has %s where %s is expected.",
					   reader->row, shown_value(reader, column), what),
			 errhint(SOURCE_PROTOCOL_HINT)));
}

void
result_refuse(const ResultReader *reader, const char *reason)
{
	refuse_answer(reader->source, reader->shape->query, reason);
}

/* ---- values ---- */

/* Text that is valid in our encoding, without a zero byte. */
static bool
read_text(const char *data, int len, int64 min, int64 max, ResultValue *value)
{
	value->text = data;
	return len >= min && len <= max && pg_verify_mbstr(GetDatabaseEncoding(), data, len, true);
}

static bool
read_bool(const char *data, ResultValue *value)
{
	value->boolean = data[0] == 't';
	return strcmp(data, "t") == 0 || strcmp(data, "f") == 0 ||
		strcmp(data, "true") == 0 || strcmp(data, "false") == 0;
}

/* As the server's output functions write it: a sign at most, and digits. */
static bool
read_int(const char *data, int len, int64 min, int64 max, int64 *value)
{
	const char *digits = data + (data[0] == '-');
	char	   *end;

	if (digits[0] < '0' || digits[0] > '9')
		return false;
	errno = 0;
	*value = strtoll(data, &end, 10);
	if (errno != 0 || end != data + len)
		return false;
	return *value >= min && *value <= max;
}

static bool
read_oid(const char *data, int len, ResultValue *value)
{
	int64		n = 0;
	bool		valid = read_int(data, len, 1, PG_UINT32_MAX, &n);

	value->oid = valid ? (Oid) n : InvalidOid;
	return valid;
}

/* Neither infinite nor NaN, whose spelling begins with a letter. */
static bool
read_number(const ResultColumn *column, const char *data, int len, ResultValue *value)
{
	const char *digits = data + (data[0] == '-');
	char	   *end;

	if (digits[0] < '0' || digits[0] > '9' || strpbrk(data, "xX") != NULL)
		return false;
	value->number = strtod(data, &end);
	return end == data + len && isfinite(value->number) &&
		value->number >= column->min && value->number <= column->max;
}

static bool
read_char(const ResultColumn *column, const char *data, int len, ResultValue *value)
{
	value->character = data[0];
	return len == 1 && data[0] != '\0' && strchr(column->set, data[0]) != NULL;
}

/* False if the value is not what the column declares. */
static bool
read_value(const ResultColumn *column, const char *data, int len, ResultValue *value)
{
	switch (column->kind)
	{
		case RESULT_NAME:
			return read_text(data, len, 1, NAME_BYTES_MAX, value);
		case RESULT_BOOL:
			return read_bool(data, value) && strlen(data) == len;
		case RESULT_INT:
			return read_int(data, len, column->min, column->max, &value->integer);
		case RESULT_INT64:
			return read_int(data, len, PG_INT64_MIN, PG_INT64_MAX, &value->integer);
		case RESULT_OID:
			return read_oid(data, len, value);
		case RESULT_NUMBER:
			return read_number(column, data, len, value);
		case RESULT_CHAR:
			return read_char(column, data, len, value);
		default:
			return read_text(data, len, 0, column->max > 0 ? column->max : RESULT_TEXT_MAX, value);
	}
}

/* ---- rows ---- */

static void
check_columns(const ResultReader *reader)
{
	if (PQnfields(reader->result) != reader->shape->ncolumns)
		refuse_answer(reader->source, reader->shape->query,
					  psprintf("The number of columns is %d, expected %d.",
							   PQnfields(reader->result), reader->shape->ncolumns));
}

static void
read_row(ResultReader *reader)
{
	const ResultShape *shape = reader->shape;

	for (int i = 0; i < shape->ncolumns; i++)
	{
		const ResultColumn *column = &shape->columns[i];
		int			len = PQgetlength(reader->result, 0, i);

		reader->bytes += len + VALUE_OVERHEAD;
		reader->isnull[i] = PQgetisnull(reader->result, 0, i);
		memset(&reader->values[i], 0, sizeof(ResultValue));
		if (reader->isnull[i] ? !column->nullable :
			!read_value(column, PQgetvalue(reader->result, 0, i), len, &reader->values[i]))
			result_refuse_column(reader, i, expected(column));
	}
	reader->bytes += ROW_OVERHEAD;
}

/* Counts a row, and raises an error if it is one too many. */
static void
count_row(ResultReader *reader)
{
	reader->row++;
	if (reader->row > reader->max_rows)
		refuse_answer(reader->source, reader->shape->query,
					  psprintf("The number of rows exceeds " INT64_FORMAT ".", reader->max_rows));
	if (reader->bytes > ANSWER_BYTES_MAX)
		refuse_answer(reader->source, reader->shape->query,
					  psprintf("Its size exceeds " INT64_FORMAT " MB.",
							   ANSWER_BYTES_MAX / (1024 * 1024)));
}

ResultReader *
result_begin(Source *source, const ResultShape *shape, int64 min_rows, int64 max_rows)
{
	ResultReader *reader = palloc0(sizeof(ResultReader));

	reader->source = source;
	reader->shape = shape;
	reader->min_rows = min_rows;
	reader->max_rows = max_rows;
	reader->values = palloc0(sizeof(ResultValue) * shape->ncolumns);
	reader->isnull = palloc0(sizeof(bool) * shape->ncolumns);
	return reader;
}

bool
result_next(ResultReader *reader)
{
	Source	   *source = reader->source;
	PGresult   *result = source_next_result(source);

	reader->result = result;
	if (result == NULL || PQresultStatus(result) == PGRES_COMMAND_OK)
		refuse_answer(source, reader->shape->query, "It has no rows and no columns.");
	if (PQresultStatus(result) != PGRES_SINGLE_TUPLE && PQresultStatus(result) != PGRES_TUPLES_OK)
		source_raise(source, result);
	check_columns(reader);
	/* in single-row mode, this one has no row and ends the result */
	if (PQresultStatus(result) == PGRES_TUPLES_OK)
	{
		if (reader->row < reader->min_rows)
			refuse_answer(source, reader->shape->query,
						  psprintf("The number of rows is " INT64_FORMAT ", expected " INT64_FORMAT ".",
								   reader->row, reader->min_rows));
		return false;
	}
	count_row(reader);
	read_row(reader);
	return true;
}

/* ---- outside of a reader ---- */

int
result_setting(const PGresult *row, int column)
{
	int64		value;

	if (column >= PQnfields(row) || PQgetisnull(row, 0, column) ||
		!read_int(PQgetvalue(row, 0, column), PQgetlength(row, 0, column), 0, PG_INT32_MAX, &value))
		return 0;
	return (int) value;
}

/* ---- what is not read ---- */

/* Drops the next statement's result; false if there is none. */
static bool
skip_statement(Source *source)
{
	ExecStatusType status;

	do
	{
		PGresult   *result = source_next_result(source);

		if (result == NULL)
			return false;
		status = PQresultStatus(result);
		if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_SINGLE_TUPLE)
			source_raise(source, result);
	} while (status == PGRES_SINGLE_TUPLE);
	return true;
}

void
result_skip(Source *source)
{
	if (!skip_statement(source))
		source_raise(source, NULL);
}

void
result_finish(Source *source)
{
	while (skip_statement(source))
		;
}

void
result_run(Source *source, const char *sql)
{
	source_send(source, sql);
	source_receive(source);
	result_skip(source);
	result_finish(source);
}

/* ---- what the caller gets ---- */

bool
result_is_null(const ResultReader *reader, int column)
{
	return reader->isnull[column];
}

char *
result_text(const ResultReader *reader, int column)
{
	Assert(reader->shape->columns[column].kind == RESULT_TEXT ||
		   reader->shape->columns[column].kind == RESULT_NAME);
	return reader->isnull[column] ? NULL : pstrdup(reader->values[column].text);
}

bool
result_bool(const ResultReader *reader, int column)
{
	Assert(reader->shape->columns[column].kind == RESULT_BOOL);
	return reader->values[column].boolean;
}

int64
result_int(const ResultReader *reader, int column)
{
	Assert(reader->shape->columns[column].kind == RESULT_INT ||
		   reader->shape->columns[column].kind == RESULT_INT64);
	return reader->values[column].integer;
}

Oid
result_oid(const ResultReader *reader, int column)
{
	Assert(reader->shape->columns[column].kind == RESULT_OID);
	return reader->values[column].oid;
}

double
result_number(const ResultReader *reader, int column)
{
	Assert(reader->shape->columns[column].kind == RESULT_NUMBER);
	return reader->values[column].number;
}

char
result_char(const ResultReader *reader, int column)
{
	Assert(reader->shape->columns[column].kind == RESULT_CHAR);
	return reader->values[column].character;
}
