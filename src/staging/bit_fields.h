/*-------------------------------------------------------------------------
 *
 * bit_fields.h
 *	  Numbers of any width, side by side in an array of words.
 *
 * The first bit is the highest of the first word, so that arrays compare as the
 * numbers in them do.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_BIT_FIELDS_H
#define PGTUNSYNC_BIT_FIELDS_H

#include "port/pg_bitutils.h"

#define WORD_BITS		64

/* A number of that many ones. */
static inline uint64
low_bits(int bits)
{
	return bits < WORD_BITS ? (UINT64CONST(1) << bits) - 1 : ~UINT64CONST(0);
}

/* How many are needed for numbers up to this one. */
static inline int
bits_for(uint64 highest)
{
	return highest == 0 ? 1 : pg_leftmost_one_pos64(highest) + 1;
}

/* The number in "bits" bits from "at" on, 64 at most. */
static inline uint64
get_bits(const uint64 *entry, int at, int bits)
{
	int			word = at / WORD_BITS;
	int			end = at % WORD_BITS + bits;

	if (end <= WORD_BITS)
		return (entry[word] >> (WORD_BITS - end)) & low_bits(bits);
	end -= WORD_BITS;
	return ((entry[word] << end) | (entry[word + 1] >> (WORD_BITS - end))) & low_bits(bits);
}

/*
 * Its bits are zero before, and the number has no more of them.  To put the same number twice makes
 * them zero again.
 */
static inline void
put_bits(uint64 *entry, int at, int bits, uint64 value)
{
	int			word = at / WORD_BITS;
	int			end = at % WORD_BITS + bits;

	if (end <= WORD_BITS)
		entry[word] ^= value << (WORD_BITS - end);
	else
	{
		end -= WORD_BITS;
		entry[word] ^= value >> end;
		entry[word + 1] ^= value << (WORD_BITS - end);
	}
}

/* The bits from "from" on and before "to". */
static inline int
compare_bits(const uint64 *a, const uint64 *b, int from, int to)
{
	while (from < to)
	{
		int			bits = Min(to - from, WORD_BITS);
		uint64		x = get_bits(a, from, bits);
		uint64		y = get_bits(b, from, bits);

		if (x != y)
			return x < y ? -1 : 1;
		from += bits;
	}
	return 0;
}

#endif							/* PGTUNSYNC_BIT_FIELDS_H */
