/*-------------------------------------------------------------------------
 *
 * key_clauses.h
 *	  The clauses that tables need because other tables come in part.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_KEY_CLAUSES_H
#define PGTUNSYNC_KEY_CLAUSES_H

#include "run/key_graph.h"

/*
 * Returns a HINT for violated keys whose referenced table is in the call, but
 * comes by a clause or is emptied: the lines for the configuration file that
 * give the referring tables clauses, too.  NULL if there is no such key.
 */
extern char *key_clauses(KeyGraph *graph);

/*
 * Returns a HINT for a table that refers to itself and is pulled by the call's
 * filter: a call with a filter that follows the references.  NULL if that is
 * not the only violated key.
 */
extern char *key_recursive_filter(KeyGraph *graph);

#endif							/* PGTUNSYNC_KEY_CLAUSES_H */
