/*-------------------------------------------------------------------------
 *
 * relation_names.h
 *	  Names of tables in people's SQL, resolved before it is sent.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_RELATION_NAMES_H
#define PGTUNSYNC_RELATION_NAMES_H

#include "nodes/pg_list.h"
#include "plan/clause.h"
#include "schema/catalog.h"

/*
 * Both return their SQL with the schema in front of each relation that is named
 * without one, if the relation is found on the source in one of the schemas
 * (char *), the first that has it.  Other names, and those of WITH queries, stay
 * as they are.  The clause is copied; an expression is what clause_expression()
 * returns, or a mask that was made from it.
 */
extern Clause *relations_resolve_clause(const Clause *clause, const Catalog *source,
										const List *schemas);
extern char *relations_resolve_expression(const char *expression, const Catalog *source,
										  const List *schemas);

#endif							/* PGTUNSYNC_RELATION_NAMES_H */
