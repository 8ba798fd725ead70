/*-------------------------------------------------------------------------
 *
 * sync_config.h
 *	  Reads .pgsync.yml, the configuration file of pgsync.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_SYNC_CONFIG_H
#define PGTUNSYNC_SYNC_CONFIG_H

#include "nodes/pg_list.h"

/* One table of a group; clause is NULL if the group only lists the table. */
typedef struct SyncGroupEntry
{
	char	   *table;
	char	   *clause;
	int			line;
} SyncGroupEntry;

typedef struct SyncGroup
{
	char	   *name;
	List	   *entries;		/* of SyncGroupEntry * */
	int			line;
} SyncGroup;

/* Restricts the rows of a table: a clause, or the latest rows by a column. */
typedef struct SyncFilter
{
	char	   *table;			/* name or pattern */
	char	   *clause;			/* NULL if rows are selected by column */
	char	   *column;			/* selects rows newer than now() - last */
	char	   *last;
	int			line;
} SyncFilter;

/*
 * A data rule.  The pattern is stored as written ("email", "users.email",
 * "encrypted_*").
 */
typedef struct SyncRule
{
	char	   *pattern;
	char	   *kind;			/* "unique_email", … or "value", "statement" */
	char	   *argument;		/* value, statement: text; pseudonym_name: "first" or "last" */
	int			keep_first;		/* partial: number of characters to keep */
	int			keep_last;
	int			days;			/* shift_date: the largest shift */
	int			line;
} SyncRule;

/*
 * An expression computed locally: the value of a column (rewrite), or a
 * condition on local rows to keep (keep).
 */
typedef struct SyncExpression
{
	char	   *pattern;
	char	   *sql;
	int			line;
} SyncExpression;

typedef struct SyncConfig
{
	char	   *path;			/* absolute path; NULL if the setting is empty */
	List	   *schemas;		/* of char *; NIL if not given */
	List	   *exclude;		/* of char * */
	List	   *groups;			/* of SyncGroup * */
	List	   *filters;		/* of SyncFilter *, in order of the file */
	List	   *empty;			/* of char *: tables to empty */
	List	   *data_rules;		/* of SyncRule *, in order of the file */
	List	   *rewrites;		/* of SyncExpression *, in order of the file */
	List	   *keeps;			/* the same */
} SyncConfig;

/*
 * Reads the configuration file with libyaml.  path is as for env_file_read();
 * "" returns an empty configuration.  Everything lives in the current memory
 * context.
 *
 * Raises UNDEFINED_FILE if the file is missing, because its excludes and masks
 * would be lost silently.  Raises CONFIG_FILE_ERROR with file and line if the
 * file is malformed, if a value has the wrong form, or if an unknown key looks
 * as if it restricts the pull.  Other unknown keys raise a WARNING with file
 * and line.  "from" and "to" raise a NOTICE: they are never used, and a
 * $(command) in them is never run.
 */
extern SyncConfig *sync_config_read(const char *path);

/* Returns the group of that name, or NULL. */
extern SyncGroup *sync_config_group(const SyncConfig *config, const char *name);

#endif							/* PGTUNSYNC_SYNC_CONFIG_H */
