/*-------------------------------------------------------------------------
 *
 * selection_request.h
 *	  What a call asks for, before the catalogs are known.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_SELECTION_REQUEST_H
#define PGTUNSYNC_SELECTION_REQUEST_H

#include "config/sync_config.h"
#include "plan/plan.h"
#include "plan/table_spec.h"
#include "schema/catalog.h"

/*
 * Checks, before anything starts, what the local side alone can tell of the
 * request: malformed names and settings (INVALID_PARAMETER_VALUE), schemas
 * that do not exist (UNDEFINED_SCHEMA).  For the caller's backend.
 */
extern void selection_check_request(const PlanRequest *request);

/*
 * All that was asked for, groups resolved: a List of TableSpec *.  Raises
 * UNDEFINED_OBJECT for a group that the configuration does not have.
 */
extern List *selection_items(const PlanRequest *request, const SyncConfig *config);

/* The tables of a group ("core", "product:123"); NIL if it does not exist. */
extern List *selection_group_items(const SyncConfig *config, const char *text);

/* What an item that is no table may mean instead: TableSpec *, or NIL. */
extern List *selection_readings(const TableSpec *item, const SyncConfig *config);

/* The schemas in which a request looks for tables: char *, no duplicates. */
extern List *selection_schemas(const PlanRequest *request, const SyncConfig *config);

/*
 * The schemas that the call, or else the configuration, lists; globs are
 * resolved.
 */
extern List *selection_listed_schemas(const PlanRequest *request, const SyncConfig *config);

/*
 * The schema of an item, or those that its glob matches; NIL: not qualified.
 */
extern List *selection_schemas_of(const TableSpec *item, bool fold);

/*
 * True if the local database has a schema of that name, or one that matches.
 */
extern bool selection_schema_exists(const char *pattern);

/* Both lists of schemas as one, without duplicates. */
extern List *selection_join_schemas(const List *schemas, const List *more);

/*
 * Local relations (CatalogRelation *) that the request probably means, told by
 * their names alone: all tables in question and perhaps some more, or NIL if
 * they are many.
 */
extern List *selection_likely(const PlanRequest *request, const SyncConfig *config,
							  const Catalog *local);

#endif							/* PGTUNSYNC_SELECTION_REQUEST_H */
