/*-------------------------------------------------------------------------
 *
 * source_room.h
 *	  How many connections the source has for a run.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_SOURCE_ROOM_H
#define PGTUNSYNC_SOURCE_ROOM_H

#include "source/source.h"

/* One that keeps the snapshot, and one that reads. */
#define CONNECTIONS_MIN	2

typedef struct SourceRoom
{
	char	   *role;
	char	   *database;
	int			role_limit;		/* -1: none; these three are what is set */
	int			database_limit; /* -1: none */
	int			server_limit;
	int			role_used;		/* by others than this run; these three are counted */
	int			database_used;
	int			server_used;
} SourceRoom;

/*
 * Reads limits and use.  The query runs between the statements "begin" and
 * "end".  Lives in the current memory context.  Raises what the source raises.
 */
extern SourceRoom *source_room(Source *source, const char *begin, const char *end);

/* The number of connections that the run can have; at least 0. */
extern int	source_room_free(const SourceRoom *room);

/* "role reader: 1 of 3 in use, database …", for messages. */
extern char *source_room_text(const SourceRoom *room);

/* The fix: which limit to raise on the source for so many connections. */
extern char *source_room_hint(const SourceRoom *room, int needed);

#endif							/* PGTUNSYNC_SOURCE_ROOM_H */
