/*-------------------------------------------------------------------------
 *
 * key_solution.c
 *	  A call that satisfies the foreign keys that this one violates.
 *
 * The HINT of a violated key is one call that works, as far as the keys of this
 * database and both catalogs tell.  There are two kinds:
 *
 *	  together		More tables are replaced in the same call.  What a new
 *					table brings is not known, so all that it refers to and
 *					all that refers to it must come as well.
 *	  overwrite		Local rows stay, so rows of other tables that refer to
 *					them keep their match.  Only the tables that the new rows
 *					refer to must come as well.
 *
 * The first is tried first.  It fails if one of its tables cannot be pulled:
 * because it is excluded, exists only here, or has failed in this call; such
 * tables are the blockers.  In the second, tables that refer to a blocker are
 * left out.
 *
 * Of the keys between the run's own tables and others, those that were not
 * violated stay so: the next call brings the same rows.
 *
 * If only a part of the rows comes (a filter, a clause of a group), there is no
 * call that could add whole tables and leave the part as it is.  Then a first
 * call brings the tables that the part refers to.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "run/key_solution.h"
#include "schema/primary_key.h"

/* tables that a HINT names as the reason */
#define SHOWN_BLOCKERS	3

static void
reset(KeyGraph *graph)
{
	ListCell   *lc;

	graph->blockers = NIL;
	foreach(lc, graph->nodes)
	{
		KeyNode    *node = lfirst(lc);

		node->chosen = node->in_call;
		node->unfit = false;
	}
}

/* The names of tables that are not in the call and were chosen. */
static List *
added_names(const KeyGraph *graph)
{
	List	   *names = NIL;
	ListCell   *lc;

	foreach(lc, graph->nodes)
	{
		KeyNode    *node = lfirst(lc);

		if (node->chosen && !node->in_call)
			names = lappend(names, node->name);
	}
	return names;
}

/* The names of the call's tables that have failed or were not chosen. */
static List *
left_out_names(const KeyGraph *graph)
{
	List	   *names = NIL;
	ListCell   *lc;

	foreach(lc, graph->nodes)
	{
		KeyNode    *node = lfirst(lc);

		if (node->failure != NULL || (node->in_call && !node->chosen))
			names = lappend(names, node->name);
	}
	return names;
}

static bool
any_of_call(const KeyGraph *graph)
{
	ListCell   *lc;

	foreach(lc, graph->nodes)
	{
		KeyNode    *node = lfirst(lc);

		if (node->in_call && node->chosen)
			return true;
	}
	return false;
}

/* ---- replace more tables together ---- */

static void
block(KeyGraph *graph, KeyNode *node)
{
	graph->blockers = list_append_unique_ptr(graph->blockers, node);
}

/* Chooses a table, and notes that its neighbours are to be looked at. */
static List *
choose(KeyGraph *graph, List *queue, KeyNode *node)
{
	if (node->chosen)
		return queue;
	if (key_obstacle(graph, node) != NULL || (node->partial && node->to_itself))
	{
		block(graph, node);
		return queue;
	}
	node->chosen = true;
	return lappend(queue, node);
}

/* Chooses everything that is connected with a table of which nothing is known. */
static List *
choose_neighbours(KeyGraph *graph, List *queue, KeyNode *node)
{
	ListCell   *lc;

	foreach(lc, node->parents)
	{
		KeyNode    *parent = lfirst(lc);

		queue = choose(graph, queue, parent);
		if (parent->partial)
			block(graph, parent);
	}
	foreach(lc, node->children)
	{
		queue = choose(graph, queue, lfirst(lc));
		if (node->partial)
			block(graph, node);
	}
	return queue;
}

static bool
solve_together(KeyGraph *graph)
{
	List	   *queue = NIL;
	ListCell   *lc;

	reset(graph);
	foreach(lc, graph->problems)
	{
		KeyProblem *problem = lfirst(lc);

		queue = choose(graph, queue, problem->child);
		queue = choose(graph, queue, problem->parent);
	}
	while (queue != NIL)
	{
		KeyNode    *node = linitial(queue);

		queue = choose_neighbours(graph, list_delete_first(queue), node);
	}
	return graph->blockers == NIL;
}

