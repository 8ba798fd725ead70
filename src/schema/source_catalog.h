/*-------------------------------------------------------------------------
 *
 * source_catalog.h
 *	  The source's catalog, in as few round trips as can be.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_SOURCE_CATALOG_H
#define PGTUNSYNC_SOURCE_CATALOG_H

#include "schema/catalog.h"
#include "source/source.h"

/* What the source says about itself. */
typedef struct SourceFacts
{
	char	   *snapshot;		/* pg_export_snapshot() */
	char	   *version;		/* server_version */
	uint64		system_identifier;	/* 0: we may not ask */
	Oid			database;
	int64		start_time;		/* of the postmaster, microseconds since 1970 */
	bool		in_recovery;
} SourceFacts;

/*
 * Begins the run's transaction on the source, and reads its facts and the
 * relations of these schemas (and all partitions): one round trip, in two steps.
 * wanted: CatalogRelation *s of ours whose namesakes there will probably be asked
 * for, so that their details come along; the same for both.  Raises
 * FEATURE_NOT_SUPPORTED for a source older than 10, and PROTOCOL_VIOLATION, as
 * all of these functions do, for answers that contradict the query or each other.
 */
extern void source_catalog_ask(Source *source, List *schemas, List *wanted);
extern Catalog *source_catalog_answer(Source *source, List *wanted, SourceFacts *facts);

/*
 * Reads columns, foreign keys and owned sequences (with their states) of these
 * relations, unless it has been done: one round trip.
 */
extern void source_catalog_details(Source *source, const Catalog *catalog, List *relations);

/*
 * Which of these patterns (char *, of data rules) match any column of the
 * source: an array in their order.  One round trip, none without patterns.
 */
extern bool *source_catalog_match_columns(Source *source, List *patterns);

/* The encoding in which text is hashed there: "UTF8", unless it has no encoding. */
extern char *source_encoding(Source *source);

/*
 * Runs statements that may fail, in a savepoint that is rolled back; returns
 * the source's error, or NULL.  One round trip, two after an error.  Raises
 * only what ends the connection, or a cancel.
 */
extern ErrorData *source_catalog_try(Source *source, const char *sql);

/* How many rows a SELECT gives; returns the error if the source cannot tell. */
extern ErrorData *source_catalog_count(Source *source, const char *select,
									   const char *search_path, double *count);

/*
 * A query that returns a row for each of these relations (a list of OIDs) that got
 * another file since the run's snapshot was taken, by TRUNCATE or a rewrite: a
 * COPY that came later has not read what the snapshot shows.  Names in it are
 * qualified.
 */
extern char *source_catalog_rewritten_query(List *oids);

#endif							/* PGTUNSYNC_SOURCE_CATALOG_H */
