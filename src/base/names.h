/*-------------------------------------------------------------------------
 *
 * names.h
 *	  Names of objects that CREATE EXTENSION creates.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_NAMES_H
#define PGTUNSYNC_NAMES_H

#define PGTUNSYNC_SCHEMA	"pgtunsync"
#define PGTUNSYNC_INTERNAL	"pgtunsync_internal"	/* schema: objects behind the views */
#define PGTUNSYNC_STAGING	"pgtunsync_staging" /* schema: staging tables; no role has USAGE */
#define PGTUNSYNC_LIBRARY	"pgtunsync"

#endif							/* PGTUNSYNC_NAMES_H */
