/*-------------------------------------------------------------------------
 *
 * run_notices.h
 *	  What the caller of a pull is told while it goes on.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_RUN_NOTICES_H
#define PGTUNSYNC_RUN_NOTICES_H

#include "run/run_steps.h"

/*
 * Each of these sends NOTICEs.
 *
 * The tunnel is being opened.
 */
extern void run_notice_banner(const Run *run);

/* A table's staging heap is complete. */
extern void run_notice_loaded(const Run *run, const LoadResult *result);

/* How many tables are loaded, every few seconds of a run of many tables. */
extern void run_notice_count(Run *run);

/* The run is committed: sums, by schema if there are many tables. */
extern void run_notice_totals(Run *run);

/*
 * The WARNINGs of a run of many tables once more, but for those of failed
 * tables: the call's ERROR names these.
 */
extern void run_notice_warnings(const Run *run);

#endif							/* PGTUNSYNC_RUN_NOTICES_H */
