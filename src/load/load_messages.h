/*-------------------------------------------------------------------------
 *
 * load_messages.h
 *	  What the leader and a loader tell each other.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_LOAD_MESSAGES_H
#define PGTUNSYNC_LOAD_MESSAGES_H

#include "lib/stringinfo.h"
#include "staging/kept_rows.h"
#include "nodes/pg_list.h"
#include "port/atomics.h"
#include "staging/load_mode.h"
#include "eval/row_query.h"
#include "source/source.h"
#include "storage/dsm.h"

#define LOADER_MAGIC		0x7067544c
#define LOADER_KEY_SHARED	1
#define LOADER_KEY_ORDERS	2	/* queue to the loader */
#define LOADER_KEY_REPORTS	3	/* queue from the loader */

/* Fixed facts, for the loader's start. */
typedef struct LoaderShared
{
	Oid			database;
	int64		run_id;
	int			lock_timeout;	/* ms */
	int			maintenance_work_mem;	/* kB */
	int			parallel_maintenance_workers;
} LoaderShared;

/* Orders, leader to loader. */
#define LOADER_ORDER_CONNECT	'C' /* LoaderConnect */
#define LOADER_ORDER_SNAPSHOT	'S' /* string, handle of the progress */
#define LOADER_ORDER_LOAD		'L' /* how many cores are idle, List of LoadJob *: small tables
									 * come in batches */

/* Reports, loader to leader, beside 'N'. */
#define LOADER_REPORT_DROPPED	'X' /* int: so many messages were dropped */
#define LOADER_REPORT_LOADED	'L' /* LoadResult */
#define LOADER_REPORT_FAILED	'F' /* LoadFailure; an 'E' follows */

typedef struct LoaderConnect
{
	char	   *conninfo;		/* with secrets */
	char	   *display;
	int			connect_timeout;	/* ms */
	bool		row_security;	/* as in SourceParams */
	PasswordRule password_rule; /* the same */
	bool		hide_texts;		/* the same */
	dsm_handle	gate;			/* DSM_HANDLE_INVALID: no tunnel */
} LoaderConnect;

/* How much of a table's load a job is; all but the first belong to a Split. */
typedef enum LoadStep
{
	LOAD_WHOLE,					/* all of it */
	LOAD_CREATE,				/* the staging heap and its indexes, empty */
	LOAD_PART,					/* some of its rows */
	LOAD_INDEX,					/* one index */
	LOAD_FINISH					/* what is left to do when rows and indexes are there */
} LoadStep;

typedef struct LoadJob
{
	LoadStep	step;
	int			index;			/* of the table in the plan */
	Oid			relid;
	char	   *display;		/* the table's name in messages */
	char	   *shape;			/* table_shape() in the plan */
	char	   *copy_sql;
	char	   *verify_sql;		/* of the plan, or NULL */
	bool		binary;
	List	   *columns;		/* of char *, in the order of the COPY */
	char	   *partition_check;	/* nodeToString(), or NULL */
	List	   *rewrites;		/* of RowExpression * */
	List	   *keep;			/* of RowExpression *: local rows that stay */
	char	   *row_name;		/* by what name all those call the row */
	Landing		mode;			/* decides on the staging heap's indexes */
	int64		rows_before;	/* of earlier batches, for the progress */
	int64		bytes_before;
	Oid			staging;		/* after LOAD_CREATE */
	int			index_number;	/* LOAD_INDEX: counted from 0 */
	int64		fingerprint;	/* LOAD_FINISH: what LOAD_CREATE has given */
} LoadJob;

typedef struct LoadResult
{
	int			index;
	Oid			staging;
	int64		fingerprint;	/* staging_fingerprint() when it was complete */
	int			indexes;		/* LOAD_CREATE: how many there are to build */
	int64		rows;
	int64		bytes;
	double		seconds;
	bool		rewritten;		/* verify_sql has returned rows */
	Kept		kept;
} LoadResult;

typedef struct LoadFailure
{
	int			index;
	bool		source_gone;	/* the end of the run, not just of the table */
} LoadFailure;

extern void loader_connect_pack(StringInfo buf, const LoaderConnect *connect);
extern LoaderConnect *loader_connect_unpack(StringInfo buf);
extern void load_job_pack(StringInfo buf, const LoadJob *job);
extern List *load_jobs_unpack(StringInfo buf);	/* to the end of the buffer */
extern void load_failure_pack(StringInfo buf, const LoadFailure *failure);
extern LoadFailure load_failure_unpack(StringInfo buf);
extern void load_result_pack(StringInfo buf, const LoadResult *result);
extern LoadResult load_result_unpack(StringInfo buf);

#endif							/* PGTUNSYNC_LOAD_MESSAGES_H */
