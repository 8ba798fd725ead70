/*-------------------------------------------------------------------------
 *
 * table_shape.c
 *	  Describes the definition of a table as text, to detect changes.
 *
 * A pull holds no lock on its tables while rows are loaded, so anybody may
 * alter them meanwhile.  The leader records the definition before the load and
 * compares it again before it swaps the storage.  Rows and indexes that were
 * formed for another definition must never be swapped in: a wrong column type
 * would let the table's owner read arbitrary memory.
 *
 * The text has one line for each fact.  A line has four fields: the kind of
 * the object, its OID or number, its name (for messages only), and the facts.
 * For columns, constraints, indexes and types the facts are the whole catalog
 * row, except columns that do not matter (grants, statistics targets).
 * Columns that a new version of PostgreSQL adds are compared until they are
 * listed as harmless.
 *
 * Expressions are compared in the form in which the catalogs store them.  The
 * relation cache and pg_get_expr() are not used.  The relation cache evaluates
 * constant parts of index expressions and partition keys, which is the owner's
 * code.  All output functions called here belong to built-in types of catalog
 * columns.
 *
 * Foreign keys and triggers are left out, because the form of rows does not
 * depend on them.  foreign_keys.c checks foreign keys itself.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/indexing.h"
#include "catalog/partition.h"
#include "catalog/pg_attrdef.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_partitioned_table.h"
#include "catalog/pg_range.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "schema/table_shape.h"

/* separators between the fields of a line and between the values of a row */
#define FIELD_END	'\t'
#define VALUE_END	'\037'
#define FIELDS		4

typedef struct Shape
{
	StringInfoData text;
	List	   *types;			/* OIDs of the types already described */
} Shape;

/* One line of the text; the fields are not terminated. */
typedef struct ShapeLine
{
	const char *fields[FIELDS];
	int			lengths[FIELDS];
} ShapeLine;

/* A column of pg_class that is compared. */
typedef struct ClassFact
{
	AttrNumber	attnum;
	const char *kind;
} ClassFact;

static const ClassFact class_facts[] = {
	{Anum_pg_class_relname, "name"},
	{Anum_pg_class_relnamespace, "schema"},
	{Anum_pg_class_relowner, "owner"},
	{Anum_pg_class_relkind, "kind"},
	{Anum_pg_class_relpersistence, "persistence"},
	{Anum_pg_class_relam, "access method"},
	{Anum_pg_class_reltablespace, "tablespace"},
	{Anum_pg_class_relreplident, "replica identity"},
	{Anum_pg_class_reloftype, "row type"},
	{Anum_pg_class_relispartition, "place among partitions"},
};

/* Columns of the other catalogs that are not compared; 0 ends each list. */
static const AttrNumber attribute_ignored[] = {
	Anum_pg_attribute_attrelid, Anum_pg_attribute_attstattarget, Anum_pg_attribute_atthasdef,
	Anum_pg_attribute_attislocal, Anum_pg_attribute_attinhcount,
	Anum_pg_attribute_attacl, Anum_pg_attribute_attoptions, Anum_pg_attribute_attfdwoptions,
	Anum_pg_attribute_attmissingval, 0
};
static const AttrNumber attrdef_ignored[] = {
	Anum_pg_attrdef_adrelid, 0
};
static const AttrNumber constraint_ignored[] = {
	Anum_pg_constraint_conname, Anum_pg_constraint_connamespace,
	Anum_pg_constraint_conislocal, Anum_pg_constraint_coninhcount, 0
};
static const AttrNumber index_ignored[] = {
	Anum_pg_index_indrelid, Anum_pg_index_indisclustered, Anum_pg_index_indcheckxmin, 0
};
static const AttrNumber inherits_ignored[] = {
	Anum_pg_inherits_inhseqno, 0
};
static const AttrNumber partitioned_ignored[] = {
	Anum_pg_partitioned_table_partdefid, 0
};
static const AttrNumber type_ignored[] = {
	Anum_pg_type_typname, Anum_pg_type_typnamespace, Anum_pg_type_typowner,
	Anum_pg_type_typarray, Anum_pg_type_typdefaultbin, Anum_pg_type_typdefault,
	Anum_pg_type_typacl, 0
};
static const AttrNumber range_ignored[] = {
	0
};

