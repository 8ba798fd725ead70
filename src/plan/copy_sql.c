/*-------------------------------------------------------------------------
 *
 * copy_sql.c
 *	  Binary or text, and the COPY that the source runs.
 *
 * Binary saves most of what a load costs in CPU, but a receive function
 * believes what it gets.  So it is used only between the same built-in types,
 * whose binary form has not changed over the releases that we talk to: their
 * OIDs are the same everywhere, and an OID also stands in each binary array.
 * Types that carry OIDs of the source in their values (reg*, composite),
 * that extensions made, or whose input does more than their receive function
 * go as text.  One other column makes the whole table go as text, as a COPY
 * has one format.
 *
 * Lengths and precisions may differ: receive functions enforce the local
 * type modifier as input functions do.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "storage/block.h"
#include "utils/lsyscache.h"

#include "plan/copy_sql.h"

/* True if the binary form of this built-in scalar type is stable. */
static bool
is_stable_type(Oid typid)
{
	switch (typid)
	{
		case BOOLOID:
		case BYTEAOID:
		case CHAROID:
		case NAMEOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case OIDOID:
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
		case CASHOID:
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
		case DATEOID:
		case TIMEOID:
		case TIMETZOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
		case INTERVALOID:
		case UUIDOID:
		case JSONOID:
		case JSONBOID:
		case INETOID:
		case CIDROID:
		case MACADDROID:
		case MACADDR8OID:
		case BITOID:
		case VARBITOID:
		case POINTOID:
		case LSEGOID:
		case LINEOID:
		case PATHOID:
		case BOXOID:
		case POLYGONOID:
		case CIRCLEOID:
		case TSVECTOROID:
		case TSQUERYOID:
		case INT4RANGEOID:
		case INT8RANGEOID:
		case NUMRANGEOID:
		case DATERANGEOID:
		case TSRANGEOID:
		case TSTZRANGEOID:
		case INT4MULTIRANGEOID:
		case INT8MULTIRANGEOID:
		case NUMMULTIRANGEOID:
		case DATEMULTIRANGEOID:
		case TSMULTIRANGEOID:
		case TSTZMULTIRANGEOID:
			return true;
		default:
			return false;
	}
}

/* Infinite intervals came with 17; older servers take them for finite ones. */
static bool
differs_in_meaning(Oid typid, int source_version)
{
	return typid == INTERVALOID && source_version >= 170000 && PG_VERSION_NUM < 170000;
}

/*
 * All of these are their characters, and each receive function checks its own.
 */
static bool
is_text_like(Oid typid)
{
	return typid == TEXTOID || typid == VARCHAROID || typid == BPCHAROID;
}

bool
copy_column_binary(const CatalogColumn *source, const CatalogColumn *local,
				   int source_version)
{
	Oid			typid = local->base_typid;
	Oid			element;

	if (is_text_like(source->base_typid) && is_text_like(typid))
		return true;
	if (source->base_typid != typid || typid >= FirstGenbkiObjectId)
		return false;
	element = get_element_type(typid);
	if (OidIsValid(element))
		typid = element;
	return is_stable_type(typid) && !differs_in_meaning(typid, source_version);
}

/* True if a plain COPY of the table has the same result. */
static bool
is_plain(const CopyQuery *query)
{
	ListCell   *lc;

	foreach(lc, query->columns)
	{
		CatalogColumn *column = lfirst(lc);

		if (column->generated || column->as_utc || column->mask != NULL || column->computed != NULL)
			return false;
	}
	return query->source->kind == RELKIND_RELATION && query->columns != NIL &&
		query->condition == NULL && query->clause == NULL && query->tail == NULL && !query->empty;
}

char *
copy_table_reference(const CopyQuery *query)
{
	return query->alias ? catalog_sql_identifier(query->alias) :
		catalog_sql_name(query->source->schema, query->source->name);
}

char *
copy_utc_text(const char *value)
{
	return psprintf("(CASE WHEN pg_catalog.isfinite(%s) THEN pg_catalog.regexp_replace("
					"(%s AT TIME ZONE 'UTC')::text, '( BC)?$', '+00\\1') ELSE %s::text END)",
					value, value, value);
}

/* A column's mask, or its name: a clause may have brought other tables in. */
static char *
column_text(const CopyQuery *query, const CatalogColumn *column)
{
	char	   *name = catalog_sql_identifier(column->name);

	if (column->mask != NULL)
		return column->mask;
	if (query->clause != NULL)
		name = psprintf("%s.%s", copy_table_reference(query), name);
	return column->as_utc ? copy_utc_text(name) : name;
}

static void
append_columns(StringInfo buf, const CopyQuery *query)
{
	const char *separator = "";
	ListCell   *lc;

	foreach(lc, query->columns)
	{
		appendStringInfo(buf, "%s%s", separator,
						 query->empty ? "NULL" : column_text(query, lfirst(lc)));
		separator = ", ";
	}
}

/* The table, as the clause is to find it: under its alias. */
static void
append_table(StringInfo buf, const CopyQuery *query)
{
	appendStringInfo(buf, "%s%s",
					 query->source->kind == RELKIND_PARTITIONED_TABLE || query->tree ? "" : "ONLY ",
					 catalog_sql_name(query->source->schema, query->source->name));
	if (query->alias != NULL)
		appendStringInfo(buf, " AS %s", catalog_sql_identifier(query->alias));
}

/*
 * FROM and all behind it.  In front of joins, the condition has the table's
 * columns for itself.
 */
