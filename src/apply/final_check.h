/*-------------------------------------------------------------------------
 *
 * final_check.h
 *	  Checks that a table is still the one its rows were loaded for.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_FINAL_CHECK_H
#define PGTUNSYNC_FINAL_CHECK_H

#include "apply/foreign_keys.h"

/* Makes the error with which a table is left out.  palloc'd; detail may be NULL. */
extern ErrorData *make_failure(int sqlerrcode, const char *message, const char *detail);

/*
 * Compares the definition of a locked target with its plan, and checks the
 * privileges of the calling role.  Returns NULL, or a palloc'd error that says
 * why the table cannot be changed.  Reads only catalogs.
 */
extern ErrorData *check_target(const StagedTable *table, Oid role);

/*
 * Does the same, and also checks that the staging heap can replace the
 * target's storage.  The caller holds AccessExclusiveLock on both.
 */
extern ErrorData *check_replacement(const StagedTable *table, Oid role);

/* Compares a locked staging heap with what the loader reported. */
extern ErrorData *check_staging(const StagedTable *table);

#endif							/* PGTUNSYNC_FINAL_CHECK_H */
