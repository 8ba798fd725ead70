/*-------------------------------------------------------------------------
 *
 * user_code.h
 *	  Finds out whether an expression contains user code.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_USER_CODE_H
#define PGTUNSYNC_USER_CODE_H

#include "nodes/nodes.h"

/*
 * Returns whether evaluating the tree (an expression, a list of expressions,
 * or a Query) could run code of an ordinary user.  User code is a function in
 * a language other than internal and C.  A conversion to a domain also counts,
 * and one to a composite type, which may contain domains.
 */
extern bool user_code_in(Node *tree);

/*
 * Returns whether the tree may advance sequences when a pull runs it.  This is
 * so if it contains neither user code nor a function that owner_enter()
 * forbids, and only immutable functions and some built-in ones that are known
 * not to run queries, casts or domain checks.  Built-in SQL functions are not
 * user code here.
 */
extern bool user_code_may_use_sequences(Node *tree);

#endif							/* PGTUNSYNC_USER_CODE_H */
