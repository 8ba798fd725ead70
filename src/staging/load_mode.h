/*-------------------------------------------------------------------------
 *
 * load_mode.h
 *	  How pulled rows land in a table that has rows already.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_LOAD_MODE_H
#define PGTUNSYNC_LOAD_MODE_H

#include "nodes/parsenodes.h"

typedef enum Landing
{
	LAND_UNSAID,				/* of a call: each table has its default */
	LAND_REPLACE,				/* the table's rows become those that were pulled */
	LAND_OVERWRITE,				/* rows are inserted or updated by primary key */
	LAND_PRESERVE,				/* only rows whose key is not there yet */
	LAND_APPEND					/* only rows beyond the highest, batch by batch */
} Landing;

/*
 * The mode of that name.  Raises INVALID_PARAMETER_VALUE; NULL is LAND_UNSAID.
 */
extern Landing landing_parse(const char *name);

/* Its name as in mode => '…'; NULL for LAND_UNSAID. */
extern const char *landing_name(Landing landing);

/*
 * Does the role have what it takes to let rows land so in the table?  Returns NULL, or
 * what is needed, as text ("TRUNCATE and INSERT").
 */
extern const char *landing_lacks(Landing landing, Oid relid, Oid role);

#endif							/* PGTUNSYNC_LOAD_MODE_H */
