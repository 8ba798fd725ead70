/*-------------------------------------------------------------------------
 *
 * text.h
 *	  Formats values for messages.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_TEXT_H
#define PGTUNSYNC_TEXT_H

#include "nodes/pg_list.h"

/*
 * Returns a number of bytes in the format of pg_size_pretty(), such as "12
 * MB".  The result is palloc'd.
 */
extern char *size_text(int64 bytes);

/*
 * Returns "a, b, c and 4 more" for a List of char *: ten names, or eleven if
 * these are all.  quote: as SQL identifiers.  The result is palloc'd.
 */
extern char *names_text(const List *names, bool quote);

/* Returns whether a List of char * has this one. */
static inline bool
names_include(const List *names, const char *name)
{
	ListCell   *lc;

	foreach(lc, names)
	{
		if (strcmp(lfirst(lc), name) == 0)
			return true;
	}
	return false;
}

#endif							/* PGTUNSYNC_TEXT_H */
