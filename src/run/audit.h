/*-------------------------------------------------------------------------
 *
 * audit.h
 *	  What happened: pgtunsync.runs and pgtunsync.run_tables.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_AUDIT_H
#define PGTUNSYNC_AUDIT_H

#include "staging/kept_rows.h"
#include "plan/plan.h"
#include "run/request_types.h"

/* One table's outcome. */
typedef struct AuditTable
{
	const TablePlan *plan;
	const char *status;			/* succeeded, failed, skipped */
	int64		rows;			/* -1: not known */
	const Kept *kept;			/* NULL: nothing was to be kept */
	int64		bytes;
	double		seconds;
	int64		inserted;		/* by a mode that keeps rows; -1: none of these */
	int64		updated;
	const char *error;
	int			sqlerrcode;
} AuditTable;

/* Sums over the tables that were changed. */
typedef struct AuditTotals
{
	int			tables;
	int64		rows;
	int64		bytes;
	int64		kept;			/* local rows */
	int64		yielded;		/* pulled rows that yielded to them */
} AuditTotals;

/*
 * The functions that write do so in the current transaction and need a
 * superuser.  Those that read do so as superuser, with a snapshot of now.
 */

/* Marks runs whose leader vanished as crashed. */
extern void audit_mark_crashed(void);

/*
 * Are there runs to be marked?  Costs an index scan that finds the running
 * ones.
 */
extern bool audit_has_crashed(void);

/* Inserts the row of a run that begins, with this process as its leader. */
extern int64 audit_begin(const RunRequest *request);

/* Adds where others find its progress. */
extern void audit_progress(int64 run_id, uint32 segment);

/* Adds where the run goes: texts without secrets, NULL leaves as it is. */
extern void audit_route(int64 run_id, const char *source, const char *ssh_host,
						const char *tunnel);

/* Writes a table's row, in the place of an earlier one of this run. */
extern void audit_table(int64 run_id, const AuditTable *table);

/* What is committed so far, of a run that goes on. */
extern void audit_totals(int64 run_id, const AuditTotals *totals);

/*
 * Locks what the final state is written to: the run's row and both tables, so
 * that writing it need not wait for anybody.  Raises LOCK_NOT_AVAILABLE after
 * timeout_ms, even while interrupts are held.
 */
extern void audit_lock(int64 run_id, int timeout_ms);

/* The final state; error may be NULL. */
extern void audit_finish(int64 run_id, const char *status, const AuditTotals *totals,
						 const char *error, int sqlerrcode);

/* A run whose row says "running". */
typedef struct AuditRunning
{
	int64		run_id;
	uint32		progress_segment;
} AuditRunning;

/* The running ones that the current user may see: a List of AuditRunning *. */
extern List *audit_running(void);

/* What the audit says of one run. */
typedef struct AuditRun
{
	char	   *status;
	char	   *error;			/* may be NULL */
	char	   *sqlstate;		/* may be NULL */
	int			leader_pid;
} AuditRun;

/* NULL if there is no such run, or the current user may not see it. */
extern AuditRun *audit_read(int64 run_id);

/*
 * Raises INSUFFICIENT_PRIVILEGE unless the current user is superuser, or the
 * run is no superuser's and the current user is its role, a member of it or of
 * pg_signal_backend.
 */
extern void audit_check_may_cancel(int64 run_id);

#endif							/* PGTUNSYNC_AUDIT_H */
