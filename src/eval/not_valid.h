/*-------------------------------------------------------------------------
 *
 * not_valid.h
 *	  Constraints that are NOT VALID, kept from a load.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_NOT_VALID_H
#define PGTUNSYNC_NOT_VALID_H

#include "executor/tuptable.h"
#include "nodes/execnodes.h"
#include "nodes/pg_list.h"
#include "utils/relcache.h"

/*
 * The target as a COPY of the named columns is to see it: a copy of its entry
 * in the relation cache, for COPY's and the executor's eyes only, or the target
 * itself where all is validated.
 *
 * Columns of a domain with such constraints appear in the copy as what the domain
 * is based on; *domains receives what is left to check of them, for
 * unvalidated_check_domains().  The estate owns all; call it as the
 * table's owner.
 */
extern Relation unvalidated_hide(Relation target, List *columns, EState *estate,
								 List **domains);

/* Raises what an INSERT would: CHECK_VIOLATION or NOT_NULL_VIOLATION. */
extern void unvalidated_check_domains(List *domains, TupleTableSlot *slot, EState *estate);

#endif							/* PGTUNSYNC_NOT_VALID_H */
