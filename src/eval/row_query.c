/*-------------------------------------------------------------------------
 *
 * row_query.c
 *	  Computes expressions of the configuration locally, row by row.
 *
 * The row is in memory, not in a table, so the executor gets it as parameters:
 *
 *		SELECT (<expression>), …
 *		  FROM (SELECT $1 AS id, $2 AS owner_id, … OFFSET 0) AS orders
 *
 * The query is planned and started once, and rescanned for each row.  OFFSET 0
 * keeps the parameters inside the subquery, so that the expressions see them
 * as columns.  As usual, a subquery that does not refer to the row is
 * evaluated once, and one that does is evaluated for each row.
 *
 * A superuser wrote the expressions, but they may reach objects of other
 * roles: functions of a view, index expressions, domains.  Therefore:
 *
 * - Everything runs as the owner of the rows' table.  The owner gains nothing
 *   by it that an INSERT of the owner would not allow.
 * - The owner may be a superuser.  So only built-in functions and domains may
 *   be called, and those of the owner and of superusers, also through views.
 * - What the planner evaluates for the tables that are read, it evaluates as a
 *   role without privileges (restricted_query.c).
 * - The search_path is pg_catalog, so no user's function can stand in for a
 *   built-in one.  Only names of tables are looked up elsewhere, before the
 *   analysis: in the table's own schema and in public.  A name that exists in
 *   both is an error, so that nobody can hide a table behind another one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/params.h"
#include "optimizer/optimizer.h"
#include "parser/analyze.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_node.h"
#include "parser/parse_param.h"
#include "parser/parser.h"
#include "tcop/dest.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "base/text.h"
#include "base/compat.h"
#include "eval/restricted_query.h"
#include "eval/row_query.h"
#include "eval/user_code.h"
#include "base/user_context.h"

struct RowQuery
{
	int			nparams;
	AttrNumber *attnums;		/* attribute numbers of the parameters */
	ParamListInfo params;
	QueryDesc  *desc;
	bool		started;		/* a row has been computed */
	bool		sequences;		/* the expressions may advance sequences */
	List	   *expressions;
};

/* The expressions being processed, for the context of errors. */
typedef struct ErrorPlace
{
	const List *expressions;
	const RowExpression *expression;	/* NULL if it could be any of them */
} ErrorPlace;

/*
 * Adds the context of an error.  The error position is removed, because it
 * refers to the generated query.
 */
static void
add_place(void *arg)
{
	const ErrorPlace *place = arg;
	ListCell   *lc;

	if (geterrposition() > 0)
		errposition(0);
	if (place->expression != NULL)
		errcontext("%s", place->expression->what);
	else
		foreach(lc, place->expressions)
			errcontext("%s", ((RowExpression *) lfirst(lc))->what);
}

/* ---- the query text ---- */

/* Appends the collation of a column if its type has another one. */
static void
append_collation(StringInfo buf, Form_pg_attribute attr)
{
	HeapTuple	tuple;
	Form_pg_collation form;

	if (!OidIsValid(attr->attcollation) || attr->attcollation == get_typcollation(attr->atttypid))
		return;
	tuple = SearchSysCache1(COLLOID, ObjectIdGetDatum(attr->attcollation));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for collation %u", attr->attcollation);
	form = (Form_pg_collation) GETSTRUCT(tuple);
	appendStringInfo(buf, " COLLATE %s",
					 quote_qualified_identifier(get_namespace_name(form->collnamespace),
												NameStr(form->collname)));
	ReleaseSysCache(tuple);
}

/* Fills in the parameters.  Returns the row as a FROM item. */
static char *
row_text(RowQuery *query, Relation rel, const char *alias, bool generated, Oid *types)
{
	TupleDesc	desc = RelationGetDescr(rel);
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoString(&buf, "(SELECT");
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(desc, i);

		if (attr->attisdropped || (attr->attgenerated && !generated) || compat_is_virtual(attr))
			continue;
		query->attnums[query->nparams] = attr->attnum;
		types[query->nparams++] = attr->atttypid;
		appendStringInfo(&buf, "%s $%d", query->nparams > 1 ? "," : "", query->nparams);
		append_collation(&buf, attr);
		appendStringInfo(&buf, " AS %s", quote_identifier(NameStr(attr->attname)));
	}
	appendStringInfo(&buf, " OFFSET 0) AS %s", quote_identifier(alias));
	return buf.data;
}

