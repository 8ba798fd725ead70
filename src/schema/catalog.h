/*-------------------------------------------------------------------------
 *
 * catalog.h
 *	  What both databases have: relations, columns, owned sequences, in one
 *	  shape, so that they can be compared.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_CATALOG_H
#define PGTUNSYNC_CATALOG_H

#include "access/attnum.h"
#include "nodes/pg_list.h"
#include "utils/hsearch.h"

typedef struct CatalogColumn
{
	char	   *name;
	AttrNumber	attnum;
	char	   *type;			/* format_type(); names outside pg_catalog qualified */
	Oid			typid;
	Oid			base_typid;		/* of a domain: what is below it */
	bool		generated;		/* computed: a COPY cannot name it */
	int32		typmod;			/* local */
	bool		not_null;		/* local */
	bool		unique;			/* local: by itself a key */
	bool		needs_value;	/* local: NOT NULL, and nothing fills it in */
	bool		readable;		/* source: SELECT is granted */
	char	   *mask;			/* source: SQL whose value is sent instead, or NULL */
} CatalogColumn;

/* A foreign key, by names. */
typedef struct CatalogForeignKey
{
	char	   *schema;			/* what it refers to */
	char	   *table;
	List	   *columns;		/* of char *: those that refer */
	List	   *referenced;		/* of char *: to these */
} CatalogForeignKey;

typedef struct CatalogSequence
{
	Oid			oid;
	char	   *schema;
	char	   *name;
	AttrNumber	attnum;			/* of the column that owns it */
	bool		readable;		/* source: SELECT is granted */
	int64		last_value;		/* source, if it is readable */
	bool		is_called;
} CatalogSequence;

typedef struct CatalogRelation
{
	Oid			oid;
	char	   *schema;
	char	   *name;
	char		kind;			/* pg_class.relkind */
	char		persistence;	/* pg_class.relpersistence */
	bool		is_partition;
	char	   *bound;			/* of a partition: "FOR VALUES …", as pg_get_expr() gives it */
	struct CatalogRelation *parent; /* of a partition, if it was read */
	List	   *leaves;			/* of a partitioned table: its lowest partitions */
	bool		extension_member;	/* local: an extension made it */
	bool		readable;		/* source: SELECT is granted on all of it */
	bool		reachable;		/* source: USAGE on its schema is granted */
	bool		row_security;	/* source: policies apply to us */
	double		bytes;			/* source: relpages with toast, in bytes */
	double		rows;			/* reltuples, -1 unknown */
	double		heap_pages;		/* source: relpages of a heap; 0: unknown, or none */

	/* read for chosen tables only */
	bool		detailed;		/* it was read */
	List	   *columns;		/* of CatalogColumn * */
	List	   *sequences;		/* of CatalogSequence * */
	List	   *primary_key;	/* local: of char * */
	List	   *foreign_keys;	/* of CatalogForeignKey * */
} CatalogRelation;

typedef struct Catalog
{
	List	   *relations;		/* of CatalogRelation * */
	HTAB	   *by_name;
	HTAB	   *by_oid;
} Catalog;

#define PARTITION_LEVELS_MAX	100

/* An empty catalog in the current memory context. */
extern Catalog *catalog_create(void);

/*
 * Adds a relation, which must stay where it is; names too long for this server
 * are left out (they can have no counterpart), which gives false.
 */
extern bool catalog_add(Catalog *catalog, CatalogRelation *relation);

/*
 * Says that child is a partition of parent; unknown ones are ignored.  Returns
 * false if the parent is no partitioned table.
 */
extern bool catalog_set_parent(Catalog *catalog, Oid child, Oid parent);

/*
 * Fills in CatalogRelation.leaves, once all partitions are known.  Returns false
 * if any of them lies deeper than PARTITION_LEVELS_MAX, or is a part of itself.
 */
extern bool catalog_find_leaves(Catalog *catalog);

/* Both NULL when there is none. */
extern CatalogRelation *catalog_find(const Catalog *catalog, const char *schema,
									 const char *name);
extern CatalogRelation *catalog_find_oid(const Catalog *catalog, Oid oid);

/* The column of that name, or NULL. */
extern CatalogColumn *catalog_find_column(const CatalogRelation *relation, const char *name);

/*
 * Names for SQL that the source runs: always quoted, since its keywords need
 * not be ours.
 */
extern char *catalog_sql_name(const char *schema, const char *name);
extern char *catalog_sql_identifier(const char *name);

#endif							/* PGTUNSYNC_CATALOG_H */
