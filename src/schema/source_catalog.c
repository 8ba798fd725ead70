/*-------------------------------------------------------------------------
 *
 * source_catalog.c
 *	  Reads the source's catalog in as few round trips as possible.
 *
 * There are two messages, each of several statements.  The first sends BEGIN
 * and reads the exported snapshot, the facts about the server and the
 * relations.  The second reads columns, sequences with their states, and
 * foreign keys of the chosen tables.  If few tables are wanted, the first
 * message also asks for their details, by name.  The second is then sent only
 * if other tables are chosen.
 *
 * The transaction lasts as long as the run, so it must not keep a lock: all but
 * the export of the snapshot runs inside savepoints that are rolled back.
 * There it waits only a moment for a lock, because it may hold others
 * (source_locks.c), and is then tried again from the savepoint on.
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

#include "access/htup_details.h"
#include "catalog/pg_am_d.h"
#include "catalog/pg_class.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

#include "base/glob.h"
#include "schema/generated_columns.h"
#include "schema/inheritance.h"
#include "schema/source_catalog.h"
#include "source/result_reader.h"
#include "source/source_locks.h"

#define OLDEST_SOURCE	100000	/* 10 has declarative partitions and identity columns */

/* limits for values in the source's answers */
#define SNAPSHOT_LENGTH_MAX 100
#define VERSION_LENGTH_MAX	1000
#define SEARCH_PATH_LENGTH_MAX	100000
#define TYPE_LENGTH_MAX		2000	/* a qualified, quoted name with a modifier */
#define START_TIME_MIN	0
#define START_TIME_MAX	(INT64CONST(1) << 53)
#define BYTES_MAX	(INT64CONST(1) << 53)
#define ROWS_MAX	(INT64CONST(1) << 53)

/* pauses before a lock is tried again, in ms: they double */
#define FIRST_PAUSE	50
#define LONGEST_PAUSE	1000

/* ---- asking without keeping a lock ---- */

/* Puts statements inside a savepoint that is rolled back. */
static char *
in_savepoint(const char *sql)
{
	return psprintf(SOURCE_BEGIN_ASKING "; SET LOCAL lock_timeout = %d; %s; " SOURCE_END_ASKING,
					SOURCE_LOCK_MOMENT, sql);
}

/* The results of what in_savepoint() has put in front. */
static void
skip_savepoint(Source *source)
{
	result_skip(source);
	result_skip(source);
}

/*
 * Reads the answer to a message of in_savepoint(), its savepoint included.
 * Returns the source's error, or NULL; *refused: it is for want of a lock.
 */
static ErrorData *
try_answer(Source *source, SourceAnswer read, void *arg, bool *refused)
{
	MemoryContext context = CurrentMemoryContext;
	ErrorData  *volatile error = NULL;

	PG_TRY();
	{
		source_receive(source);
		skip_savepoint(source);
		if (read != NULL)
			read(source, arg);
		result_finish(source);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		*refused = source_lock_refused(source);
		if (!source_usable(source) ||
			(error->sqlerrcode == ERRCODE_QUERY_CANCELED && !source_statement_failed(source)))
			PG_RE_THROW();
		FlushErrorState();
	}
	PG_END_TRY();

	if (error == NULL)
		*refused = false;
	else
		result_run(source, SOURCE_END_ASKING);
	return error;
}

static void pg_attribute_noreturn()
raise_locked(Source *source)
{
	int			pid;
	char	   *blocker = source_find_blocker(source, NULL, SOURCE_BEGIN_ASKING, SOURCE_END_ASKING, &pid);

	source_raise_locked(source, NULL, blocker, pid);
}

/*
 * Sends statements and reads their answer, again and again while a lock is
 * refused.  sent: this has been sent already, for the first time.  Returns the
 * source's error, or NULL.
 */
static ErrorData *
ask_patiently(Source *source, const char *sql, bool show, bool sent, SourceAnswer read, void *arg)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													   source_lock_patience(source));
	bool		refused;

	for (int pause = FIRST_PAUSE;; pause = Min(pause * 2, LONGEST_PAUSE))
	{
		ErrorData  *error;

		if (!sent && show)
			source_show_texts(source);
		if (!sent)
			source_send(source, in_savepoint(sql));
		sent = false;
		error = try_answer(source, read, arg, &refused);
		if (!refused)
			return error;
		if (GetCurrentTimestamp() >= deadline)
			raise_locked(source);
		source_pause(pause);
	}
}

