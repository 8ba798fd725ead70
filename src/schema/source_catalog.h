/*-------------------------------------------------------------------------
 *
 * source_catalog.h
 *	  Reads the source's catalog in as few round trips as possible.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_SOURCE_CATALOG_H
#define PGTUNSYNC_SOURCE_CATALOG_H

#include "schema/catalog.h"
#include "source/source.h"

/* Facts about the source server. */
typedef struct SourceFacts
{
	char	   *snapshot;		/* from pg_export_snapshot() */
	char	   *version;		/* server_version */
	uint64		system_identifier;	/* 0 if the role may not read it */
	Oid			database;
	int64		start_time;		/* start of the postmaster, microseconds since 1970 */
	bool		in_recovery;
	List	   *search_path;	/* of char *: the role's own, without pg_catalog and pg_temp */
} SourceFacts;

/*
 * Begin the run's transaction on the source, and read the facts about the
 * server, the relations of these schemas and all partitions.  The two calls
 * take one round trip.
 *
 * wanted lists the local CatalogRelation *s whose counterparts will probably
 * be needed; their details are read in the same round trip.  Pass the same
 * list to both functions, and what the first returns to the second.  Raises
 * FEATURE_NOT_SUPPORTED if the source is older than 10.  Like all functions of
 * this file, raises PROTOCOL_VIOLATION if an answer contradicts the query or
 * another answer.
 */
extern char *source_catalog_ask(Source *source, List *schemas, List *wanted);
extern Catalog *source_catalog_answer(Source *source, const char *asked, List *wanted,
									  SourceFacts *facts);

/* Reads the results of the statements of a message, in their order. */
typedef void (*SourceAnswer) (Source *source, void *arg);

/*
 * Runs queries over the catalogs in the run's transaction, which keeps no lock
 * of them.  They are asked again while a lock is refused, so "read" may be
 * called several times, and begins from scratch.  Raises LOCK_NOT_AVAILABLE
 * after pgtunsync.source_lock_timeout.
 */
extern void source_catalog_query(Source *source, const char *sql, SourceAnswer read, void *arg);

/*
 * Reads columns, foreign keys and owned sequences (with their states) of those
 * relations that have not been read yet.  Takes one round trip.
 */
extern void source_catalog_details(Source *source, const Catalog *catalog, List *relations);

/*
 * Finds out which of these patterns (char *, from data rules) match a column
 * of the source.  Returns an array in the order of the patterns.  Takes one
 * round trip, or none without patterns.
 */
extern bool *source_catalog_match_columns(Source *source, List *patterns);

/*
 * Returns the encoding in which the source hashes text: "UTF8", or "SQL_ASCII"
 * if the source has no encoding.
 */
extern char *source_encoding(Source *source);

/*
 * Runs statements that may fail, inside a savepoint that is rolled back.
 * Returns the source's error, or NULL; *locked: a lock was refused, and nothing
 * is known.  Takes one round trip, two after an error.  Raises an error only if
 * the connection ends or the query is canceled.
 */
extern ErrorData *source_catalog_try(Source *source, const char *sql, bool *locked);

/* What the source's planner expects of a SELECT; -1: unknown. */
typedef struct SourceEstimate
{
	double		rows;
	double		width;			/* bytes of a row */
	int			settings;		/* how many SETs come before its EXPLAIN */
} SourceEstimate;

/*
 * The same for EXPLAINs, each behind SETs.  Fills in one of the estimates
 * (SourceEstimate *) for each EXPLAIN; their number of SETs must be set.
 */
extern ErrorData *source_catalog_explain(Source *source, const char *sql, List *estimates,
										 bool *locked);

/*
 * Returns the values of a SELECT of one text column in *texts: no longer than
 * names, and the first SOURCE_TEXTS_MAX of them.  Both this and the next
 * function run the SELECT behind the statements (char *) of settings, and
 * return the source's error if it fails, or if a lock is refused.
 */
#define SOURCE_TEXTS_MAX	100
extern ErrorData *source_catalog_texts(Source *source, const char *select,
									   const List *settings, List **texts);

/*
 * Counts the rows of a SELECT.  patient: waits for locks as
 * source_catalog_query() does.
 */
extern ErrorData *source_catalog_count(Source *source, const char *select,
									   const List *settings, bool patient, double *count);

/*
 * Returns a query that finds the relations of a list of OIDs whose file was
 * replaced after the run's snapshot was taken, by TRUNCATE or a rewrite.  A
 * COPY that started later has not read the rows of the snapshot.  The query
 * returns one row for each such relation.  It uses qualified names only.
 */
extern char *source_catalog_rewritten_query(List *oids);

#endif							/* PGTUNSYNC_SOURCE_CATALOG_H */
