/*-------------------------------------------------------------------------
 *
 * local_rows.h
 *	  How many rows a local table has, about.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_LOCAL_ROWS_H
#define PGTUNSYNC_LOCAL_ROWS_H

/*
 * Estimates the rows of a heap from its size and what ANALYZE has left, or
 * else counts those of its first pages.  The caller has a lock on the table
 * and an active snapshot.
 */
extern double local_rows_estimate(Oid relid);

#endif							/* PGTUNSYNC_LOCAL_ROWS_H */
