/*-------------------------------------------------------------------------
 *
 * landing.h
 *	  How pulled rows land in a table that has rows already.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_LANDING_H
#define PGTUNSYNC_LANDING_H

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

#endif							/* PGTUNSYNC_LANDING_H */
