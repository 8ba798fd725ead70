/*-------------------------------------------------------------------------
 *
 * range_table.h
 *	  Makes the range table for a table that rows are written to.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_RANGE_TABLE_H
#define PGTUNSYNC_RANGE_TABLE_H

#include "nodes/execnodes.h"
#include "parser/parse_node.h"
#include "utils/relcache.h"

/*
 * Gives both arguments a range table with the target as its only entry.  The
 * parser's functions cannot be used, because they expect this process to hold
 * a lock on the table (see loader.c).
 */
extern void range_table_init(EState *estate, ParseState *pstate, Relation target);

#endif							/* PGTUNSYNC_RANGE_TABLE_H */
