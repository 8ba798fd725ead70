/*-------------------------------------------------------------------------
 *
 * similar_name.h
 *	  What was probably meant by a misspelt name.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_SIMILAR_NAME_H
#define PGTUNSYNC_SIMILAR_NAME_H

#include "nodes/pg_list.h"

/*
 * The one of the candidates (List of char *) that is closest to the name, or
 * NULL if none is close.  Case does not count.
 */
extern const char *similar_name(const char *name, const List *candidates);

#endif							/* PGTUNSYNC_SIMILAR_NAME_H */
