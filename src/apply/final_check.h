/*-------------------------------------------------------------------------
 *
 * final_check.h
 *	  Whether a table is still what its rows were loaded for.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_FINAL_CHECK_H
#define PGTUNSYNC_FINAL_CHECK_H

#include "apply/foreign_keys.h"

/*
 * Compares a locked target with its plan: the definition, and the rights of
 * the role that called.  Returns NULL, or why the table cannot be changed,
 * palloc'd.  Reads the catalogs only.
 */
extern ErrorData *check_target(const StagedTable *table, Oid role);

/*
 * The same, and whether the staging heap can take the target's place.  The
 * caller holds AccessExclusiveLock on both.
 */
extern ErrorData *check_replacement(const StagedTable *table, Oid role);

/*
 * Compares the staging heap, which is locked, with what the loader reported.
 */
extern ErrorData *check_staging(const StagedTable *table);

#endif							/* PGTUNSYNC_FINAL_CHECK_H */
