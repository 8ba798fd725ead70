/*-------------------------------------------------------------------------
 *
 * progress.h
 *	  How far a run is, for anybody who may know.
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
	PHASE_COPYING,
	PHASE_INDEXING,
	PHASE_LOADED,
	PHASE_FAILED
} ProgressPhase;

/* One table, as read; times in microseconds of the server's clock. */
typedef struct ProgressRow
{
	char	   *table_name;
	const char *phase;
	int64		rows;
	int64		bytes;
	int64		bytes_total;	/* estimated, 0: unknown */
	double		bytes_per_second;	/* 0: unknown */
} ProgressRow;

/* ---- the leader ---- */

/*
 * Opens the door through which others find the run's progress, before there is
 * any; the handle goes into the audit row.  Lives as long as the process.
 */
extern dsm_handle progress_open_door(int64 run_id);

/* Puts the planned tables behind the door; the handle is for the loaders. */
extern dsm_handle progress_publish(const RunPlan *plan);

/* A NOTICE for each table that has been copying for long, now and then. */
extern void progress_tell(void);

/* ---- leader and loaders ---- */

/* Maps what progress_publish() made, until the process exits. */
extern void progress_attach(dsm_handle handle);

/* Without anything attached, these do nothing. */
extern void progress_phase(int index, ProgressPhase phase);
extern void progress_add(int index, uint64 rows, uint64 bytes);

/* ---- any session ---- */

/* A List of ProgressRow *; NIL when the run is over or has no plan yet. */
extern List *progress_read(dsm_handle door, int64 run_id);

#endif							/* PGTUNSYNC_PROGRESS_H */
