/*-------------------------------------------------------------------------
 *
 * text.h
 *	  Values as people read them in messages.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_TEXT_H
#define PGTUNSYNC_TEXT_H

/* A number of bytes as pg_size_pretty() writes it, such as "12 MB".  palloc'd. */
extern char *size_text(int64 bytes);

#endif							/* PGTUNSYNC_TEXT_H */
