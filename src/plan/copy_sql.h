/*-------------------------------------------------------------------------
 *
 * copy_sql.h
 *	  Binary or text, and the COPY that the source runs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_COPY_SQL_H
#define PGTUNSYNC_COPY_SQL_H

#include "schema/catalog.h"
#include "plan/clause.h"

/*
 * True if the local column reads the binary form of the source's column.
 * source_version: as PQserverVersion().
 */
extern bool copy_column_binary(const CatalogColumn *source, const CatalogColumn *local,
							   int source_version);

/* What the source is asked for. */
typedef struct CopyQuery
{
	const CatalogRelation *source;
	List	   *columns;		/* of CatalogColumn * of the source, in order */
	bool		tree;			/* the rows of its descendants, too */
	const char *condition;		/* SQL over its rows, or NULL */
	const Clause *clause;		/* people's SQL behind the table, or NULL */
	const char *alias;			/* for the clause, the table is called so; NULL: by its name */
	const char *tail;			/* ORDER BY … and what follows, or NULL */
	bool		empty;			/* no rows, and the table is not even looked at */
	bool		binary;
} CopyQuery;

/* The row that CatalogColumn.computed is an expression over. */
#define COPY_ROW		"pgtunsync_row"

/* How the table is called in its SELECT. */
extern char *copy_table_reference(const CopyQuery *query);

/* SELECT … */
extern char *copy_select(const CopyQuery *query);

/*
 * LOCK TABLE in the mode that the COPY needs; NULL if the role may not lock the
 * table or no row is read.
 */
extern char *copy_lock_statement(const CopyQuery *query);

/* COPY … TO STDOUT */
extern char *copy_statement(const CopyQuery *query);

/*
 * The same rows in several COPYs (List of char *), of about the same number of
 * the source's pages each; for queries of which copy_has_parts() is true.
 */
extern bool copy_has_parts(const CopyQuery *query, int source_version);
extern List *copy_statement_parts(const CopyQuery *query, int parts);

/*
 * SQL for the text of a timestamptz as TimeZone UTC shows it, whatever TimeZone
 * is.  It needs DateStyle ISO.
 */
extern char *copy_utc_text(const char *value);

#endif							/* PGTUNSYNC_COPY_SQL_H */
