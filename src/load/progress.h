/*-------------------------------------------------------------------------
 *
 * progress.h
 *	  Progress of a run, in shared memory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_PROGRESS_H
#define PGTUNSYNC_PROGRESS_H

#include "plan/plan.h"
#include "storage/dsm.h"


typedef enum ProgressPhase
{
	PHASE_WAITING,
	PHASE_QUERYING,				/* the source has the COPY, no row has come */
	PHASE_COPYING,
	PHASE_INDEXING,
	PHASE_LOADED,
	PHASE_FAILED
} ProgressPhase;

/* The progress of one table. */
typedef struct ProgressRow
{
	char	   *table_name;
	const char *phase;
	int64		rows;
	int64		bytes;
	int64		bytes_total;	/* estimate; 0: unknown */
	double		bytes_per_second;	/* 0: unknown */
} ProgressRow;

/* ---- the leader ---- */

/*
 * Creates the handle segment, in which sessions find the progress of the run
 * once it is published.  Returns its handle, which the caller stores in the
 * audit row.  The segment lasts until the process exits.
 */
extern dsm_handle progress_create_handle(int64 run_id);

/*
 * Publishes the progress of the planned tables.  Returns the handle for the
 * loaders.
 */
extern dsm_handle progress_publish(const RunPlan *plan);

/*
 * Emits a NOTICE about each table that is still querying or copying, at
 * intervals.
 */
extern void progress_report(void);

/* ---- leader and loaders ---- */

/* Maps the segment of progress_publish() until the process exits. */
extern void progress_attach(dsm_handle handle);

/*
 * These do nothing if no progress segment is attached.  PHASE_QUERYING begins
 * a table, or begins it again.
 */
extern void progress_phase(int index, ProgressPhase phase);
extern void progress_add(int index, uint64 rows, uint64 bytes);

/* ---- any session ---- */

/*
 * Returns a List of ProgressRow *; NIL if the run has ended or has no plan
 * yet.
 */
extern List *progress_read(dsm_handle segment_handle, int64 run_id);

#endif							/* PGTUNSYNC_PROGRESS_H */
