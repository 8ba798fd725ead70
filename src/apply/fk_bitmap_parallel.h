/*-------------------------------------------------------------------------
 *
 * fk_bitmap_parallel.h
 *	  References by one integer column, checked by several processes at a time.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_FK_BITMAP_PARALLEL_H
#define PGTUNSYNC_FK_BITMAP_PARALLEL_H

#include "access/attnum.h"
#include "storage/block.h"

/* Two columns of staging heaps, and what is found out about them. */
typedef struct IntegerReference
{
	Oid			constraint;		/* that it is for */
	Oid			referencing;
	Oid			referenced;
	AttrNumber	fk;
	AttrNumber	pk;
	uint64		blocks;			/* how much has to be read */
	bool		match;			/* as integer_keys_match() says */
} IntegerReference;

/*
 * Sets "match" of each of them; their order may change.  Together the processes
 * use maintenance_work_mem, and of max_parallel_maintenance_workers as many as the
 * size of the heaps is worth.  The caller has locked the heaps and has an active snapshot.
 */
extern void integer_references_check(IntegerReference *references, int count);

#endif							/* PGTUNSYNC_FK_BITMAP_PARALLEL_H */
