/*-------------------------------------------------------------------------
 *
 * loader_count.h
 *	  How many loaders a run can use.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_LOADER_COUNT_H
#define PGTUNSYNC_LOADER_COUNT_H

#include "config/sync_config.h"
#include "plan/plan.h"

/*
 * From this many bytes on, a table is loaded in steps, which several loaders
 * share.
 */
#define STEPS_MIN_BYTES	(32.0 * 1024 * 1024)

/*
 * The number of loaders, 1 to jobs, that a request will probably use, told from
 * the local tables alone.  Needs a transaction and a snapshot.  Waits for no
 * lock.
 */
extern int	likely_loaders(const PlanRequest *request, const SyncConfig *config, int jobs);

/* The number of loaders, 1 to jobs, that these tables (TablePlan *) can use. */
extern int	needed_loaders(const List *tables, int jobs);

#endif							/* PGTUNSYNC_LOADER_COUNT_H */