/* ---- writing lines ---- */

/* Appends a text, with separators and control characters escaped. */
static void
append_text(StringInfo text, const char *value)
{
	for (; *value != '\0'; value++)
	{
		if ((unsigned char) *value < ' ' || *value == '\\')
			appendStringInfo(text, "\\%03o", (unsigned char) *value);
		else
			appendStringInfoChar(text, *value);
	}
}

/*
 * Appends one column of a catalog row, using the output function of its type.
 */
static void
append_value(StringInfo text, Relation catalog, HeapTuple tuple, AttrNumber attnum)
{
	Form_pg_attribute attr = TupleDescAttr(RelationGetDescr(catalog), attnum - 1);
	bool		isnull;
	Datum		value = heap_getattr(tuple, attnum, RelationGetDescr(catalog), &isnull);
	Oid			output;
	bool		varlena;

	if (isnull)
		appendStringInfoChar(text, '\001');
	else
	{
		getTypeOutputInfo(attr->atttypid, &output, &varlena);
		append_text(text, OidOutputFunctionCall(output, value));
	}
	appendStringInfoChar(text, VALUE_END);
}

static bool
is_ignored(const AttrNumber *ignored_columns, AttrNumber attnum)
{
	for (; *ignored_columns != 0; ignored_columns++)
		if (*ignored_columns == attnum)
			return true;
	return false;
}

static void
append_row(StringInfo text, Relation catalog, HeapTuple tuple, const AttrNumber *ignored_columns)
{
	for (int i = 1; i <= RelationGetNumberOfAttributes(catalog); i++)
		if (!is_ignored(ignored_columns, i))
			append_value(text, catalog, tuple, i);
}

static void
begin_line(Shape *shape, const char *kind, uint32 number, const char *name)
{
	appendStringInfo(&shape->text, "%s%c%u%c", kind, FIELD_END, number, FIELD_END);
	append_text(&shape->text, name != NULL ? name : "");
	appendStringInfoChar(&shape->text, FIELD_END);
}

static void
end_line(Shape *shape)
{
	appendStringInfoChar(&shape->text, '\n');
}

/* Adds a line whose facts are one catalog row. */
static void
add_row(Shape *shape, const char *kind, uint32 number, const char *name,
		Relation catalog, HeapTuple tuple, const AttrNumber *ignored_columns)
{
	begin_line(shape, kind, number, name);
	append_row(&shape->text, catalog, tuple, ignored_columns);
	end_line(shape);
}

typedef void (*RowVisit) (Shape *shape, Relation catalog, HeapTuple tuple);

