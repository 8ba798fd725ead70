/*-------------------------------------------------------------------------
 *
 * local_sequences.h
 *	  Which local columns use which sequences.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_LOCAL_SEQUENCES_H
#define PGTUNSYNC_LOCAL_SEQUENCES_H

#include "nodes/pg_list.h"

/*
 * Returns the sequences that columns of the relation own or name in their
 * defaults: a List of CatalogSequence *, each sequence and column once.
 */
extern List *local_sequences(Oid relid);

/*
 * Returns the tables (a List of Oid) with a column that owns the sequence or
 * names it in its default.  A partitioned table stands for its leaves.
 */
extern List *local_sequence_users(Oid sequence);

#endif							/* PGTUNSYNC_LOCAL_SEQUENCES_H */