static char *
query_text(const List *expressions, const char *row)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, expressions)
		appendStringInfo(&buf, "%s (%s)", buf.len > 0 ? "," : "SELECT",
						 ((RowExpression *) lfirst(lc))->sql);
	appendStringInfo(&buf, " FROM %s", row);
	return buf.data;
}

/* ---- names of tables ---- */

typedef struct Names
{
	List	   *with;			/* of char *: names that WITH defines */
	Oid			schemas[2];
} Names;

static bool
collect_with_walker(Node *node, void *context)
{
	Names	   *names = context;

	if (node == NULL)
		return false;
	if (IsA(node, CommonTableExpr))
		names->with = lappend(names->with, ((CommonTableExpr *) node)->ctename);
	return raw_expression_tree_walker(node, collect_with_walker, context);
}

/* Adds the schema to a table name that only one of the schemas has. */
static void
qualify(const Names *names, RangeVar *name)
{
	if (name->schemaname != NULL || names_include(names->with, name->relname))
		return;
	for (int i = 0; i < lengthof(names->schemas); i++)
	{
		if (!OidIsValid(names->schemas[i]) || (i > 0 && names->schemas[i] == names->schemas[0]) ||
			!OidIsValid(get_relname_relid(name->relname, names->schemas[i])))
			continue;
		if (name->schemaname != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_AMBIGUOUS_ALIAS),
					 errmsg("table name \"%s\" is ambiguous", name->relname),
					 errdetail("Schemas \"%s\" and \"%s\" both contain one.", name->schemaname,
							   get_namespace_name(names->schemas[i])),
					 errhint("Qualify the name with its schema.")));
		name->schemaname = get_namespace_name(names->schemas[i]);
	}
}

static bool
qualify_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, RangeVar))
		qualify(context, (RangeVar *) node);
	if (IsA(node, SelectStmt) && ((SelectStmt *) node)->lockingClause != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("FOR UPDATE and FOR SHARE are not allowed here")));
	return raw_expression_tree_walker(node, qualify_walker, context);
}

static void
qualify_tables(RawStmt *stmt, Relation rel)
{
	Names		names = {
		.schemas = {RelationGetNamespace(rel), get_namespace_oid("public", true)}
	};

	(void) collect_with_walker(stmt->stmt, &names);
	(void) qualify_walker(stmt->stmt, &names);
}

/* ---- analysis ---- */

AttrNumber
row_query_column(Relation rel, const char *name)
{
	TupleDesc	desc = RelationGetDescr(rel);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(desc, i);

		if (!attr->attisdropped && strcmp(NameStr(attr->attname), name) == 0)
			return attr->attnum;
	}
	return InvalidAttrNumber;
}

/*
 * Converts an expression to the type of its column, or a condition to boolean.
 */
static Expr *
coerce_target(ParseState *pstate, Relation rel, const RowExpression *expression, Expr *expr)
{
	AttrNumber	attnum;
	Form_pg_attribute attr;
	Node	   *coerced;

	if (expression->column == NULL)
		return (Expr *) coerce_to_boolean(pstate, (Node *) expr, "a condition");
	attnum = row_query_column(rel, expression->column);
	if (attnum <= 0)
		elog(ERROR, "table \"%s\" has no column \"%s\"", RelationGetRelationName(rel), expression->column);
	attr = TupleDescAttr(RelationGetDescr(rel), attnum - 1);
	coerced = coerce_to_target_type(pstate, (Node *) expr, exprType((Node *) expr),
									attr->atttypid, attr->atttypmod,
									COERCION_ASSIGNMENT, COERCE_IMPLICIT_CAST, -1);
	if (coerced == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" is of type %s but the expression is of type %s",
						expression->column, format_type_be(attr->atttypid),
						format_type_be(exprType((Node *) expr))),
				 errhint("You will need to rewrite or cast the expression.")));
	return (Expr *) coerced;
}

static void
coerce_targets(ParseState *pstate, Relation rel, Query *query, ErrorPlace *place)
{
	ListCell   *lc;
	ListCell   *lc_target;

	forboth(lc, place->expressions, lc_target, query->targetList)
	{
		TargetEntry *target = lfirst_node(TargetEntry, lc_target);

		place->expression = lfirst(lc);
		target->expr = coerce_target(pstate, rel, place->expression, target->expr);
		assign_expr_collations(pstate, (Node *) target->expr);
	}
	place->expression = NULL;
}

