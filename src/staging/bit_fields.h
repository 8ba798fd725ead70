/*-------------------------------------------------------------------------
 *
 * bit_fields.h
 *	  Bit fields of any width up to 64 bits, packed into an array of words.
 *
 * Bit 0 is the highest bit of the first word.  Two arrays therefore compare in
 * the order of the numbers in them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_BIT_FIELDS_H
#define PGTUNSYNC_BIT_FIELDS_H

#include "port/pg_bitutils.h"

#define WORD_BITS		64

/* A mask of the given number of low bits. */
static inline uint64
low_bits(int bits)
{
	return bits < WORD_BITS ? (UINT64CONST(1) << bits) - 1 : ~UINT64CONST(0);
}

/* The number of bits that hold every number up to "highest". */
static inline int
bits_for(uint64 highest)
{
	return highest == 0 ? 1 : pg_leftmost_one_pos64(highest) + 1;
}

/* Reads the field of "bits" bits, 64 at most, that starts at bit "at". */
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
 * Writes a field whose bits are all zero.  The value must fit into "bits"
 * bits.  Writing the same value a second time sets the field to zero again.
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

/* Compares the bits from "from" up to, but not including, "to". */
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
