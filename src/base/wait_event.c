/*-------------------------------------------------------------------------
 *
 * wait_event.c
 *	  Names of the wait events that pg_stat_activity shows.
 *
 * Since PostgreSQL 17, extensions can name their wait events.  A name is
 * registered when a process first uses it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/wait_event.h"

static const char *const names[] = {
	[WAIT_LEADER] = "PgtunsyncLeader",
	[WAIT_TUNNEL_OPEN] = "PgtunsyncTunnelOpen",
	[WAIT_TUNNEL_TRAFFIC] = "PgtunsyncTunnelTraffic",
	[WAIT_LOADERS] = "PgtunsyncLoaders",
	[WAIT_LOADER_ORDER] = "PgtunsyncLoaderOrder",
	[WAIT_MESSAGE_QUEUE] = "PgtunsyncMessageQueue",
	[WAIT_SOURCE_CONNECT] = "PgtunsyncSourceConnect",
	[WAIT_SOURCE_RESULT] = "PgtunsyncSourceResult",
	[WAIT_LOCK_RETRY] = "PgtunsyncLockRetry",
	[WAIT_CRASH_CLEANUP] = "PgtunsyncCrashCleanup",
	[WAIT_SUBPROCESS] = "PgtunsyncSubprocess"
};

uint32
wait_event(WaitPoint point)
{
	static uint32 events[lengthof(names)];

	if (events[point] == 0)
		events[point] = compat_wait_event_new(names[point]);
	return events[point];
}
