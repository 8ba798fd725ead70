/*-------------------------------------------------------------------------
 *
 * generated_columns.c
 *	  What the source's generated columns are made of.
 *
 * A generated column holds a copy of other columns: a label of name and e-mail
 * address, a tsvector of both.  The planner has to know it, because the copy
 * must be masked if they are.  The dependencies in the source's catalog name
 * the columns.
 *
 * Partitions and inheritance children may have other expressions than their
 * parent, and a query on the parent reads their rows.  So a column is made of
 * all columns that any table of its tree uses for it.
 *
 * A reference to the whole row leaves no dependency.  Current servers refuse
 * it; where the stored expression has one, the column is made of all columns,
 * and cannot be computed again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"

#include "base/text.h"
#include "schema/generated_columns.h"
#include "source/result_reader.h"

/* Version 12 introduced generated columns. */
#define FIRST_VERSION	120000

void
generated_append_query(StringInfo buf, int version, const char *oids)
{
	if (version < FIRST_VERSION)
		return;
	appendStringInfo(buf,
					 "; WITH RECURSIVE tree (root, rel) AS ("
					 "SELECT o, o FROM unnest(%s) o"
					 " UNION SELECT t.root, i.inhrelid FROM tree t JOIN pg_inherits i ON i.inhparent = t.rel)"
					 " SELECT DISTINCT t.root, a.attname, t.rel = t.root, pg_get_expr(d.adbin, d.adrelid),"
					 " d.adbin::text ~ ':varattno 0 ', b.attname"
					 " FROM tree t JOIN pg_attribute a ON a.attrelid = t.rel AND a.attgenerated <> ''"
					 " AND NOT a.attisdropped"
					 " JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
					 " LEFT JOIN pg_depend p ON p.refclassid = 'pg_class'::regclass AND p.refobjid = d.adrelid"
					 " AND p.refobjsubid > 0 AND p.refobjsubid <> d.adnum"
	/* the dependent object is the default since 15, before that the column */
					 " AND (p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid"
					 " OR p.classid = 'pg_class'::regclass AND p.objid = d.adrelid AND p.objsubid = d.adnum)"
					 " LEFT JOIN pg_attribute b ON b.attrelid = d.adrelid AND b.attnum = p.refobjsubid"
					 " ORDER BY 1, 2, 3 DESC", oids);
}

enum
{
	GENERATED_RELATION, GENERATED_NAME, GENERATED_OWN, GENERATED_EXPRESSION, GENERATED_WHOLE_ROW,
	GENERATED_PART
};

static const ResultColumn generated_columns[] = {
	[GENERATED_RELATION] = {"attrelid", RESULT_OID},
	[GENERATED_NAME] = {"attname", RESULT_NAME},
	[GENERATED_OWN] = {"own", RESULT_BOOL},
	[GENERATED_EXPRESSION] = {"adbin", RESULT_TEXT, .nullable = true},
	[GENERATED_WHOLE_ROW] = {"whole row", RESULT_BOOL},
	[GENERATED_PART] = {"referenced attname", RESULT_NAME, .nullable = true}
};
static const ResultShape generated_shape = {"generated columns", generated_columns, lengthof(generated_columns)};

static void
add_part(const ResultReader *reader, CatalogColumn *column, char *name)
{
	if (names_include(column->made_of, name))
		return;
	if (list_length(column->made_of) == MaxTupleAttributeNumber)
		result_refuse(reader, "A generated column is made of too many columns.");
	column->made_of = lappend(column->made_of, name);
}

/* The column is made of the whole row. */
static void
add_row(const ResultReader *reader, const CatalogRelation *relation, CatalogColumn *column)
{
	ListCell   *lc;

	foreach(lc, relation->columns)
	{
		CatalogColumn *other = lfirst(lc);

		if (other != column && !other->generated)
			add_part(reader, column, other->name);
	}
}

/* The table's own expression comes before those of the tables below it. */
static void
read_row(const ResultReader *reader, const CatalogRelation *relation, CatalogColumn *column)
{
	char	   *expression = result_text(reader, GENERATED_EXPRESSION);
	bool		whole_row = result_bool(reader, GENERATED_WHOLE_ROW);

	if (!result_is_null(reader, GENERATED_PART))
		add_part(reader, column, result_text(reader, GENERATED_PART));
	if (whole_row)
		add_row(reader, relation, column);
	if (result_bool(reader, GENERATED_OWN))
		column->expression = whole_row ? NULL : expression;
	else if (column->expression == NULL || expression == NULL ||
			 strcmp(column->expression, expression) != 0)
		column->varies = true;
}

void
generated_read(Source *source, const Catalog *catalog)
{
	ResultReader *reader;

	if (source_version(source) < FIRST_VERSION)
		return;
	reader = result_begin(source, &generated_shape, 0, RESULT_ROWS_ANY);
	while (result_next(reader))
	{
		CatalogRelation *relation = catalog_find_oid(catalog, result_oid(reader, GENERATED_RELATION));
		CatalogColumn *column;

		if (relation == NULL)
			continue;
		/* a child may generate a column that its parent does not have */
		column = catalog_find_column(relation, result_text(reader, GENERATED_NAME));
		if (column != NULL)
			read_row(reader, relation, column);
	}
}
