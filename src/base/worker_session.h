/*-------------------------------------------------------------------------
 *
 * worker_session.h
 *	  A worker's database session, the same whatever was configured.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_WORKER_SESSION_H
#define PGTUNSYNC_WORKER_SESSION_H

/*
 * Connects this worker to the database as the bootstrap superuser and pins
 * every setting that could change what a run does: ALTER DATABASE and ALTER ROLE apply
 * to background workers too.  Makes the session ready for owner_enter().
 */
extern void session_start(Oid database);

/* Sets one of them for the rest of the session, e.g. ("lock_timeout", "500"). */
extern void session_set(const char *name, const char *value);
extern void session_set_int(const char *name, int value);

#endif							/* PGTUNSYNC_WORKER_SESSION_H */
