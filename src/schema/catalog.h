/*-------------------------------------------------------------------------
 *
 * catalog.h
 *	  Relations, columns and owned sequences of a database.
 *
 * The local catalog and the source's catalog use the same structures, so that
 * they can be compared.
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
	char	   *type;			/* format_type(); names outside pg_catalog are qualified */
	Oid			typid;
	Oid			base_typid;		/* for a domain, the type it is based on */
	bool		generated;		/* a generated column; COPY cannot name it */
	bool		inherited;		/* a parent has it, too */
	int32		typmod;			/* local */
	bool		not_null;		/* local */
	bool		unique;			/* local: the column alone is a unique key */
	bool		needs_value;	/* local: NOT NULL without default or identity */
	bool		readable;		/* source: SELECT is granted */
	char	   *mask;			/* source: SQL expression sent instead of the value, or NULL */

	/* source, for a column that it generates in this table or in one below */
	List	   *made_of;		/* of char *: the columns in the expressions */
	char	   *expression;		/* this table's expression; NULL: no other row can be given to it */
	bool		varies;			/* a table below has another expression, or none */

	/* source: what is sent if that is computed again from masked columns */
	char	   *computed;		/* SQL expression over COPY_ROW (copy_sql.h), or NULL */
	List	   *inputs;			/* of CatalogColumn *: the columns of that row */
} CatalogColumn;

/* A foreign key.  Names identify the tables and columns. */
typedef struct CatalogForeignKey
{
	char	   *schema;			/* the referenced table */
	char	   *table;
	List	   *columns;		/* of char *: the referencing columns */
	List	   *referenced;		/* of char *: the referenced columns */
} CatalogForeignKey;

typedef struct CatalogSequence
{
	Oid			oid;
	char	   *schema;
	char	   *name;
	AttrNumber	attnum;			/* number of the owning column */
	bool		readable;		/* source: SELECT is granted */
	int64		last_value;		/* source; set only if readable */
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
	char	   *bound;			/* for a partition: "FOR VALUES …", from pg_get_expr() */
	struct CatalogRelation *parent; /* for a partition, if its parent was read */
	List	   *leaves;			/* for a partitioned table: its leaf partitions */
	List	   *ancestors;		/* of CatalogRelation *: tables it inherits from, nearest first */
	List	   *descendants;	/* of CatalogRelation *: tables that inherit from it */
	List	   *members;		/* source: descendants whose rows are pulled with this table's */
	bool		extension_member;	/* local: the relation belongs to an extension */
	bool		readable;		/* source: SELECT is granted on the whole table */
	bool		reachable;		/* source: USAGE on the schema is granted */
	bool		row_security;	/* source: row security applies to the connected role */
	double		bytes;			/* source: size of heap and TOAST by relpages */
	double		rows;			/* reltuples; -1 if unknown */
	double		heap_pages;		/* source: relpages of a heap; 0 if unknown or not a heap */

	/* the following fields are read for chosen tables only */
	bool		detailed;		/* the following fields are filled in */
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

/* Creates an empty catalog in the current memory context. */
extern Catalog *catalog_create(void);

/*
 * Adds a relation to the catalog.  The catalog keeps the pointer, so the
 * caller must not free the relation.  Returns false and adds nothing if a name
 * is longer than this server allows: such a relation can have no local
 * counterpart.
 */
extern bool catalog_add(Catalog *catalog, CatalogRelation *relation);

/*
 * Records that child is a partition of parent.  Unknown OIDs are ignored.
 * Returns false if the parent is not a partitioned table.
 */
extern bool catalog_set_parent(Catalog *catalog, Oid child, Oid parent);

/*
 * Fills in CatalogRelation.leaves.  Call it after all parents are set.
 * Returns false if a partition is below more than PARTITION_LEVELS_MAX levels,
 * or is a part of itself.
 */
extern bool catalog_find_leaves(Catalog *catalog);

/* Find a relation by name or by OID.  Both return NULL if there is none. */
extern CatalogRelation *catalog_find(const Catalog *catalog, const char *schema,
									 const char *name);
extern CatalogRelation *catalog_find_oid(const Catalog *catalog, Oid oid);

/* Returns the column of that name, or NULL if there is none. */
extern CatalogColumn *catalog_find_column(const CatalogRelation *relation, const char *name);

/*
 * Quote names for SQL that the source runs.  They always quote, because the
 * source's keywords may differ from this server's.
 */
extern char *catalog_sql_name(const char *schema, const char *name);
extern char *catalog_sql_identifier(const char *name);

#endif							/* PGTUNSYNC_CATALOG_H */
