/*-------------------------------------------------------------------------
 *
 * source_catalog.c
 *	  Reads the source's catalog in as few round trips as possible.
 *
 * There are two messages, each of several statements.  The first sends BEGIN
 * and reads the facts about the server, the exported snapshot and the
 * relations.  The second reads columns, sequences with their states, and
 * foreign keys of the chosen tables.  If few tables are wanted, the first
 * message also asks for their details, by name.  The second is then sent only
 * if other tables are chosen.
 *
 * All queries run with search_path = pg_catalog, so names need no
 * qualification.  Only OIDs (as numbers) and quoted literals are inserted into
 * the queries.  Privileges are checked here: a table that the role may not
 * read, or that row security would filter silently, fails with its name before
 * anything starts.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_am_d.h"
#include "catalog/pg_class.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"

#include "base/glob.h"
#include "schema/source_catalog.h"

#define OLDEST_SOURCE	100000	/* 10 has declarative partitions and identity columns */

/* ---- reading results ---- */

static char *
get_text(PGresult *result, int row, int column)
{
	return PQgetisnull(result, row, column) ? NULL : pstrdup(PQgetvalue(result, row, column));
}

static Oid
get_oid(PGresult *result, int row, int column)
{
	return (Oid) strtoul(PQgetvalue(result, row, column), NULL, 10);
}

static bool
get_bool(PGresult *result, int row, int column)
{
	return PQgetvalue(result, row, column)[0] == 't';
}

static int64
get_int64(PGresult *result, int row, int column)
{
	return strtoll(PQgetvalue(result, row, column), NULL, 10);
}

/*
 * Returns the nth result.  Raises an error if it does not have that many
 * columns: the source may not be a PostgreSQL server, and libpq does not check
 * access to missing fields.
 */
static PGresult *
nth_result(Source *source, List *results, int n, int columns)
{
	PGresult   *result = n < list_length(results) ? list_nth(results, n) : NULL;

	if (result == NULL || PQresultStatus(result) != PGRES_TUPLES_OK || PQnfields(result) != columns)
		source_raise(source, NULL, "the catalog");
	return result;
}

/* ---- the facts ---- */

/*
 * The role may lack EXECUTE on pg_control_system().  A query that names the
 * function would then fail at its start, even if it never calls it.
 * query_to_xml() names the function only in a text that is run after the
 * privilege check.
 */
static const char facts_query[] =
"SELECT pg_export_snapshot(), current_setting('server_version'),"
" CASE WHEN has_function_privilege('pg_control_system()', 'EXECUTE') THEN"
" substring(query_to_xml('SELECT system_identifier AS id FROM pg_catalog.pg_control_system()',"
" false, true, '')::text FROM '<id>(-?[0-9]+)</id>') END,"
" (SELECT oid FROM pg_database WHERE datname = current_database()),"
" trunc(extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint,"
" pg_is_in_recovery()";

static void
read_facts(Source *source, PGresult *result, SourceFacts *facts)
{
	if (PQntuples(result) != 1)
		source_raise(source, NULL, "the server's facts");
	facts->snapshot = get_text(result, 0, 0);
	facts->version = source_text(PQgetvalue(result, 0, 1));
	facts->system_identifier = (uint64) get_int64(result, 0, 2);
	facts->database = get_oid(result, 0, 3);
	facts->start_time = get_int64(result, 0, 4);
	facts->in_recovery = get_bool(result, 0, 5);
}

/* ---- the relations ---- */

/* Appends 'a', 'b', … */
static void
append_literals(StringInfo buf, List *strings)
{
	const char *separator = "";
	ListCell   *lc;

	foreach(lc, strings)
	{
		appendStringInfo(buf, "%s%s", separator, quote_literal_cstr(lfirst(lc)));
		separator = ", ";
	}
}

/*
 * Partitions are included from all schemas: they need not be in the schema of
 * their root.
 */
