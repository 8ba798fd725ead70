/*-------------------------------------------------------------------------
 *
 * target.h
 *	  The table that a run pulls, opened for a moment.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_TARGET_H
#define PGTUNSYNC_TARGET_H

#include "utils/relcache.h"

/*
 * Takes AccessShareLock.  Raises LOCK_NOT_AVAILABLE if it is not granted
 * within lock_timeout.
 */
extern void target_lock(Oid relid);

/*
 * Opens a table with AccessShareLock and compares its definition with shape,
 * the text of table_shape() in the plan.  Raises OBJECT_IN_USE if it was
 * altered or dropped, and what target_lock() raises.
 */
extern Relation target_open(Oid relid, const char *shape);

/* Closes the table and releases the lock at once. */
extern void target_close(Relation target);

/*
 * The same check, then a private copy of the table's relcache entry,
 * palloc'd, without any lock: descriptor with defaults and constraints,
 * pg_class row, access method.  It has no triggers, rules, policies or
 * indexes.  It is good for all that looks at a row in hand; it cannot be
 * scanned, and relation_close() must not see it.
 */
extern Relation target_copy(Oid relid, const char *shape);

#endif							/* PGTUNSYNC_TARGET_H */
