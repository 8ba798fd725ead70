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

/* SQL for the value of a timeout in ms, which is shown with any unit. */
#define SETTING_MS(name) \
	"(extract(epoch FROM current_setting('" name "')::interval) * 1000)::bigint"

/*
 * Appends statements for a source of that version: for the transaction, or for
 * the session.  Returns their number, which is that of their results.
 */
extern int	session_settings_append(StringInfo sql, int version, bool row_security, bool session);

#endif							/* PGTUNSYNC_SESSION_SETTINGS_H */