/* ---- keep the local rows ---- */

/* True if the table cannot be pulled in this mode, whatever else comes. */
static bool
cannot_merge(KeyGraph *graph, KeyNode *node, Landing mode)
{
	Oid			role = graph->run->request->plan.role;

	if (node->failure != NULL || key_obstacle(graph, node) != NULL ||
		(node->partial && node->to_itself && !node->in_call))
		return true;
	if (mode != LAND_APPEND && !primary_key_exists(node->relid))
		return true;
	return landing_missing_rights(mode, node->relid, role) != NULL;
}

/* True if the new rows of a table may have no match in its parent. */
static bool
may_miss(const KeyGraph *graph, const KeyNode *node, const KeyNode *parent)
{
	bool		violated = node->in_call && key_is_violated(graph, node, parent);

	if (node->in_call && !violated)
		return parent->in_call && parent->unfit;
	return parent->unfit || parent->partial;
}

/* Marks tables that refer to an unfit one, until nothing changes. */
static void
spread_unfit(KeyGraph *graph)
{
	bool		changed;

	do
	{
		ListCell   *lc_node;
		ListCell   *lc;

		changed = false;
		foreach(lc_node, graph->nodes)
		{
			KeyNode    *node = lfirst(lc_node);

			foreach(lc, node->parents)
			{
				if (!node->unfit && may_miss(graph, node, lfirst(lc)))
					node->unfit = changed = true;
			}
		}
	} while (changed);
}

/* Chooses a table and all that it refers to. */
static void
choose_upward(KeyNode *node)
{
	ListCell   *lc;

	if (node->chosen)
		return;
	node->chosen = true;
	foreach(lc, node->parents)
		choose_upward(lfirst(lc));
}

/* Marks the tables that have a violated key which a merge does not mend. */
static void
mark_unfit_ends(KeyGraph *graph)
{
	ListCell   *lc;

	foreach(lc, graph->problems)
	{
		KeyProblem *problem = lfirst(lc);

		if (problem->child->in_call && problem->child == problem->parent)
			problem->child->unfit = true;
		/* an update may change another key than the primary one */
		if (!problem->child->in_call && !problem->violation->by_primary_key)
			problem->parent->unfit = true;
	}
}

/* Returns false if no table of the call is left. */
static bool
solve_merge(KeyGraph *graph, Landing mode)
{
	List	   *blockers = graph->blockers;
	ListCell   *lc;

	reset(graph);
	graph->blockers = blockers;
	foreach(lc, graph->nodes)
	{
		KeyNode    *node = lfirst(lc);

		node->unfit = cannot_merge(graph, node, mode);
	}
	mark_unfit_ends(graph);
	spread_unfit(graph);
	foreach(lc, graph->nodes)
	{
		KeyNode    *node = lfirst(lc);

		if (node->unfit)
			node->chosen = false;
	}
	foreach(lc, graph->problems)
	{
		KeyProblem *problem = lfirst(lc);

		if (problem->child->chosen)
			choose_upward(problem->parent);
	}
	return any_of_call(graph);
}

/* ---- a part of the rows: its parents first ---- */

/* Returns whether all tables that the part refers to can come. */
static bool
solve_parents(KeyGraph *graph)
{
	ListCell   *lc;

	reset(graph);
	foreach(lc, graph->nodes)
		((KeyNode *) lfirst(lc))->chosen = false;
	foreach(lc, graph->problems)
	{
		KeyProblem *problem = lfirst(lc);

		if (!problem->child->in_call)
			return false;		/* the call replaces its parent */
		choose_upward(problem->parent);
	}
	foreach(lc, graph->nodes)
	{
		KeyNode    *node = lfirst(lc);

		if (node->chosen && (cannot_merge(graph, node, LAND_OVERWRITE) ||
							 (node->partial && !node->in_call)))
			block(graph, node);
	}
	return graph->blockers == NIL;
}

static List *
chosen_names(const KeyGraph *graph)
{
	List	   *names = NIL;
	ListCell   *lc;

	foreach(lc, graph->nodes)
	{
		KeyNode    *node = lfirst(lc);

		if (node->chosen)
			names = lappend(names, node->name);
	}
	return names;
}

/* ---- the HINT ---- */

