/*-------------------------------------------------------------------------
 *
 * error_text.h
 *	  What an error of the source is called when its own text may not be shown.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_ERROR_TEXT_H
#define PGTUNSYNC_ERROR_TEXT_H

/*
 * A constant text for a SQLSTATE of five characters.  It depends on nothing
 * but the SQLSTATE.
 */
extern const char *error_text(const char *state);

#endif							/* PGTUNSYNC_ERROR_TEXT_H */
