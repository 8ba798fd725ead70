/*-------------------------------------------------------------------------
 *
 * generated_masks.h
 *	  Columns that the source generates from masked ones.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_GENERATED_MASKS_H
#define PGTUNSYNC_GENERATED_MASKS_H

#include "plan/planner_state.h"

/*
 * Takes a column without a rule that the source generates, and the columns
 * that are sent, masked where they have a rule.  Returns what is sent for the
 * column: itself, if no masked column is in it, else one that is computed from
 * the masked values.  Fails the table if it cannot be computed.  A column that
 * is made of one that looks sensitive and has no rule is listed like that one.
 */
extern CatalogColumn *generated_mask(Planner *planner, TablePlan *table, const Choice *choice,
									 const char *relation, CatalogColumn *column, List *sent);

#endif							/* PGTUNSYNC_GENERATED_MASKS_H */
