/*-------------------------------------------------------------------------
 *
 * key_order.h
 *	  The rows of a heap in the order of a b-tree's keys.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_KEY_ORDER_H
#define PGTUNSYNC_KEY_ORDER_H

#include "access/tableam.h"
#include "nodes/execnodes.h"
#include "utils/rel.h"

#include "staging/frozen_scan.h"

typedef struct KeyOrder KeyOrder;

/*
 * Makes room for the rows of "nblocks" pages of the heap, in "bytes" of memory at
 * most; NULL if the index is not a b-tree, or has columns whose order we do not know.
 * The columns are plain ones.  callback and state are index_build_range_scan()'s.
 */
extern KeyOrder *key_order_begin(Relation heap, Relation index, const IndexInfo *info,
								 BlockNumber nblocks, Size bytes,
								 IndexBuildCallback callback, void *state);

/*
 * Takes the rows of a page of frozen rows; hands those before to the callback, when
 * there is no room left.  False if they do not fit the order that was thought of: then all
 * that have not been handed over are forgotten, and key_order_revise() says how to go on.
 */
extern bool key_order_add(KeyOrder *order, FrozenScan *page);

/*
 * The scan goes back to the block that is put into *block; false if there is no
 * other order to be tried: then this one is to be ended.
 */
extern bool key_order_revise(KeyOrder *order, BlockNumber *block);

/* Hands over what there is. */
extern void key_order_flush(KeyOrder *order);

/* Frees it.  After an error its memory goes with the context it was made in. */
extern void key_order_end(KeyOrder *order);

#endif							/* PGTUNSYNC_KEY_ORDER_H */