/* Visits the rows of a catalog that have this OID in an indexed column. */
static void
visit_rows(Shape *shape, Oid catalog_oid, Oid index, AttrNumber column, Oid value, RowVisit visit)
{
	Relation	catalog = table_open(catalog_oid, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, column, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(value));
	scan = systable_beginscan(catalog, index, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		visit(shape, catalog, tuple);
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
}

/* Adds a line whose facts are the catalog row of an object in a syscache. */
static void
add_cached(Shape *shape, const char *kind, int cache, Oid catalog_oid, Oid oid, const char *name,
		   const AttrNumber *ignored_columns)
{
	HeapTuple	tuple = SearchSysCache1(cache, ObjectIdGetDatum(oid));
	Relation	catalog;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for object %u of catalog %u", oid, catalog_oid);
	catalog = table_open(catalog_oid, AccessShareLock);
	add_row(shape, kind, oid, name, catalog, tuple, ignored_columns);
	table_close(catalog, AccessShareLock);
	ReleaseSysCache(tuple);
}

/* ---- types ---- */

static void add_type(Shape *shape, Oid typid);

static void
visit_domain_constraint(Shape *shape, Relation catalog, HeapTuple tuple)
{
	Form_pg_constraint form = (Form_pg_constraint) GETSTRUCT(tuple);

	add_row(shape, "domain constraint", form->oid, NameStr(form->conname), catalog, tuple,
			constraint_ignored);
}

static void
visit_type_attribute(Shape *shape, Relation catalog, HeapTuple tuple)
{
	Form_pg_attribute form = (Form_pg_attribute) GETSTRUCT(tuple);

	if (form->attnum <= 0)
		return;
	begin_line(shape, psprintf("attribute of type %u,", form->attrelid), form->attnum,
			   NameStr(form->attname));
	append_row(&shape->text, catalog, tuple, attribute_ignored);
	end_line(shape);
	add_type(shape, form->atttypid);
}

static void
add_range(Shape *shape, Oid typid)
{
	HeapTuple	tuple = SearchSysCache1(RANGETYPE, ObjectIdGetDatum(typid));
	Oid			subtype;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for range type %u", typid);
	subtype = ((Form_pg_range) GETSTRUCT(tuple))->rngsubtype;
	ReleaseSysCache(tuple);
	add_cached(shape, "range type", RANGETYPE, RangeRelationId, typid, NULL, range_ignored);
	add_type(shape, subtype);
}

/* Adds the objects that make up a type. */
static void
add_type_parts(Shape *shape, Oid typid, const FormData_pg_type *form)
{
	switch (form->typtype)
	{
		case TYPTYPE_DOMAIN:
			visit_rows(shape, ConstraintRelationId, ConstraintTypidIndexId,
					   Anum_pg_constraint_contypid, typid, visit_domain_constraint);
			add_type(shape, form->typbasetype);
			break;
		case TYPTYPE_COMPOSITE:
			visit_rows(shape, AttributeRelationId, AttributeRelidNumIndexId,
					   Anum_pg_attribute_attrelid, form->typrelid, visit_type_attribute);
			break;
		case TYPTYPE_RANGE:
			add_range(shape, typid);
			break;
		case TYPTYPE_MULTIRANGE:
			add_type(shape, get_multirange_range(typid));
			break;
		default:
			add_type(shape, form->typelem);
			break;
	}
}

/* Adds a user-defined type and the types it is made of, each one once. */
static void
add_type(Shape *shape, Oid typid)
{
	HeapTuple	tuple;
	FormData_pg_type form;

	check_stack_depth();
	if (typid < FirstNormalObjectId || list_member_oid(shape->types, typid))
		return;
	shape->types = lappend_oid(shape->types, typid);
	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(typid));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for type %u", typid);
	form = *(Form_pg_type) GETSTRUCT(tuple);
	ReleaseSysCache(tuple);
	add_cached(shape, "type", TYPEOID, TypeRelationId, typid, NameStr(form.typname), type_ignored);
	add_type_parts(shape, typid, &form);
}

/* ---- columns ---- */

/*
 * Appends a hash of the value that ADD COLUMN stored for existing rows.  The
 * value is hashed as bytes, because the output function of its type may be
 * user code.
 */
static void
append_missing_value(StringInfo text, Relation catalog, HeapTuple tuple)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, Anum_pg_attribute_attmissingval,
									 RelationGetDescr(catalog), &isnull);
	struct varlena *bytes;

	if (isnull)
		return;
	bytes = PG_DETOAST_DATUM(value);
	appendStringInfo(text, UINT64_FORMAT,
					 DatumGetUInt64(hash_any_extended((unsigned char *) VARDATA(bytes),
													  VARSIZE(bytes) - VARHDRSZ, 0)));
}

static void
visit_column(Shape *shape, Relation catalog, HeapTuple tuple)
{
	Form_pg_attribute form = (Form_pg_attribute) GETSTRUCT(tuple);

	if (form->attnum <= 0)
		return;
	begin_line(shape, "column", form->attnum, NameStr(form->attname));
	append_row(&shape->text, catalog, tuple, attribute_ignored);
	append_missing_value(&shape->text, catalog, tuple);
	end_line(shape);
	add_type(shape, form->atttypid);
}

/*
 * Adds expressions of generated columns.  Other defaults do not affect
 * existing rows.
 */
