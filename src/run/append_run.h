/*-------------------------------------------------------------------------
 *
 * append_run.h
 *	  An append: batch by batch, each committed by itself.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_APPEND_RUN_H
#define PGTUNSYNC_APPEND_RUN_H

#include "run/run_steps.h"

/* Loads and commits batch after batch; the source is still open. */
extern void run_append(Run *run);

/* The rows of a batch. */
extern int	append_batch_size(const Run *run);

/* Commits the final state of the audit. */
extern void run_finish_append(Run *run);

#endif							/* PGTUNSYNC_APPEND_RUN_H */