void
source_catalog_query(Source *source, const char *sql, SourceAnswer read, void *arg)
{
	ErrorData  *error = ask_patiently(source, sql, true, false, read, arg);

	if (error == NULL)
		return;
	error->elevel = ERROR;
	ThrowErrorData(error);
}

/* ---- the facts ---- */

static const ResultColumn snapshot_columns[] = {
	{"pg_export_snapshot", RESULT_TEXT, .max = SNAPSHOT_LENGTH_MAX}
};
static const ResultShape snapshot_shape = {"snapshot", snapshot_columns, lengthof(snapshot_columns)};

static void
read_snapshot(Source *source, SourceFacts *facts)
{
	ResultReader *reader = result_begin(source, &snapshot_shape, 1, 1);

	while (result_next(reader))
		facts->snapshot = result_text(reader, 0);
}

/*
 * The role may lack EXECUTE on pg_control_system().  A query that names the
 * function would then fail at its start, even if it never calls it.  So the
 * name stands in a text, which ts_stat() runs after the privilege check.
 * ts_stat() runs any query that returns a tsvector.  Unlike query_to_xml(), it
 * also exists in servers that were built without libxml.
 */
static const char facts_query[] =
"SELECT current_setting('server_version'),"
" CASE WHEN has_function_privilege('pg_control_system()', 'EXECUTE') THEN"
" (SELECT word FROM ts_stat('SELECT array_to_tsvector(ARRAY[system_identifier::text])"
" FROM pg_catalog.pg_control_system()')) END,"
" (SELECT oid FROM pg_database WHERE datname = current_database()),"
" trunc(extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint,"
" pg_is_in_recovery(),"
" (SELECT reset_val FROM pg_settings WHERE name = 'search_path')";

enum
{
	FACT_VERSION, FACT_SYSTEM_IDENTIFIER, FACT_DATABASE, FACT_START_TIME, FACT_IN_RECOVERY,
	FACT_SEARCH_PATH
};

static const ResultColumn facts_columns[] = {
	[FACT_VERSION] = {"server_version", RESULT_TEXT, .max = VERSION_LENGTH_MAX},
	[FACT_SYSTEM_IDENTIFIER] = {"system_identifier", RESULT_INT64, .nullable = true},
	[FACT_DATABASE] = {"database", RESULT_OID},
	[FACT_START_TIME] = {"start_time", RESULT_INT, .min = START_TIME_MIN, .max = START_TIME_MAX},
	[FACT_IN_RECOVERY] = {"pg_is_in_recovery", RESULT_BOOL},
	[FACT_SEARCH_PATH] = {"search_path", RESULT_TEXT, .nullable = true, .max = SEARCH_PATH_LENGTH_MAX}
};
static const ResultShape facts_shape = {"facts about the server", facts_columns, lengthof(facts_columns)};

/*
 * The schemas of a search_path that count behind pg_catalog, "$user" as it is.
 * A text that is no list of names, or none that this server can read, has none.
 */
static List *
path_schemas(char *text)
{
	List	   *schemas = NIL;
	List	   *names;
	ListCell   *lc;

	if (text == NULL || !SplitIdentifierString(text, ',', &names))
		return NIL;
	foreach(lc, names)
	{
		const char *name = lfirst(lc);

		if (name[0] != '\0' && strcmp(name, "pg_catalog") != 0 && strcmp(name, "pg_temp") != 0)
			schemas = lappend(schemas, pstrdup(name));
	}
	return schemas;
}

