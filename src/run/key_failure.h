/*-------------------------------------------------------------------------
 *
 * key_failure.h
 *	  The error of a run whose rows violate foreign keys.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_KEY_FAILURE_H
#define PGTUNSYNC_KEY_FAILURE_H

#include "nodes/pg_list.h"

/*
 * Raises the error for these violations (KeyViolation *), with a HINT that
 * works; arg is the Run.  A KeysViolated function (apply.h).
 */
extern void run_keys_violated(const List *violations, void *arg);

#endif							/* PGTUNSYNC_KEY_FAILURE_H */
