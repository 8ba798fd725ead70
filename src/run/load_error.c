/*-------------------------------------------------------------------------
 *
 * load_error.c
 *	  What a table's error has to do with the two definitions of the table.
 *
 * COPY says which value of which column was refused.  Often the reason is that
 * the column is wider on the source, may be null there, or that its enum has
 * more labels.  Then the message names both sides, and the HINT is the
 * statement that lets this side take what the source has.
 *
 * A function of the table that does not find a name is explained as well:
 * plan/unqualified_names.c has found it beforehand.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "plan/unqualified_names.h"
#include "run/load_error.h"

static char *
table_name(const TablePlan *table)
{
	return quote_qualified_identifier(table->schema, table->name);
}

/*
 * The text behind "COPY …, line 7, column NAME" in the error's context; NULL
 * if it is about another column.
 */
static const char *
behind_column(const ErrorData *error, const char *name)
{
	char	   *wanted = psprintf(", column %s", name);
	const char *place = strstr(error->context, wanted);

	if (place == NULL)
		return NULL;
	place += strlen(wanted);
	return *place == '\0' || *place == '\n' || *place == ':' || *place == ',' ? place : NULL;
}

/* The column that the error is about, and the value there if it is shown. */
static const ColumnPlan *
refused_column(const TablePlan *table, const ErrorData *error, char **value)
{
	ListCell   *lc;

	*value = NULL;
	if (error->context == NULL || strncmp(error->context, "COPY ", 5) != 0)
		return NULL;
	foreach(lc, table->columns)
	{
		const ColumnPlan *column = lfirst(lc);
		const char *place = behind_column(error, column->name);
		int			len;

		if (place == NULL)
			continue;
		len = strcspn(place, "\n");
		if (len > 4 && strncmp(place, ": \"", 3) == 0 && place[len - 1] == '"')
			*value = pnstrdup(place + 3, len - 4);
		return column;
	}
	return NULL;
}

/* The source's enum has a label that is missing here. */
static void
explain_label(const ColumnPlan *column, Oid type, const char *label, char **detail, char **hint)
{
	char	   *name = format_type_extended(type, -1, FORMAT_TYPE_FORCE_QUALIFY);

	*detail = psprintf("Column %s of the source has the label %s, which type %s of this database lacks.",
					   quote_identifier(column->name), quote_literal_cstr(label), name);
	*hint = psprintf("Run here: ALTER TYPE %s ADD VALUE %s;", name, quote_literal_cstr(label));
}

static void
explain_type(const TablePlan *table, const ColumnPlan *column, char **detail, char **hint)
{
	const char *name = quote_identifier(column->name);

	*detail = psprintf("Column %s has type %s on the source and type %s here.",
					   name, column->source_type, column->local_type);
	/* a type that is not built in may not exist here */
	if (strchr(column->source_type, '.') == NULL)
		*hint = psprintf("Give it the source's type: ALTER TABLE %s ALTER COLUMN %s TYPE %s USING %s::%s;",
						 table_name(table), name, column->source_type, name, column->source_type);
}

static bool
is_unknown_name(int sqlerrcode)
{
	return sqlerrcode == ERRCODE_UNDEFINED_FUNCTION || sqlerrcode == ERRCODE_UNDEFINED_TABLE ||
		sqlerrcode == ERRCODE_UNDEFINED_OBJECT;
}

/* The server's own hint, to add type casts, does not help. */
static void
explain_unknown_name(const TablePlan *table, char **hint)
{
	char	   *fix = plan_unqualified_hint(table);

	if (fix != NULL)
		*hint = fix;
}

/* What no value of any type looks like. */
static bool
is_malformed(int sqlerrcode)
{
	return sqlerrcode == ERRCODE_BAD_COPY_FILE_FORMAT ||
		sqlerrcode == ERRCODE_INVALID_BINARY_REPRESENTATION;
}

void
load_error_explain(const TablePlan *table, const ErrorData *error, char **detail, char **hint)
{
	char	   *value;
	const ColumnPlan *column = refused_column(table, error, &value);
	Oid			type = column ? getBaseType(get_atttype(table->relid, column->attnum)) : InvalidOid;

	if (is_unknown_name(error->sqlerrcode))
		explain_unknown_name(table, hint);
	else if (error->sqlerrcode == ERRCODE_NOT_NULL_VIOLATION && error->column_name != NULL)
	{
		*detail = psprintf("Column %s has a null on the source, and is NOT NULL here.",
						   quote_identifier(error->column_name));
		*hint = psprintf("Run here: ALTER TABLE %s ALTER COLUMN %s DROP NOT NULL;",
						 table_name(table), quote_identifier(error->column_name));
	}
	else if (!OidIsValid(type) || ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_DATA_EXCEPTION ||
			 is_malformed(error->sqlerrcode))
		return;
	else if (get_typtype(type) == TYPTYPE_ENUM && value != NULL)
		explain_label(column, type, value, detail, hint);
	else if (strcmp(column->source_type, column->local_type) != 0)
		explain_type(table, column, detail, hint);
}