static void
read_facts(Source *source, SourceFacts *facts)
{
	ResultReader *reader = result_begin(source, &facts_shape, 1, 1);

	while (result_next(reader))
	{
		facts->version = source_text(result_text(reader, FACT_VERSION));
		facts->system_identifier = (uint64) result_int(reader, FACT_SYSTEM_IDENTIFIER);
		facts->database = result_oid(reader, FACT_DATABASE);
		facts->start_time = result_int(reader, FACT_START_TIME);
		facts->in_recovery = result_bool(reader, FACT_IN_RECOVERY);
		facts->search_path = path_schemas(result_text(reader, FACT_SEARCH_PATH));
	}
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

/* The ends of all inheritances but those of partitions. */
#define INHERITANCES \
	"FROM pg_inherits h JOIN pg_class k ON k.oid = h.inhrelid" \
	" WHERE NOT k.relispartition AND k.relkind IN ('r', 'f')"

/*
 * Partitions are included from all schemas: they need not be in the schema of
 * their root.  So are inheritance trees.
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
						   " AND (c.relispartition"
						   " OR c.oid IN (SELECT unnest(ARRAY[h.inhrelid, h.inhparent]) " INHERITANCES ")"
						   " OR n.nspname IN (");
	append_literals(buf, schemas);
	appendStringInfoString(buf, "))");
}

static const char inheritances_query[] =
"SELECT h.inhrelid, h.inhparent " INHERITANCES " ORDER BY h.inhrelid, h.inhseqno";

static const ResultColumn inheritance_columns[] = {
	{"inhrelid", RESULT_OID},
	{"inhparent", RESULT_OID}
};
static const ResultShape inheritance_shape = {"inheritances", inheritance_columns, lengthof(inheritance_columns)};

static void
read_inheritances(Source *source, Catalog *catalog)
{
	ResultReader *reader = result_begin(source, &inheritance_shape, 0, RESULT_ROWS_ANY);
	List	   *inheritances = NIL;

	while (result_next(reader))
		inheritances = lappend(inheritances,
							   inheritance_create(result_oid(reader, 0), result_oid(reader, 1)));
	if (!inheritance_resolve(catalog, inheritances))
		result_refuse(reader, psprintf("A table inherits from itself, or from more than %d tables.",
									   INHERITANCE_ANCESTORS_MAX));
	list_free_deep(inheritances);
}

enum
{
	RELATION_OID, RELATION_SCHEMA, RELATION_NAME, RELATION_KIND, RELATION_PERSISTENCE,
	RELATION_IS_PARTITION, RELATION_PARENT, RELATION_READABLE, RELATION_REACHABLE,
	RELATION_ROW_SECURITY, RELATION_BYTES, RELATION_ROWS, RELATION_BOUND, RELATION_HEAP_PAGES
};

/* The privileges are null for a table that has just been dropped. */
static const ResultColumn relation_columns[] = {
	[RELATION_OID] = {"oid", RESULT_OID},
	[RELATION_SCHEMA] = {"nspname", RESULT_NAME},
	[RELATION_NAME] = {"relname", RESULT_NAME},
	[RELATION_KIND] = {"relkind", RESULT_CHAR, .set = "rpvmfS"},
	[RELATION_PERSISTENCE] = {"relpersistence", RESULT_CHAR, .set = "pu"},
	[RELATION_IS_PARTITION] = {"relispartition", RESULT_BOOL},
	[RELATION_PARENT] = {"inhparent", RESULT_OID, .nullable = true},
	[RELATION_READABLE] = {"has_table_privilege", RESULT_BOOL, .nullable = true},
	[RELATION_REACHABLE] = {"has_schema_privilege", RESULT_BOOL, .nullable = true},
	[RELATION_ROW_SECURITY] = {"row_security_active", RESULT_BOOL},
	[RELATION_BYTES] = {"bytes", RESULT_NUMBER, .min = -BYTES_MAX, .max = BYTES_MAX},
	[RELATION_ROWS] = {"reltuples", RESULT_NUMBER, .min = -1, .max = ROWS_MAX},
	[RELATION_BOUND] = {"relpartbound", RESULT_TEXT, .nullable = true},
	[RELATION_HEAP_PAGES] = {"relpages", RESULT_NUMBER, .min = PG_INT32_MIN, .max = PG_UINT32_MAX}
};
static const ResultShape relation_shape = {"relations", relation_columns, lengthof(relation_columns)};

static CatalogRelation *
read_relation(const ResultReader *reader, int source_version)
{
	CatalogRelation *relation = palloc0(sizeof(CatalogRelation));

	relation->oid = result_oid(reader, RELATION_OID);
	relation->schema = result_text(reader, RELATION_SCHEMA);
	relation->name = result_text(reader, RELATION_NAME);
	relation->kind = result_char(reader, RELATION_KIND);
	relation->persistence = result_char(reader, RELATION_PERSISTENCE);
	relation->is_partition = result_bool(reader, RELATION_IS_PARTITION);
	relation->readable = result_bool(reader, RELATION_READABLE);
	relation->reachable = result_bool(reader, RELATION_REACHABLE);
	relation->row_security = result_bool(reader, RELATION_ROW_SECURITY);
	relation->bytes = result_number(reader, RELATION_BYTES);
	relation->rows = result_number(reader, RELATION_ROWS);
	relation->bound = result_text(reader, RELATION_BOUND);
	relation->heap_pages = result_number(reader, RELATION_HEAP_PAGES);
	/* before version 14, one that was never analyzed looks like an empty one */
	if (source_version < 140000 && relation->rows == 0 && relation->bytes == 0)
		relation->rows = -1;
	return relation;
}

static void
raise_duplicate(const ResultReader *reader, const char *what)
{
	result_refuse(reader, psprintf("%s appears twice.", what));
}

/*
 * Reads the relations.  Parents are set at the end, because they may come
 * after their partitions.
 */
static void
read_relations(Source *source, Catalog *catalog)
{
	ResultReader *reader = result_begin(source, &relation_shape, 0, RESULT_ROWS_ANY);
	List	   *inheritances = NIL;
	ListCell   *lc;

	while (result_next(reader))
	{
		CatalogRelation *relation = read_relation(reader, source_version(source));

		if (catalog_find_oid(catalog, relation->oid) != NULL ||
			catalog_find(catalog, relation->schema, relation->name) != NULL)
			raise_duplicate(reader, "A relation");
		(void) catalog_add(catalog, relation);
		if (relation->is_partition && !result_is_null(reader, RELATION_PARENT))
			inheritances = lappend(inheritances,
								   inheritance_create(relation->oid, result_oid(reader, RELATION_PARENT)));
	}
	foreach(lc, inheritances)
	{
		Inheritance *inheritance = lfirst(lc);

		if (!catalog_set_parent(catalog, inheritance->child, inheritance->parent))
			result_refuse(reader, "A partition belongs to a relation that is not a partitioned table.");
	}
	list_free_deep(inheritances);
	if (!catalog_find_leaves(catalog))
		result_refuse(reader, psprintf("A partition is a part of itself, or is nested more than %d levels deep.",
									   PARTITION_LEVELS_MAX));
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
					 " has_table_privilege(a.attrelid, 'SELECT') OR has_column_privilege(a.attrelid, a.attnum, 'SELECT'),"
					 " a.attinhcount > 0"
					 " FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid"
					 " WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attrelid = ANY (%s)"
					 " ORDER BY a.attrelid, a.attnum",
					 version >= 120000 ? "a.attgenerated <> ''" : "false", oids);
}

