/*-------------------------------------------------------------------------
 *
 * leader.h
 *	  A run in the leader's hands: for leader.c, and for check.c, which goes
 *	  the same way without the end.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_LEADER_H
#define PGTUNSYNC_LEADER_H

#include "config/env_file.h"
#include "apply/foreign_keys.h"
#include "run/outcome.h"
#include "plan/plan.h"
#include "load/loader_pool.h"
#include "portability/instr_time.h"
#include "run/request_types.h"
#include "source/source.h"
#include "ssh/ssh_config.h"
#include "config/sync_config.h"
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
	SshRoute   *route;
	int			local_port;
	const char *remote_host;
	int			remote_port;

	Tunnel	   *tunnel;
	Pool	   *pool;
	SourceParams *params;
	Source	   *control;
	RunPlan    *plan;
	Outcomes   *outcomes;
	bool		at_entrance;	/* the local port is locked for us */
	bool		committed;
} Run;

/* Transactions that leave the run's memory context in force. */
extern void run_begin_transaction(Run *run);
extern void run_commit_transaction(Run *run);

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

/* Looks at planned tables (a List of TablePlan *) once more, which are locked. */
extern void run_recheck(Run *run, const List *tables);

/* Tells of tables that the plan refuses by now, and have not been told. */
extern void run_report_refused(Run *run);

/* Shows what the run is at. */
extern void run_report_phase(Run *run, const char *phase);

/* Lets the loaders have the run's snapshot. */
extern void run_start_loading(Run *run);

/* Orders a table's rows, by this COPY. */
extern void run_submit(Run *run, const TablePlan *table, const char *copy_sql);

/* Waits until all that was ordered is loaded or has failed. */
extern void run_await_loads(Run *run);

/*
 * Locks the run's place in the audit, before any target is locked.  Raises
 * LOCK_NOT_AVAILABLE.
 */
extern void run_lock_audit(Run *run);

/*
 * replace_tables() for these (a List of StagedTable *).  From its return to the
 * commit only the audit is written.
 */
extern void run_replace_tables(Run *run, List *staged);

/*
 * Commits what run_replace_tables() did without waiting for a standby;
 * complete: is the run committed with it?  run_await_standbys() follows.
 */
extern void run_commit_targets(Run *run, bool complete);
extern void run_await_standbys(Run *run);

/* The waiting caller's transaction, or NULL. */
extern const VirtualTransactionId *run_awaiting_caller(const Run *run);

/* The OIDs of the tables that are fine so far. */
extern List *run_planned_oids(Run *run);

/* Ends loaders, source and tunnel; the transaction is over. */
extern void run_stop_children(Run *run);

/* Texts for messages. */
extern char *run_entrance_text(const Run *run);
extern const char *run_jump_text(const Run *run);

/* append.c: instead of loading and committing all at once. */
extern void run_append(Run *run);
extern void run_finish_append(Run *run);

/* check.c: all steps, a report for each. */
extern void run_check(Run *run);

/* preview.c: all steps, a report for each table. */
extern void run_preview(Run *run);

#endif							/* PGTUNSYNC_LEADER_H */
