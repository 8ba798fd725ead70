/*-------------------------------------------------------------------------
 *
 * url_parameters.h
 *	  Reads a DATABASE_URL as other programs write it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_URL_PARAMETERS_H
#define PGTUNSYNC_URL_PARAMETERS_H

#include "nodes/pg_list.h"

typedef struct UrlReading
{
	char	   *text;			/* the connection string for libpq */
	List	   *ignored;		/* of char *: names of parameters without effect */
	bool		other_schema;	/* one of them names a schema other than public */

	/* if the text cannot be used, else NULL */
	char	   *parameter;		/* the name of the parameter; NULL: not to be shown */
	char	   *problem;
	char	   *hint;
} UrlReading;

/* Returns whether the text is a URL that url_read() has prepared for libpq. */
extern bool url_is_uri(const char *text);

/* Returns whether no part of the URL can hold a piece of the password. */
extern bool url_is_showable(const char *text);

/*
 * Translates a connection string for libpq.  Strings of keywords are returned
 * as they are.  The result contains the password.  Raises nothing; what is
 * wrong is in the result.
 */
extern UrlReading *url_read(const char *text);

#endif							/* PGTUNSYNC_URL_PARAMETERS_H */
