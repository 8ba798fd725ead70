/*-------------------------------------------------------------------------
 *
 * not_valid.c
 *	  Keeps constraints that are NOT VALID from rejecting pulled rows.
 *
 * A NOT VALID constraint allows existing rows to violate it, but no new ones.
 * The rows of a pull count as existing rows.  Like a restore, which loads the
 * rows before it adds such constraints, a pull accepts them and leaves the
 * constraint as it is.  The same applies to constraints that are NOT ENFORCED,
 * in version 18.
 *
 * The executor checks the constraints in the descriptor of the target, so it
 * gets a descriptor without them.  Domains need more: the input function of a
 * domain checks all its constraints.  So COPY sees the base type instead, and
 * the valid constraints are checked here, as domain_check_input() in domains.c
 * does it.  A domain inside an array or a composite type cannot be replaced
 * this way; all its constraints are checked.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "utils/builtins.h"
#include "utils/expandeddatum.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "base/text.h"
#include "base/compat.h"
#include "eval/not_valid.h"

/*
 * The constraints to check for a column of a domain type, including those of
 * the domains it is based on.
 */
typedef struct DomainColumn
{
	AttrNumber	attnum;
	Oid			domain;
	int16		typlen;
	bool		not_null;
	List	   *checks;			/* of DomainCheck * */
} DomainColumn;

typedef struct DomainCheck
{
	char	   *name;
	ExprState  *state;
} DomainCheck;

/* ---- the table's own constraints ---- */

/* Removes unvalidated CHECKs from a descriptor.  Returns how many. */
static int
drop_checks(TupleDesc desc)
{
	TupleConstr *constr = desc->constr;
	int			before = constr ? constr->num_check : 0;
	int			kept = 0;

	for (int i = 0; i < before; i++)
	{
		if (constr->check[i].ccvalid)
			constr->check[kept++] = constr->check[i];
	}
	if (constr != NULL)
		constr->num_check = kept;
	return before - kept;
}

/* Removes unvalidated NOT NULL constraints, which exist from version 18 on. */
static void
drop_not_nulls(TupleDesc desc)
{
	for (int i = 0; i < desc->natts; i++)
	{
		if (compat_not_null_unvalidated(desc, i))
			TupleDescAttr(desc, i)->attnotnull = false;
	}
}

static bool
has_unvalidated(TupleDesc desc)
{
	TupleConstr *constr = desc->constr;

	if (constr == NULL)
		return false;
	for (int i = 0; i < constr->num_check; i++)
	{
		if (!constr->check[i].ccvalid)
			return true;
	}
	for (int i = 0; i < desc->natts; i++)
	{
		if (compat_not_null_unvalidated(desc, i))
			return true;
	}
	return false;
}

/* ---- domains ---- */

typedef void (*DomainConstraintAction) (HeapTuple constraint, void *arg);

/* Calls the action for each constraint of one domain. */
static void
each_domain_constraint(Relation pg_constraint, Oid domain, DomainConstraintAction action, void *arg)
{
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_constraint_contypid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(domain));
	scan = systable_beginscan(pg_constraint, ConstraintTypidIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		if (((Form_pg_constraint) GETSTRUCT(tuple))->contype == CONSTRAINT_CHECK)
			action(tuple, arg);
	}
	systable_endscan(scan);
}

/*
 * Returns the type a domain is based on, and adds its NOT NULL to *not_null.
 */
static Oid
next_base(Oid domain, bool *not_null)
{
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(domain));
	Form_pg_type type;
	Oid			base;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for type %u", domain);
	type = (Form_pg_type) GETSTRUCT(tuple);
	base = type->typbasetype;
	*not_null |= type->typnotnull;
	ReleaseSysCache(tuple);
	return base;
}

static void
note_unvalidated(HeapTuple constraint, void *arg)
{
	*(bool *) arg |= !((Form_pg_constraint) GETSTRUCT(constraint))->convalidated;
}

/*
 * Returns whether the domain, or one it is based on, has an unvalidated
 * constraint.
 */
static bool
domain_has_unvalidated(Relation pg_constraint, Oid domain)
{
	bool		found = false;
	bool		not_null = false;

	while (get_typtype(domain) == TYPTYPE_DOMAIN && !found)
	{
		each_domain_constraint(pg_constraint, domain, note_unvalidated, &found);
		domain = next_base(domain, &not_null);
	}
	return found;
}

typedef struct CheckList
{
	EState	   *estate;
	TupleDesc	desc;			/* of pg_constraint */
	List	   *checks;
} CheckList;

