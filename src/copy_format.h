/*-------------------------------------------------------------------------
 *
 * copy_format.h
 *	  Binary or text, and the COPY that the source runs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_COPY_FORMAT_H
#define PGTUNSYNC_COPY_FORMAT_H

#include "catalog.h"

/*
 * Does the binary form of the source's column mean the same to the local one?
 * source_version: as PQserverVersion().
 */
extern bool copy_column_binary(const CatalogColumn *source, const CatalogColumn *local,
							   int source_version);

/* What the source is asked for. */
typedef struct CopyQuery
{
	const CatalogRelation *source;
	List	   *columns;		/* of CatalogColumn * of the source, in order */
	const char *condition;		/* SQL over its rows, or NULL */
	bool		binary;
} CopyQuery;

/* COPY … TO STDOUT */
extern char *copy_statement(const CopyQuery *query);

#endif							/* PGTUNSYNC_COPY_FORMAT_H */
