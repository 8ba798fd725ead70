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
 * Sorts "n" entries of "words" unsigned numbers each, the first number counting most.
 * No two entries are equal, or it does not matter which of them comes first.
 * Takes no memory but the stack; can be interrupted (57014).
 */
extern void word_sort(uint64 *entries, size_t n, int words);

#endif							/* PGTUNSYNC_WORD_SORT_H */
