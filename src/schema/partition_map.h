/*-------------------------------------------------------------------------
 *
 * partition_map.h
 *	  Decides which rows of the source belong to which local partition.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_PARTITION_MAP_H
#define PGTUNSYNC_PARTITION_MAP_H

#include "schema/catalog.h"

/* A condition on the rows of one table, as SQL that the source can run. */
typedef struct PartitionCondition
{
	CatalogRelation *leaf;		/* local */
	char	   *sql;
	List	   *columns;		/* of char *: the columns that the condition reads */
} PartitionCondition;

/* The local partitions of a table that the source partitions differently. */
typedef struct PartitionMap
{
	CatalogRelation *local;		/* the partitioned table */
	CatalogRelation *source;	/* the source's table, partitioned or not */
	List	   *conditions;		/* of PartitionCondition *, one for each leaf */
	bool		complete;		/* a default partition accepts all remaining rows */
} PartitionMap;

/*
 * Returns whether both tables have the same partitions: the same names and the
 * same bounds on each level.  If so, each partition can be copied from the
 * source partition of the same name.
 */
extern bool partitions_same(const CatalogRelation *local, const CatalogRelation *source);

/*
 * Finds the condition of each leaf partition.  Returns NULL and sets *reason
 * if the source cannot evaluate one of the conditions.  Takes AccessShareLock
 * on the leaves.
 */
extern PartitionMap *partition_map(CatalogRelation *local, CatalogRelation *source,
								   char **reason);

extern PartitionCondition *partition_map_find(const PartitionMap *map,
											  const CatalogRelation *leaf);

/*
 * Returns SQL that is true for rows that fit no leaf partition.  Returns NULL
 * if there can be no such rows.
 */
extern char *partition_map_rest(const PartitionMap *map);

#endif							/* PGTUNSYNC_PARTITION_MAP_H */
