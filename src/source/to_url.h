/*-------------------------------------------------------------------------
 *
 * to_url.h
 *	  PGSYNC_TO_URL: is it this very database?
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_TO_URL_H
#define PGTUNSYNC_TO_URL_H

#include "config/env_file.h"

/*
 * Raises CONFIG_FILE_ERROR unless PGSYNC_TO_URL is unset or names this
 * database on this server.  Its password is never shown.
 */
extern void destination_check(const EnvFile *env, const char *database);

#endif							/* PGTUNSYNC_TO_URL_H */