/* Rejects queries that would not return exactly one row for each row. */
static void
check_one_row(const Query *query)
{
	if (query->hasAggs || query->hasWindowFuncs || query->hasTargetSRFs)
		ereport(ERROR,
				(errcode(ERRCODE_GROUPING_ERROR),
				 errmsg("aggregates, window functions and set-returning functions are only allowed in a subquery here")));
}

static Query *
analyze(const char *sql, Relation rel, const Oid *types, int ntypes, ErrorPlace *place)
{
	ParseState *pstate = make_parsestate(NULL);
	List	   *parsed = raw_parser(sql, RAW_PARSE_DEFAULT);
	RawStmt    *stmt = linitial_node(RawStmt, parsed);
	Query	   *query;

	if (list_length(parsed) != 1 || !IsA(stmt->stmt, SelectStmt) ||
		list_length(((SelectStmt *) stmt->stmt)->targetList) != list_length(place->expressions))
		elog(ERROR, "an expression has changed the statement: %s", sql);
	qualify_tables(stmt, rel);
	pstate->p_sourcetext = sql;
	pstate->p_resolve_unknowns = false; /* coerce_targets() resolves them */
	compat_parse_parameters(pstate, types, ntypes);
	query = transformTopLevelStmt(pstate, stmt);
	check_one_row(query);
	coerce_targets(pstate, rel, query, place);
	free_parsestate(pstate);
	return query;
}

/* ---- trusted authors ---- */

/* Raises an error unless the author is the table's owner or a superuser. */
static void
check_trusted(Oid author, Oid owner, const char *what)
{
	if (author == owner || superuser_arg(author))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("%s belongs to role %s", what, quote_identifier(GetUserNameFromId(author, false))),
			 errdetail("Expressions may only call code of superusers and of the table's owner.")));
}

/*
 * Checks a function.  Aggregates are always checked, because their author
 * chose the functions that they call.
 */
static bool
check_function(Oid funcid, void *owner)
{
	HeapTuple	tuple;
	Form_pg_proc form;

	if (funcid < FirstNormalObjectId)
		return false;
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", funcid);
	form = (Form_pg_proc) GETSTRUCT(tuple);
	if (form->prokind == PROKIND_AGGREGATE ||
		(form->prolang != INTERNALlanguageId && form->prolang != ClanguageId))
		check_trusted(form->proowner, *(Oid *) owner, psprintf("function %s", format_procedure(funcid)));
	ReleaseSysCache(tuple);
	return false;
}

/*
 * The relations that a query reads, including those in views and subqueries.
 */
typedef struct Contents
{
	Relation	rel;			/* the table whose rows are processed */
	List	   *relids;			/* OIDs of the tables that the query reads */
} Contents;

/*
 * Checks the owner of a domain, because its constraints call functions.  The
 * domains of the table's own columns are exempt: they are checked anyway.
 */
static void
check_domain(Oid typid, Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);
	HeapTuple	tuple;
	Form_pg_type form;

	if (typid < FirstNormalObjectId)
		return;
	for (int i = 0; i < desc->natts; i++)
	{
		if (TupleDescAttr(desc, i)->atttypid == typid)
			return;
	}
	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(typid));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for type %u", typid);
	form = (Form_pg_type) GETSTRUCT(tuple);
	check_trusted(form->typowner, rel->rd_rel->relowner, psprintf("domain %s", format_type_be(typid)));
	ReleaseSysCache(tuple);
}

/*
 * Sets the role whose privileges are checked, where none is set.  Relations in
 * views already have the owner of the view.
 */
static void
set_check_as_user(Query *query, Oid owner)
{
	ListCell   *lc;

	foreach(lc, compat_permission_infos(query))
	{
		compat_permission_info *info = lfirst(lc);

		if (!OidIsValid(info->checkAsUser))
			info->checkAsUser = owner;
	}
}

static bool
contents_walker(Node *node, void *context)
{
	Contents   *contents = context;

	if (node == NULL)
		return false;
	(void) check_functions_in_node(node, check_function, &contents->rel->rd_rel->relowner);
	if (IsA(node, CoerceToDomain))
		check_domain(((CoerceToDomain *) node)->resulttype, contents->rel);
	if (IsA(node, RangeTblEntry))
	{
		RangeTblEntry *rte = (RangeTblEntry *) node;

		if (rte->rtekind == RTE_RELATION &&
			(rte->relkind == RELKIND_RELATION || rte->relkind == RELKIND_PARTITIONED_TABLE ||
			 rte->relkind == RELKIND_MATVIEW))
			contents->relids = list_append_unique_oid(contents->relids, rte->relid);
		return false;
	}
	if (IsA(node, Query))
	{
		/* the planner checks privileges on views while it is unprivileged */
		set_check_as_user((Query *) node, contents->rel->rd_rel->relowner);
		return query_tree_walker((Query *) node, contents_walker, context,
								 QTW_EXAMINE_RTES_BEFORE);
	}
	return expression_tree_walker(node, contents_walker, context);
}

