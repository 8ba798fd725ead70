/*-------------------------------------------------------------------------
 *
 * word_sort.c
 *	  Sorts entries of a few 64-bit words each, in place.
 *
 * This is a radix sort that begins with the most significant digit ("American
 * flag sort", McIlroy, Bostic and McIlroy 1993).  It counts the entries for
 * each value of the digit, swaps each entry into its bucket, then sorts the
 * buckets.  A digit is eight bits, starting at the highest bit in which the
 * entries differ.  Thus long common prefixes and narrow ranges cost nothing.
 * Entries that are already sorted are read once and not moved.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/pg_bitutils.h"

#include "staging/word_sort.h"

#define DIGIT_BITS		8
#define BUCKETS			(1 << DIGIT_BITS)
#define FEW				32		/* below this, insertion sort is faster */

typedef void (*Sorter) (uint64 *entries, size_t n, int word);

static pg_attribute_always_inline bool
is_less(const uint64 *a, const uint64 *b, int words)
{
	for (int i = 0; i < words - 1; i++)
		if (a[i] != b[i])
			return a[i] < b[i];
	return a[words - 1] < b[words - 1];
}

static pg_attribute_always_inline void
move(uint64 *to, const uint64 *from, int words)
{
	for (int i = 0; i < words; i++)
		to[i] = from[i];
}

static pg_attribute_always_inline void
insertion_sort(uint64 *entries, size_t n, int words)
{
	uint64		held[WORD_SORT_MAX_WORDS];

	for (size_t i = 1; i < n; i++)
	{
		size_t		j = i;

		move(held, entries + i * words, words);
		for (; j > 0 && is_less(held, entries + (j - 1) * words, words); j--)
			move(entries + j * words, entries + (j - 1) * words, words);
		move(entries + j * words, held, words);
	}
}

static pg_attribute_always_inline bool
is_sorted(const uint64 *entries, size_t n, int words)
{
	for (size_t i = 1; i < n; i++)
		if (is_less(entries + i * words, entries + (i - 1) * words, words))
			return false;
	return true;
}

/* The bits in which the entries' words differ. */
static pg_attribute_always_inline uint64
differences(const uint64 *entries, size_t n, int word, int words)
{
	uint64		bits = 0;

	for (size_t i = 1; i < n; i++)
		bits |= entries[i * words + word] ^ entries[word];
	return bits;
}

static pg_attribute_always_inline int
digit_of(const uint64 *entry, int word, int shift)
{
	return (entry[word] >> shift) & (BUCKETS - 1);
}

static pg_attribute_always_inline void
swap(uint64 *a, uint64 *b, int words)
{
	uint64		held[WORD_SORT_MAX_WORDS];

	move(held, a, words);
	move(a, b, words);
	move(b, held, words);
}

/*
 * Moves each entry into the bucket of its digit.  Sets the ends of the
 * buckets.
 */
static pg_attribute_always_inline void
distribute(uint64 *entries, size_t n, int word, int words, int shift, size_t *ends)
{
	size_t		next[BUCKETS];
	size_t		total = 0;

	memset(ends, 0, sizeof(size_t) * BUCKETS);
	for (size_t i = 0; i < n; i++)
		ends[digit_of(entries + i * words, word, shift)]++;
	for (int bucket = 0; bucket < BUCKETS; bucket++)
	{
		next[bucket] = total;
		total += ends[bucket];
		ends[bucket] = total;
	}
	for (int bucket = 0; bucket < BUCKETS; bucket++)
	{
		while (next[bucket] < ends[bucket])
		{
			uint64	   *entry = entries + next[bucket] * words;
			int			digit = digit_of(entry, word, shift);

			if (digit != bucket)
				swap(entry, entries + next[digit] * words, words);
			next[digit]++;
		}
	}
}

/*
 * Sorts entries that are equal in all words before "word".  "sorter" is this
 * function for the same number of words.  Each level of recursion consumes at
 * least one digit, which limits the depth.
 */
static pg_attribute_always_inline void
sort_from(uint64 *entries, size_t n, int word, int words, Sorter sorter)
{
	size_t		ends[BUCKETS];
	size_t		start = 0;
	uint64		bits = 0;

	CHECK_FOR_INTERRUPTS();
	if (n < FEW)
	{
		insertion_sort(entries, n, words);
		return;
	}
	if (is_sorted(entries, n, words))
		return;
	/* the entries are not sorted, so a word differs */
	while ((bits = differences(entries, n, word, words)) == 0)
		word++;
	distribute(entries, n, word, words,
			   Max(pg_leftmost_one_pos64(bits) - (DIGIT_BITS - 1), 0), ends);
	for (int bucket = 0; bucket < BUCKETS; bucket++)
	{
		if (ends[bucket] - start > 1)
			sorter(entries + start * words, ends[bucket] - start, word);
		start = ends[bucket];
	}
}

static void
sort_1(uint64 *entries, size_t n, int word)
{
	sort_from(entries, n, word, 1, sort_1);
}

static void
sort_2(uint64 *entries, size_t n, int word)
{
	sort_from(entries, n, word, 2, sort_2);
}

static void
sort_3(uint64 *entries, size_t n, int word)
{
	sort_from(entries, n, word, 3, sort_3);
}

static void
sort_4(uint64 *entries, size_t n, int word)
{
	sort_from(entries, n, word, 4, sort_4);
}

void
word_sort(uint64 *entries, size_t n, int words)
{
	static const Sorter sorters[WORD_SORT_MAX_WORDS] = {sort_1, sort_2, sort_3, sort_4};

	Assert(words >= 1 && words <= WORD_SORT_MAX_WORDS);
	sorters[words - 1] (entries, n, 0);
}
