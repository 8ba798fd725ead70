/*-------------------------------------------------------------------------
 *
 * key_graph.h
 *	  The tables around a run, connected by foreign keys.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_KEY_GRAPH_H
#define PGTUNSYNC_KEY_GRAPH_H

#include "apply/foreign_keys.h"
#include "run/run_steps.h"

/* A table; a partitioned one stands for its partitions. */
typedef struct KeyNode
{
	Oid			relid;
	char	   *name;			/* qualified and quoted */
	const CatalogRelation *relation;
	const TablePlan *plan;		/* of the table or one of its partitions, or NULL */
	const TablePlan *failure;	/* one that failed in this run, or NULL */
	int			planned;		/* number of its tables in the run */
	bool		in_call;		/* all of them are, and none has failed */
	bool		merges;			/* it keeps its local rows */
	bool		keeps;			/* it keeps some */
	bool		partial;		/* not all rows of the source come, or would come */
	bool		to_itself;		/* it refers to itself */
	List	   *parents;		/* of KeyNode *: tables that it refers to */
	List	   *children;		/* of KeyNode *: tables that refer to it */

	/* why it cannot be pulled, if it is not in the call */
	bool		examined;
	char	   *obstacle;		/* a sentence, or NULL */
	bool		only_here;

	/* a solution, see key_solution.c */
	bool		unfit;
	bool		chosen;
} KeyNode;

/* A violated key between two nodes. */
typedef struct KeyProblem
{
	const KeyViolation *violation;
	KeyNode    *child;
	KeyNode    *parent;
} KeyProblem;

typedef struct KeyGraph
{
	Run		   *run;
	HTAB	   *by_oid;
	List	   *nodes;			/* of KeyNode * */
	List	   *references;		/* of Reference * */
	List	   *problems;		/* of KeyProblem * */
	List	   *excludes;		/* of TablePattern *, as the next three */
	List	   *emptied;
	List	   *filters;
	List	   *blockers;		/* of KeyNode *: what stands in the way of a solution */
} KeyGraph;

/*
 * Reads the foreign keys of this database, and places the run's tables and
 * these violations (KeyViolation *) among them.
 */
extern KeyGraph *key_graph(Run *run, const List *violations);

/* The node of a table, or of the partitioned table that it belongs to. */
extern KeyNode *key_node(KeyGraph *graph, Oid relid);

/* Why a table that is not in the call cannot be pulled: a sentence, or NULL. */
extern const char *key_obstacle(KeyGraph *graph, KeyNode *node);

/* True if this key is one of the violated ones. */
extern bool key_is_violated(const KeyGraph *graph, const KeyNode *child, const KeyNode *parent);

#endif							/* PGTUNSYNC_KEY_GRAPH_H */
