/*-------------------------------------------------------------------------
 *
 * local_catalog.c
 *	  The catalog of this database.
 *
 * The catalog is read by scans of the system catalogs.  No relation is opened,
 * because planning must not wait for a lock, least of all for one that the
 * caller holds.  The leader locks the tables later and checks them again then.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_namespace.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "schema/inheritance.h"
#include "schema/local_catalog.h"
#include "base/names.h"

/* ---- schemas ---- */

List *
local_catalog_schemas(void)
{
	List	   *names = NIL;
	Relation	pg_namespace = table_open(NamespaceRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(pg_namespace, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		char	   *name = NameStr(((Form_pg_namespace) GETSTRUCT(tuple))->nspname);

		if (strncmp(name, "pg_", 3) != 0 && strcmp(name, "information_schema") != 0 &&
			strcmp(name, PGTUNSYNC_SCHEMA) != 0 && strcmp(name, PGTUNSYNC_INTERNAL) != 0 &&
			strcmp(name, PGTUNSYNC_STAGING) != 0)
			names = lappend(names, pstrdup(name));
	}
	systable_endscan(scan);
	table_close(pg_namespace, AccessShareLock);
	return names;
}

/* ---- relations ---- */

/* The OIDs of the schemas that exist. */
static List *
schema_oids(List *schemas)
{
	List	   *oids = NIL;
	ListCell   *lc;

	foreach(lc, schemas)
	{
		Oid			oid = GetSysCacheOid1(NAMESPACENAME, Anum_pg_namespace_oid,
										  CStringGetDatum(lfirst(lc)));

		if (OidIsValid(oid))
			oids = lappend_oid(oids, oid);
	}
	return oids;
}

/* The OIDs of all children and parents, of partitions and indexes, too. */
static HTAB *
hash_ends(List *inheritances)
{
	HASHCTL		ctl = {0};
	HTAB	   *ends;
	ListCell   *lc;

	ctl.keysize = sizeof(Oid);
	ctl.entrysize = sizeof(Oid);
	ctl.hcxt = CurrentMemoryContext;
	ends = hash_create("pgtunsync ends of inheritances", 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	foreach(lc, inheritances)
	{
		Inheritance *inheritance = lfirst(lc);

		(void) hash_search(ends, &inheritance->child, HASH_ENTER, NULL);
		(void) hash_search(ends, &inheritance->parent, HASH_ENTER, NULL);
	}
	return ends;
}

/* Returns whether it inherits or is inherited from, but not by partitions. */
static bool
has_inheritance(Form_pg_class form, HTAB *ends)
{
	return (form->relkind == RELKIND_RELATION || form->relkind == RELKIND_FOREIGN_TABLE) &&
		!form->relispartition && hash_search(ends, &form->oid, HASH_FIND, NULL) != NULL;
}

/*
 * Returns whether a relation of this kind can be selected by name, and is a
 * partition, part of an inheritance tree, or in one of the schemas.
 */
static bool
is_wanted(Form_pg_class form, List *namespaces, HTAB *ends)
{
	if (form->relpersistence == RELPERSISTENCE_TEMP)
		return false;
	switch (form->relkind)
	{
		case RELKIND_RELATION:
		case RELKIND_PARTITIONED_TABLE:
		case RELKIND_FOREIGN_TABLE:
		case RELKIND_VIEW:
		case RELKIND_MATVIEW:
		case RELKIND_SEQUENCE:
			return form->relispartition || list_member_oid(namespaces, form->relnamespace) ||
				has_inheritance(form, ends);
		default:
			return false;
	}
}

/*
 * Returns "FOR VALUES …".  It contains no columns, so no relation is opened.
 */
static char *
partition_bound(HeapTuple tuple)
{
	bool		isnull;
	Datum		bound = SysCacheGetAttr(RELOID, tuple, Anum_pg_class_relpartbound, &isnull);

	if (isnull)
		return NULL;
	return TextDatumGetCString(DirectFunctionCall2(pg_get_expr, bound,
												   ObjectIdGetDatum(InvalidOid)));
}

static void
read_relations(Catalog *catalog, List *schemas, List *inheritances)
{
	List	   *namespaces = schema_oids(schemas);
	HTAB	   *ends = hash_ends(inheritances);
	Relation	pg_class = table_open(RelationRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(pg_class, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_class form = (Form_pg_class) GETSTRUCT(tuple);
		CatalogRelation *relation;
		char	   *schema;

		if (!is_wanted(form, namespaces, ends) ||
			(schema = get_namespace_name(form->relnamespace)) == NULL)
			continue;
		relation = palloc0(sizeof(CatalogRelation));
		relation->oid = form->oid;
		relation->schema = schema;
		relation->name = pstrdup(NameStr(form->relname));
		relation->kind = form->relkind;
		relation->persistence = form->relpersistence;
		relation->is_partition = form->relispartition;
		relation->rows = form->reltuples;
		if (form->relispartition)
			relation->bound = partition_bound(tuple);
		(void) catalog_add(catalog, relation);
	}
	systable_endscan(scan);
	table_close(pg_class, AccessShareLock);
	hash_destroy(ends);
}

/* Reads who inherits from whom, partitions included; nearest parents first. */
static List *
read_inheritances(void)
{
	Relation	pg_inherits = table_open(InheritsRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(pg_inherits, InheritsRelidSeqnoIndexId, true, NULL, 0, NULL);
	List	   *inheritances = NIL;
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_inherits form = (Form_pg_inherits) GETSTRUCT(tuple);

		inheritances = lappend(inheritances, inheritance_create(form->inhrelid, form->inhparent));
	}
	systable_endscan(scan);
	table_close(pg_inherits, AccessShareLock);
	return inheritances;
}

static void
set_partitions(Catalog *catalog, List *inheritances)
{
	ListCell   *lc;

	foreach(lc, inheritances)
	{
		Inheritance *inheritance = lfirst(lc);

		(void) catalog_set_parent(catalog, inheritance->child, inheritance->parent);
	}
	if (!catalog_find_leaves(catalog))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a local partition is nested more than %d levels deep", PARTITION_LEVELS_MAX)));
}

/* Marks the relations that belong to an extension. */
static void
read_extension_members(Catalog *catalog)
{
	Relation	pg_depend = table_open(DependRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_depend_refclassid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(ExtensionRelationId));
	scan = systable_beginscan(pg_depend, DependReferenceIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_depend form = (Form_pg_depend) GETSTRUCT(tuple);
		CatalogRelation *relation;

		if (form->classid != RelationRelationId || form->deptype != DEPENDENCY_EXTENSION)
			continue;
		relation = catalog_find_oid(catalog, form->objid);
		if (relation != NULL)
			relation->extension_member = true;
	}
	systable_endscan(scan);
	table_close(pg_depend, AccessShareLock);
}

Catalog *
local_catalog_read(List *schemas)
{
	Catalog    *catalog = catalog_create();
	List	   *inheritances = read_inheritances();

	read_relations(catalog, schemas, inheritances);
	set_partitions(catalog, inheritances);
	if (!inheritance_resolve(catalog, inheritances))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a local table inherits from more than %d tables", INHERITANCE_ANCESTORS_MAX)));
	read_extension_members(catalog);
	return catalog;
}

/* ---- columns and sequences ---- */

/* Returns the text of format_type() with search_path = pg_catalog. */
char *
local_type_text(Oid typid, int32 typmod)
{
	char	   *text = format_type_extended(typid, typmod,
											FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);

	return strncmp(text, "pg_catalog.", 11) == 0 ? text + 11 : text;
}

/* Returns whether each inserted row must supply a value for the column. */
static bool
needs_value(Form_pg_attribute att)
{
	return att->attnotnull && !att->atthasdef && att->attidentity == '\0' &&
		(get_typtype(att->atttypid) != TYPTYPE_DOMAIN || get_typdefault(att->atttypid) == NULL);
}

static void
read_columns(Relation pg_attribute, CatalogRelation *relation)
{
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&keys[0], Anum_pg_attribute_attrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relation->oid));
	ScanKeyInit(&keys[1], Anum_pg_attribute_attnum, BTGreaterStrategyNumber, F_INT2GT,
				Int16GetDatum(0));
	scan = systable_beginscan(pg_attribute, AttributeRelidNumIndexId, true, NULL, 2, keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_attribute att = (Form_pg_attribute) GETSTRUCT(tuple);
		CatalogColumn *column;

		if (att->attisdropped)
			continue;
		column = palloc0(sizeof(CatalogColumn));
		column->name = pstrdup(NameStr(att->attname));
		column->attnum = att->attnum;
		column->type = local_type_text(att->atttypid, att->atttypmod);
		column->typid = att->atttypid;
		column->base_typid = getBaseType(att->atttypid);
		column->generated = att->attgenerated != '\0';
		column->inherited = att->attinhcount > 0;
		column->typmod = att->atttypmod;
		column->not_null = att->attnotnull;
		column->needs_value = needs_value(att);
		column->readable = true;
		relation->columns = lappend(relation->columns, column);
	}
	systable_endscan(scan);
}

static void
read_sequences(Relation pg_depend, CatalogRelation *relation)
{
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&keys[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(RelationRelationId));
	ScanKeyInit(&keys[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relation->oid));
	scan = systable_beginscan(pg_depend, DependReferenceIndexId, true, NULL, 2, keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_depend form = (Form_pg_depend) GETSTRUCT(tuple);
		CatalogSequence *sequence;

		if (form->classid != RelationRelationId || form->objsubid != 0 ||
			form->refobjsubid <= 0 ||
			(form->deptype != DEPENDENCY_AUTO && form->deptype != DEPENDENCY_INTERNAL) ||
			get_rel_relkind(form->objid) != RELKIND_SEQUENCE)
			continue;
		sequence = palloc0(sizeof(CatalogSequence));
		sequence->oid = form->objid;
		sequence->schema = get_namespace_name(get_rel_namespace(form->objid));
		sequence->name = get_rel_name(form->objid);
		sequence->attnum = form->refobjsubid;
		sequence->readable = true;
		if (sequence->schema != NULL && sequence->name != NULL)
			relation->sequences = lappend(relation->sequences, sequence);
	}
	systable_endscan(scan);
}

static CatalogColumn *
column_by_number(const CatalogRelation *relation, AttrNumber attnum)
{
	ListCell   *lc;

	foreach(lc, relation->columns)
	{
		if (((CatalogColumn *) lfirst(lc))->attnum == attnum)
			return lfirst(lc);
	}
	return NULL;
}

/* Reads the primary key, and marks columns that are unique on their own. */
static void
read_keys(Relation pg_index, CatalogRelation *relation)
{
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_index_indrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relation->oid));
	scan = systable_beginscan(pg_index, IndexIndrelidIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_index index = (Form_pg_index) GETSTRUCT(tuple);

		if (!index->indisunique)
			continue;
		for (int i = 0; i < index->indnkeyatts; i++)
		{
			CatalogColumn *column = column_by_number(relation, index->indkey.values[i]);

			if (column != NULL && index->indnkeyatts == 1)
				column->unique = true;
			if (column != NULL && index->indisprimary)
				relation->primary_key = lappend(relation->primary_key, column->name);
		}
	}
	systable_endscan(scan);
}

