/*-------------------------------------------------------------------------
 *
 * generated_columns.h
 *	  What the source's generated columns are made of.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_GENERATED_COLUMNS_H
#define PGTUNSYNC_GENERATED_COLUMNS_H

#include "lib/stringinfo.h"

#include "schema/catalog.h"
#include "source/source.h"

/*
 * Appends the query for these relations, with a separator in front of it.
 * oids is an SQL expression of type oid[].  A source without generated columns
 * is not asked.
 */
extern void generated_append_query(StringInfo buf, int version, const char *oids);

/*
 * Reads the answer into CatalogColumn.made_of, expression and varies.  The
 * columns must have been read.
 */
extern void generated_read(Source *source, const Catalog *catalog);

#endif							/* PGTUNSYNC_GENERATED_COLUMNS_H */
