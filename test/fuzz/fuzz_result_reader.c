/*-------------------------------------------------------------------------
 *
 * fuzz_result_reader.c
 *	  libFuzzer target: any bytes as what the source answers to the queries for
 *	  its catalog.
 *
 * The input is a list of lines, each of them a result as libpq hands it out in
 * single-row mode:
 *
 *		C					a command has succeeded
 *		R1|public|\N|t		a row; \N is NULL
 *		T4					the end of a result of four columns
 *		E					an error of the source
 *		.					the end of an answer
 *
 * Apart from what the sanitizers see: the catalog that was read is consistent,
 * and nothing is refused by an error of another class.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"

#include "base/glob.h"
#include "schema/inheritance.h"
#include "schema/source_catalog.h"
#include "source/result_reader.h"
#include "../parsers/shim.h"

#define FIELDS_MAX	64

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * libpq's results, and a source that hands them out
 */

struct pg_result
{
	ExecStatusType status;
	int			nfields;
	char	   *values[FIELDS_MAX];
	int			lengths[FIELDS_MAX];	/* -1: NULL */
};

struct Source
{
	const char *rest;
	const char *end;
	PGresult	result;
	bool		lost;
};

ExecStatusType
PQresultStatus(const PGresult *result)
{
	return result->status;
}

int
PQnfields(const PGresult *result)
{
	return result->nfields;
}

int
PQgetisnull(const PGresult *result, int row, int column)
{
	if (row != 0 || column < 0 || column >= result->nfields)
		abort();
	return result->lengths[column] < 0;
}

int
PQgetlength(const PGresult *result, int row, int column)
{
	return PQgetisnull(result, row, column) ? 0 : result->lengths[column];
}

char *
PQgetvalue(const PGresult *result, int row, int column)
{
	static char empty[1];

	return PQgetisnull(result, row, column) ? empty : result->values[column];
}

static void
add_field(PGresult *result, const char *start, size_t len)
{
	bool		isnull = len == 2 && memcmp(start, "\\N", 2) == 0;

	if (result->nfields == FIELDS_MAX)
		return;
	result->values[result->nfields] = palloc(len + 1);
	memcpy(result->values[result->nfields], start, len);
	result->values[result->nfields][len] = '\0';
	result->lengths[result->nfields++] = isnull ? -1 : (int) len;
}

static void
split_row(PGresult *result, const char *start, const char *end)
{
	while (start <= end)
	{
		const char *bar = memchr(start, '|', end - start);
		const char *stop = bar != NULL ? bar : end;

		add_field(result, start, stop - start);
		start = stop + 1;
	}
}

PGresult *
source_next_result(Source *source)
{
	PGresult   *result = &source->result;
	const char *line = source->rest;
	const char *end;

	/* once it is distrusted, nobody may ask it again */
	if (source->lost)
		abort();
	if (line >= source->end)
		return NULL;
	end = memchr(line, '\n', source->end - line);
	if (end == NULL)
		end = source->end;
	source->rest = end + 1;
	if (*line == '.')
		return NULL;
	memset(result, 0, sizeof(PGresult));
	result->status = *line == 'R' ? PGRES_SINGLE_TUPLE : *line == 'T' ? PGRES_TUPLES_OK :
		*line == 'C' ? PGRES_COMMAND_OK : PGRES_FATAL_ERROR;
	if (*line == 'R')
		split_row(result, line + 1, end);
	for (int i = 0; *line == 'T' && line + 1 + i < end && isdigit((unsigned char) line[1 + i]) && i < 2; i++)
		result->nfields = result->nfields * 10 + line[1 + i] - '0';
	return result;
}

void
source_send(Source *source, const char *sql)
{
}

void
source_receive(Source *source)
{
}

void
source_distrust(Source *source)
{
	source->lost = true;
}

bool
source_shows_texts(Source *source)
{
	return true;
}

void
source_show_texts(Source *source)
{
}

TimestampTz
GetCurrentTimestamp(void)
{
	return 0;
}

bool
SplitIdentifierString(char *rawstring, char separator, List **namelist)
{
	*namelist = list_make1(rawstring);
	return rawstring[0] != '\0';
}

/* an error was reported when it was raised */
ErrorData *
CopyErrorData(void)
{
	return palloc0(sizeof(ErrorData));
}

void
FlushErrorState(void)
{
}

void
ThrowErrorData(ErrorData *edata)
{
	pg_re_throw();
}

bool
source_usable(Source *source)
{
	return !source->lost;
}

/* the input has no refused locks */
int
source_lock_patience(Source *source)
{
	return 0;
}

bool
source_lock_refused(Source *source)
{
	return false;
}

bool
source_statement_failed(Source *source)
{
	return false;
}

int
source_version(Source *source)
{
	return 150000;
}