/*
 * Reads the state of sequences that columns own or name in their defaults.
 * The state is stored in the sequence relation.
 * ts_stat() reads it, because the names of the sequences are known only while
 * the query runs (see facts_query).  The state travels as one word, such as
 * "42 true".
 */
static void
append_sequences_query(StringInfo buf, const char *oids)
{
	appendStringInfo(buf,
					 "SELECT q.refobjid, q.refobjsubid, q.oid, q.nspname, q.relname, q.readable,"
					 " split_part(q.state, ' ', 1), split_part(q.state, ' ', 2)"
					 " FROM (SELECT r.*, CASE WHEN r.readable THEN (SELECT word FROM ts_stat("
					 "format('SELECT array_to_tsvector(ARRAY[concat_ws('' '', last_value, is_called::text)])"
					 " FROM %%I.%%I', r.nspname, r.relname))) END AS state"
					 " FROM (SELECT u.refobjid, u.refobjsubid, s.oid, n.nspname, s.relname,"
					 " has_table_privilege(s.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE') AS readable"
					 " FROM (SELECT d.refobjid, d.refobjsubid, d.objid FROM pg_depend d"
					 " WHERE d.classid = 'pg_class'::regclass AND d.objsubid = 0"
					 " AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0"
					 " AND d.deptype IN ('a', 'i') AND d.refobjid = ANY (%s)"
					 " UNION SELECT e.adrelid, e.adnum, d.refobjid FROM pg_attrdef e"
					 " JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = e.oid"
					 " WHERE d.refclassid = 'pg_class'::regclass AND e.adrelid = ANY (%s)) u"
					 " JOIN pg_class s ON s.oid = u.objid AND s.relkind = 'S'"
					 " JOIN pg_namespace n ON n.oid = s.relnamespace) r OFFSET 0) q"
					 " ORDER BY q.refobjid, q.refobjsubid, q.oid", oids, oids);
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

enum
{
	KEY_RELATION, KEY_OID, KEY_SCHEMA, KEY_TABLE, KEY_COLUMN, KEY_REFERENCED
};

static const ResultColumn key_columns[] = {
	[KEY_RELATION] = {"conrelid", RESULT_OID},
	[KEY_OID] = {"oid", RESULT_OID},
	[KEY_SCHEMA] = {"nspname", RESULT_NAME},
	[KEY_TABLE] = {"relname", RESULT_NAME},
	[KEY_COLUMN] = {"attname", RESULT_NAME},
	[KEY_REFERENCED] = {"referenced attname", RESULT_NAME}
};
static const ResultShape key_shape = {"foreign keys", key_columns, lengthof(key_columns)};

/* Adds a pair of columns to a foreign key. */
static void
extend_key(const ResultReader *reader, CatalogForeignKey *key)
{
	if (strcmp(key->schema, result_text(reader, KEY_SCHEMA)) != 0 ||
		strcmp(key->table, result_text(reader, KEY_TABLE)) != 0)
		result_refuse(reader, "A foreign key refers to two tables.");
	if (list_length(key->columns) == MaxTupleAttributeNumber)
		result_refuse(reader, "A foreign key has too many columns.");
	key->columns = lappend(key->columns, result_text(reader, KEY_COLUMN));
	key->referenced = lappend(key->referenced, result_text(reader, KEY_REFERENCED));
}

static CatalogForeignKey *
begin_key(const ResultReader *reader, CatalogRelation *relation)
{
	CatalogForeignKey *key = palloc0(sizeof(CatalogForeignKey));

	key->schema = result_text(reader, KEY_SCHEMA);
	key->table = result_text(reader, KEY_TABLE);
	relation->foreign_keys = lappend(relation->foreign_keys, key);
	return key;
}

static void
read_keys(Source *source, const Catalog *catalog)
{
	ResultReader *reader = result_begin(source, &key_shape, 0, RESULT_ROWS_ANY);
	CatalogForeignKey *key = NULL;
	Oid			current_relation = InvalidOid;
	Oid			current_key = InvalidOid;

	while (result_next(reader))
	{
		CatalogRelation *relation = catalog_find_oid(catalog, result_oid(reader, KEY_RELATION));

		if (relation == NULL)
			continue;
		if (relation->oid != current_relation || result_oid(reader, KEY_OID) != current_key)
			key = begin_key(reader, relation);
		current_relation = relation->oid;
		current_key = result_oid(reader, KEY_OID);
		extend_key(reader, key);
	}
}

enum
{
	COLUMN_RELATION, COLUMN_NAME, COLUMN_NUMBER, COLUMN_TYPE_NAME, COLUMN_TYPE, COLUMN_BASE_TYPE,
	COLUMN_GENERATED, COLUMN_READABLE, COLUMN_INHERITED
};

static const ResultColumn column_columns[] = {
	[COLUMN_RELATION] = {"attrelid", RESULT_OID},
	[COLUMN_NAME] = {"attname", RESULT_NAME},
	[COLUMN_NUMBER] = {"attnum", RESULT_INT, .min = 1, .max = MaxTupleAttributeNumber},
	[COLUMN_TYPE_NAME] = {"format_type", RESULT_TEXT, .max = TYPE_LENGTH_MAX},
	[COLUMN_TYPE] = {"atttypid", RESULT_OID},
	[COLUMN_BASE_TYPE] = {"typbasetype", RESULT_OID},
	[COLUMN_GENERATED] = {"attgenerated", RESULT_BOOL},
	[COLUMN_READABLE] = {"has_column_privilege", RESULT_BOOL, .nullable = true},
	[COLUMN_INHERITED] = {"attinhcount", RESULT_BOOL}
};
static const ResultShape column_shape = {"columns", column_columns, lengthof(column_columns)};

static CatalogColumn *
read_column(const ResultReader *reader)
{
	CatalogColumn *column = palloc0(sizeof(CatalogColumn));

	column->name = result_text(reader, COLUMN_NAME);
	column->attnum = result_int(reader, COLUMN_NUMBER);
	column->type = result_text(reader, COLUMN_TYPE_NAME);
	column->typid = result_oid(reader, COLUMN_TYPE);
	column->base_typid = result_oid(reader, COLUMN_BASE_TYPE);
	column->generated = result_bool(reader, COLUMN_GENERATED);
	column->readable = result_bool(reader, COLUMN_READABLE);
	column->inherited = result_bool(reader, COLUMN_INHERITED);
	return column;
}

/*
 * Reads columns, which must come in the order of their numbers and only once.
 */
static void
read_columns(Source *source, const Catalog *catalog)
{
	ResultReader *reader = result_begin(source, &column_shape, 0, RESULT_ROWS_ANY);

	while (result_next(reader))
	{
		CatalogRelation *relation = catalog_find_oid(catalog, result_oid(reader, COLUMN_RELATION));
		CatalogColumn *column;

		if (relation == NULL)
			continue;
		column = read_column(reader);
		if (relation->columns != NIL &&
			((CatalogColumn *) llast(relation->columns))->attnum >= column->attnum)
			result_refuse(reader, "A column appears twice, or after a later one.");
		if (catalog_find_column(relation, column->name) != NULL)
			raise_duplicate(reader, "The name of a column");
		relation->columns = lappend(relation->columns, column);
	}
}

enum
{
	SEQUENCE_RELATION, SEQUENCE_COLUMN, SEQUENCE_OID, SEQUENCE_SCHEMA, SEQUENCE_NAME,
	SEQUENCE_READABLE, SEQUENCE_LAST_VALUE, SEQUENCE_IS_CALLED
};

static const ResultColumn sequence_columns[] = {
	[SEQUENCE_RELATION] = {"refobjid", RESULT_OID},
	[SEQUENCE_COLUMN] = {"refobjsubid", RESULT_INT, .min = 1, .max = MaxTupleAttributeNumber},
	[SEQUENCE_OID] = {"oid", RESULT_OID},
	[SEQUENCE_SCHEMA] = {"nspname", RESULT_NAME},
	[SEQUENCE_NAME] = {"relname", RESULT_NAME},
	[SEQUENCE_READABLE] = {"readable", RESULT_BOOL, .nullable = true},
	[SEQUENCE_LAST_VALUE] = {"last_value", RESULT_INT64, .nullable = true},
	[SEQUENCE_IS_CALLED] = {"is_called", RESULT_BOOL, .nullable = true}
};
static const ResultShape sequence_shape = {"sequences", sequence_columns, lengthof(sequence_columns)};

static CatalogSequence *
read_sequence(const ResultReader *reader)
{
	CatalogSequence *sequence = palloc0(sizeof(CatalogSequence));

	sequence->attnum = result_int(reader, SEQUENCE_COLUMN);
	sequence->oid = result_oid(reader, SEQUENCE_OID);
	sequence->schema = result_text(reader, SEQUENCE_SCHEMA);
	sequence->name = result_text(reader, SEQUENCE_NAME);
	sequence->readable = result_bool(reader, SEQUENCE_READABLE);
	sequence->last_value = result_int(reader, SEQUENCE_LAST_VALUE);
	sequence->is_called = result_bool(reader, SEQUENCE_IS_CALLED);
	for (int i = SEQUENCE_LAST_VALUE; sequence->readable && i <= SEQUENCE_IS_CALLED; i++)
	{
		if (result_is_null(reader, i))
			result_refuse_column(reader, i, "the state of a sequence that can be read");
	}
	return sequence;
}

static void
read_sequences(Source *source, const Catalog *catalog)
{
	ResultReader *reader = result_begin(source, &sequence_shape, 0, RESULT_ROWS_ANY);

	while (result_next(reader))
	{
		CatalogRelation *relation = catalog_find_oid(catalog, result_oid(reader, SEQUENCE_RELATION));

		if (relation != NULL)
			relation->sequences = lappend(relation->sequences, read_sequence(reader));
	}
}

/*
 * Appends the queries for these relations; oids is an expression of type
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
	generated_append_query(buf, version, oids);
}

/* Forgets what an answer that broke off has told. */
static void
forget_details(const Catalog *catalog, List *relations)
{
	ListCell   *lc;

	foreach(lc, relations)
	{
		CatalogRelation *relation = lfirst(lc);

		relation->columns = relation->sequences = relation->foreign_keys = NIL;
	}
}

/* Reads the results of these queries. */
static void
read_details(Source *source, const Catalog *catalog)
{
	read_columns(source, catalog);
	read_sequences(source, catalog);
	read_keys(source, catalog);
	generated_read(source, catalog);
}

typedef struct DetailsAnswer
{
	const Catalog *catalog;
	List	   *relations;
} DetailsAnswer;

static void
read_details_answer(Source *source, void *arg)
{
	DetailsAnswer *answer = arg;

	forget_details(answer->catalog, answer->relations);
	read_details(source, answer->catalog);
}

void
source_catalog_details(Source *source, const Catalog *catalog, List *wanted)
{
	List	   *relations = NIL;
	DetailsAnswer answer;
	StringInfoData buf;
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
	answer.catalog = catalog;
	answer.relations = relations;
	source_catalog_query(source, buf.data, read_details_answer, &answer);
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
	appendStringInfo(&buf, "%s; ", facts_query);
	append_relations_query(&buf, schemas);
	appendStringInfo(&buf, "; %s", inheritances_query);
	if (wanted != NIL)
	{
		appendStringInfoString(&buf, "; ");
		append_details_queries(&buf, source_version(source), oids_by_name(wanted));
	}
	source_show_texts(source);
	source_begin(source);
	source_send(source, psprintf("SELECT pg_export_snapshot(); %s", in_savepoint(buf.data)));
	return buf.data;
}

typedef struct CatalogAnswer
{
	List	   *wanted;
	SourceFacts *facts;
	Catalog    *catalog;
} CatalogAnswer;

/* A later attempt begins from scratch. */
static void
read_catalog_answer(Source *source, void *arg)
{
	CatalogAnswer *answer = arg;

	answer->catalog = catalog_create();
	read_facts(source, answer->facts);
	read_relations(source, answer->catalog);
	read_inheritances(source, answer->catalog);
	if (answer->wanted != NIL)
		read_details(source, answer->catalog);
}

Catalog *
source_catalog_answer(Source *source, const char *asked, List *wanted, SourceFacts *facts)
{
	CatalogAnswer answer = {wanted, facts};
	ErrorData  *error;

	source_receive(source);
	read_snapshot(source, facts);
	error = ask_patiently(source, asked, true, true, read_catalog_answer, &answer);
	if (error != NULL)
	{
		error->elevel = ERROR;
		ThrowErrorData(error);
	}
	mark_detailed(answer.catalog, wanted);
	return answer.catalog;
}

/* ---- patterns ---- */

static char *
patterns_query(List *patterns)
{
	StringInfoData buf;
	ListCell   *lc;
	int			n = 0;

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
	return buf.data;
}

static const ResultColumn pattern_columns[] = {{"exists", RESULT_BOOL}};
static const ResultShape pattern_shape = {"patterns of columns", pattern_columns, lengthof(pattern_columns)};

typedef struct PatternAnswer
{
	int			count;
	bool	   *found;
} PatternAnswer;

static void
read_patterns(Source *source, void *arg)
{
	PatternAnswer *answer = arg;
	ResultReader *reader = result_begin(source, &pattern_shape, answer->count, answer->count);

	for (int n = 0; result_next(reader); n++)
		answer->found[n] = result_bool(reader, 0);
}

bool *
source_catalog_match_columns(Source *source, List *patterns)
{
	PatternAnswer answer = {list_length(patterns)};

	answer.found = palloc0(sizeof(bool) * (answer.count + 1));
	if (patterns != NIL)
		source_catalog_query(source, patterns_query(patterns), read_patterns, &answer);
	return answer.found;
}

char *
source_encoding(Source *source)
{
	const char *encoding = source_parameter(source, "server_encoding");

	return encoding != NULL && strcmp(encoding, "SQL_ASCII") == 0 ? "SQL_ASCII" : "UTF8";
}

/* ---- statements that may fail ---- */

/* Sends statements and reads their answer; a lock is not waited for. */
static ErrorData *
ask_once(Source *source, const char *sql, SourceAnswer read, void *arg, bool *locked)
{
	source_send(source, in_savepoint(sql));
	return try_answer(source, read, arg, locked);
}

ErrorData *
source_catalog_try(Source *source, const char *sql, bool *locked)
{
	return ask_once(source, sql, NULL, NULL, locked);
}

static const ResultColumn count_columns[] = {{"count", RESULT_INT, .min = 0, .max = PG_INT64_MAX}};
static const ResultShape count_shape = {"a count", count_columns, lengthof(count_columns)};

/* A count, behind so many results of other statements. */
typedef struct Count
{
	int			skipped;
	double	   *result;
} Count;

static void
read_count(Source *source, void *arg)
{
	const Count *count = arg;
	ResultReader *reader;

	for (int i = 0; i < count->skipped; i++)
		result_skip(source);
	reader = result_begin(source, &count_shape, 1, 1);
	while (result_next(reader))
		*count->result = result_int(reader, 0);
}

/* The statements, and the SELECT behind them. */
static char *
behind_settings(const List *settings, const char *select)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, settings)
		appendStringInfo(&buf, "%s; ", (char *) lfirst(lc));
	appendStringInfoString(&buf, select);
	return buf.data;
}

