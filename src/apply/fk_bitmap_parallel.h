/*-------------------------------------------------------------------------
 *
 * fk_bitmap_parallel.h
 *	  Checks references by one integer column in several processes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_FK_BITMAP_PARALLEL_H
#define PGTUNSYNC_FK_BITMAP_PARALLEL_H

#include "access/attnum.h"
#include "storage/block.h"

/* Two columns of staging heaps, and the result of their check. */
typedef struct IntegerReference
{
	Oid			constraint;		/* OID of the foreign key */
	Oid			referencing;
	Oid			referenced;
	AttrNumber	fk;
	AttrNumber	pk;
	uint64		blocks;			/* number of pages to read */
	bool		match;			/* result of integer_keys_match() */
} IntegerReference;

/*
 * Sets match of each reference; their order may change.  The processes
 * together use maintenance_work_mem.  The number of processes depends on the
 * size of the heaps; max_parallel_maintenance_workers limits it.  The caller
 * has locked the heaps and has an active snapshot.
 */
extern void integer_references_check(IntegerReference *references, int count);

#endif							/* PGTUNSYNC_FK_BITMAP_PARALLEL_H */
