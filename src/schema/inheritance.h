/*-------------------------------------------------------------------------
 *
 * inheritance.h
 *	  Which tables inherit from which, without partitions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_INHERITANCE_H
#define PGTUNSYNC_INHERITANCE_H

#include "schema/catalog.h"

/* A row of pg_inherits. */
typedef struct Inheritance
{
	Oid			child;
	Oid			parent;
} Inheritance;

/* The most tables that one may inherit from. */
#define INHERITANCE_ANCESTORS_MAX	1000

extern Inheritance *inheritance_create(Oid child, Oid parent);

/*
 * Fills in CatalogRelation.ancestors and descendants from a List of
 * Inheritance *.  Unknown OIDs and partitions are ignored.  Returns false if a table inherits
 * from itself or from more than INHERITANCE_ANCESTORS_MAX tables.
 */
extern bool inheritance_resolve(Catalog *catalog, const List *inheritances);

/*
 * The descendants of the source's table that have no counterpart here: their
 * rows are to come with the table's, or they are lost.  One has a counterpart
 * if a table of its name, or of the name of a table between the two, inherits
 * from the local table.
 */
extern List *inheritance_unmatched(const Catalog *local_catalog, const CatalogRelation *local,
								   const CatalogRelation *source);

/* The descendants of the local table with a namesake among the source's. */
extern List *inheritance_matched(const Catalog *source_catalog, const CatalogRelation *local,
								 const CatalogRelation *source);

#endif							/* PGTUNSYNC_INHERITANCE_H */
