/*-------------------------------------------------------------------------
 *
 * outcome.h
 *	  What became of each table of a run.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_OUTCOME_H
#define PGTUNSYNC_OUTCOME_H

#include "run/audit.h"
#include "load/load_messages.h"
#include "plan/plan.h"

typedef struct Outcomes Outcomes;

extern Outcomes *outcomes_create(const RunPlan *plan);

/* A table's staging heap is complete. */
extern void outcome_loaded(Outcomes *outcomes, const LoadResult *result);

/* A table failed with an error that the calling function reports. */
extern void outcome_note_error(Outcomes *outcomes, const TablePlan *table, const ErrorData *error);

/*
 * A table failed for a reason that outcomes_report() will show the caller.
 * The texts are copied; detail and hint may be NULL.
 */
extern void outcome_fail(Outcomes *outcomes, const TablePlan *table, int sqlerrcode,
						 const char *message, const char *detail, const char *hint);

/*
 * True if some tables have been reported that failed with the SQLSTATE of this
 * one: outcomes_report() reports it with others.
 */
extern bool outcome_defer(Outcomes *outcomes, const TablePlan *table);

/*
 * Reports tables that outcome_fail() has failed since the last call, and those
 * of outcome_defer(): as WARNINGs, or the first one as an ERROR.  Many that
 * failed alike are reported as one.
 */
extern void outcomes_report(Outcomes *outcomes, int elevel);

/*
 * Fails partitions of which another one has failed, if they are pulled
 * together.
 */
extern void outcomes_fail_incomplete(Outcomes *outcomes, const RunPlan *plan);

/* Rows that an append has committed. */
typedef struct AppendedRows
{
	int			batches;
	int64		rows;
	int64		bytes;
	double		seconds;
	bool		complete;
} AppendedRows;

extern AppendedRows *outcome_appended(Outcomes *outcomes, int index);

/* The report of the last load. */
extern const LoadResult *outcome_result(const Outcomes *outcomes, int index);

/* The staged rows are in the table, or are not needed. */
extern void outcome_consumed(Outcomes *outcomes, int index);

/* True if the table has not failed so far, in plan or load. */
extern bool outcome_is_well(const Outcomes *outcomes, const TablePlan *table);

/* Why the table failed, message and DETAIL in one, and its HINT; or NULL. */
extern char *outcome_error(const Outcomes *outcomes, const TablePlan *table);
extern char *outcome_hint(const Outcomes *outcomes, const TablePlan *table);

/* Its staging heap, or InvalidOid. */
extern Oid	outcome_staging(const Outcomes *outcomes, int index);

/* All that were loaded: a List of StagedTable *. */
extern List *outcomes_staged(const Outcomes *outcomes);

/*
 * Takes the counts of inserted, updated and kept rows of these (StagedTable
 * *).
 */
extern void outcomes_landed(Outcomes *outcomes, const List *staged);

/* The OIDs of the tables that were changed. */
extern List *outcomes_targets(const Outcomes *outcomes);

/* True if any table keeps old rows beside the pulled ones. */
extern bool outcomes_any_merged(const Outcomes *outcomes);

/*
 * Sends a NOTICE for each of these tables, or their sums, once they are
 * committed.
 */
extern void outcomes_report_merged(const Outcomes *outcomes, bool each);

/* Sums over the tables that were loaded, or appended to. */
extern const AuditTotals *outcomes_totals(Outcomes *outcomes);

/* The same over the rows that appends have committed. */
extern const AuditTotals *outcomes_appended(Outcomes *outcomes);

/* Names the failed tables; NULL if none failed. */
extern char *outcomes_error_text(const Outcomes *outcomes);
extern int	outcomes_sqlerrcode(const Outcomes *outcomes);

/* Writes one table into run_tables. */
extern void outcome_write(const Outcomes *outcomes, int index, int64 run_id, bool swapped);

/*
 * Writes run_tables; swapped: the loaded tables have replaced their targets.
 */
extern void outcomes_write(const Outcomes *outcomes, int64 run_id, bool swapped);

/* Raises the ERROR that names the failed tables, if any. */
extern void outcomes_raise(const Outcomes *outcomes, int64 run_id);

#endif							/* PGTUNSYNC_OUTCOME_H */
