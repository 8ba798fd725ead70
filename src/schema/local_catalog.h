/*-------------------------------------------------------------------------
 *
 * local_catalog.h
 *	  The catalog of this database.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_LOCAL_CATALOG_H
#define PGTUNSYNC_LOCAL_CATALOG_H

#include "schema/catalog.h"

/* Reads the relations of these schemas, and all partitions of any schema. */
extern Catalog *local_catalog_read(List *schemas);

/* Returns the names of all schemas except the system's and the extension's. */
extern List *local_catalog_schemas(void);

/*
 * Reads columns, keys and owned sequences of those relations that have not
 * been read yet.
 */
extern void local_catalog_details(List *relations);

/* Reads all schemas of local_catalog_schemas(), with details. */
extern Catalog *local_catalog_read_all(void);

/* Returns the name of a type in the form of CatalogColumn.type. */
extern char *local_type_text(Oid typid, int32 typmod);

#endif							/* PGTUNSYNC_LOCAL_CATALOG_H */
