/*-------------------------------------------------------------------------
 *
 * jsonb_text.h
 *	  The text of a jsonb value, back to the value.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_JSONB_TEXT_H
#define PGTUNSYNC_JSONB_TEXT_H

#include "utils/jsonb.h"

/*
 * The value whose text this is, in the current memory context, or NULL where
 * jsonb_in() has to be asked: it knows more, and what is wrong.  The text is valid in the
 * database's encoding.
 */
extern Jsonb *jsonb_text_parse(const char *text, int len);

#endif							/* PGTUNSYNC_JSONB_TEXT_H */
