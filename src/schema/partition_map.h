/*-------------------------------------------------------------------------
 *
 * partition_map.h
 *	  Which rows of the source belong into which local partition.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_PARTITION_MAP_H
#define PGTUNSYNC_PARTITION_MAP_H

#include "schema/catalog.h"

/* A condition over one table's rows, as SQL that the source can run. */
typedef struct PartitionCondition
{
	CatalogRelation *leaf;		/* local */
	char	   *sql;
	List	   *columns;		/* of char *: those that it reads */
} PartitionCondition;

/* The local partitions of a table that the source keeps in another way. */
typedef struct PartitionMap
{
	CatalogRelation *local;		/* partitioned */
	CatalogRelation *source;	/* its rows there: partitioned or not */
	List	   *conditions;		/* of PartitionCondition *, one for each leaf */
	bool		complete;		/* a default partition takes what is left */
} PartitionMap;

/*
 * Do both tables consist of the same partitions: by name, by bounds, at each
 * level?  Then each can be copied from its namesake.
 */
extern bool partitions_same(const CatalogRelation *local, const CatalogRelation *source);

/*
 * Finds the condition of each leaf.  NULL with a reason when one of them is
 * nothing that the source can evaluate.  Takes AccessShareLock on the leaves.
 */
extern PartitionMap *partition_map(CatalogRelation *local, CatalogRelation *source,
								   char **reason);

extern PartitionCondition *partition_map_find(const PartitionMap *map,
											  const CatalogRelation *leaf);

/* "…" true for rows that no leaf takes; NULL when there can be none. */
extern char *partition_map_rest(const PartitionMap *map);

#endif							/* PGTUNSYNC_PARTITION_MAP_H */
