/*-------------------------------------------------------------------------
 *
 * settings.h
 *	  The settings of the calling session.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_SETTINGS_H
#define PGTUNSYNC_SETTINGS_H

/* times in milliseconds */
extern char *pgtunsync_env_file;
extern char *pgtunsync_config_file;
extern int	pgtunsync_jobs;
extern int	pgtunsync_max_jobs;
extern int	pgtunsync_max_workers;
extern int	pgtunsync_connect_timeout;
extern int	pgtunsync_connect_attempts;
extern int	pgtunsync_connect_retry_delay;
extern int	pgtunsync_tunnel_timeout;
extern int	pgtunsync_lock_timeout;
extern int	pgtunsync_source_lock_timeout;
extern int	pgtunsync_log_level;	/* TraceLevel */
extern bool pgtunsync_require_rules;
extern bool pgtunsync_allow_unmasked;
extern int	pgtunsync_source_row_security;	/* SourceRowSecurity */

/* What becomes of a table whose rows the source's policies would filter. */
typedef enum SourceRowSecurity
{
	SOURCE_ROWS_ERROR,
	SOURCE_ROWS_FILTER
} SourceRowSecurity;

/* Defines all of them; for _PG_init(). */
extern void settings_define(void);

#endif							/* PGTUNSYNC_SETTINGS_H */
