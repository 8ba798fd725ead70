/*-------------------------------------------------------------------------
 *
 * run_notices.c
 *	  What the caller of a pull is told while it goes on.
 *
 * A pull of few tables sends a NOTICE for each.  From MANY_TABLES on, only
 * tables that are slow, large or odd have one.  A count of the loaded tables
 * is sent every few seconds, and at the end sums by schema, and the WARNINGs
 * once more.  The numbers of each table are in pgtunsync.run_tables.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"

#include "base/text.h"
#include "base/worker_message.h"
#include "run/run_notices.h"
#include "tunnel/listener.h"

/* from how many tables on a table has no NOTICE of its own */
#define MANY_TABLES		30
/* but for what takes this long, or is that large */
#define SLOW_SECONDS	10.0
#define LARGE_BYTES		(INT64CONST(100) * 1024 * 1024)
/* how often loaded tables are counted, in seconds */
#define COUNT_INTERVAL	10.0
/* how many schemas the sums are shown for */
#define SHOWN_SCHEMAS	10

static bool
has_many(const Run *run)
{
	return list_length(run->plan->tables) > MANY_TABLES;
}

static double
seconds_since(instr_time start)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, start);
	return INSTR_TIME_GET_DOUBLE(now);
}

/* ---- the banner ---- */

static const char *
jump_alias(const Run *run)
{
	const char *alias = env_file_get(run->env, "PGSYNC_SSH_HOST");

	return alias ? alias : "hatchbox";
}

/* The ssh command that is equivalent to the tunnel. */
static char *
equivalent_command(const Run *run)
{
	return psprintf("ssh -N -o ExitOnForwardFailure=yes -L %s:%s %s",
					run->local_port == ENTRANCE_UNIX_SOCKET ? "<private socket>" :
					run->local_port == ENTRANCE_ANY_PORT ? "<free port>" : run_entrance_text(run),
					source_way_remote(run->way), jump_alias(run));
}

/* All that is known of the tunnel, for client_min_messages = debug1. */
static char *
verbose_banner(const Run *run)
{
	return psprintf("SSH target: %s\n"
					"Jump host: %s\n"
					"Local entrance: %s, for this run's connections only\n"
					"Remote end: %s, as the jump host sees it\n"
					"Why: the source is private, only the jump host can reach it\n"
					"As a command: %s\n"
					"Tunnel worker: pid %d",
					ssh_route_target(run->route), run_jump_text(run), run_entrance_text(run),
					source_way_remote(run->way), equivalent_command(run),
					(int) tunnel_pid(run->tunnel));
}

/* ", via A, then B" if there are jump hosts on the way. */
static const char *
hops_text(const Run *run)
{
	const char *via = ssh_route_via(run->route);

	return via[0] != '\0' ? psprintf(", %s", via) : "";
}

void
run_notice_banner(const Run *run)
{
	ereport(NOTICE,
			(errmsg("run " INT64_FORMAT ": opening the tunnel to %s through \"%s\"", run->id,
					source_way_remote(run->way), jump_alias(run)),
			 run->request->verbose ? errdetail("%s", verbose_banner(run)) :
			 errdetail("SSH target: %s%s; as a command: %s", ssh_route_target(run->route),
					   hops_text(run), equivalent_command(run))));
	relay_flush();
}

/* ---- tables ---- */

/* "; left out: a, b" for columns that were not pulled. */
static char *
left_out_text(const TablePlan *plan)
{
	if (plan->missing_columns == NIL)
		return "";
	return psprintf("; left out: %s", names_text(plan->missing_columns, false));
}

/* "; kept: 3 local rows, 1 pulled row yielded"; nothing without "keep". */
static char *
kept_text(const TablePlan *plan, const Kept *kept)
{
	if (plan->keep == NIL)
		return "";
	return psprintf("; kept: " INT64_FORMAT " local %s, to which " INT64_FORMAT " pulled %s yielded",
					kept->rows, kept->rows == 1 ? "row" : "rows",
					kept->yielded, kept->yielded == 1 ? "row" : "rows");
}

/* Slow, large, or odd: all rows go, or kept rows were in the way. */
static bool
is_notable(const TablePlan *plan, const LoadResult *result)
{
	return result->seconds >= SLOW_SECONDS || result->bytes >= LARGE_BYTES ||
		result->kept.yielded > 0 ||
		(result->rows == 0 && plan->local_rows > 0 && plan->mode == LAND_REPLACE && !plan->empty);
}

void
run_notice_loaded(const Run *run, const LoadResult *result)
{
	const TablePlan *plan = list_nth(run->plan->tables, result->index);

	if (plan->mode == LAND_APPEND)
		return;					/* one batch of many */
	if (has_many(run) && !is_notable(plan, result))
		return;
	ereport(NOTICE,
			(errmsg("%s: " INT64_FORMAT " %s, %s in %.1f s%s%s", plan->display,
					result->rows, result->rows == 1 ? "row" : "rows",
					size_text(result->bytes), result->seconds,
					left_out_text(plan), kept_text(plan, &result->kept))));
	relay_flush();
}

