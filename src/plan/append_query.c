/*-------------------------------------------------------------------------
 *
 * append_query.c
 *	  Which rows an append asks the source for.
 *
 * Each batch begins behind the highest value that has come so far, so both
 * sides must agree on what is higher: a type that comes with PostgreSQL and
 * whose order depends on no collation, with values as the source has them.
 * Rows that share a value must not be torn apart, since the next batch begins
 * behind it: all rows with the last one come along.  That they are unique here
 * does not make them so on the source, and a row must not be left out in
 * silence.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "plan/append_query.h"
#include "staging/column_max.h"
#include "schema/integer_type.h"
#include "plan/rewrite.h"

struct Batches
{
	CopyQuery	query;
	ColumnPlan *cursor;
	char	   *reference;		/* the same in SQL for the source */
	char	   *search_path;
	bool		ties;			/* the source knows WITH TIES */
	bool		keyed;			/* a primary key tells rows that came before */
};

static void
fail_append(TablePlan *table, int sqlerrcode, char *detail, char *hint)
{
	table->sqlerrcode = sqlerrcode;
	table->message = psprintf("cannot append to %s", table->display);
	table->detail = detail;
	table->hint = hint;
}

static ColumnPlan *
find_column(const TablePlan *table, const char *name)
{
	ListCell   *lc;

	foreach(lc, table->columns)
		if (strcmp(((ColumnPlan *) lfirst(lc))->name, name) == 0)
			return lfirst(lc);
	return NULL;
}

/*
 * Types whose order depends on nothing but the value, and whose text says it
 * all.
 */
static bool
is_ordered(Oid typid)
{
	switch (typid)
	{
		case OIDOID:
		case NUMERICOID:
		case FLOAT4OID:
		case FLOAT8OID:
		case DATEOID:
		case TIMEOID:
		case TIMETZOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
		case INTERVALOID:
		case UUIDOID:
		case BYTEAOID:
		case INETOID:
		case CIDROID:
		case MACADDROID:
		case MACADDR8OID:
		case PG_LSNOID:
		case XID8OID:
			return true;
		default:
			return is_integer_type(typid);
	}
}

/* True if both sides order the values alike. */
static bool
same_order(Oid local, Oid source)
{
	return is_ordered(local) && (local == source || (is_integer_type(local) && is_integer_type(source)));
}

/* True if the source sends another value instead. */
static bool
is_masked(const CopyQuery *query, const char *name)
{
	ListCell   *lc;

	foreach(lc, query->columns)
	{
		CatalogColumn *column = lfirst(lc);

		if (strcmp(column->name, name) == 0)
			return column->mask != NULL || column->computed != NULL;
	}
	return false;
}

/*
 * Why values of the column do not tell what is still to come; NULL: they do.
 */
static char *
find_problem(const TablePlan *table, const Choice *choice, const CopyQuery *query,
			 const ColumnPlan *cursor, bool indexed)
{
	CatalogColumn *local = catalog_find_column(choice->local, cursor->name);
	CatalogColumn *source = catalog_find_column(choice->source, cursor->name);

	if (!local->not_null)
		return "may be null";
	if (!same_order(local->base_typid, source->base_typid))
		return psprintf("has type %s (%s on the source), whose order need not be the same on both sides",
						local->type, source->type);
	if (is_masked(query, cursor->name))
		return "is masked by a data rule";
	if (rewrite_gives(table->rewrites, cursor->name))
		return "is rewritten";
	if (!indexed)
		return "has no index here that begins with it";
	return NULL;
}

void
batches_plan(TablePlan *table, const Choice *choice, const CopyQuery *query,
			 const char *cursor, int source_version, const char *search_path)
{
	Batches    *batches = palloc0(sizeof(Batches));
	List	   *key = choice->local->primary_key;
	char	   *problem;
	bool		indexed;
	bool		unique;

	if (cursor == NULL && list_length(key) == 1)
		cursor = linitial(key);
	if (cursor == NULL)
	{
		fail_append(table, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
					"It has no primary key of one column.", "Name a column to go by: cursor => '...'.");
		return;
	}
	batches->cursor = find_column(table, cursor);
	if (batches->cursor == NULL)
	{
		fail_append(table, ERRCODE_UNDEFINED_COLUMN,
					psprintf("Column %s is not one that comes from the source.", quote_identifier(cursor)),
					NULL);
		return;
	}
	indexed = OidIsValid(highest_index(table->relid, batches->cursor->attnum, &unique));
	problem = find_problem(table, choice, query, batches->cursor, indexed);
	if (problem != NULL)
		fail_append(table, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
					psprintf("Column %s %s.", quote_identifier(cursor), problem),
					"Name another column: cursor => '...'.");
	else if (!unique && source_version < 130000)
		fail_append(table, ERRCODE_FEATURE_NOT_SUPPORTED,
					psprintf("Column %s is not unique, which takes PostgreSQL 13 or later on the source.",
							 quote_identifier(cursor)), NULL);
	else if (query->clause != NULL && query->clause->where == NULL)
		fail_append(table, ERRCODE_FEATURE_NOT_SUPPORTED,
					psprintf("Only WHERE is supported, and the clause is: %s.", table->filter), NULL);
	batches->ties = source_version >= 130000;
	batches->keyed = key != NIL;
	batches->query = *query;
	batches->reference = psprintf("%s.%s", copy_table_reference(query), catalog_sql_identifier(cursor));
	batches->search_path = pstrdup(search_path);
	table->batches = batches;
}

char *
batches_copy_sql(const TablePlan *table, const char *bound, int batch_size)
{
	const Batches *batches = table->batches;
	CopyQuery	query = batches->query;
	char	   *sql;

	if (bound != NULL)
	{
		char	   *beyond = psprintf("%s > %s::%s", batches->reference, quote_literal_cstr(bound),
									  batches->cursor->source_type);

		query.condition = query.condition ? psprintf("(%s) AND %s", query.condition, beyond) : beyond;
	}
	query.tail = psprintf(batches->ties ? "ORDER BY %s FETCH FIRST %d ROWS WITH TIES" : "ORDER BY %s LIMIT %d",
						  batches->reference, batch_size);
	sql = psprintf("SET LOCAL search_path = %s; %s", batches->search_path, copy_statement(&query));
	clause_verify_copy(sql);
	return sql;
}

const ColumnPlan *
batches_cursor(const TablePlan *table)
{
	return table->batches->cursor;
}

bool
batches_are_keyed(const TablePlan *table)
{
	return table->batches->keyed;
}
