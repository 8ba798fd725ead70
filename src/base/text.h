/*-------------------------------------------------------------------------
 *
 * text.h
 *	  Formats values for messages.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_TEXT_H
#define PGTUNSYNC_TEXT_H

/*
 * Returns a number of bytes in the format of pg_size_pretty(), such as "12
 * MB".  The result is palloc'd.
 */
extern char *size_text(int64 bytes);

#endif							/* PGTUNSYNC_TEXT_H */
