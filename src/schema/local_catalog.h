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

/* Reads the relations of these schemas, and all partitions. */
extern Catalog *local_catalog_read(List *schemas);

/* The names of all schemas but the system's and our own. */
extern List *local_catalog_schemas(void);

/* Reads columns, keys and owned sequences of these relations, unless it has been done. */
extern void local_catalog_details(List *relations);

/* All schemas of local_catalog_schemas(), with the details of all relations. */
extern Catalog *local_catalog_read_all(void);

/* A type as CatalogColumn.type has it. */
extern char *local_type_text(Oid typid, int32 typmod);

#endif							/* PGTUNSYNC_LOCAL_CATALOG_H */
