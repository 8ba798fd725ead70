/*-------------------------------------------------------------------------
 *
 * inheritance.c
 *	  Which tables inherit from which, without partitions.
 *
 * A query on a table returns the rows of the tables that inherit from it.  So
 * a pull must bring these rows somewhere.  If the same table inherits here, it
 * is pulled as a table of its own.  If not, its rows belong to the nearest
 * table above it that exists here:
 *
 *		source					local			pulled from
 *		logs					logs			logs, logs_2021
 *		  logs_2020				  logs_2020		logs_2020, logs_2020_q1
 *			logs_2020_q1
 *		  logs_2021
 *
 * A query on the table then returns the same rows on both sides.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"

#include "schema/inheritance.h"

typedef struct Parents
{
	Oid			child;			/* hash key */
	List	   *parents;		/* of CatalogRelation * */
} Parents;

Inheritance *
inheritance_create(Oid child, Oid parent)
{
	Inheritance *inheritance = palloc(sizeof(Inheritance));

	inheritance->child = child;
	inheritance->parent = parent;
	return inheritance;
}

/* The direct parents of all children. */
static HTAB *
hash_parents(const Catalog *catalog, const List *inheritances)
{
	HASHCTL		ctl = {0};
	HTAB	   *hash;
	ListCell   *lc;

	ctl.keysize = sizeof(Oid);
	ctl.entrysize = sizeof(Parents);
	ctl.hcxt = CurrentMemoryContext;
	hash = hash_create("pgtunsync inheritance", 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	foreach(lc, inheritances)
	{
		Inheritance *inheritance = lfirst(lc);
		CatalogRelation *parent = catalog_find_oid(catalog, inheritance->parent);
		CatalogRelation *child = catalog_find_oid(catalog, inheritance->child);
		Parents    *entry;
		bool		found;

		if (parent == NULL || child == NULL || child->is_partition)
			continue;
		entry = hash_search(hash, &inheritance->child, HASH_ENTER, &found);
		entry->parents = lappend(found ? entry->parents : NIL, parent);
	}
	return hash;
}

/* All that it inherits from, level by level. */
static bool
find_ancestors(HTAB *hash, CatalogRelation *relation, List *parents)
{
	relation->ancestors = list_concat_unique_ptr(NIL, parents);
	for (int i = 0; i < list_length(relation->ancestors); i++)
	{
		CatalogRelation *ancestor = list_nth(relation->ancestors, i);
		Parents    *entry = hash_search(hash, &ancestor->oid, HASH_FIND, NULL);

		if (ancestor == relation || i >= INHERITANCE_ANCESTORS_MAX)
			return false;
		if (entry != NULL)
			relation->ancestors = list_concat_unique_ptr(relation->ancestors, entry->parents);
		ancestor->descendants = lappend(ancestor->descendants, relation);
	}
	return true;
}

bool
inheritance_resolve(Catalog *catalog, const List *inheritances)
{
	HTAB	   *hash;
	ListCell   *lc;
	bool		sound = true;

	if (inheritances == NIL)
		return true;
	hash = hash_parents(catalog, inheritances);
	foreach(lc, catalog->relations)
	{
		CatalogRelation *relation = lfirst(lc);
		Parents    *entry = hash_search(hash, &relation->oid, HASH_FIND, NULL);

		if (entry != NULL && !find_ancestors(hash, relation, entry->parents))
			sound = false;
	}
	hash_destroy(hash);
	return sound;
}

/* True if the source's table is a table of its own below the local one. */
static bool
has_counterpart(const Catalog *local_catalog, const CatalogRelation *local,
				const CatalogRelation *descendant)
{
	CatalogRelation *namesake = catalog_find(local_catalog, descendant->schema, descendant->name);

	return namesake != NULL && namesake->kind == RELKIND_RELATION &&
		descendant->kind == RELKIND_RELATION && list_member_ptr(namesake->ancestors, local);
}

static bool
have_common(const List *a, const List *b)
{
	ListCell   *lc;

	foreach(lc, a)
	{
		if (list_member_ptr(b, lfirst(lc)))
			return true;
	}
	return false;
}

List *
inheritance_unmatched(const Catalog *local_catalog, const CatalogRelation *local,
					  const CatalogRelation *source)
{
	List	   *matched = NIL;
	List	   *unmatched = NIL;
	ListCell   *lc;

	foreach(lc, source->descendants)
	{
		if (has_counterpart(local_catalog, local, lfirst(lc)))
			matched = lappend(matched, lfirst(lc));
	}
	foreach(lc, source->descendants)
	{
		CatalogRelation *descendant = lfirst(lc);

		if (!list_member_ptr(matched, descendant) &&
			!have_common(descendant->ancestors, matched))
			unmatched = lappend(unmatched, descendant);
	}
	return unmatched;
}

List *
inheritance_matched(const Catalog *source_catalog, const CatalogRelation *local,
					const CatalogRelation *source)
{
	List	   *matched = NIL;
	ListCell   *lc;

	foreach(lc, local->descendants)
	{
		CatalogRelation *descendant = lfirst(lc);
		CatalogRelation *namesake = catalog_find(source_catalog, descendant->schema, descendant->name);

		if (descendant->kind == RELKIND_RELATION && namesake != NULL &&
			namesake->kind == RELKIND_RELATION && list_member_ptr(namesake->ancestors, source))
			matched = lappend(matched, descendant);
	}
	return matched;
}
