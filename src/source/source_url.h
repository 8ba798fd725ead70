/*-------------------------------------------------------------------------
 *
 * source_url.h
 *	  The parsed URL of the source, for source_url.c and source_way.c only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_SOURCE_URL_H
#define PGTUNSYNC_SOURCE_URL_H

#include "nodes/pg_list.h"

#include "config/env_file.h"
#include "source/url_parameters.h"

typedef struct SourceUrl
{
	const EnvFile *env;
	const char *variable;		/* PGSYNC_FROM_URL or DATABASE_URL */
	const UrlReading *reading;
	List	   *options;		/* of keywords and values */
	bool		is_uri;			/* else "keyword=value …" */
	bool		showable;		/* its parts are what they seem to be */
} SourceUrl;

/*
 * Returns the URL as libpq reads it: only what is written there, no defaults.
 * Raises CONFIG_FILE_ERROR.
 */
extern SourceUrl *url_parse(const EnvFile *env);

/* Returns the value of a parameter of libpq, or NULL. */
extern const char *url_get(const SourceUrl *url, const char *keyword);

/* Returns whether the URL wants TLS and nothing else. */
extern bool url_demands_tls(const SourceUrl *url);

/*
 * Raises CONFIG_FILE_ERROR: msg says what is wrong, detail (may be NULL) more.
 * With hint NULL, the hint is the URL that points at the entrance.
 */
extern void url_refuse(const SourceUrl *url, const char *msg, const char *detail,
					   const char *hint) pg_attribute_noreturn();

/* Returns where the URL points, as a sentence for a DETAIL; palloc'd. */
extern char *url_target(const SourceUrl *url);

/* Returns whether this is the loopback, by name or address. */
extern bool url_is_loopback(const char *host);

#endif							/* PGTUNSYNC_SOURCE_URL_H */
