/*-------------------------------------------------------------------------
 *
 * table_spec.h
 *	  Tables as people write them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_TABLE_SPEC_H
#define PGTUNSYNC_TABLE_SPEC_H

#include "config/sync_config.h"
#include "nodes/pg_list.h"

/* One table or glob, as written. */
typedef struct TableSpec
{
	char	   *text;
	char	   *schema;			/* NULL: not qualified */
	char	   *name;
	bool		quoted;			/* any part stood in quotes */
	bool		schema_quoted;
	bool		name_quoted;
	const SyncGroup *group;		/* the group that lists it, or NULL */
	int			line;
	char	   *clause;			/* of the group, or NULL */
	List	   *args;			/* of char *: the group's values */
} TableSpec;

/* Raises INVALID_PARAMETER_VALUE: the text is no table name. */
extern void table_spec_malformed(const char *text, const char *detail) pg_attribute_noreturn();

/* A copy without white space around it. */
extern char *table_spec_trim(const char *text, int len);

/*
 * Takes one name or glob apart.  Raises INVALID_PARAMETER_VALUE.
 */
extern TableSpec *table_spec_parse(const char *text);

/*
 * Splits a plain-text specification ("users", "users,orders",
 * "{users,orders}", "<users>", "group:core") into its items; quotes as in SQL
 * names are kept.  Raises INVALID_PARAMETER_VALUE.
 */
extern List *table_spec_split(const char *spec);

/* The part of a name as SQL would read it; NULL stays NULL. */
extern char *table_spec_fold(char *part, bool quoted);

/* True if the name, or the schema, has a "*" that is not quoted. */
extern bool table_spec_is_glob(const TableSpec *item);
extern bool table_spec_has_schema_glob(const TableSpec *item);

/*
 * Is the text "group:NAME"?  Then table_spec_group() is what follows the
 * colon.
 */
extern bool table_spec_is_group(const char *text);
extern const char *table_spec_group(const char *text);

/*
 * The words of an unquoted text, as a List of char *; NIL if it is only one.
 */
extern List *table_spec_words(const char *text);

#endif							/* PGTUNSYNC_TABLE_SPEC_H */