ErrorData *
source_catalog_count(Source *source, const char *select, const List *settings, bool patient,
					 double *count)
{
	Count		read = {list_length(settings), count};
	char	   *sql = psprintf("SELECT count(*) FROM (%s) AS rows", select);
	bool		locked;

	sql = behind_settings(settings, sql);
	return patient ? ask_patiently(source, sql, false, false, read_count, &read) :
		ask_once(source, sql, read_count, &read, &locked);
}

static const ResultColumn text_columns[] = {{"text", RESULT_TEXT, .max = 4 * NAMEDATALEN}};
static const ResultShape text_shape = {"texts", text_columns, lengthof(text_columns)};

/* Texts, behind so many results of other statements. */
typedef struct Texts
{
	int			skipped;
	List	  **result;
} Texts;

static void
read_texts(Source *source, void *arg)
{
	const Texts *texts = arg;
	ResultReader *reader;

	*texts->result = NIL;
	for (int i = 0; i < texts->skipped; i++)
		result_skip(source);
	reader = result_begin(source, &text_shape, 0, SOURCE_TEXTS_MAX);
	while (result_next(reader))
		*texts->result = lappend(*texts->result, result_text(reader, 0));
}

ErrorData *
source_catalog_texts(Source *source, const char *select, const List *settings, List **texts)
{
	Texts		read = {list_length(settings), texts};
	char	   *sql = psprintf("%s LIMIT %d", select, SOURCE_TEXTS_MAX);
	bool		locked;

	return ask_once(source, behind_settings(settings, sql), read_texts, &read, &locked);
}

