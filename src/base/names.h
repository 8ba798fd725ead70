/*-------------------------------------------------------------------------
 *
 * names.h
 *	  Names of what CREATE EXTENSION makes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_NAMES_H
#define PGTUNSYNC_NAMES_H

#define PGTUNSYNC_SCHEMA	"pgtunsync"
#define PGTUNSYNC_INTERNAL	"pgtunsync_internal"	/* schema: what is behind the views */
#define PGTUNSYNC_STAGING	"pgtunsync_staging" /* schema: nobody may look into it */
#define PGTUNSYNC_LIBRARY	"pgtunsync"

#endif							/* PGTUNSYNC_NAMES_H */
