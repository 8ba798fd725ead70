/*-------------------------------------------------------------------------
 *
 * sync_config.h
 *	  .pgsync.yml, as pgsync users keep it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_SYNC_CONFIG_H
#define PGTUNSYNC_SYNC_CONFIG_H

#include "nodes/pg_list.h"

/* One table of a group; clause is NULL where the group just lists the table. */
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

/* Which rows of a table come: a clause, or the last part by a column. */
typedef struct SyncFilter
{
	char	   *table;			/* name or glob */
	char	   *clause;			/* NULL: by column */
	char	   *column;			/* newer than now() - last */
	char	   *last;
	int			line;
} SyncFilter;

/* A data rule: pattern as written ("email", "users.email", "encrypted_*"). */
typedef struct SyncRule
{
	char	   *pattern;
	char	   *kind;			/* "unique_email", … or "value", "statement" */
	char	   *argument;		/* of value, statement; pseudonym_name: "first", "last"; else NULL */
	int			keep_first;		/* of partial: characters that stay */
	int			keep_last;
	int			days;			/* of shift_date: the largest shift */
	int			line;
} SyncRule;

/* What is computed here: values of columns (rewrite), which rows of tables stay (keep). */
typedef struct SyncExpression
{
	char	   *pattern;
	char	   *sql;
	int			line;
} SyncExpression;

typedef struct SyncConfig
{
	char	   *path;			/* absolute; NULL when the setting is empty */
	List	   *schemas;		/* of char *; NIL when not given */
	List	   *exclude;		/* of char * */
	List	   *groups;			/* of SyncGroup * */
	List	   *filters;		/* of SyncFilter *, in the file's order */
	List	   *empty;			/* of char *: tables that end up without rows */
	List	   *data_rules;		/* of SyncRule *, in the file's order */
	List	   *rewrites;		/* of SyncExpression *, in the file's order */
	List	   *keeps;			/* likewise */
} SyncConfig;

/*
 * Reads the file with libyaml.  path as for env_file_read(); "" gives an
 * empty configuration.  All lives in the current memory context.
 *
 * Raises UNDEFINED_FILE when it is missing (its excludes and masks would be
 * silently lost), CONFIG_FILE_ERROR with file and line when it is malformed
 * or a key has a wrong kind of value, or for an unknown key that looks as if it
 * restricts the pull.  Other unknown keys: a WARNING with file and line; "from" and "to": a NOTICE (they are never used, a $(command) in them
 * never run).
 */
extern SyncConfig *sync_config_read(const char *path);

/* The group of that name, or NULL. */
extern SyncGroup *sync_config_group(const SyncConfig *config, const char *name);

#endif							/* PGTUNSYNC_SYNC_CONFIG_H */
