/*-------------------------------------------------------------------------
 *
 * key_failure.c
 *	  The error of a run whose rows violate foreign keys.
 *
 * What helps depends on why a row has no match:
 *
 *	  a table failed in this run		that failure is the cause, and raised
 *	  a part of the parent's rows came	clauses for the other tables
 *	  "keep" saved the row				"keep" for its parent
 *	  the child keeps its rows			the same for the parent
 *	  one end is not in the call		another call (key_solution.c)
 *	  nothing of these					the source's own rows violate the key
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"

#include "run/call_text.h"
#include "run/key_clauses.h"
#include "run/key_failure.h"
#include "run/key_solution.h"

typedef enum Cause
{
	CAUSE_FAILURE,
	CAUSE_PART,
	CAUSE_KEPT,
	CAUSE_MERGE,
	CAUSE_MISSING,
	CAUSE_SOURCE
} Cause;

static Cause
cause_of(const KeyGraph *graph, const KeyProblem *problem)
{
	if (problem->child->failure != NULL || problem->parent->failure != NULL)
		return CAUSE_FAILURE;
	if (!problem->child->in_call || !problem->parent->in_call)
		return CAUSE_MISSING;
	if (problem->parent->partial)
		return graph->run->request->plan.filter == NULL && problem->child != problem->parent ?
			CAUSE_PART : CAUSE_MISSING;
	if (problem->child->keeps)
		return CAUSE_KEPT;
	return problem->child->merges && !problem->parent->merges ? CAUSE_MERGE : CAUSE_SOURCE;
}

/* The first violated key with this cause, or NULL. */
static const KeyProblem *
find_problem(const KeyGraph *graph, Cause cause)
{
	ListCell   *lc;

	foreach(lc, graph->problems)
		if (cause_of(graph, lfirst(lc)) == cause)
			return lfirst(lc);
	return NULL;
}

/* ---- a table failed ---- */

/*
 * Raises the table's own error.  The keys follow in the DETAIL, and a call for
 * the other tables in the HINT.
 */
static void
raise_failure(KeyGraph *graph, const KeyProblem *problem, const List *violations)
{
	const KeyNode *failed = problem->parent->failure ? problem->parent : problem->child;
	char	   *call = key_call_without_failed(graph);
	ErrorData	failure;

	outcome_describe(graph->run->outcomes, failed->failure, &failure);
	if (failure.hint == NULL)
		failure.hint = psprintf("No table was changed; see pgtunsync.run_tables for run_id " INT64_FORMAT ".",
								graph->run->id);
	ereport(ERROR,
			(errcode(failure.sqlerrcode),
			 errmsg("%s", failure.message),
			 errdetail("%s%sWithout it, no table can be changed: the rows would violate foreign keys.\n%s",
					   failure.detail ? failure.detail : "", failure.detail ? "\n" : "",
					   integrity_detail(violations)),
			 call == NULL ? errhint("%s", failure.hint) :
			 errhint("%s\nTo pull what can come without it: %s", failure.hint, call)));
}

/* ---- HINTs ---- */

static char *
kept_hint(const KeyProblem *problem)
{
	return psprintf("Rows of %s that \"keep\" saves refer to rows of %s that the source no longer has. "
					"Keep those, too, or fewer of the first.",
					problem->child->name, problem->parent->name);
}

static char *
merge_hint(const KeyGraph *graph)
{
	CallChanges changes = {.mode = LAND_OVERWRITE};

	return psprintf("Let all tables of the call keep their rows: %s",
					call_text(graph->run->request, &changes));
}

/*
 * The source's own rows violate the key.  NOT VALID keys are not checked, but
 * a partitioned table cannot have one.
 */
static char *
source_hint(const KeyProblem *problem)
{
	Oid			relid = problem->violation->referencing;
	char	   *table = problem->child->name;
	char	   *command;

	if (problem->child->relid != relid ||
		get_rel_relkind(problem->violation->referenced) != RELKIND_RELATION)
		return "The rows are so on the source. Correct them there, or give the table a clause "
			"that leaves them out.";
	command = pg_get_constraintdef_command(problem->violation->constraint);
	return psprintf("The rows are so on the source. Correct them there, or let this database accept them: "
					"ALTER TABLE %s DROP CONSTRAINT %s; %s NOT VALID;",
					table, quote_identifier(problem->violation->name), command);
}

static void
add_hint(StringInfo hint, const char *text)
{
	if (text != NULL)
		appendStringInfo(hint, "%s%s", hint->len > 0 ? "\n" : "", text);
}

/* What helps against each cause that there is. */
static char *
find_hint(KeyGraph *graph)
{
	const KeyProblem *source = find_problem(graph, CAUSE_SOURCE);
	const KeyProblem *kept = find_problem(graph, CAUSE_KEPT);
	StringInfoData hint;

	initStringInfo(&hint);
	if (find_problem(graph, CAUSE_PART) != NULL)
		add_hint(&hint, key_clauses(graph));
	if (kept != NULL)
		add_hint(&hint, kept_hint(kept));
	if (source != NULL)
		add_hint(&hint, source_hint(source));
	if (find_problem(graph, CAUSE_MISSING) != NULL)
	{
		char	   *filter = key_recursive_filter(graph);

		add_hint(&hint, filter ? filter : key_solution(graph));
	}
	else if (find_problem(graph, CAUSE_MERGE) != NULL)
		add_hint(&hint, merge_hint(graph));
	return hint.data;
}

void
run_keys_violated(const List *violations, void *arg)
{
	KeyGraph   *graph = key_graph(arg, violations);
	const KeyViolation *first = linitial(violations);
	const KeyProblem *failure = find_problem(graph, CAUSE_FAILURE);

	if (failure != NULL)
		raise_failure(graph, failure, violations);
	ereport(ERROR,
			(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
			 errmsg("the pulled rows would violate foreign key \"%s\" of table \"%s\"",
					first->name, get_rel_name(first->referencing)),
			 errdetail("%s", integrity_detail(violations)),
			 errhint("%s", find_hint(graph))));
}
