/*-------------------------------------------------------------------------
 *
 * catalog.c
 *	  Relations, columns and their sequences of a database.
 *
 * A run compares the local catalog with the source's catalog.  local_catalog.c
 * and source_catalog.c fill the same structures, so later steps need not know
 * where a relation comes from.  Relations are found through hash tables, so
 * that the cost stays linear in the number of tables.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "lib/stringinfo.h"

#include "schema/catalog.h"

typedef struct NameKey
{
	char		schema[NAMEDATALEN];
	char		name[NAMEDATALEN];
} NameKey;

typedef struct NameEntry
{
	NameKey		key;
	CatalogRelation *relation;
} NameEntry;

typedef struct OidEntry
{
	Oid			oid;
	CatalogRelation *relation;
} OidEntry;

Catalog *
catalog_create(void)
{
	Catalog    *catalog = palloc0(sizeof(Catalog));
	HASHCTL		ctl = {0};

	ctl.hcxt = CurrentMemoryContext;
	ctl.keysize = sizeof(NameKey);
	ctl.entrysize = sizeof(NameEntry);
	catalog->by_name = hash_create("pgtunsync relations by name", 256, &ctl,
								   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	ctl.keysize = sizeof(Oid);
	ctl.entrysize = sizeof(OidEntry);
	catalog->by_oid = hash_create("pgtunsync relations by OID", 256, &ctl,
								  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	return catalog;
}

/* Returns false if a name is longer than this server allows. */
static bool
fill_key(NameKey *key, const char *schema, const char *name)
{
	memset(key, 0, sizeof(NameKey));
	return strlcpy(key->schema, schema, NAMEDATALEN) < NAMEDATALEN &&
		strlcpy(key->name, name, NAMEDATALEN) < NAMEDATALEN;
}

bool
catalog_add(Catalog *catalog, CatalogRelation *relation)
{
	NameKey		key;
	NameEntry  *by_name;
	OidEntry   *by_oid;

	if (!fill_key(&key, relation->schema, relation->name))
		return false;
	by_name = hash_search(catalog->by_name, &key, HASH_ENTER, NULL);
	by_name->relation = relation;
	by_oid = hash_search(catalog->by_oid, &relation->oid, HASH_ENTER, NULL);
	by_oid->relation = relation;
	catalog->relations = lappend(catalog->relations, relation);
	return true;
}

CatalogRelation *
catalog_find(const Catalog *catalog, const char *schema, const char *name)
{
	NameKey		key;
	NameEntry  *entry;

	if (!fill_key(&key, schema, name))
		return NULL;
	entry = hash_search(catalog->by_name, &key, HASH_FIND, NULL);
	return entry ? entry->relation : NULL;
}

CatalogRelation *
catalog_find_oid(const Catalog *catalog, Oid oid)
{
	OidEntry   *entry = hash_search(catalog->by_oid, &oid, HASH_FIND, NULL);

	return entry ? entry->relation : NULL;
}

bool
catalog_set_parent(Catalog *catalog, Oid child, Oid parent)
{
	CatalogRelation *relation = catalog_find_oid(catalog, child);
	CatalogRelation *found = catalog_find_oid(catalog, parent);

	if (relation == NULL || found == NULL || !relation->is_partition)
		return true;
	relation->parent = found;
	return found->kind == RELKIND_PARTITIONED_TABLE;
}

/* Also detects a circle of parents, which has too many levels. */
bool
catalog_find_leaves(Catalog *catalog)
{
	ListCell   *lc;

	foreach(lc, catalog->relations)
	{
		CatalogRelation *relation = lfirst(lc);
		int			levels = 0;

		for (CatalogRelation *above = relation->parent; above; above = above->parent)
		{
			if (++levels > PARTITION_LEVELS_MAX)
				return false;
			if (relation->kind != RELKIND_PARTITIONED_TABLE)
				above->leaves = lappend(above->leaves, relation);
		}
	}
	return true;
}

CatalogColumn *
catalog_find_column(const CatalogRelation *relation, const char *name)
{
	ListCell   *lc;

	foreach(lc, relation->columns)
	{
		CatalogColumn *column = lfirst(lc);

		if (strcmp(column->name, name) == 0)
			return column;
	}
	return NULL;
}

char *
catalog_sql_identifier(const char *name)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoChar(&buf, '"');
	for (const char *p = name; *p; p++)
	{
		if (*p == '"')
			appendStringInfoChar(&buf, '"');
		appendStringInfoChar(&buf, *p);
	}
	appendStringInfoChar(&buf, '"');
	return buf.data;
}

char *
catalog_sql_name(const char *schema, const char *name)
{
	return psprintf("%s.%s", catalog_sql_identifier(schema), catalog_sql_identifier(name));
}