/*
 * Analyzes each expression on its own first, so that an error names the right
 * one.  The analysis of all expressions together cannot name it.
 */
static void
analyze_each(const char *row, Relation rel, const Oid *types, int ntypes, const ErrorPlace *all)
{
	ListCell   *lc;

	if (list_length(all->expressions) < 2)
		return;
	foreach(lc, all->expressions)
	{
		ErrorPlace	place = {list_make1(lfirst(lc)), lfirst(lc)};
		ErrorContextCallback callback = {error_context_stack, add_place, &place};

		error_context_stack = &callback;
		(void) analyze(query_text(place.expressions, row), rel, types, ntypes, &place);
		error_context_stack = callback.previous;
	}
}

/* ---- execution ---- */

static void
start(RowQuery *query, Relation rel, Query *analyzed, const char *sql, const Oid *types)
{
	List	   *rewritten = pg_rewrite_query(analyzed);
	Contents	contents = {rel};
	PlannedStmt *planned;

	Assert(list_length(rewritten) == 1);
	(void) contents_walker(linitial(rewritten), &contents);
	query->sequences = user_code_may_use_sequences(linitial(rewritten));
	planned = restricted_plan(linitial_node(Query, rewritten), sql, contents.relids);
	query->params = makeParamList(query->nparams);
	for (int i = 0; i < query->nparams; i++)
	{
		query->params->params[i].ptype = types[i];
		query->params->params[i].isnull = true;
	}
	query->desc = CreateQueryDesc(planned, sql, GetActiveSnapshot(), InvalidSnapshot,
								  None_Receiver, query->params, NULL, 0);
	ExecutorStart(query->desc, 0);
}

RowQuery *
row_query_begin(Relation rel, const char *alias, List *expressions, bool generated)
{
	RowQuery   *query = palloc0(sizeof(RowQuery));
	int			natts = RelationGetDescr(rel)->natts;
	Oid		   *types = palloc(sizeof(Oid) * Max(1, natts));
	ErrorPlace	place = {expressions};
	ErrorContextCallback callback = {error_context_stack, add_place, &place};
	char	   *row;
	char	   *sql;

	query->expressions = expressions;
	query->attnums = palloc(sizeof(AttrNumber) * Max(1, natts));
	row = row_text(query, rel, alias, generated, types);
	sql = query_text(expressions, row);
	analyze_each(row, rel, types, query->nparams, &place);
	error_context_stack = &callback;
	start(query, rel, analyze(sql, rel, types, query->nparams, &place), sql, types);
	error_context_stack = callback.previous;
	return query;
}

static TupleTableSlot *
next_row(RowQuery *query)
{
	TupleTableSlot *result;

	if (query->sequences)
		owner_sequences_begin();
	result = ExecProcNode(query->desc->planstate);
	if (query->sequences)
		owner_sequences_end();
	return result;
}

TupleTableSlot *
row_query_compute(RowQuery *query, TupleTableSlot *row)
{
	EState	   *estate = query->desc->estate;
	ErrorPlace	place = {query->expressions};
	ErrorContextCallback callback = {error_context_stack, add_place, &place};
	MemoryContext oldcontext;
	TupleTableSlot *result;

	for (int i = 0; i < query->nparams; i++)
	{
		ParamExternData *param = &query->params->params[i];

		param->value = slot_getattr(row, query->attnums[i], &param->isnull);
	}
	error_context_stack = &callback;
	oldcontext = MemoryContextSwitchTo(estate->es_query_cxt);
	ResetPerTupleExprContext(estate);
	if (query->started)
		ExecReScan(query->desc->planstate);
	query->started = true;
	result = next_row(query);
	if (TupIsNull(result))
		elog(ERROR, "an expression returned no row");
	slot_getallattrs(result);
	MemoryContextSwitchTo(oldcontext);
	error_context_stack = callback.previous;
	return result;
}

void
row_query_end(RowQuery *query)
{
	ExecutorFinish(query->desc);
	ExecutorEnd(query->desc);
	FreeQueryDesc(query->desc);
}
