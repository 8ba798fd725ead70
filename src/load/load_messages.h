/*-------------------------------------------------------------------------
 *
 * load_messages.h
 *	  Messages between the leader and the loaders.
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

/* Sessions that a loader may leave until the leader looks. */
#define LOADER_LEFT_MAX	8

/* Settings that a loader needs when it starts, and its session on the source. */
typedef struct LoaderShared
{
	Oid			database;
	int64		run_id;
	int			lock_timeout;	/* ms */
	int			maintenance_work_mem;	/* kB */
	int			parallel_maintenance_workers;
	pg_atomic_uint32 session;	/* process ID at the source, 0: not connected */
	pg_atomic_uint32 left[LOADER_LEFT_MAX]; /* those that it left amid a COPY, until the
											 * leader resets them */
} LoaderShared;

/* Orders, leader to loader. */
#define LOADER_ORDER_CONNECT	'C' /* LoaderConnect */
#define LOADER_ORDER_DISCONNECT	'D' /* empty: closes the connection until a job comes */
#define LOADER_ORDER_SNAPSHOT	'S' /* string, start of the server, handle of
									 * progress segment */
#define LOADER_ORDER_LOAD		'L' /* LoadTerms, LoadJobs */

/* On which terms a batch is loaded. */
typedef struct LoadTerms
{
	int			idle_cores;
	int			lock_wait;		/* ms: longest wait for a lock on the source */
	bool		look_first;		/* do not even try if somebody holds a lock there */
} LoadTerms;

/* Reports, loader to leader, besides 'N', a notice. */
#define LOADER_REPORT_DROPPED	'X' /* int: number of dropped messages */
#define LOADER_REPORT_LOADED	'L' /* LoadResult */
#define LOADER_REPORT_FAILED	'F' /* LoadFailure; an 'E' follows */

typedef struct LoaderConnect
{
	char	   *conninfo;		/* with secrets */
	char	   *display;
	int			connect_timeout;	/* ms */
	bool		row_security;	/* these four: see SourceParams */
	int			lock_timeout;
	PasswordRule password_rule;
	bool		hide_texts;
	char	   *mask_key;		/* mask_key_read(), or NULL */
	dsm_handle	gate;			/* DSM_HANDLE_INVALID: no tunnel */
	List	   *settings;		/* of the caller: see owner_keep_settings() */
} LoaderConnect;

/*
 * The part of a table's load that a job does.  All but the first are steps of
 * a Split.
 */
typedef enum LoadStep
{
	LOAD_TABLE,					/* load the whole table */
	LOAD_CREATE,				/* create the empty staging heap and indexes */
	LOAD_PART,					/* copy a part of the rows */
	LOAD_INDEX,					/* build one index */
	LOAD_FINISH					/* ANALYZE and check */
} LoadStep;

typedef struct LoadJob
{
	LoadStep	step;
	int			index;			/* of the table in the plan */
	Oid			relid;
	char	   *display;		/* the table's name in messages */
	char	   *shape;			/* table_shape() when it was planned */
	char	   *lock_sql;		/* locks the table on the source, or NULL */
	char	   *source_oids;	/* "1,2": the relations that hold the rows there; NULL: unknown */
	char	   *copy_sql;
	char	   *verify_sql;		/* query to run after the COPY, or NULL */
	bool		binary;
	List	   *columns;		/* of char *, in the order of the COPY */
	char	   *partition_check;	/* nodeToString(), or NULL */
	char	   *masked_key;		/* a masked column in it, with its rule, or NULL */
	List	   *rewrites;		/* of RowExpression * */
	List	   *keep;			/* of RowExpression *: conditions for kept rows */
	char	   *row_name;		/* name of the row in these expressions */
	Landing		mode;			/* determines the staging heap's indexes */
	int64		rows_before;	/* in earlier batches, for the progress */
	int64		bytes_before;
	Oid			staging;		/* after LOAD_CREATE */
	int			index_number;	/* LOAD_INDEX: counted from 0 */
	int64		fingerprint;	/* LOAD_FINISH: result of LOAD_CREATE */
} LoadJob;

typedef struct LoadResult
{
	int			index;
	Oid			staging;
	int64		fingerprint;	/* staging_fingerprint() at the end */
	int			indexes;		/* LOAD_CREATE: number of indexes to build */
	int64		rows;
	int64		bytes;
	double		seconds;
	bool		rewritten;		/* verify_sql returned rows */
	Kept		kept;
} LoadResult;

typedef struct LoadFailure
{
	int			index;
	bool		source_gone;	/* the source is lost: the error ends the run */
	bool		locked;			/* a lock was refused on the source: try again */
	bool		no_room;		/* the source does not serve another connection */
	bool		written;		/* rows were written into the staging heap before */
} LoadFailure;

extern void loader_connect_pack(StringInfo buf, const LoaderConnect *connect);
extern LoaderConnect *loader_connect_unpack(StringInfo buf);
extern void load_terms_pack(StringInfo buf, const LoadTerms *terms);
extern LoadTerms load_terms_unpack(StringInfo buf);
extern void load_job_pack(StringInfo buf, const LoadJob *job);
extern List *load_jobs_unpack(StringInfo buf);	/* to the end of the buffer */
extern void load_failure_pack(StringInfo buf, const LoadFailure *failure);
extern LoadFailure load_failure_unpack(StringInfo buf);
extern void load_result_pack(StringInfo buf, const LoadResult *result);
extern LoadResult load_result_unpack(StringInfo buf);

#endif							/* PGTUNSYNC_LOAD_MESSAGES_H */