static void
visit_default(Shape *shape, Relation catalog, HeapTuple tuple)
{
	Form_pg_attrdef form = (Form_pg_attrdef) GETSTRUCT(tuple);
	char	   *column = get_attname(form->adrelid, form->adnum, false);

	if (get_attgenerated(form->adrelid, form->adnum) != '\0')
		add_row(shape, "expression of column", form->adnum, column, catalog, tuple, attrdef_ignored);
}

/* ---- constraints and indexes ---- */

static void
visit_constraint(Shape *shape, Relation catalog, HeapTuple tuple)
{
	Form_pg_constraint form = (Form_pg_constraint) GETSTRUCT(tuple);

	if (form->contype != CONSTRAINT_FOREIGN && form->contype != CONSTRAINT_TRIGGER)
		add_row(shape, "constraint", form->oid, NameStr(form->conname), catalog, tuple,
				constraint_ignored);
}

/* Appends the type and the operator class options of one index column. */
static void
visit_index_column(Shape *shape, Relation catalog, HeapTuple tuple)
{
	append_value(&shape->text, catalog, tuple, Anum_pg_attribute_atttypid);
	append_value(&shape->text, catalog, tuple, Anum_pg_attribute_attoptions);
}

static void
visit_index(Shape *shape, Relation catalog, HeapTuple tuple)
{
	Oid			index = ((Form_pg_index) GETSTRUCT(tuple))->indexrelid;
	HeapTuple	class_tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(index));
	Form_pg_class form;

	if (!HeapTupleIsValid(class_tuple))
		elog(ERROR, "cache lookup failed for index %u", index);
	form = (Form_pg_class) GETSTRUCT(class_tuple);
	begin_line(shape, "index", index, NameStr(form->relname));
	append_row(&shape->text, catalog, tuple, index_ignored);
	appendStringInfo(&shape->text, "%u %u%c", form->relam, form->reltablespace, VALUE_END);
	visit_rows(shape, AttributeRelationId, AttributeRelidNumIndexId,
			   Anum_pg_attribute_attrelid, index, visit_index_column);
	end_line(shape);
	ReleaseSysCache(class_tuple);
}

/* ---- ancestors ---- */

static void
visit_parent(Shape *shape, Relation catalog, HeapTuple tuple)
{
	Oid			parent = ((Form_pg_inherits) GETSTRUCT(tuple))->inhparent;

	add_row(shape, "inheritance from", parent, get_rel_name(parent), catalog, tuple, inherits_ignored);
}

static void
add_bound(Shape *shape, Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Relation	catalog;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	catalog = table_open(RelationRelationId, AccessShareLock);
	begin_line(shape, "bound of partition", relid, get_rel_name(relid));
	append_value(&shape->text, catalog, tuple, Anum_pg_class_relpartbound);
	end_line(shape);
	table_close(catalog, AccessShareLock);
	ReleaseSysCache(tuple);
}

static void
visit_sibling(Shape *shape, Relation catalog, HeapTuple tuple)
{
	add_bound(shape, ((Form_pg_inherits) GETSTRUCT(tuple))->inhrelid);
}

/*
 * Adds the bounds of a partition and of the partitioned tables above it.  A
 * default partition depends on the bounds of its siblings.
 */
static void
add_bounds(Shape *shape, Oid relid)
{
	Oid			partition = relid;
	ListCell   *lc;

	foreach(lc, get_partition_ancestors(relid))
	{
		Oid			parent = lfirst_oid(lc);

		if (get_default_partition_oid(parent) == partition)
			visit_rows(shape, InheritsRelationId, InheritsParentIndexId,
					   Anum_pg_inherits_inhparent, parent, visit_sibling);
		else
			add_bound(shape, partition);
		add_cached(shape, "key of partitioned table", PARTRELID, PartitionedRelationId, parent,
				   get_rel_name(parent), partitioned_ignored);
		partition = parent;
	}
}

/* ---- the table ---- */