static void
append_relations_query(StringInfo buf, List *schemas)
{
	appendStringInfoString(buf,
						   "SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence,"
						   " c.relispartition, i.inhparent,"
						   " has_table_privilege(c.oid, 'SELECT'),"
						   " has_schema_privilege(n.oid, 'USAGE'),"
						   " CASE WHEN c.relrowsecurity THEN row_security_active(c.oid) ELSE false END,"
						   " (c.relpages::float8 + coalesce(t.relpages, 0)) * current_setting('block_size')::float8,"
						   " c.reltuples, CASE WHEN c.relispartition THEN pg_get_expr(c.relpartbound, 0) END,"
						   " CASE WHEN c.relkind = 'r' AND c.relam = " CppAsString2(HEAP_TABLE_AM_OID)
						   " THEN c.relpages ELSE 0 END"
						   " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
						   " LEFT JOIN pg_class t ON t.oid = c.reltoastrelid"
						   " LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND c.relispartition"
						   " WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relpersistence <> 't'"
						   " AND (c.relispartition OR n.nspname IN (");
	append_literals(buf, schemas);
	appendStringInfoString(buf, "))");
}

static void
read_relations(PGresult *result, Catalog *catalog)
{
	int			rows = PQntuples(result);

	for (int row = 0; row < rows; row++)
	{
		CatalogRelation *relation = palloc0(sizeof(CatalogRelation));

		relation->oid = get_oid(result, row, 0);
		relation->schema = get_text(result, row, 1);
		relation->name = get_text(result, row, 2);
		relation->kind = PQgetvalue(result, row, 3)[0];
		relation->persistence = PQgetvalue(result, row, 4)[0];
		relation->is_partition = get_bool(result, row, 5);
		relation->readable = get_bool(result, row, 7);
		relation->reachable = get_bool(result, row, 8);
		relation->row_security = get_bool(result, row, 9);
		relation->bytes = strtod(PQgetvalue(result, row, 10), NULL);
		relation->rows = strtod(PQgetvalue(result, row, 11), NULL);
		relation->bound = get_text(result, row, 12);
		relation->heap_pages = strtod(PQgetvalue(result, row, 13), NULL);
		if (relation->rows == 0 && relation->bytes == 0)
			relation->rows = -1;	/* before version 14: never analyzed */
		(void) catalog_add(catalog, relation);
	}
	for (int row = 0; row < rows; row++)
	{
		if (!PQgetisnull(result, row, 6))
			catalog_set_parent(catalog, get_oid(result, row, 0), get_oid(result, row, 6));
	}
	catalog_find_leaves(catalog);
}

static void
check_version(Source *source)
{
	if (source_version(source) < OLDEST_SOURCE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the source server is too old"),
				 errdetail("Its version is %d.%d; the oldest that is supported is 10.",
						   source_version(source) / 10000, source_version(source) / 100 % 100)));
}

/* ---- columns and sequences ---- */

/* Returns '{1,2,…}'::oid[]. */
static char *
oids_of(List *relations)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	appendStringInfoString(&buf, "'{");
	foreach(lc, relations)
		appendStringInfo(&buf, "%s%u", lc == list_head(relations) ? "" : ",",
						 ((CatalogRelation *) lfirst(lc))->oid);
	appendStringInfoString(&buf, "}'::oid[]");
	return buf.data;
}

/* Returns an expression of type oid[] for tables known only by name. */
static char *
oids_by_name(List *relations)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	appendStringInfoString(&buf,
						   "ARRAY(SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
						   " WHERE c.relkind IN ('r', 'p') AND (n.nspname, c.relname) IN (");
	foreach(lc, relations)
	{
		CatalogRelation *relation = lfirst(lc);

		appendStringInfo(&buf, "%s(%s, %s)", lc == list_head(relations) ? "" : ", ",
						 quote_literal_cstr(relation->schema), quote_literal_cstr(relation->name));
	}
	appendStringInfoString(&buf, "))");
	return buf.data;
}

/* Version 12 introduced generated columns. */
static void
append_columns_query(StringInfo buf, int version, const char *oids)
{
	appendStringInfo(buf,
					 "SELECT a.attrelid, a.attname, a.attnum, format_type(a.atttypid, a.atttypmod),"
					 " a.atttypid, coalesce(nullif(t.typbasetype, 0), t.oid), %s,"
					 " has_table_privilege(a.attrelid, 'SELECT') OR has_column_privilege(a.attrelid, a.attnum, 'SELECT')"
					 " FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid"
					 " WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attrelid = ANY (%s)"
					 " ORDER BY a.attrelid, a.attnum",
					 version >= 120000 ? "a.attgenerated <> ''" : "false", oids);
}

