/*-------------------------------------------------------------------------
 *
 * index_build.h
 *	  Where an index of a staging heap gets its rows from.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_INDEX_BUILD_H
#define PGTUNSYNC_INDEX_BUILD_H

#include "nodes/execnodes.h"
#include "utils/rel.h"

/*
 * index_build() of an index over a heap whose rows are frozen.  The caller holds
 * ShareLock on the heap, so that nobody writes to it.
 */
extern void index_source_build(Relation heap, Relation index, IndexInfo *info, bool parallel);

#endif							/* PGTUNSYNC_INDEX_BUILD_H */