static void
add_class(Shape *shape, Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Relation	catalog;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	catalog = table_open(RelationRelationId, AccessShareLock);
	for (int i = 0; i < lengthof(class_facts); i++)
	{
		begin_line(shape, class_facts[i].kind, 0, NULL);
		append_value(&shape->text, catalog, tuple, class_facts[i].attnum);
		end_line(shape);
	}
	table_close(catalog, AccessShareLock);
	ReleaseSysCache(tuple);
}

char *
table_shape(Relation rel)
{
	Oid			relid = RelationGetRelid(rel);
	MemoryContext oldcontext = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pgtunsync table shape",
												  ALLOCSET_DEFAULT_SIZES);
	Shape		shape = {.types = NIL};
	char	   *text;

	MemoryContextSwitchTo(context);
	initStringInfo(&shape.text);
	add_class(&shape, relid);
	visit_rows(&shape, AttributeRelationId, AttributeRelidNumIndexId,
			   Anum_pg_attribute_attrelid, relid, visit_column);
	visit_rows(&shape, AttrDefaultRelationId, AttrDefaultIndexId,
			   Anum_pg_attrdef_adrelid, relid, visit_default);
	visit_rows(&shape, ConstraintRelationId, ConstraintRelidTypidNameIndexId,
			   Anum_pg_constraint_conrelid, relid, visit_constraint);
	visit_rows(&shape, IndexRelationId, IndexIndrelidIndexId,
			   Anum_pg_index_indrelid, relid, visit_index);
	visit_rows(&shape, InheritsRelationId, InheritsRelidSeqnoIndexId,
			   Anum_pg_inherits_inhrelid, relid, visit_parent);
	if (get_rel_relispartition(relid))
		add_bounds(&shape, relid);
	MemoryContextSwitchTo(oldcontext);
	text = pstrdup(shape.text.data);
	MemoryContextDelete(context);
	return text;
}

/* ---- comparing ---- */

/*
 * Reads the line at *text and moves *text past it.  Returns false at the end.
 */
static bool
next_line(const char **text, ShapeLine *line)
{
	const char *c = *text;

	if (*c == '\0')
		return false;
	for (int i = 0; i < FIELDS; i++)
	{
		char		end = i == FIELDS - 1 ? '\n' : FIELD_END;
		const char *stop = strchr(c, end);

		if (stop == NULL)
			elog(ERROR, "malformed table shape");
		line->fields[i] = c;
		line->lengths[i] = stop - c;
		c = stop + 1;
	}
	*text = c;
	return true;
}

static bool
same_field(const ShapeLine *a, const ShapeLine *b, int i)
{
	return a->lengths[i] == b->lengths[i] && memcmp(a->fields[i], b->fields[i], a->lengths[i]) == 0;
}

/* Finds the line of the same object.  Returns false if there is none. */
static bool
find_line(const char *text, const ShapeLine *wanted, ShapeLine *found)
{
	while (next_line(&text, found))
		if (same_field(found, wanted, 0) && same_field(found, wanted, 1))
			return true;
	return false;
}

static char *
describe_line(const ShapeLine *line, const char *what)
{
	if (line->lengths[2] == 0)
		return psprintf("its %.*s was %s", line->lengths[0], line->fields[0], what);
	return psprintf("%.*s \"%.*s\" was %s", line->lengths[0], line->fields[0],
					line->lengths[2], line->fields[2], what);
}

/*
 * Describes the first line of a text that the other text lacks, or has with
 * other facts.  Returns NULL if there is none.
 */
static char *
first_difference(const char *text, const char *other, const char *absent)
{
	ShapeLine	line;
	ShapeLine	counterpart;

	while (next_line(&text, &line))
	{
		if (!find_line(other, &line, &counterpart))
			return describe_line(&line, absent);
		if (!same_field(&line, &counterpart, 3))
			return describe_line(&line, "changed");
	}
	return NULL;
}

char *
table_shape_difference(const char *before, const char *now)
{
	char	   *difference;

	if (strcmp(before, now) == 0)
		return NULL;
	difference = first_difference(before, now, "dropped");
	return difference != NULL ? difference : first_difference(now, before, "added");
}