/*
 * Reads the state of sequences.  The state is stored in the sequence relation.
 * query_to_xml() reads it, because the names of the sequences are known only
 * while the query runs.
 */
static void
append_sequences_query(StringInfo buf, const char *oids)
{
	appendStringInfo(buf,
					 "SELECT q.refobjid, q.refobjsubid, q.oid, q.nspname, q.relname, q.readable,"
					 " substring(q.state FROM '<last_value>(-?[0-9]+)</last_value>'),"
					 " substring(q.state FROM '<is_called>(true|false)</is_called>')"
					 " FROM (SELECT r.*, CASE WHEN r.readable THEN query_to_xml("
					 "format('SELECT last_value, is_called FROM %%I.%%I', r.nspname, r.relname),"
					 " false, true, '')::text END AS state"
					 " FROM (SELECT d.refobjid, d.refobjsubid, s.oid, n.nspname, s.relname,"
					 " has_table_privilege(s.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE') AS readable"
					 " FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'"
					 " JOIN pg_namespace n ON n.oid = s.relnamespace"
					 " WHERE d.classid = 'pg_class'::regclass AND d.objsubid = 0"
					 " AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0"
					 " AND d.deptype IN ('a', 'i') AND d.refobjid = ANY (%s)) r OFFSET 0) q"
					 " ORDER BY q.refobjid, q.refobjsubid, q.oid", oids);
}

/* Both ends of the foreign keys, one row for each column. */
static void
append_keys_query(StringInfo buf, const char *oids)
{
	appendStringInfo(buf,
					 "SELECT k.conrelid, k.oid, n.nspname, c.relname, a.attname, b.attname"
					 " FROM pg_constraint k JOIN pg_class c ON c.oid = k.confrelid"
					 " JOIN pg_namespace n ON n.oid = c.relnamespace"
					 " CROSS JOIN LATERAL unnest(k.conkey, k.confkey) WITH ORDINALITY u (x, y, i)"
					 " JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.x"
					 " JOIN pg_attribute b ON b.attrelid = k.confrelid AND b.attnum = u.y"
					 " WHERE k.contype = 'f' AND k.conrelid = ANY (%s)"
					 " ORDER BY k.conrelid, k.oid, u.i", oids);
}

static void
read_keys(PGresult *result, const Catalog *catalog)
{
	CatalogForeignKey *key = NULL;
	Oid			current = InvalidOid;

	for (int row = 0; row < PQntuples(result); row++)
	{
		CatalogRelation *relation = catalog_find_oid(catalog, get_oid(result, row, 0));

		if (relation == NULL)
			continue;
		if (key == NULL || current != get_oid(result, row, 1))
		{
			key = palloc0(sizeof(CatalogForeignKey));
			key->schema = get_text(result, row, 2);
			key->table = get_text(result, row, 3);
			relation->foreign_keys = lappend(relation->foreign_keys, key);
			current = get_oid(result, row, 1);
		}
		key->columns = lappend(key->columns, get_text(result, row, 4));
		key->referenced = lappend(key->referenced, get_text(result, row, 5));
	}
}

static void
read_columns(PGresult *result, const Catalog *catalog)
{
	for (int row = 0; row < PQntuples(result); row++)
	{
		CatalogRelation *relation = catalog_find_oid(catalog, get_oid(result, row, 0));
		CatalogColumn *column;

		if (relation == NULL)
			continue;
		column = palloc0(sizeof(CatalogColumn));
		column->name = get_text(result, row, 1);
		column->attnum = atoi(PQgetvalue(result, row, 2));
		column->type = get_text(result, row, 3);
		column->typid = get_oid(result, row, 4);
		column->base_typid = get_oid(result, row, 5);
		column->generated = get_bool(result, row, 6);
		column->readable = get_bool(result, row, 7);
		relation->columns = lappend(relation->columns, column);
	}
}

