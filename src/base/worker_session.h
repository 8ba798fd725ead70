/*-------------------------------------------------------------------------
 *
 * worker_session.h
 *	  Starts a worker's database session with fixed settings.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_WORKER_SESSION_H
#define PGTUNSYNC_WORKER_SESSION_H

/*
 * Connects this worker to the database as the bootstrap superuser, and pins
 * every setting that could change the behavior of a run.  ALTER DATABASE and
 * ALTER ROLE apply to background workers, too.  Also prepares the session for
 * owner_enter().
 */
extern void session_start(Oid database);

/* Sets a setting for the rest of the session, e.g. ("lock_timeout", "500"). */
extern void session_set(const char *name, const char *value);
extern void session_set_int(const char *name, int value);

#endif							/* PGTUNSYNC_WORKER_SESSION_H */
