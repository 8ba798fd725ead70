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

extern Outcomes *outcomes_create(const RunPlan *plan, int64 run_id);

/* A table's staging heap is complete. */
extern void outcome_loaded(Outcomes *outcomes, const LoadResult *result);

/*
 * A table failed with an error that does not name it.  outcomes_report() will
 * show it to the caller.  The audit gets the position in the COPY, but not the
 * value there: other roles may read it.
 */
extern void outcome_note_error(Outcomes *outcomes, const TablePlan *table, const ErrorData *error);

/*
 * A table failed for a reason that outcomes_report() will show to the caller.
 * The message names the table.  The texts are copied; detail and hint may be
 * NULL.
 */
extern void outcome_fail(Outcomes *outcomes, const TablePlan *table, int sqlerrcode,
						 const char *message, const char *detail, const char *hint);

/*
 * True if some tables have been reported that failed with the SQLSTATE of this
 * one: outcomes_report() reports it with others.
 */
extern bool outcome_defer(Outcomes *outcomes, const TablePlan *table);

/* Reports the failure of this table now, as outcomes_report() would. */
extern void outcome_report(Outcomes *outcomes, const TablePlan *table, int elevel);

/*
 * Reports tables that have failed since the last call, and those of
 * outcome_defer(): as WARNINGs, or the first one as an ERROR.  Many that failed
 * alike are reported as one.  If the run has only one table, its failure is not
 * reported as a WARNING: outcomes_raise() raises it.
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

/* The failure of a table as outcomes_raise() would raise it: the texts. */
extern void outcome_describe(const Outcomes *outcomes, const TablePlan *table, ErrorData *failure);

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

/*
 * The message and SQLSTATE of a run that was not complete: those of the only
 * failed table, or the number of failed tables and the first cause.  NULL and
 * 0 if none failed.
 */
extern char *outcomes_error_text(const Outcomes *outcomes);
extern int	outcomes_sqlerrcode(const Outcomes *outcomes);

/* Writes one table into run_tables. */
extern void outcome_write(const Outcomes *outcomes, int index, int64 run_id, bool swapped);

/*
 * Writes run_tables; swapped: the loaded tables have replaced their targets.
 */
extern void outcomes_write(const Outcomes *outcomes, int64 run_id, bool swapped);

/*
 * Raises the failure of the run, if any table failed: the error of the only
 * failed table, or the first one's with a line for each.
 */
extern void outcomes_raise(const Outcomes *outcomes);

#endif							/* PGTUNSYNC_OUTCOME_H */
