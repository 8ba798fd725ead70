/*-------------------------------------------------------------------------
 *
 * mask_key.h
 *	  PGSYNC_MASK_KEY on its way to the source.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_MASK_KEY_H
#define PGTUNSYNC_MASK_KEY_H

#include "config/env_file.h"

/* Settings of the source's session: the padded keys of HMAC, in hexadecimal. */
#define MASK_KEY_INNER	"pgtunsync_mask.inner"
#define MASK_KEY_OUTER	"pgtunsync_mask.outer"

/*
 * Options of a connection ("-c name=value …") that hand the keys over.  Raises
 * CONFIG_FILE_ERROR when the variable is not set or too short.
 */
extern char *mask_key_options(const EnvFile *env);

#endif							/* PGTUNSYNC_MASK_KEY_H */
