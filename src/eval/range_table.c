/*-------------------------------------------------------------------------
 *
 * range_table.c
 *	  Makes the range table for a table that rows are written to.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "parser/parse_relation.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "eval/range_table.h"

void
range_table_init(EState *estate, ParseState *pstate, Relation target)
{
	RangeTblEntry *rte = makeNode(RangeTblEntry);

	rte->rtekind = RTE_RELATION;
	rte->relid = RelationGetRelid(target);
	rte->relkind = target->rd_rel->relkind;
	rte->rellockmode = AccessShareLock;
	rte->eref = makeAlias(RelationGetRelationName(target), NIL);
	rte->inFromCl = false;
	compat_init_range_table(estate, pstate, rte);
}