void
source_raise(Source *source, PGresult *result)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONNECTION_FAILURE),
			 errmsg("error on the source")));
	abort();
}

/*
 * What the rooms need of a server beside the shims
 */

int
GetDatabaseEncoding(void)
{
	return PG_UTF8;
}

bool
pg_verify_mbstr(int encoding, const char *mbstr, int len, bool noError)
{
	return pg_encoding_verifymbstr(encoding, mbstr, len) == len;
}

int
pg_mbcliplen(const char *mbstr, int len, int limit)
{
	int			clipped = 0;

	while (clipped < len)
	{
		int			n = pg_encoding_mblen(PG_UTF8, mbstr + clipped);

		if (clipped + n > limit)
			break;
		clipped += n;
	}
	return clipped;
}

char *
quote_literal_cstr(const char *rawstr)
{
	return psprintf("'%s'", rawstr);
}

char *
glob_regex(const char *pattern, bool name)
{
	return pstrdup(pattern);
}

void
list_free_deep(List *list)
{
	ListCell   *lc;

	foreach(lc, list)
		pfree(lfirst(lc));
}

/* Hash tables that are lists. */
struct HTAB
{
	Size		keysize;
	Size		entrysize;
	List	   *entries;
};

HTAB *
hash_create(const char *tabname, long nelem, const HASHCTL *info, int flags)
{
	HTAB	   *table = palloc0(sizeof(HTAB));

	table->keysize = info->keysize;
	table->entrysize = info->entrysize;
	return table;
}

void *
hash_search(HTAB *table, const void *key, HASHACTION action, bool *found)
{
	ListCell   *lc;
	void	   *entry;

	foreach(lc, table->entries)
	{
		if (memcmp(lfirst(lc), key, table->keysize) != 0)
			continue;
		if (found != NULL)
			*found = true;
		return lfirst(lc);
	}
	if (found != NULL)
		*found = false;
	if (action != HASH_ENTER)
		return NULL;
	entry = palloc0(table->entrysize);
	memcpy(entry, key, table->keysize);
	table->entries = lappend(table->entries, entry);
	return entry;
}

/*
 * What must hold for every catalog that was read
 */

static void
check_parents(const CatalogRelation *relation)
{
	int			levels = 0;

	for (const CatalogRelation *above = relation->parent; above; above = above->parent)
	{
		if (above->kind != RELKIND_PARTITIONED_TABLE || ++levels > PARTITION_LEVELS_MAX)
			abort();
	}
}

static void
check_ancestors(const CatalogRelation *relation)
{
	ListCell   *lc;

	if (list_length(relation->ancestors) > INHERITANCE_ANCESTORS_MAX)
		abort();
	foreach(lc, relation->ancestors)
	{
		if (lfirst(lc) == relation)
			abort();
	}
}

static void
check_columns(const CatalogRelation *relation)
{
	int			last = 0;
	ListCell   *lc;

	foreach(lc, relation->columns)
	{
		CatalogColumn *column = lfirst(lc);

		if (column->attnum <= last || column->name[0] == '\0' || column->type == NULL ||
			column->typid == InvalidOid || column->base_typid == InvalidOid)
			abort();
		last = column->attnum;
	}
}

static void
check_keys(const CatalogRelation *relation)
{
	ListCell   *lc;

	foreach(lc, relation->foreign_keys)
	{
		CatalogForeignKey *key = lfirst(lc);

		if (key->columns == NIL || key->schema[0] == '\0' || key->table[0] == '\0' ||
			list_length(key->columns) != list_length(key->referenced))
			abort();
	}
}

static void
check_catalog(const Catalog *catalog)
{
	ListCell   *lc;

	foreach(lc, catalog->relations)
	{
		CatalogRelation *relation = lfirst(lc);

		if (relation->schema[0] == '\0' || strchr("rpvmfS", relation->kind) == NULL)
			abort();
		check_parents(relation);
		check_ancestors(relation);
		check_columns(relation);
		check_keys(relation);
	}
}

static void
read_catalog(void *arg)
{
	Source	   *source = arg;
	CatalogRelation wanted = {.schema = "public", .name = "users"};
	SourceFacts facts;
	Catalog    *catalog = source_catalog_answer(source, "", list_make1(&wanted), &facts);

	check_catalog(catalog);
	source_catalog_details(source, catalog, catalog->relations);
	check_catalog(catalog);
	(void) source_catalog_match_columns(source, list_make1("email"));
}

static void
report(int elevel, const char *sqlstate, const char *message,
	   const char *detail, const char *hint)
{
	if (strcmp(sqlstate, "08P01") != 0 && strcmp(sqlstate, "08006") != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Source		source = {.rest = (const char *) data, .end = (const char *) data + size};

	shim_reporter = report;
	shim_try(read_catalog, &source);
	shim_reset();
	return 0;
}
