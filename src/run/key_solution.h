/*-------------------------------------------------------------------------
 *
 * key_solution.h
 *	  A call that satisfies the foreign keys that this one violates.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_KEY_SOLUTION_H
#define PGTUNSYNC_KEY_SOLUTION_H

#include "run/call_text.h"
#include "run/key_graph.h"

/*
 * Returns a HINT with a call for keys of which one end is not in the run, or
 * has failed.  If no call can work, the HINT says what stands in the way.
 */
extern char *key_solution(KeyGraph *graph);

/*
 * Returns a call that leaves the failed tables out, and what cannot come
 * without them; NULL if nothing is left.
 */
extern char *key_call_without_failed(KeyGraph *graph);

#endif							/* PGTUNSYNC_KEY_SOLUTION_H */
