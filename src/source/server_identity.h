/*-------------------------------------------------------------------------
 *
 * server_identity.h
 *	  Do all connections of a run lead to the same server?
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_SERVER_IDENTITY_H
#define PGTUNSYNC_SERVER_IDENTITY_H

#include "source/source.h"

/* SQL for the start of the server, in microseconds since 1970. */
#define SERVER_START_SQL \
	"pg_catalog.trunc(extract(epoch FROM pg_catalog.pg_postmaster_start_time()) * 1000000)::pg_catalog.int8"

/*
 * Appends a statement that fails on another server than the one that started
 * then.  It returns no row.
 */
extern void server_append_check(StringInfo sql, int64 start_time);

/*
 * After an error of a transaction's beginning: raises
 * OBJECT_NOT_IN_PREREQUISITE_STATE if the connection leads to another server.
 * Ends the transaction.
 */
extern void server_check(Source *source, int64 start_time);

/* True for the SQLSTATE of an error that another server would give. */
extern bool server_may_differ(int sqlerrcode);

#endif							/* PGTUNSYNC_SERVER_IDENTITY_H */
