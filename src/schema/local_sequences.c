/*-------------------------------------------------------------------------
 *
 * local_sequences.c
 *	  Which local columns use which sequences.
 *
 * A column uses a sequence that it owns (serial, identity, OWNED BY), and one
 * that its default names: nextval('s') holds the sequence's OID, so pg_depend
 * knows it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/pg_attrdef.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_inherits.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "schema/catalog.h"
#include "schema/local_sequences.h"

static List *
add_sequence(List *sequences, Oid oid, AttrNumber attnum, bool owned)
{
	CatalogSequence *sequence;
	ListCell   *lc;

	foreach(lc, sequences)
	{
		sequence = lfirst(lc);
		if (sequence->oid == oid && sequence->attnum == attnum)
		{
			sequence->owned |= owned;
			return sequences;
		}
	}
	sequence = palloc0(sizeof(CatalogSequence));
	sequence->oid = oid;
	sequence->schema = get_namespace_name(get_rel_namespace(oid));
	sequence->name = get_rel_name(oid);
	sequence->attnum = attnum;
	sequence->owned = owned;
	sequence->readable = true;
	return sequence->schema && sequence->name ? lappend(sequences, sequence) : sequences;
}

/* Begins a scan of what depends on the relation. */
static SysScanDesc
begin_dependents(Relation pg_depend, Oid relid)
{
	ScanKeyData keys[2];

	ScanKeyInit(&keys[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(RelationRelationId));
	ScanKeyInit(&keys[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	return systable_beginscan(pg_depend, DependReferenceIndexId, true, NULL, 2, keys);
}

static bool
is_ownership(const FormData_pg_depend *form)
{
	return form->classid == RelationRelationId && form->objsubid == 0 && form->refobjsubid > 0 &&
		(form->deptype == DEPENDENCY_AUTO || form->deptype == DEPENDENCY_INTERNAL);
}

static List *
add_owned(List *sequences, Relation pg_depend, Oid relid)
{
	SysScanDesc scan = begin_dependents(pg_depend, relid);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_depend form = (Form_pg_depend) GETSTRUCT(tuple);

		if (is_ownership(form) && get_rel_relkind(form->objid) == RELKIND_SEQUENCE)
			sequences = add_sequence(sequences, form->objid, form->refobjsubid, true);
	}
	systable_endscan(scan);
	return sequences;
}

/* Adds the sequences that one default names. */
static List *
add_of_default(List *sequences, Relation pg_depend, Oid attrdef, AttrNumber attnum)
{
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&keys[0], Anum_pg_depend_classid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(AttrDefaultRelationId));
	ScanKeyInit(&keys[1], Anum_pg_depend_objid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(attrdef));
	scan = systable_beginscan(pg_depend, DependDependerIndexId, true, NULL, 2, keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_depend form = (Form_pg_depend) GETSTRUCT(tuple);

		if (form->refclassid == RelationRelationId &&
			get_rel_relkind(form->refobjid) == RELKIND_SEQUENCE)
			sequences = add_sequence(sequences, form->refobjid, attnum, false);
	}
	systable_endscan(scan);
	return sequences;
}

static List *
add_of_defaults(List *sequences, Relation pg_depend, Oid relid)
{
	Relation	pg_attrdef = table_open(AttrDefaultRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_attrdef_adrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	scan = systable_beginscan(pg_attrdef, AttrDefaultIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_attrdef form = (Form_pg_attrdef) GETSTRUCT(tuple);

		sequences = add_of_default(sequences, pg_depend, form->oid, form->adnum);
	}
	systable_endscan(scan);
	table_close(pg_attrdef, AccessShareLock);
	return sequences;
}

List *
local_sequences(Oid relid)
{
	Relation	pg_depend = table_open(DependRelationId, AccessShareLock);
	List	   *sequences = add_owned(NIL, pg_depend, relid);

	sequences = add_of_defaults(sequences, pg_depend, relid);
	table_close(pg_depend, AccessShareLock);
	return sequences;
}

/* ---- the other way round ---- */

/* Returns the table of a default, InvalidOid if it is gone. */
static Oid
table_of_default(Oid attrdef)
{
	Relation	pg_attrdef = table_open(AttrDefaultRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			relid = InvalidOid;

	ScanKeyInit(&key, Anum_pg_attrdef_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(attrdef));
	scan = systable_beginscan(pg_attrdef, AttrDefaultOidIndexId, true, NULL, 1, &key);
	if (HeapTupleIsValid(tuple = systable_getnext(scan)))
		relid = ((Form_pg_attrdef) GETSTRUCT(tuple))->adrelid;
	systable_endscan(scan);
	table_close(pg_attrdef, AccessShareLock);
	return relid;
}

/* Adds the table, or the leaves of a partitioned one. */
static List *
add_user(List *users, Oid relid)
{
	ListCell   *lc;

	if (get_rel_relkind(relid) != RELKIND_PARTITIONED_TABLE)
		return OidIsValid(relid) ? list_append_unique_oid(users, relid) : users;
	foreach(lc, find_all_inheritors(relid, NoLock, NULL))
		if (get_rel_relkind(lfirst_oid(lc)) == RELKIND_RELATION)
			users = list_append_unique_oid(users, lfirst_oid(lc));
	return users;
}

static List *
users_by_default(Relation pg_depend, Oid sequence)
{
	SysScanDesc scan = begin_dependents(pg_depend, sequence);
	List	   *users = NIL;
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_depend form = (Form_pg_depend) GETSTRUCT(tuple);

		if (form->classid == AttrDefaultRelationId)
			users = add_user(users, table_of_default(form->objid));
	}
	systable_endscan(scan);
	return users;
}

List *
local_sequence_users(Oid sequence)
{
	Relation	pg_depend = table_open(DependRelationId, AccessShareLock);
	List	   *users = users_by_default(pg_depend, sequence);
	Oid			owner;
	int32		column;

	if (sequenceIsOwned(sequence, DEPENDENCY_AUTO, &owner, &column) ||
		sequenceIsOwned(sequence, DEPENDENCY_INTERNAL, &owner, &column))
		users = add_user(users, owner);
	table_close(pg_depend, AccessShareLock);
	return users;
}
