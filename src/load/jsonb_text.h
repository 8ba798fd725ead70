/*-------------------------------------------------------------------------
 *
 * jsonb_text.h
 *	  Parses the text output of a jsonb value.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_JSONB_TEXT_H
#define PGTUNSYNC_JSONB_TEXT_H

#include "utils/jsonb.h"

/*
 * Parses text that jsonb_out() wrote, and is valid in the database encoding.
 * Returns the value in the current memory context.  Returns NULL if the caller
 * must use jsonb_in(), which accepts more input and reports errors.
 */
extern Jsonb *jsonb_text_parse(const char *text, int len);

#endif							/* PGTUNSYNC_JSONB_TEXT_H */
