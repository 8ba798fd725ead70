/*-------------------------------------------------------------------------
 *
 * user_code.h
 *	  Does an expression hold code that users wrote?
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_USER_CODE_H
#define PGTUNSYNC_USER_CODE_H

#include "nodes/nodes.h"

/*
 * Could evaluating the tree (an expression, a list of them, a Query) run code of an
 * ordinary user?  That is a function in a language other than internal and C, or a
 * conversion to a domain, or to a composite type, which may contain domains.
 */
extern bool user_code_in(Node *tree);

/*
 * May the tree, although a pull runs it, advance sequences?  True if it holds neither code
 * of users nor a function that owner_enter() refuses, and nothing but immutable functions and
 * some built-in ones, which are known not to run queries, casts or domain checks.
 */
extern bool user_code_may_use_sequences(Node *tree);

#endif							/* PGTUNSYNC_USER_CODE_H */