static void
add_foreign_key(CatalogRelation *relation, HeapTuple tuple)
{
	CatalogForeignKey *key = palloc0(sizeof(CatalogForeignKey));
	Oid			confrelid = ((Form_pg_constraint) GETSTRUCT(tuple))->confrelid;
	AttrNumber	columns[INDEX_MAX_KEYS];
	AttrNumber	referenced[INDEX_MAX_KEYS];
	Oid			operators[INDEX_MAX_KEYS];
	int			n;

	compat_deconstruct_fk(tuple, &n, columns, referenced, operators);
	key->schema = get_namespace_name(get_rel_namespace(confrelid));
	key->table = get_rel_name(confrelid);
	if (key->schema == NULL || key->table == NULL)
		return;
	for (int i = 0; i < n; i++)
	{
		key->columns = lappend(key->columns, get_attname(relation->oid, columns[i], false));
		key->referenced = lappend(key->referenced, get_attname(confrelid, referenced[i], false));
	}
	relation->foreign_keys = lappend(relation->foreign_keys, key);
}

static void
read_foreign_keys(Relation pg_constraint, CatalogRelation *relation)
{
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_constraint_conrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relation->oid));
	scan = systable_beginscan(pg_constraint, ConstraintRelidTypidNameIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		if (((Form_pg_constraint) GETSTRUCT(tuple))->contype == CONSTRAINT_FOREIGN)
			add_foreign_key(relation, tuple);
	}
	systable_endscan(scan);
}

void
local_catalog_details(List *relations)
{
	Relation	pg_attribute = table_open(AttributeRelationId, AccessShareLock);
	Relation	pg_depend = table_open(DependRelationId, AccessShareLock);
	Relation	pg_index = table_open(IndexRelationId, AccessShareLock);
	Relation	pg_constraint = table_open(ConstraintRelationId, AccessShareLock);
	ListCell   *lc;

	foreach(lc, relations)
	{
		CatalogRelation *relation = lfirst(lc);

		if (relation->detailed)
			continue;
		relation->detailed = true;
		read_columns(pg_attribute, relation);
		read_sequences(pg_depend, relation);
		read_keys(pg_index, relation);
		read_foreign_keys(pg_constraint, relation);
	}
	table_close(pg_constraint, AccessShareLock);
	table_close(pg_index, AccessShareLock);
	table_close(pg_depend, AccessShareLock);
	table_close(pg_attribute, AccessShareLock);
}

Catalog *
local_catalog_read_all(void)
{
	Catalog    *catalog = local_catalog_read(local_catalog_schemas());

	local_catalog_details(catalog->relations);
	return catalog;
}
