/*-------------------------------------------------------------------------
 *
 * call_text.h
 *	  A call of pull() as text, for HINTs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_CALL_TEXT_H
#define PGTUNSYNC_CALL_TEXT_H

#include "run/request_types.h"

/* What is different from the call that was made. */
typedef struct CallChanges
{
	List	   *added;			/* of char *: tables, qualified and quoted */
	List	   *excluded;		/* the same */
	bool		only_added;		/* no table, group and filter of the call */
	Landing		mode;			/* LAND_DEFAULT: that of the call */
	char	   *filter;			/* NULL: that of the call */
} CallChanges;

/*
 * Returns "SELECT pgtunsync.pull(…);" with the tables and arguments of the
 * call, and with these changes.  The number of jobs is left out.
 */
extern char *call_text(const RunRequest *request, const CallChanges *changes);

#endif							/* PGTUNSYNC_CALL_TEXT_H */
