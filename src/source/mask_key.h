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
#include "source/source.h"

/* Settings of a transaction: the padded keys of HMAC, in hexadecimal. */
#define MASK_KEY_INNER	"pgtunsync_mask.inner"
#define MASK_KEY_OUTER	"pgtunsync_mask.outer"

/* What follows the last transaction of the message that has the key. */
#define MASK_KEY_FORGET "RESET pgtunsync_mask.pad"

/*
 * The key that is derived from PGSYNC_MASK_KEY, in hexadecimal.  Raises
 * CONFIG_FILE_ERROR when the variable is not set or too short.
 */
extern char *mask_key_read(const EnvFile *env);

/*
 * Prepares the source for the key, in one round trip.  A transaction is open
 * then; the next message begins with its end.  Returns a statement without
 * rows for that message: it gives the key to the transaction that it is in,
 * where search_path begins with pg_catalog.
 */
extern char *mask_key_hand_over(Source *source, const char *key);

#endif							/* PGTUNSYNC_MASK_KEY_H */