/* Why a table stands in the way. */
static char *
blocker_text(KeyGraph *graph, KeyNode *node)
{
	const char *obstacle = key_obstacle(graph, node);

	if (obstacle != NULL)
		return pstrdup(obstacle);
	if (node->partial)
		return psprintf("Of table %s, only a part of the rows comes.", node->name);
	return psprintf("Table %s has no primary key.", node->name);
}

/* The first blockers, each with a sentence. */
static char *
blockers_text(KeyGraph *graph)
{
	StringInfoData text;
	int			shown = 0;
	ListCell   *lc;

	initStringInfo(&text);
	foreach(lc, graph->blockers)
	{
		if (shown++ == SHOWN_BLOCKERS)
			break;
		appendStringInfo(&text, "%s ", blocker_text(graph, lfirst(lc)));
	}
	return text.data;
}

static char *
merge_call(KeyGraph *graph, Landing mode)
{
	CallChanges changes = {
		.added = added_names(graph),
		.excluded = left_out_names(graph),
		.mode = mode
	};

	return call_text(graph->run->request, &changes);
}

/* True if the call itself says that local rows stay. */
static bool
call_merges(const KeyGraph *graph)
{
	Landing		mode = graph->run->request->plan.mode;

	return mode != LAND_DEFAULT && mode != LAND_REPLACE;
}

/* True if only a part of the rows is pulled, by a clause of the call or group. */
static bool
call_is_partial(const KeyGraph *graph)
{
	ListCell   *lc;

	if (graph->run->request->plan.filter != NULL)
		return true;
	foreach(lc, graph->nodes)
	{
		KeyNode    *node = lfirst(lc);

		if (node->in_call && node->merges && !call_merges(graph))
			return true;
	}
	return false;
}

static char *
together_hint(KeyGraph *graph)
{
	CallChanges changes = {
		.added = added_names(graph),
		.excluded = left_out_names(graph)	/* what has failed */
	};

	return psprintf("Pull these tables together: %s", call_text(graph->run->request, &changes));
}

static char *
parents_hint(KeyGraph *graph)
{
	CallChanges changes = {
		.added = chosen_names(graph),
		.only_added = true,
		.mode = LAND_OVERWRITE
	};

	return psprintf("Pull the tables that the rows refer to first, then repeat the call: %s",
					call_text(graph->run->request, &changes));
}

/* A blocker that exists only here: its rows are the user's. */
static bool
blocked_by_local_rows(const KeyGraph *graph)
{
	ListCell   *lc;

	foreach(lc, graph->blockers)
		if (!((KeyNode *) lfirst(lc))->only_here)
			return false;
	return graph->blockers != NIL;
}

static char *
merge_hint(KeyGraph *graph, Landing mode)
{
	const char *advice = left_out_names(graph) != NIL ?
		"Leave out what refers to such tables, and let local rows stay: " :
		blocked_by_local_rows(graph) ?
		"Delete its rows that have no match, or let the rows stay that they refer to: " :
		graph->blockers != NIL ? "Let local rows stay: " : "Pull these tables together: ";

	return psprintf("%s%s%s", blockers_text(graph), advice, merge_call(graph, mode));
}

static char *
no_call_hint(KeyGraph *graph)
{
	return psprintf("%sThe tables that refer to it cannot be pulled without it, "
					"unless rows of it that match are here.",
					blockers_text(graph));
}

char *
key_solution(KeyGraph *graph)
{
	Landing		mode = call_merges(graph) ? graph->run->request->plan.mode : LAND_OVERWRITE;

	if (call_is_partial(graph) && solve_parents(graph))
		return parents_hint(graph);
	if (!call_is_partial(graph) && !call_merges(graph) && solve_together(graph))
		return together_hint(graph);
	if (graph->run->request->plan.filter == NULL && solve_merge(graph, mode))
		return merge_hint(graph, mode);
	return no_call_hint(graph);
}

char *
key_call_without_failed(KeyGraph *graph)
{
	Landing		mode = call_merges(graph) ? graph->run->request->plan.mode : LAND_OVERWRITE;

	reset(graph);
	return solve_merge(graph, mode) ? merge_call(graph, mode) : NULL;
}