void
run_notice_count(Run *run)
{
	double		seconds = seconds_since(run->start);

	if (!has_many(run) || seconds - run->counted_at < COUNT_INTERVAL)
		return;
	run->counted_at = seconds;
	ereport(NOTICE,
			(errmsg("run " INT64_FORMAT ": %d of %d tables are loaded", run->id,
					list_length(outcomes_staged(run->outcomes)),
					list_length(run->plan->tables))));
}

/* ---- sums ---- */

typedef struct SchemaSum
{
	const char *schema;
	int			tables;
	int64		rows;
	int64		bytes;
} SchemaSum;

static SchemaSum *
sum_of_schema(List **sums, const char *schema)
{
	SchemaSum  *sum;
	ListCell   *lc;

	foreach(lc, *sums)
	{
		sum = lfirst(lc);
		if (strcmp(sum->schema, schema) == 0)
			return sum;
	}
	sum = palloc0(sizeof(SchemaSum));
	sum->schema = schema;
	*sums = lappend(*sums, sum);
	return sum;
}

/* Most bytes first. */
static int
compare_sums(const ListCell *a, const ListCell *b)
{
	const SchemaSum *x = lfirst(a);
	const SchemaSum *y = lfirst(b);

	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return strcmp(x->schema, y->schema);
}

/* The sums of the tables that were changed: a List of SchemaSum *. */
static List *
sum_by_schema(const Run *run)
{
	List	   *sums = NIL;
	ListCell   *lc;

	foreach(lc, run->plan->tables)
	{
		const TablePlan *table = lfirst(lc);
		const AppendedRows *appended = outcome_appended(run->outcomes, table->index);
		bool		staged = OidIsValid(outcome_staging(run->outcomes, table->index));
		const LoadResult *result = outcome_result(run->outcomes, table->index);
		SchemaSum  *sum;

		if (!staged && appended->batches == 0)
			continue;
		sum = sum_of_schema(&sums, table->schema);
		sum->tables++;
		sum->rows += appended->rows + (staged ? result->rows : 0);
		sum->bytes += appended->bytes + (staged ? result->bytes : 0);
	}
	list_sort(sums, compare_sums);
	return sums;
}

/* A line for each schema, and where to find the tables. */
static char *
totals_detail(const Run *run)
{
	List	   *sums = sum_by_schema(run);
	StringInfoData text;
	int			shown = 0;
	ListCell   *lc;

	initStringInfo(&text);
	foreach(lc, sums)
	{
		const SchemaSum *sum = lfirst(lc);

		if (list_length(sums) == 1)
			break;
		if (shown == SHOWN_SCHEMAS)
		{
			appendStringInfo(&text, "and %d more schemas\n", list_length(sums) - shown);
			break;
		}
		appendStringInfo(&text, "%s: %d %s, " INT64_FORMAT " rows, %s\n",
						 quote_identifier(sum->schema), sum->tables,
						 sum->tables == 1 ? "table" : "tables", sum->rows, size_text(sum->bytes));
		shown++;
	}
	appendStringInfo(&text, "Each table is in pgtunsync.run_tables, run_id " INT64_FORMAT ".", run->id);
	return text.data;
}

/* "; 3 local rows kept, to which 1 pulled row yielded", or "". */
static char *
kept_total_text(const AuditTotals *totals)
{
	if (totals->kept == 0)
		return "";
	return psprintf("; " INT64_FORMAT " local %s kept, to which " INT64_FORMAT " pulled %s yielded",
					totals->kept, totals->kept == 1 ? "row" : "rows",
					totals->yielded, totals->yielded == 1 ? "row" : "rows");
}

void
run_notice_totals(Run *run)
{
	const AuditTotals *totals = outcomes_totals(run->outcomes);

	outcomes_report_merged(run->outcomes, !has_many(run));
	ereport(NOTICE,
			(errmsg("run " INT64_FORMAT ": %d %s %s, " INT64_FORMAT " rows, %s in %.1f s%s",
					run->id, totals->tables, totals->tables == 1 ? "table" : "tables",
					outcomes_any_merged(run->outcomes) ? "pulled" : "replaced", totals->rows,
					size_text(totals->bytes), seconds_since(run->start),
					kept_total_text(totals)),
			 has_many(run) ? errdetail("%s", totals_detail(run)) : 0));
	relay_flush();
}

/* ---- warnings ---- */

void
run_notice_warnings(const Run *run)
{
	StringInfoData text;
	int			count = 0;
	List	   *warnings = relay_warnings(&count);
	ListCell   *lc;

	if (count == 0 || !has_many(run))
		return;
	initStringInfo(&text);
	foreach(lc, warnings)
		appendStringInfo(&text, "%s%s", text.len > 0 ? "\n" : "", (char *) lfirst(lc));
	if (count > list_length(warnings))
		appendStringInfo(&text, "\nand %d more", count - list_length(warnings));
	ereport(NOTICE,
			(errmsg_plural("run " INT64_FORMAT ": there was %d warning",
						   "run " INT64_FORMAT ": there were %d warnings",
						   count, run->id, count),
			 errdetail("%s", text.data)));
	relay_flush();
}
