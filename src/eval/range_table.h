/*-------------------------------------------------------------------------
 *
 * range_table.h
 *	  What the executor wants to know of a table it writes to.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_RANGE_TABLE_H
#define PGTUNSYNC_RANGE_TABLE_H

#include "nodes/execnodes.h"
#include "parser/parse_node.h"
#include "utils/relcache.h"

/*
 * Gives both a range table with the target as its only entry, made by hand
 * because the parser's functions insist on a lock of our own (see loader.c).
 */
extern void range_table_init(EState *estate, ParseState *pstate, Relation target);

#endif							/* PGTUNSYNC_RANGE_TABLE_H */
