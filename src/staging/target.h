/*-------------------------------------------------------------------------
 *
 * target.h
 *	  Opens the target, the table that a run pulls, for a moment.
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
 * Opens a table with AccessShareLock and compares its definition with "shape",
 * the text that table_shape() returned when the table was planned.  Raises
 * OBJECT_IN_USE if the table was altered or dropped, and what target_lock()
 * raises.
 */
extern Relation target_open(Oid relid, const char *shape);

/* Closes the table and releases the lock at once. */
extern void target_close(Relation target);

/*
 * Makes the same check as target_open().  Returns a palloc'd copy of the
 * table's relcache entry and releases the lock.  The copy has the tuple
 * descriptor with defaults and constraints, the pg_class row and the access
 * method.  It has no triggers, rules, policies or indexes.  The caller can
 * form and check rows with it, but must not scan it or pass it to
 * relation_close().
 */
extern Relation target_copy(Oid relid, const char *shape);

#endif							/* PGTUNSYNC_TARGET_H */