static void
add_valid_check(HeapTuple constraint, void *arg)
{
	CheckList  *list = arg;
	Form_pg_constraint form = (Form_pg_constraint) GETSTRUCT(constraint);
	DomainCheck *check;
	bool		isnull;
	Datum		conbin;

	if (!form->convalidated)
		return;
	conbin = heap_getattr(constraint, Anum_pg_constraint_conbin, list->desc, &isnull);
	if (isnull)
		elog(ERROR, "constraint %u has no expression", form->oid);
	check = palloc(sizeof(DomainCheck));
	check->name = pstrdup(NameStr(form->conname));
	check->state = ExecPrepareExpr(stringToNode(TextDatumGetCString(conbin)), list->estate);
	list->checks = lappend(list->checks, check);
}

static DomainColumn *
read_domain(Relation pg_constraint, Form_pg_attribute attr, EState *estate)
{
	DomainColumn *column = palloc0(sizeof(DomainColumn));
	CheckList	list = {.estate = estate, .desc = RelationGetDescr(pg_constraint)};
	Oid			domain = attr->atttypid;

	column->attnum = attr->attnum;
	column->domain = attr->atttypid;
	column->typlen = attr->attlen;
	while (get_typtype(domain) == TYPTYPE_DOMAIN)
	{
		each_domain_constraint(pg_constraint, domain, add_valid_check, &list);
		domain = next_base(domain, &column->not_null);
	}
	column->checks = list.checks;
	return column;
}

/* Finds the named columns whose domain type COPY must not see. */
static List *
find_domains(Relation target, List *columns, EState *estate)
{
	Relation	pg_constraint = table_open(ConstraintRelationId, AccessShareLock);
	TupleDesc	desc = RelationGetDescr(target);
	List	   *domains = NIL;

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(desc, i);

		if (!attr->attisdropped && get_typtype(attr->atttypid) == TYPTYPE_DOMAIN &&
			names_include(columns, NameStr(attr->attname)) &&
			domain_has_unvalidated(pg_constraint, attr->atttypid))
			domains = lappend(domains, read_domain(pg_constraint, attr, estate));
	}
	table_close(pg_constraint, AccessShareLock);
	return domains;
}

static void
replace_domain_type(TupleDesc desc, const DomainColumn *column)
{
	Form_pg_attribute attr = TupleDescAttr(desc, column->attnum - 1);

	attr->atttypid = getBaseTypeAndTypmod(attr->atttypid, &attr->atttypmod);
}

static void
check_domain(const DomainColumn *column, TupleTableSlot *slot, ExprContext *econtext)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, column->attnum, &isnull);
	ListCell   *lc;

	if (isnull && column->not_null)
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("domain %s does not allow null values", format_type_be(column->domain)),
				 errdatatype(column->domain)));
	econtext->domainValue_datum = MakeExpandedObjectReadOnly(value, isnull, column->typlen);
	econtext->domainValue_isNull = isnull;
	foreach(lc, column->checks)
	{
		DomainCheck *check = lfirst(lc);

		if (!ExecCheck(check->state, econtext))
			ereport(ERROR,
					(errcode(ERRCODE_CHECK_VIOLATION),
					 errmsg("value for domain %s violates check constraint \"%s\"",
							format_type_be(column->domain), check->name),
					 errdomainconstraint(column->domain, check->name)));
	}
}

void
unvalidated_check_domains(List *domains, TupleTableSlot *slot, EState *estate)
{
	ListCell   *lc;

	foreach(lc, domains)
		check_domain(lfirst(lc), slot, GetPerTupleExprContext(estate));
}

/* ---- the modified relation ---- */

static Relation
copy_without_unvalidated(Relation target, const List *domains)
{
	Relation	view = palloc(sizeof(RelationData));
	ListCell   *lc;

	*view = *target;
	view->rd_att = CreateTupleDescCopyConstr(RelationGetDescr(target));
	view->rd_rel = palloc(CLASS_TUPLE_SIZE);
	memcpy(view->rd_rel, target->rd_rel, CLASS_TUPLE_SIZE);
	/* the executor compares it to num_check */
	view->rd_rel->relchecks -= drop_checks(view->rd_att);
	drop_not_nulls(view->rd_att);
	foreach(lc, domains)
		replace_domain_type(view->rd_att, lfirst(lc));
	return view;
}

Relation
unvalidated_hide(Relation target, List *columns, EState *estate, List **domains)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(estate->es_query_cxt);
	Relation	view = target;

	*domains = find_domains(target, columns, estate);
	if (*domains != NIL || has_unvalidated(RelationGetDescr(target)))
		view = copy_without_unvalidated(target, *domains);
	MemoryContextSwitchTo(oldcontext);
	return view;
}
