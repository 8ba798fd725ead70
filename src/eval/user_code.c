/*-------------------------------------------------------------------------
 *
 * user_code.c
 *	  Finds out whether an expression contains user code.
 *
 * Only superusers can write functions in C or internal functions.  All others,
 * including SQL functions, count as user code.  Types can also run user code:
 * the input function of a domain is internal, but it evaluates the CHECKs of
 * the domain.  The same goes for composite types and arrays that contain a
 * domain.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/pg_authid_d.h"
#include "catalog/pg_language.h"
#include "catalog/pg_namespace_d.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "base/user_context.h"
#include "eval/user_code.h"

static bool
is_user_function(Oid funcid, void *context)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));
	Form_pg_proc form;
	bool		user;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", funcid);
	form = (Form_pg_proc) GETSTRUCT(tuple);
	/* an aggregate counts as internal, whoever wrote its functions */
	user = (form->prolang != INTERNALlanguageId && form->prolang != ClanguageId) ||
		(form->prokind == PROKIND_AGGREGATE && funcid >= FirstNormalObjectId);
	ReleaseSysCache(tuple);
	return user;
}

/*
 * Returns whether making a value of the type may evaluate domain constraints.
 */
static bool
is_checked_type(Oid type)
{
	Oid			element = get_element_type(type);
	char		kind;

	if (OidIsValid(element))
		type = element;
	if (type < FirstNormalObjectId && type != RECORDOID)
		return false;
	kind = get_typtype(type);
	return kind == TYPTYPE_DOMAIN || kind == TYPTYPE_COMPOSITE;
}

/*
 * Returns whether the node makes such a value, instead of passing on an
 * existing one.
 */
static bool
makes_checked_value(Node *node)
{
	switch (nodeTag(node))
	{
		case T_CoerceToDomain:
			return true;
		case T_CoerceViaIO:
		case T_ArrayCoerceExpr:
		case T_ConvertRowtypeExpr:
		case T_FuncExpr:
			return is_checked_type(exprType(node));
		default:
			return false;
	}
}

static bool
user_code_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (check_functions_in_node(node, is_user_function, context) || makes_checked_value(node))
		return true;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, user_code_walker, context, 0);
	return expression_tree_walker(node, user_code_walker, context);
}

bool
user_code_in(Node *tree)
{
	return user_code_walker(tree, NULL);
}

/*
 * Functions that a default with nextval() may call besides immutable ones.
 * None of them runs a query.
 */
static const char *const harmless_functions[] = {
	"nextval", "currval", "lastval", "random", "gen_random_uuid", "now", "clock_timestamp",
	"transaction_timestamp", "statement_timestamp", "timeofday", "to_char", "to_timestamp",
	"concat", "concat_ws", "format", "date_trunc", "date_part", "extract", "age", "timezone",
	"date", "time", "timetz", "timestamp", "timestamptz"
};

/*
 * Returns whether the function cannot run a query, a cast or the input
 * function of a domain.  Some built-in functions can: ts_rewrite(),
 * query_to_xml(), to_json(), array_in().  None of them is immutable.
 */
static bool
is_harmless(Form_pg_proc form)
{
	if (form->provolatile == PROVOLATILE_IMMUTABLE)
		return true;
	for (int i = 0; form->oid < FirstNormalObjectId && i < lengthof(harmless_functions); i++)
		if (strcmp(NameStr(form->proname), harmless_functions[i]) == 0)
			return true;
	return false;
}

static bool
is_refused_function(Oid funcid, void *context)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));
	bool		harmless;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", funcid);
	harmless = is_harmless((Form_pg_proc) GETSTRUCT(tuple));
	ReleaseSysCache(tuple);
	return !harmless || owner_refuses_function(funcid);
}

/* ---- SQL functions that come with PostgreSQL ---- */

/*
 * Returns whether it is one whose body calls nothing but built-in functions on
 * its arguments, such as the || of text and a number, lpad() of two arguments,
 * and age() of one.
 */
static bool
is_builtin_sql_function(Oid funcid)
{
	HeapTuple	tuple;
	Form_pg_proc form;
	bool		builtin;

	if (funcid >= FirstNormalObjectId)
		return false;
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", funcid);
	form = (Form_pg_proc) GETSTRUCT(tuple);
	builtin = form->prolang == SQLlanguageId && form->prokind == PROKIND_FUNCTION &&
		form->pronamespace == PG_CATALOG_NAMESPACE && form->proowner == BOOTSTRAP_SUPERUSERID &&
		!form->prosecdef &&
		(is_harmless(form) || funcid == F_TEXTANYCAT || funcid == F_ANYTEXTCAT);
	ReleaseSysCache(tuple);
	return builtin;
}

/* A cast of a type of users may be a function of theirs. */
static bool
have_builtin_types(List *arguments)
{
	ListCell   *lc;

	foreach(lc, arguments)
	{
		if (exprType(lfirst(lc)) >= FirstNormalObjectId)
			return false;
	}
	return true;
}

static bool
calls_builtin_sql(Node *node)
{
	if (IsA(node, FuncExpr))
		return is_builtin_sql_function(((FuncExpr *) node)->funcid) &&
			have_builtin_types(((FuncExpr *) node)->args);
	if (!IsA(node, OpExpr))
		return false;
	set_opfuncid((OpExpr *) node);
	return is_builtin_sql_function(((OpExpr *) node)->opfuncid) &&
		have_builtin_types(((OpExpr *) node)->args);
}

/* Finds what may not stand beside nextval(). */
static bool
refused_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (calls_builtin_sql(node))
		return expression_tree_walker(node, refused_walker, context);
	if (check_functions_in_node(node, is_user_function, context) || makes_checked_value(node))
		return true;
	/* conversions that check something are user code; the others only read and print */
	if (!IsA(node, CoerceViaIO) && check_functions_in_node(node, is_refused_function, context))
		return true;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, refused_walker, context, 0);
	return expression_tree_walker(node, refused_walker, context);
}

bool
user_code_may_use_sequences(Node *tree)
{
	return !refused_walker(tree, NULL);
}