static void
read_sequences(PGresult *result, const Catalog *catalog)
{
	for (int row = 0; row < PQntuples(result); row++)
	{
		CatalogRelation *relation = catalog_find_oid(catalog, get_oid(result, row, 0));
		CatalogSequence *sequence;

		if (relation == NULL)
			continue;
		sequence = palloc0(sizeof(CatalogSequence));
		sequence->attnum = atoi(PQgetvalue(result, row, 1));
		sequence->oid = get_oid(result, row, 2);
		sequence->schema = get_text(result, row, 3);
		sequence->name = get_text(result, row, 4);
		sequence->readable = get_bool(result, row, 5);
		if (sequence->readable)
		{
			sequence->last_value = get_int64(result, row, 6);
			sequence->is_called = get_bool(result, row, 7);
		}
		relation->sequences = lappend(relation->sequences, sequence);
	}
}

/*
 * Appends three queries for these relations; oids is an expression of type
 * oid[].
 */
static void
append_details_queries(StringInfo buf, int version, const char *oids)
{
	append_columns_query(buf, version, oids);
	appendStringInfoString(buf, "; ");
	append_sequences_query(buf, oids);
	appendStringInfoString(buf, "; ");
	append_keys_query(buf, oids);
}

/* Reads the results of these queries, starting with the nth result. */
static void
read_details(Source *source, List *results, int n, const Catalog *catalog)
{
	read_columns(nth_result(source, results, n, 8), catalog);
	read_sequences(nth_result(source, results, n + 1, 8), catalog);
	read_keys(nth_result(source, results, n + 2, 6), catalog);
}

static void
clear_all(Source *source, List *results)
{
	ListCell   *lc;

	foreach(lc, results)
		source_clear(source, lfirst(lc));
	list_free(results);
}

void
source_catalog_details(Source *source, const Catalog *catalog, List *wanted)
{
	List	   *relations = NIL;
	StringInfoData buf;
	List	   *results;
	ListCell   *lc;

	foreach(lc, wanted)
	{
		CatalogRelation *relation = lfirst(lc);

		if (!relation->detailed)
			relations = lappend(relations, relation);
		relation->detailed = true;
	}
	if (relations == NIL)
		return;
	initStringInfo(&buf);
	append_details_queries(&buf, source_version(source), oids_of(relations));
	source_show_texts(source);
	results = source_query_multi(source, buf.data);
	read_details(source, results, 0, catalog);
	clear_all(source, results);
}

/* ---- the first message ---- */

/*
 * Marks the tables whose details the first message asked for.  A local table
 * may have no counterpart on the source, or one of another kind.
 */
static void
mark_detailed(const Catalog *catalog, List *relations)
{
	ListCell   *lc;

	foreach(lc, relations)
	{
		CatalogRelation *ours = lfirst(lc);
		CatalogRelation *theirs = catalog_find(catalog, ours->schema, ours->name);

		if (theirs != NULL &&
			(theirs->kind == RELKIND_RELATION || theirs->kind == RELKIND_PARTITIONED_TABLE))
			theirs->detailed = true;
	}
}

