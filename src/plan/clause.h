/*-------------------------------------------------------------------------
 *
 * clause.h
 *	  SQL that people write, made safe to be sent.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_CLAUSE_H
#define PGTUNSYNC_CLAUSE_H

#include "nodes/pg_list.h"

/* What {1}, {id} and {name} stand for. */
typedef struct ClauseValues
{
	List	   *args;			/* of char *: {1}, {2}, …; {id} is the first one */
	List	   *names;			/* of char *: name, value, name, value, … */
	bool		strict;			/* in literals too, each {word} is a variable */
} ClauseValues;

/* What follows the table in a FROM. */
typedef struct Clause
{
	char	   *sql;			/* "WHERE …", "ORDER BY … LIMIT …", … */
	char	   *where;			/* the condition, if there is nothing else, or NULL */
	bool		rowwise;		/* whether a row comes does not depend on the table's others */
} Clause;

/*
 * Reads a clause, with or without its WHERE, and puts the values into it.  The
 * result is written anew from its tokens: no comment, no open quote and no
 * second statement is left in it, and a value is always a literal or part of
 * one.  what: for the context of errors.
 *
 * Raises SYNTAX_ERROR, UNDEFINED_PARAMETER for variables without a value,
 * FEATURE_NOT_SUPPORTED for clauses that do more than to choose rows.
 */
extern Clause *clause_parse(const char *text, const ClauseValues *values, const char *what);

/* Reads one expression, and nothing else; SYNTAX_ERROR. */
extern char *clause_expression(const char *text, const char *what);

/*
 * The last look at what is sent: SETs and one COPY (…) TO STDOUT.  Raises
 * INTERNAL_ERROR.
 */
extern void clause_verify_copy(const char *sql);

/*
 * The names in a SELECT that stand where relations do, those of WITH queries
 * among them, quoted as needed: a List of char *.  Raises SYNTAX_ERROR.
 */
extern List *clause_relations(const char *sql);

#endif							/* PGTUNSYNC_CLAUSE_H */
