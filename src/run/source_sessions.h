/*-------------------------------------------------------------------------
 *
 * source_sessions.h
 *	  The run's sessions on the source, while rows flow and at the end.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_SOURCE_SESSIONS_H
#define PGTUNSYNC_SOURCE_SESSIONS_H

#include "run/run_steps.h"

/*
 * For wait loops: raises the loss of the control connection, and cancels COPYs
 * that loaders have left.
 */
extern void run_attend_source(Run *run);

/*
 * End the loaders and close the control connection.  The first one lets the
 * loaders finish, and is for a run that has all rows.  The second one is for
 * every other end: it terminates the loaders, cancels what they were doing on
 * the source, and raises no error.
 */
extern void run_leave_source(Run *run);
extern void run_abandon_source(Run *run);

#endif							/* PGTUNSYNC_SOURCE_SESSIONS_H */
