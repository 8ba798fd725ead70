/*-------------------------------------------------------------------------
 *
 * lock_tags.h
 *	  The tags of the extension's advisory locks.
 *
 * pg_advisory_lock() uses the types 1 and 2, so users cannot take these locks.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_LOCK_TAGS_H
#define PGTUNSYNC_LOCK_TAGS_H

#define OUR_LOCK_CLASS		0x74756e73

#define PORT_LOCK_TYPE	3	/* a local port */
#define APPEND_LOCK_TYPE	4	/* a table that an append writes to */
#define LAUNCH_LOCK_TYPE	5	/* held while workers are counted and started */
#define CLAIM_LOCK_TYPE		6	/* a table that a run works on */

#endif							/* PGTUNSYNC_LOCK_TAGS_H */
