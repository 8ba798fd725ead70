/*-------------------------------------------------------------------------
 *
 * shim.h
 *	  Just enough of a server for the parsers to run without one.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SHIM_H
#define SHIM_H

/* Called with every message; the texts live until shim_reset(). */
typedef void (*ShimReporter) (int elevel, const char *sqlstate, const char *message,
							  const char *detail, const char *hint);

extern ShimReporter shim_reporter;

/* Memory that still holds this when it is freed makes the program abort. */
extern const char *shim_secret;

/* With shim_text.c: what every file holds. */
extern const char *shim_text;
extern size_t shim_text_len;

/* Calls the function; false when it ended with ereport(ERROR). */
extern bool shim_try(void (*function) (void *arg), void *arg);

/* Frees all that was allocated. */
extern void shim_reset(void);

#endif							/* SHIM_H */
