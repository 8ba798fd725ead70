/*-------------------------------------------------------------------------
 *
 * value_numbers.c
 *	  Numbers the distinct values of a column and ranks them.
 *
 * Many columns, such as a state or a currency, have few distinct values in
 * millions of rows.  A hash table of the value's bytes gives the number of
 * each value.  The comparison function of the type is called only to sort the
 * distinct values.  Equal values with different bytes count as distinct.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/datum.h"

#include "staging/value_numbers.h"

typedef struct Bytes
{
	const char *start;
	Size		length;
} Bytes;

typedef struct Entry
{
	Bytes		bytes;			/* of the copy in "values" */
	uint32		hash;
	int			number;
	char		status;			/* simplehash's */
} Entry;

/* The source chooses the values, so it must not know the seed. */
static inline uint32
hash_value(Bytes bytes, uint64 seed)
{
	return (uint32) hash_bytes_extended((const unsigned char *) bytes.start,
										(int) bytes.length, seed);
}

static inline bool
same_bytes(Bytes a, Bytes b)
{
	return a.length == b.length && memcmp(a.start, b.start, a.length) == 0;
}

#define SH_PREFIX		numbers
#define SH_ELEMENT_TYPE Entry
#define SH_KEY_TYPE		Bytes
#define SH_KEY			bytes
#define SH_HASH_KEY(table, key) hash_value(key, *(uint64 *) (table)->private_data)
#define SH_EQUAL(table, a, b) same_bytes(a, b)
#define SH_STORE_HASH
#define SH_GET_HASH(table, entry) (entry)->hash
#define SH_SCOPE		static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

struct ValueNumbers
{
	MemoryContext context;
	int16		typlen;
	bool		byval;
	FmgrInfo   *order;
	Oid			collation;
	int			limit;
	Size		bytes;			/* left for values */
	uint64		seed;
	numbers_hash *table;
	int			count;
	Datum	   *values;			/* by number */
	int			ranked;			/* "count" at the last ranking */
	int		   *by_rank;		/* numbers, by rank */
	int		   *ranks;			/* ranks, by number */
};

/*
 * Memory for each value besides its bytes.  A hash table that grows exists
 * twice.
 */
#define OVERHEAD	(4 * sizeof(Entry) + 2 * sizeof(Size) + sizeof(Datum) + 2 * sizeof(int))

ValueNumbers *
value_numbers_create(int16 typlen, bool byval, FmgrInfo *order, Oid collation,
					 int limit, Size bytes)
{
	ValueNumbers *set = palloc0(sizeof(ValueNumbers));

	set->context = CurrentMemoryContext;
	set->typlen = typlen;
	set->byval = byval;
	set->order = order;
	set->collation = collation;
	set->limit = Min(limit, (int) Min(bytes / OVERHEAD, (Size) INT_MAX));
	set->bytes = bytes - set->limit * OVERHEAD;
	if (!pg_strong_random(&set->seed, sizeof(set->seed)))
		set->limit = 0;
	set->table = numbers_create(set->context, 64, &set->seed);
	set->values = palloc(sizeof(Datum) * Max(set->limit, 1));
	set->by_rank = palloc(sizeof(int) * Max(set->limit, 1));
	set->ranks = palloc(sizeof(int) * Max(set->limit, 1));
	return set;
}

static Bytes
bytes_of(const ValueNumbers *set, const Datum *value)
{
	if (set->byval)
		return (Bytes) {(const char *) value, sizeof(Datum)};
	return (Bytes) {DatumGetPointer(*value), datumGetSize(*value, false, set->typlen)};
}

static int
add_new(ValueNumbers *set, Datum value, Bytes bytes)
{
	MemoryContext oldcontext;
	bool		found;
	Entry	   *entry;

	if (set->count >= set->limit || bytes.length > set->bytes)
		return -1;
	oldcontext = MemoryContextSwitchTo(set->context);
	set->values[set->count] = datumCopy(value, set->byval, set->typlen);
	entry = numbers_insert(set->table, bytes_of(set, &set->values[set->count]), &found);
	entry->number = set->count;
	set->bytes -= bytes.length;
	MemoryContextSwitchTo(oldcontext);
	return set->count++;
}

int
value_numbers_add(ValueNumbers *set, Datum value)
{
	Bytes		bytes = bytes_of(set, &value);
	Entry	   *entry = numbers_lookup(set->table, bytes);

	return entry != NULL ? entry->number : add_new(set, value, bytes);
}

static int
compare_values(const void *a, const void *b, void *arg)
{
	const ValueNumbers *set = arg;

	CHECK_FOR_INTERRUPTS();
	return DatumGetInt32(FunctionCall2Coll(set->order, set->collation,
										   set->values[*(const int *) a],
										   set->values[*(const int *) b]));
}

void
value_numbers_rank(ValueNumbers *set)
{
	if (set->ranked == set->count)
		return;
	for (int i = 0; i < set->count; i++)
		set->by_rank[i] = i;
	qsort_arg(set->by_rank, set->count, sizeof(int), compare_values, set);
	for (int i = 0; i < set->count; i++)
		set->ranks[set->by_rank[i]] = i;
	set->ranked = set->count;
}

int
value_numbers_get_rank(const ValueNumbers *set, int number)
{
	return set->ranks[number];
}

Datum
value_numbers_get_value(const ValueNumbers *set, int rank)
{
	return set->values[set->by_rank[rank]];
}
