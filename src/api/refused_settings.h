/*-------------------------------------------------------------------------
 *
 * refused_settings.h
 *	  Settings of ours that the server has not accepted.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_REFUSED_SETTINGS_H
#define PGTUNSYNC_REFUSED_SETTINGS_H

/*
 * Called before and after the settings are defined: what was set earlier in
 * this session is accepted or refused in between.
 */
extern void refused_settings_begin(void);
extern void refused_settings_end(void);

/*
 * Raises an error if a setting with our prefix was not accepted in this
 * session, or if the database or the role has one that is unknown:
 * INSUFFICIENT_PRIVILEGE, INVALID_PARAMETER_VALUE or UNDEFINED_OBJECT.  Must
 * run in a transaction.
 */
extern void refused_settings_check(void);

#endif							/* PGTUNSYNC_REFUSED_SETTINGS_H */
