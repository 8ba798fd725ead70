/*-------------------------------------------------------------------------
 *
 * load_mode.h
 *	  Load modes: what a pull does with the rows that a table already has.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_LOAD_MODE_H
#define PGTUNSYNC_LOAD_MODE_H

#include "nodes/parsenodes.h"

typedef enum Landing
{
	LAND_DEFAULT,				/* in a request: each table's default */
	LAND_REPLACE,				/* pulled rows replace all local rows */
	LAND_OVERWRITE,				/* insert or update by primary key */
	LAND_PRESERVE,				/* insert only rows whose primary key is new */
	LAND_APPEND					/* insert rows beyond the highest key */
} Landing;

/*
 * Returns the mode with the given name, or LAND_DEFAULT if name is NULL.
 * Raises INVALID_PARAMETER_VALUE if there is no such mode.
 */
extern Landing landing_parse(const char *name);

/* Returns the name as in mode => '…'; NULL for LAND_DEFAULT. */
extern const char *landing_name(Landing landing);

/* Returns the privileges on a table that the mode requires. */
extern AclMode landing_rights(Landing landing);

/*
 * Returns NULL if the role has the privileges on the table that the mode
 * requires, else the names of those privileges ("TRUNCATE and INSERT").
 */
extern const char *landing_missing_rights(Landing landing, Oid relid, Oid role);

#endif							/* PGTUNSYNC_LOAD_MODE_H */
