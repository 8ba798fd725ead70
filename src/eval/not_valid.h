/*-------------------------------------------------------------------------
 *
 * not_valid.h
 *	  Keeps constraints that are NOT VALID from rejecting pulled rows.
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
 * Returns the relation that a COPY of the named columns should use.  This is
 * the target itself if all its constraints are validated.  Otherwise it is a
 * copy of its relation cache entry without unvalidated constraints; use it for
 * COPY and the executor only.
 *
 * In the copy, columns whose domain has such constraints have the base type of
 * the domain.  *domains receives the domains' valid constraints, for
 * unvalidated_check_domains().  The estate owns the results.  Call the
 * function as the table's owner.
 */
extern Relation unvalidated_hide(Relation target, List *columns, EState *estate,
								 List **domains);

/*
 * Checks the domains of a row.  Raises CHECK_VIOLATION or NOT_NULL_VIOLATION,
 * like INSERT.
 */
extern void unvalidated_check_domains(List *domains, TupleTableSlot *slot, EState *estate);

#endif							/* PGTUNSYNC_NOT_VALID_H */
