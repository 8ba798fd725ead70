/*-------------------------------------------------------------------------
 *
 * word_sort.h
 *	  Sorts entries of a few 64-bit words each, in place.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_WORD_SORT_H
#define PGTUNSYNC_WORD_SORT_H

#define WORD_SORT_MAX_WORDS 4

/*
 * Sorts "n" entries of "words" unsigned numbers each.  The first number of an
 * entry is the most significant.  The sort is not stable.  It allocates no
 * memory.  It can be interrupted (QUERY_CANCELED).
 */
extern void word_sort(uint64 *entries, size_t n, int words);

#endif							/* PGTUNSYNC_WORD_SORT_H */