static void
append_rows(StringInfo buf, const CopyQuery *query)
{
	const Clause *clause = query->clause;

	appendStringInfoString(buf, " FROM ");
	if (clause != NULL && query->condition != NULL && clause->where == NULL)
	{
		appendStringInfoString(buf, "(SELECT * FROM ");
		append_table(buf, query);
		appendStringInfo(buf, " WHERE %s) AS %s %s", query->condition,
						 catalog_sql_identifier(query->alias), clause->sql);
		return;
	}
	append_table(buf, query);
	if (clause != NULL && query->condition != NULL)
		appendStringInfo(buf, " WHERE (%s) AND (%s)", query->condition, clause->where);
	else if (clause != NULL)
		appendStringInfo(buf, " %s", clause->sql);
	else if (query->condition != NULL)
		appendStringInfo(buf, " WHERE %s", query->condition);
	if (query->tail != NULL)
		appendStringInfo(buf, " %s", query->tail);
}

static bool
has_column(List *columns, const char *name)
{
	ListCell   *lc;

	foreach(lc, columns)
	{
		if (strcmp(((CatalogColumn *) lfirst(lc))->name, name) == 0)
			return true;
	}
	return false;
}

/*
 * The columns of COPY_ROW: all that are sent as they are or masked, and what
 * the computed ones need besides.
 */
static List *
row_columns(const CopyQuery *query)
{
	List	   *columns = NIL;
	ListCell   *lc;
	ListCell   *lc_input;

	foreach(lc, query->columns)
	{
		if (((CatalogColumn *) lfirst(lc))->computed == NULL)
			columns = lappend(columns, lfirst(lc));
	}
	foreach(lc, query->columns)
	{
		foreach(lc_input, ((CatalogColumn *) lfirst(lc))->inputs)
		{
			if (!has_column(columns, ((CatalogColumn *) lfirst(lc_input))->name))
				columns = lappend(columns, lfirst(lc_input));
		}
	}
	return columns;
}

static bool
has_computed(const CopyQuery *query)
{
	ListCell   *lc;

	foreach(lc, query->columns)
	{
		if (((CatalogColumn *) lfirst(lc))->computed != NULL)
			return !query->empty;
	}
	return false;
}

/*
 * A subquery masks the columns; what is computed from them sees nothing else.
 * So both have the same value of a random mask.
 */
static char *
computed_select(const CopyQuery *query)
{
	StringInfoData buf;
	const char *separator = "";
	ListCell   *lc;

	initStringInfo(&buf);
	appendStringInfoString(&buf, "SELECT ");
	foreach(lc, query->columns)
	{
		CatalogColumn *column = lfirst(lc);

		appendStringInfo(&buf, "%s%s", separator, column->computed ? column->computed :
						 psprintf(COPY_ROW ".%s", catalog_sql_identifier(column->name)));
		separator = ", ";
	}
	appendStringInfoString(&buf, " FROM (SELECT ");
	separator = "";
	foreach(lc, row_columns(query))
	{
		CatalogColumn *column = lfirst(lc);

		appendStringInfo(&buf, "%s%s AS %s", separator, column_text(query, column),
						 catalog_sql_identifier(column->name));
		separator = ", ";
	}
	append_rows(&buf, query);
	appendStringInfoString(&buf, ") AS " COPY_ROW);
	return buf.data;
}

/* Without the table's children, unless their rows are wanted. */
char *
copy_select(const CopyQuery *query)
{
	StringInfoData buf;

	if (has_computed(query))
		return computed_select(query);
	initStringInfo(&buf);
	appendStringInfoString(&buf, "SELECT ");
	append_columns(&buf, query);
	if (query->empty)
		appendStringInfoString(&buf, " WHERE false");
	else
		append_rows(&buf, query);
	return buf.data;
}

/* LOCK TABLE needs SELECT on the whole table; that on columns is not enough. */
char *
copy_lock_statement(const CopyQuery *query)
{
	if (query->empty || !query->source->readable)
		return NULL;
	return psprintf("LOCK TABLE ONLY %s IN ACCESS SHARE MODE",
					catalog_sql_name(query->source->schema, query->source->name));
}

/*
 * A plain COPY of the table is the fastest on the source and never includes
 * children, but it names no generated column and not "no column at all".  A
 * partitioned table has its rows in its partitions.
 */
char *
copy_statement(const CopyQuery *query)
{
	StringInfoData sql;

	initStringInfo(&sql);
	if (is_plain(query))
	{
		appendStringInfo(&sql, "COPY %s (",
						 catalog_sql_name(query->source->schema, query->source->name));
		append_columns(&sql, query);
	}
	else
		appendStringInfo(&sql, "COPY (%s", copy_select(query));
	appendStringInfoString(&sql, ") TO STDOUT");
	if (query->binary)
		appendStringInfoString(&sql, " (FORMAT binary)");
	return sql.data;
}

/*
 * Ranges of pages are read without the others since 14.  What the last one
 * begins with is an estimate, so it has no end.
 */
List *
copy_statement_parts(const CopyQuery *query, int parts)
{
	CopyQuery	part = *query;
	double		pages = query->source->heap_pages / parts;
	List	   *statements = NIL;

	Assert(query->condition == NULL && query->clause == NULL);
	for (int i = 0; i < parts; i++)
	{
		StringInfoData condition;

		initStringInfo(&condition);
		appendStringInfo(&condition, "ctid >= '(%u,0)'", (BlockNumber) (pages * i));
		if (i < parts - 1)
			appendStringInfo(&condition, " AND ctid < '(%u,0)'", (BlockNumber) (pages * (i + 1)));
		part.condition = condition.data;
		statements = lappend(statements, copy_statement(&part));
	}
	return statements;
}

bool
copy_has_parts(const CopyQuery *query, int source_version)
{
	return source_version >= 140000 && query->source->heap_pages > 0 && query->source->readable &&
		query->condition == NULL && query->clause == NULL && !query->empty;
}