/* ---- estimates ---- */

static const ResultColumn explain_columns[] = {{"QUERY PLAN", RESULT_TEXT}};
static const ResultShape explain_shape = {"a plan", explain_columns, lengthof(explain_columns)};

/*
 * Reads "… (cost=1.00..2.00 rows=3 width=4)".  What stands before it has names
 * that may look like anything.
 */
static void
parse_estimate(const char *line, SourceEstimate *estimate)
{
	const char *at = NULL;

	for (const char *next = line; (next = strstr(next, " rows=")) != NULL; next++)
		at = next;
	if (at == NULL ||
		sscanf(at, " rows=%lf width=%lf)", &estimate->rows, &estimate->width) != 2 ||
		!(estimate->rows >= 0 && estimate->rows <= ROWS_MAX &&
		  estimate->width >= 0 && estimate->width <= BYTES_MAX))
		estimate->rows = estimate->width = -1;
}

/* The first row of an EXPLAIN is about the whole SELECT. */
static void
read_estimates(Source *source, void *arg)
{
	ListCell   *lc;

	foreach(lc, (List *) arg)
	{
		SourceEstimate *estimate = lfirst(lc);
		ResultReader *reader;
		bool		first = true;

		for (int i = 0; i < estimate->settings; i++)
			result_skip(source);
		reader = result_begin(source, &explain_shape, 1, RESULT_ROWS_ANY);
		while (result_next(reader))
		{
			if (first)
				parse_estimate(result_text(reader, 0), estimate);
			first = false;
		}
	}
}

ErrorData *
source_catalog_explain(Source *source, const char *sql, List *estimates, bool *locked)
{
	return ask_once(source, sql, read_estimates, estimates, locked);
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
