/*-------------------------------------------------------------------------
 *
 * source_locks.h
 *	  Who keeps us from a table of the source.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_SOURCE_LOCKS_H
#define PGTUNSYNC_SOURCE_LOCKS_H

#include "source/source.h"

/*
 * Statements around a question of the leader that must leave no lock behind.
 * Its transaction keeps the snapshot until the end of the run.
 */
#define SOURCE_BEGIN_ASKING "SAVEPOINT pgtunsync"
#define SOURCE_END_ASKING	"ROLLBACK TO pgtunsync; RELEASE pgtunsync"

/*
 * How long a lock on the source is waited for when others are held there, in
 * ms.  See the head of source_locks.c.
 */
#define SOURCE_LOCK_MOMENT	1

/*
 * Looks for a session of the source that holds, or waits for, an exclusive lock
 * on one of these relations or their indexes.  oids is a list "1,2,3"; NULL
 * stands for any relation of the database.  The query runs between the
 * statements "begin" and "end".  Returns NULL if there is none, otherwise
 * 'process 4711 (user "deploy", application "rails"), idle in transaction since
 * …', and sets *pid.  Raises what the source raises.
 */
extern char *source_find_blocker(Source *source, const char *oids, const char *begin,
								 const char *end, int *pid);

/*
 * Raises LOCK_NOT_AVAILABLE for a lock that was waited for in vain.  what is
 * the table's name in SQL, or NULL; blocker and pid as above.
 */
extern void source_raise_locked(Source *source, const char *what, const char *blocker,
								int pid) pg_attribute_noreturn();

#endif							/* PGTUNSYNC_SOURCE_LOCKS_H */
