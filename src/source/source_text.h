/*-------------------------------------------------------------------------
 *
 * source_text.h
 *	  Text of the source, made presentable.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_SOURCE_TEXT_H
#define PGTUNSYNC_SOURCE_TEXT_H

/*
 * Text from the source or from libpq, made safe to show: valid in the local
 * encoding, without control characters, of limited length.  palloc'd; NULL
 * gives NULL.
 */
extern char *source_text(const char *text);

/*
 * The same for a value of so many bytes, which may hold any byte; it becomes
 * one line of at most a few dozen characters.
 */
extern char *source_value_text(const char *data, int len);

#endif							/* PGTUNSYNC_SOURCE_TEXT_H */
