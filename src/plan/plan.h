/*-------------------------------------------------------------------------
 *
 * plan.h
 *	  What a run will do: which tables, which columns, by which COPY.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_PLAN_H
#define PGTUNSYNC_PLAN_H

#include "access/attnum.h"
#include "staging/load_mode.h"
#include "nodes/pg_list.h"
#include "plan/clause.h"
#include "schema/catalog.h"
#include "source/source.h"
#include "config/sync_config.h"

/* What the caller asked for; strings as given. */
typedef struct PlanRequest
{
	List	   *tables;			/* of char *: names, globs, "group:x"; NIL with everything = false: none */
	bool		everything;		/* no table and no group was named */
	char	   *group;			/* or NULL */
	char	   *filter;			/* clause for every table that is named, or NULL */
	Landing		mode;			/* for all tables; LAND_DEFAULT: each has its default */
	List	   *variables;		/* of char *: name, value, name, value, … */
	List	   *schemas;		/* of char *: instead of the configuration's; "*": all */
	List	   *exclude;		/* of char *: beside the configuration's */
	bool		rules;			/* data rules apply */
	bool		sequences;		/* the sequences of pulled columns come along */
	char	   *cursor;			/* column by which an append goes, or NULL */
	bool		require_rules;	/* columns that look sensitive must have one */
	bool		row_security;	/* policies of the source may filter its rows */
	bool		survey;			/* plan unknown and excluded tables too, as refused */
	List	   *search_path;	/* of char *: schemas of the caller's search path */
	Oid			role;			/* the caller */
} PlanRequest;

/* A column that travels, in the order of the COPY. */
typedef struct ColumnPlan
{
	char	   *name;
	AttrNumber	attnum;			/* local */
	char	   *source_type;	/* format_type() on the source */
	char	   *local_type;
} ColumnPlan;

/* How to ask for its rows one batch after the other: batches.c. */
typedef struct Batches Batches;

/* What to know of a table that can be pulled. */
typedef struct TableRemark
{
	const char *subject;		/* "sequences of", to be followed by the table's name */
	bool		ok;				/* false: the pull will probably fail */
	char	   *detail;
	char	   *hint;			/* or NULL */
} TableRemark;

typedef struct TablePlan
{
	int			index;			/* position in the plan */
	Oid			relid;			/* local; InvalidOid when only the source has it */
	Oid			grants;			/* whose grants allow it: relid, or its partitioned table */
	Oid			partition_root; /* its partitioned table, if they are pulled together */
	char	   *schema;
	char	   *name;
	char	   *display;		/* quoted as needed, for messages */
	Landing		mode;			/* how its rows land */
	List	   *columns;		/* of ColumnPlan * */
	List	   *missing_columns;	/* of char *: the source has them, local has not */
	List	   *extra_columns;	/* of char *: the reverse; they take their defaults */
	List	   *needed_columns; /* of char *: of these, NOT NULL without a default */
	char	   *filter;			/* the clause in force, as written, or NULL */
	const Clause *clause;		/* the same as it is sent, or NULL */
	List	   *masked_columns; /* of char *: "name: rule" */
	List	   *unmasked_columns;	/* of char *: they look sensitive and have no rule */
	bool		row_security;	/* policies of the source filter the rows */
	bool		user_sql;		/* people's SQL goes into copy_sql */
	bool		sends_intervals;	/* see copy_settings.c; set if user_sql is */
	bool		sends_money;
	List	   *rewrites;		/* of RowExpression *: columns whose values are computed here */
	List	   *keep;			/* of RowExpression *: conditions for local rows that stay */
	char	   *row_name;		/* by what name those expressions call the row */
	List	   *type_changes;	/* of char *: "name: source type → local type" */
	bool		binary;			/* COPY format */
	bool		empty;			/* it ends up without rows */
	const char *left_out;		/* its status in a survey ("excluded"), or NULL */
	char	   *lock_sql;		/* locks the table for it on the source, or NULL */
	char	   *copy_sql;		/* COPY … TO STDOUT … */
	char	   *verify_sql;		/* to run behind the COPY: rows mean that it cannot be trusted; or NULL */
	Batches    *batches;		/* of an append; NULL: no rows come */
	List	   *copy_parts;		/* of char *: the same in several COPYs; NIL: not worth it */
	double		source_bytes;	/* relpages on the source, in bytes; 0 if source_rows is -1 */
	double		source_rows;	/* reltuples, -1 unknown */
	double		local_rows;		/* the same here */
	double		expected_rows;	/* that the source will send, -1 unknown */
	double		expected_bytes; /* the same in bytes, about */
	char	   *note;			/* what else is to be known of it, or NULL */
	List	   *source_oids;	/* of the relations whose files hold the rows there */
	List	   *sequences;		/* of SequencePlan * */
	List	   *remarks;		/* of TableRemark * */

	char	   *partition_check;	/* its bounds as nodeToString(); set by recheck.c */
	char	   *masked_key;		/* "name: rule" of a masked column in it, or NULL */
	char	   *shape;			/* table_shape(); set by recheck.c */

	/*
	 * Why the plan refuses the table (message NULL if it does not).  What
	 * fails later is in the run's outcomes, which start with these.
	 */
	int			sqlerrcode;
	char	   *message;
	char	   *detail;
	char	   *hint;
} TablePlan;

/* A local sequence that a pulled column uses, and where it has to go on. */
typedef struct SequencePlan
{
	Oid			relid;
	char	   *display;
	AttrNumber	attnum;			/* local: the column */
	bool		follows;		/* it takes the state of the source's: */
	int64		last_value;
	bool		is_called;
	bool		may_lower;		/* the caller may set it back */
	List	   *users;			/* of Oid: the local tables that use it */

	/* if it does not follow, it goes on behind the highest key of the column */
	bool		has_key;		/* set once the rows are staged */
	int64		key;
} SequencePlan;

typedef struct RunPlan
{
	List	   *tables;			/* of TablePlan * */
	List	   *schemas;		/* of char *: of these, the catalogs have all relations */
	const Catalog *local;
	const Catalog *source;
	char	   *snapshot;		/* pg_export_snapshot(); standbys export one too */
	int64		source_start;	/* start of its server, microseconds since 1970 */
	char	   *source_version; /* server_version of the source */
	bool		source_in_recovery; /* it is a standby */
} RunPlan;

#endif							/* PGTUNSYNC_PLAN_H */
