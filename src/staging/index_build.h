/*-------------------------------------------------------------------------
 *
 * index_build.h
 *	  Builds an index on a staging heap from its frozen rows.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_INDEX_BUILD_H
#define PGTUNSYNC_INDEX_BUILD_H

#include "nodes/execnodes.h"
#include "utils/rel.h"

/*
 * Calls index_build() for an index on a heap whose rows are frozen.  The
 * caller holds ShareLock on the heap, which keeps writers away.  Raises what
 * index_build() raises.
 */
extern void index_build_frozen(Relation heap, Relation index, IndexInfo *info, bool parallel);

#endif							/* PGTUNSYNC_INDEX_BUILD_H */
