/*-------------------------------------------------------------------------
 *
 * request_types.h
 *	  What a caller hands to the leader of its run.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_REQUEST_TYPES_H
#define PGTUNSYNC_REQUEST_TYPES_H

#include "nodes/pg_list.h"
#include "port/atomics.h"
#include "storage/lock.h"

#include "plan/plan.h"

#define RUN_MAGIC			0x70675453
#define RUN_KEY_SHARED		1
#define RUN_KEY_REQUEST		2
#define RUN_KEY_QUEUE		3

typedef enum OnError
{
	ON_ERROR_CONTINUE,			/* a table that fails is left as it was */
	ON_ERROR_ABORT				/* nothing changes unless all succeed */
} OnError;

/* How far the leader goes. */
typedef enum RunPurpose
{
	RUN_PULL,					/* to the end */
	RUN_CHECK,					/* to the plan, a report for each step */
	RUN_PLAN					/* to the plan, a report for each table */
} RunPurpose;

/* One call of pull(), complete; times in milliseconds. */
typedef struct RunRequest
{
	Oid			database;
	int			caller_pid;
	RunPurpose	purpose;
	PlanRequest plan;			/* who pulls which tables and rows, how */
	OnError		on_error;
	int			jobs;
	bool		wait;
	bool		refresh;		/* materialized views over the tables, too */
	int			batch_size;		/* rows of an append's batch; 0: not said */

	/* settings in force for the caller */
	List	   *settings;		/* of char *: name, value, ... for owners' code */
	char	   *env_file;
	char	   *config_file;
	int			connect_timeout;
	int			connect_attempts;
	int			connect_retry_delay;
	int			tunnel_timeout; /* 0: none */
	bool		wants_notices;	/* the caller's client_min_messages lets them through */
	int			lock_timeout;
	int			source_lock_timeout;
	int			log_level;		/* TraceLevel */
	bool		verbose;		/* the caller reads DEBUG1 messages */
	int			max_workers;	/* of all runs on the server */
	int			maintenance_work_mem;	/* kB */
	int			parallel_maintenance_workers;
} RunRequest;

/* Why a caller stopped waiting. */
typedef enum CallerEnd
{
	CALLER_WAITS,
	CALLER_CANCELED,			/* by a user */
	CALLER_TIMED_OUT,			/* statement_timeout */
	CALLER_LOST_CLIENT,
	CALLER_TERMINATED,
	CALLER_FAILED				/* another error */
} CallerEnd;

/* Shared between caller and leader. */
typedef struct RunShared
{
	VirtualTransactionId caller;	/* to find its locks */
	pg_atomic_uint32 caller_end;	/* CallerEnd; once it is set: cancel */
} RunShared;

/*
 * Messages from the leader to the caller, beside 'E' and 'N'
 * (worker_message.h).
 */
#define RUN_MSG_ID			'I'	/* the run has an audit row: int64 */
#define RUN_MSG_STEP		'S' /* one step of check(): CheckStep */
#define RUN_MSG_PLANNED		'P' /* one table of plan(): PlanRow */
#define RUN_MSG_COMMITTED	'C' /* every table was replaced: no error can follow */
#define RUN_MSG_DONE		'D' /* nothing more to come, all well */

/* One row of pgtunsync.check(). */
typedef struct CheckStep
{
	char	   *step;
	bool		ok;
	char	   *detail;
	char	   *hint;
} CheckStep;

/* One row of pgtunsync.plan(); numbers that are not known are -1. */
typedef struct PlanRow
{
	char	   *table;
	char	   *status;			/* pulled, emptied, excluded, refused */
	char	   *mode;			/* NULL unless rows would come */
	char	   *filter;
	List	   *columns;		/* of char *, as all these */
	List	   *masked;
	List	   *unmasked;
	List	   *rewritten;
	List	   *keep;
	List	   *missing;
	List	   *extra;
	List	   *retyped;
	double		source_rows;
	double		source_bytes;
	double		local_rows;
	char	   *reason;
	char	   *hint;
	double		rows_expected;
	double		rows_lost;
	List	   *sequences;
	char	   *source_sql;
} PlanRow;

#endif							/* PGTUNSYNC_REQUEST_TYPES_H */