char *
source_catalog_ask(Source *source, List *schemas, List *wanted)
{
	StringInfoData buf;

	check_version(source);
	initStringInfo(&buf);
	appendStringInfo(&buf, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; %s; ", facts_query);
	append_relations_query(&buf, schemas);
	if (wanted != NIL)
	{
		appendStringInfoString(&buf, "; ");
		append_details_queries(&buf, source_version(source), oids_by_name(wanted));
	}
	source_show_texts(source);
	source_send(source, buf.data);
	return buf.data;
}

Catalog *
source_catalog_answer(Source *source, const char *asked, List *wanted, SourceFacts *facts)
{
	Catalog    *catalog = catalog_create();
	List	   *results = source_receive(source, asked);

	read_facts(source, nth_result(source, results, 1, 6), facts);
	read_relations(nth_result(source, results, 2, 14), catalog);
	if (wanted != NIL)
		read_details(source, results, 3, catalog);
	mark_detailed(catalog, wanted);
	clear_all(source, results);
	return catalog;
}

/* ---- patterns ---- */

bool *
source_catalog_match_columns(Source *source, List *patterns)
{
	bool	   *found = palloc0(sizeof(bool) * (list_length(patterns) + 1));
	StringInfoData buf;
	PGresult   *result;
	ListCell   *lc;
	int			n = 0;

	if (patterns == NIL)
		return found;
	initStringInfo(&buf);
	appendStringInfoString(&buf,
						   "SELECT EXISTS (SELECT FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
						   " JOIN pg_namespace n ON n.oid = c.relnamespace"
						   " WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p')"
						   " AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
						   " AND (a.attname ~ p.name OR c.relname || '.' || a.attname ~ p.path"
						   " OR n.nspname || '.' || c.relname || '.' || a.attname ~ p.path))"
						   " FROM (VALUES ");
	foreach(lc, patterns)
	{
		const char *pattern = lfirst(lc);

		appendStringInfo(&buf, "%s(%d, %s, %s)", n > 0 ? ", " : "", n,
						 quote_literal_cstr(glob_regex(pattern, true)),
						 quote_literal_cstr(glob_regex(pattern, false)));
		n++;
	}
	appendStringInfoString(&buf, ") p (i, name, path) ORDER BY p.i");
	source_show_texts(source);
	result = source_query(source, buf.data);
	if (PQnfields(result) != 1 || PQntuples(result) != n)
		source_raise(source, NULL, "patterns of columns");
	while (n-- > 0)
		found[n] = get_bool(result, n, 0);
	source_clear(source, result);
	return found;
}

char *
source_encoding(Source *source)
{
	const char *encoding = PQparameterStatus(source_conn(source), "server_encoding");

	return encoding != NULL && strcmp(encoding, "SQL_ASCII") == 0 ? "SQL_ASCII" : "UTF8";
}

/* ---- statements that may fail ---- */

/*
 * Returns the result of the last statement before the two that undo the
 * savepoint, and clears the others.
 */
static PGresult *
result_before_rollback(Source *source, List *results)
{
	PGresult   *result;
	ListCell   *lc;

	if (list_length(results) < 3)
		source_raise(source, NULL, "a trial");
	result = list_nth(results, list_length(results) - 3);
	foreach(lc, results)
	{
		if (lfirst(lc) != result)
			source_clear(source, lfirst(lc));
	}
	return result;
}

ErrorData *
source_catalog_try(Source *source, const char *sql, PGresult **result)
{
	MemoryContext context = CurrentMemoryContext;
	char	   *text = psprintf("SAVEPOINT pgtunsync; %s; ROLLBACK TO pgtunsync; RELEASE pgtunsync", sql);
	PGresult   *volatile last = NULL;
	ErrorData  *volatile error = NULL;

	PG_TRY();
	{
		last = result_before_rollback(source, source_query_multi(source, text));
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (!source_usable(source) || error->sqlerrcode == ERRCODE_QUERY_CANCELED)
			PG_RE_THROW();
		FlushErrorState();
	}
	PG_END_TRY();

	if (error != NULL)
		source_clear(source, source_query(source, "ROLLBACK TO pgtunsync; RELEASE pgtunsync"));
	else if (result == NULL)
		source_clear(source, last);
	else
		*result = last;
	return error;
}

ErrorData *
source_catalog_count(Source *source, const char *select, const char *search_path, double *count)
{
	char	   *sql = psprintf("SET LOCAL search_path = %s; SELECT count(*) FROM (%s) AS rows",
							   search_path, select);
	PGresult   *result = NULL;
	ErrorData  *error = source_catalog_try(source, sql, &result);

	pfree(sql);
	if (error != NULL)
		return error;
	if (PQnfields(result) != 1 || PQntuples(result) != 1)
		source_raise(source, NULL, "a count");
	*count = strtod(PQgetvalue(result, 0, 0), NULL);
	source_clear(source, result);
	return NULL;
}

/* ---- rewritten tables ---- */

char *
source_catalog_rewritten_query(List *oids)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	appendStringInfoString(&buf,
						   "SELECT FROM pg_catalog.pg_class c WHERE c.relkind OPERATOR(pg_catalog.=) 'r'"
						   " AND pg_catalog.pg_relation_filenode(c.oid) IS DISTINCT FROM c.relfilenode"
						   " AND c.oid OPERATOR(pg_catalog.=) ANY ('{");
	foreach(lc, oids)
		appendStringInfo(&buf, "%s%u", lc == list_head(oids) ? "" : ",", lfirst_oid(lc));
	appendStringInfoString(&buf, "}'::pg_catalog.oid[])");
	return buf.data;
}
