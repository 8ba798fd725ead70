/*-------------------------------------------------------------------------
 *
 * key_order.h
 *	  Sorts the rows of a heap by the keys of a btree index.
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
 * Allocates at most "bytes" bytes for the rows of "nblocks" pages of the
 * heap.  The index has plain columns only.  "callback" and "state" are those
 * of index_build_range_scan().  Returns NULL if the index is not a btree, if
 * the order of a column is not known, or if the rows of one page do not fit.
 */
extern KeyOrder *key_order_begin(Relation heap, Relation index, const IndexInfo *info,
								 BlockNumber nblocks, Size bytes,
								 IndexBuildCallback callback, void *state);

/*
 * Adds the rows of a page.  If memory is full, first passes the sorted earlier
 * rows to the callback.  Returns false if a value does not fit the layout of
 * the entries.  Then the caller must call key_order_revise(), and the rows
 * that were not passed to the callback must be added again.
 */
extern bool key_order_add(KeyOrder *order, FrozenScan *page);

/*
 * Changes the layout after key_order_add() returned false.  Sets *block to the
 * first block to add again.  Returns false if there is no other layout; then
 * the caller must end the order, and pass on the rows from *block by itself.
 */
extern bool key_order_revise(KeyOrder *order, BlockNumber *block);

/* Sorts the rows that were added and passes them to the callback. */
extern void key_order_flush(KeyOrder *order);

/* Frees the order.  After an error, its parent memory context frees it. */
extern void key_order_end(KeyOrder *order);

#endif							/* PGTUNSYNC_KEY_ORDER_H */
