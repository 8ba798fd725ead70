/*-------------------------------------------------------------------------
 *
 * run_steps.h
 *	  The leader's run, and the steps that every kind of run takes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_RUN_STEPS_H
#define PGTUNSYNC_RUN_STEPS_H

#include "portability/instr_time.h"

#include "apply/lock_holders.h"
#include "config/env_file.h"
#include "config/sync_config.h"
#include "load/loader_pool.h"
#include "plan/plan.h"
#include "run/outcome.h"
#include "run/request_types.h"
#include "schema/source_room.h"
#include "source/source.h"
#include "ssh/ssh_config.h"
#include "tunnel/tunnel.h"

typedef struct Run
{
	MemoryContext context;		/* the run's memory, source connection included */
	RunShared  *shared;
	RunRequest *request;
	int64		id;				/* 0: no audit row yet */
	instr_time	start;

	EnvFile    *env;
	SyncConfig *config;
	SshRoute   *route;			/* NULL without a tunnel */
	SourceWay  *way;
	int			local_port;		/* of the tunnel; ENTRANCE_… of listener.h if it is no port */

	Tunnel	   *tunnel;			/* NULL without one */
	Pool	   *pool;
	SourceParams *params;
	SourceRoom *room;			/* of a check */
	Source	   *control;
	List	   *left;			/* of LeftSession *: see source_sessions.c */
	RunPlan    *plan;
	Outcomes   *outcomes;
	double		counted_at;		/* run_notice_count(): seconds since start */
	bool		told_refused;	/* that the source refuses loaders */
	bool		at_entrance;	/* the local port is locked for us */
	bool		committed;
} Run;

/* Notes that somebody cancels this process's run; safe in a signal handler. */
extern void run_note_cancel(void);
extern bool run_is_cancelled(void);

/* Raises QUERY_CANCELED if the caller has gone away without a signal. */
extern void run_check_caller(Run *run);

/* Transactions that leave the run's memory context in force. */
extern void run_begin_transaction(Run *run);
extern void run_commit_transaction(Run *run);

/*
 * Ends a transaction and begins another, so that nobody waits for the first.
 */
extern void run_next_transaction(Run *run);

/* Shows the run's phase in pg_stat_activity. */
extern void run_report_phase(Run *run, const char *phase);

/* The steps up to the plan, in this order; each raises what is wrong. */
extern void run_read_env(Run *run);
extern void run_check_destination(Run *run);
extern void run_read_config(Run *run);
extern void run_resolve_route(Run *run);
extern void run_start_tunnel(Run *run, int sessions);
extern void run_open_narrow_tunnel(Run *run);
extern void run_start_loaders(Run *run, int loaders);
extern void run_connect(Run *run);
extern void run_make_plan(Run *run);

/* The OIDs of the tables that have not failed so far. */
extern List *run_planned_oids(Run *run);

/* The names of the columns that are pulled, in the order of the COPY. */
extern List *run_column_names(const TablePlan *table);

/* The waiting caller's transaction, or NULL. */
extern const VirtualTransactionId *run_awaiting_caller(const Run *run);

/*
 * Those who hold a lock on the table, as the caller may see them; or NULL.
 */
extern LockHolders *run_lock_holders(const Run *run, const TablePlan *table);

/*
 * Checks planned tables (a List of TablePlan *), which are locked, once more.
 */
extern void run_recheck(Run *run, const List *tables);

/*
 * Reports tables that have failed since the last call: as WARNINGs, or for
 * on_error = abort the first as an ERROR.
 */
extern void run_report_failed(Run *run);

/* Lets the next run have the local port. */
extern void run_leave_entrance(Run *run);

/* Ends loaders, source and tunnel; the transaction is over. */
extern void run_stop_children(Run *run);

/* The level of messages about what takes time: NOTICE or WARNING. */
extern int	run_progress_level(const Run *run);

/* Returns whether the run reaches the source through a tunnel of ours. */
extern bool run_has_tunnel(const Run *run);

/* Texts for messages. */
extern char *run_entrance_text(const Run *run);
extern const char *run_jump_text(const Run *run);

#endif							/* PGTUNSYNC_RUN_STEPS_H */
