/*-------------------------------------------------------------------------
 *
 * session_settings.h
 *	  The settings under which the source executes what we send.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_SESSION_SETTINGS_H
#define PGTUNSYNC_SESSION_SETTINGS_H

#include "lib/stringinfo.h"

/*
 * Appends statements for a source of that version: for the transaction, or for
 * the session.  Returns their number, which is that of their results.
 */
extern int	session_settings_append(StringInfo sql, int version, bool row_security, bool session);

#endif							/* PGTUNSYNC_SESSION_SETTINGS_H */
