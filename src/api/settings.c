/*-------------------------------------------------------------------------
 *
 * settings.c
 *	  The settings, with their defaults and who may change them.
 *
 * A superuser decides what the server reads, where it connects, what is masked
 * and how many workers pulls may take (PGC_SUSET).  Each caller decides about
 * timeouts, attempts and the number of loaders (PGC_USERSET).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "miscadmin.h"
#include "utils/guc.h"

#include "api/refused_settings.h"
#include "api/settings.h"
#include "base/compat.h"
#include "base/trace.h"
#include "base/worker.h"

char	   *pgtunsync_env_file;
char	   *pgtunsync_config_file;
int			pgtunsync_jobs;
int			pgtunsync_max_jobs;
int			pgtunsync_max_workers;
int			pgtunsync_connect_timeout;
int			pgtunsync_connect_attempts;
int			pgtunsync_connect_retry_delay;
int			pgtunsync_tunnel_timeout;
int			pgtunsync_lock_timeout;
int			pgtunsync_source_lock_timeout;
int			pgtunsync_log_level;
bool		pgtunsync_require_rules;
bool		pgtunsync_allow_unmasked;
int			pgtunsync_source_row_security;

static const struct config_enum_entry source_row_securities[] = {
	{"error", SOURCE_ROWS_ERROR, false},
	{"filter", SOURCE_ROWS_FILTER, false},
	{NULL, 0, false}
};

/* As LogLevel of ssh_config, from where it begins to say more. */
static const struct config_enum_entry log_levels[] = {
	{"info", TRACE_INFO, false},
	{"debug1", TRACE_DEBUG1, false},
	{"debug2", TRACE_DEBUG2, false},
	{"debug3", TRACE_DEBUG3, false},
	{"debug", TRACE_DEBUG1, true},
	{NULL, 0, false}
};

/*
 * Twice as many loaders as there are cores, up to four: while some wait for
 * a source that is far away, the others build indexes.
 */
static int
default_jobs(void)
{
	return Min(4, 2 * worker_cores());
}

/* A quarter of the server's worker slots stays for others. */
static int
default_max_workers(void)
{
	return Max(WORKERS_OF_RUN, max_worker_processes - (max_worker_processes + 3) / 4);
}

/*
 * The two files are superuser-only: who names the file decides which secrets
 * the server reads and where it connects.
 */
static void
define_file_settings(void)
{
	DefineCustomStringVariable("pgtunsync.env_file",
							   "File with the source's URL and the tunnel's parameters.",
							   "A relative path is taken from the data directory.",
							   &pgtunsync_env_file, ".env.pgsync",
							   PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("pgtunsync.config_file",
							   "File with groups, exclusions and data rules.",
							   "A relative path is taken from the data directory; empty: none.",
							   &pgtunsync_config_file, ".pgsync.yml",
							   PGC_SUSET, 0, NULL, NULL, NULL);
}

/* Superuser-only: a caller must not get at what data rules are to hide. */
static void
define_mask_settings(void)
{
	DefineCustomBoolVariable("pgtunsync.require_rules",
							 "Columns that look sensitive must have a data rule.",
							 "The rule \"untouched\" counts as one.",
							 &pgtunsync_require_rules, false,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("pgtunsync.allow_unmasked",
							 "Callers may turn the data rules off.",
							 NULL, &pgtunsync_allow_unmasked, false,
							 PGC_SUSET, 0, NULL, NULL, NULL);
}

/* Superuser-only: a caller must not take a part of a table for the whole. */
static void
define_source_settings(void)
{
	DefineCustomEnumVariable("pgtunsync.source_row_security",
							 "What becomes of tables whose rows policies of the source would filter.",
							 "error: they are refused; filter: the rows that the source's role may see are pulled.",
							 &pgtunsync_source_row_security, SOURCE_ROWS_ERROR, source_row_securities,
							 PGC_SUSET, 0, NULL, NULL, NULL);
}

/* Superuser-only: the trace names files, hosts and accounts. */
static void
define_log_settings(void)
{
	DefineCustomEnumVariable("pgtunsync.log_level",
							 "How much of the way to the source is told to the server log.",
							 "debug1 to debug3 are what ssh tells with -v, -vv and -vvv.",
							 &pgtunsync_log_level, TRACE_INFO, log_levels,
							 PGC_SUSET, 0, NULL, NULL, NULL);
}

/*
 * Superuser-only: who may pull must not take the worker slots that parallel
 * queries and logical replication need.
 */
static void
define_worker_settings(void)
{
	DefineCustomIntVariable("pgtunsync.max_jobs",
							"Most loaders that one pull may have.",
							"Callers who ask for more get so many.",
							&pgtunsync_max_jobs, 8, 1, 64,
							PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("pgtunsync.max_workers",
							"Most workers that all pulls of the server have at one time.",
							"A pull needs a leader, a tunnel and a loader.",
							&pgtunsync_max_workers, default_max_workers(), WORKERS_OF_RUN, 1024,
							PGC_SUSET, 0, NULL, NULL, NULL);
}

static void
define_limit_settings(void)
{
	DefineCustomIntVariable("pgtunsync.jobs",
							"Number of tables that are loaded at the same time.",
							NULL, &pgtunsync_jobs, default_jobs(), 1, 64,
							PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("pgtunsync.connect_timeout",
							"Longest time for one attempt to reach a host.",
							NULL, &pgtunsync_connect_timeout, 10000, 100, 3600000,
							PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("pgtunsync.connect_attempts",
							"Attempts to open the tunnel when the network fails.",
							"A wrong key or a refused login is never tried again.",
							&pgtunsync_connect_attempts, 10, 1, 1000,
							PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("pgtunsync.connect_retry_delay",
							"Pause between two attempts to open the tunnel.",
							NULL, &pgtunsync_connect_retry_delay, 3000, 0, 600000,
							PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("pgtunsync.tunnel_timeout",
							"Longest time to open the tunnel, all attempts together.",
							"0: no limit but that of the attempts.",
							&pgtunsync_tunnel_timeout, 60000, 0, INT_MAX,
							PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("pgtunsync.lock_timeout",
							"Longest time to wait for locks on the pulled tables.",
							"Also for the local port when another run uses it.",
							&pgtunsync_lock_timeout, 30000, 1, INT_MAX,
							PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("pgtunsync.source_lock_timeout",
							"Longest time to wait for a lock on the source.",
							"A table that is locked for longer is tried again after the others.",
							&pgtunsync_source_lock_timeout, 5000, 1, INT_MAX,
							PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);
}

void
settings_define(void)
{
	refused_settings_begin();
	define_file_settings();
	define_mask_settings();
	define_worker_settings();
	define_limit_settings();
	define_source_settings();
	define_log_settings();
	refused_settings_end();
	compat_mark_guc_prefix_reserved("pgtunsync");
}
