/*-------------------------------------------------------------------------
 *
 * fk_bitmap.c
 *	  References by one integer column, checked without a query.
 *
 * That is what most foreign keys are, and the keys that they refer to are mostly
 * dense.  So the referenced ones are put down in a bitmap, cut into chunks of which
 * only those exist that have a bit set, and each reference is looked up
 * there: about ten times cheaper than a hash join, which has to copy every row.
 * Keys that are sparse make too many chunks and go the way of all others.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

#include "staging/frozen_scan.h"
#include "apply/fk_bitmap.h"
#include "schema/integer_type.h"

#define CHUNK_BITS		12		/* of a key: which bit of the chunk */
#define CHUNK_KEYS		(1 << CHUNK_BITS)
#define CHUNK_WORDS		(CHUNK_KEYS / 64)

typedef struct Chunk
{
	int64		number;			/* the key without its last CHUNK_BITS */
	char		status;			/* simplehash's */
	uint64	   *bits;
} Chunk;

/* With a seed that the source, whose keys they are, cannot know. */
static inline uint32
hash_chunk_number(int64 number, uint64 seed)
{
	uint64		high = hash_bytes_uint32_extended((uint32) (number >> 32), seed);

	return (uint32) hash_bytes_uint32_extended((uint32) number, high);
}

#define SH_PREFIX		chunks
#define SH_ELEMENT_TYPE Chunk
#define SH_KEY_TYPE		int64
#define SH_KEY			number
#define SH_HASH_KEY(table, key) hash_chunk_number(key, *(uint64 *) (table)->private_data)
#define SH_EQUAL(table, a, b) ((a) == (b))
#define SH_SCOPE		static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

typedef struct KeySet
{
	chunks_hash *chunks;
	uint64		seed;			/* of its hash */
	Size		bytes;			/* that it may take */
	int64		number;			/* of the chunk that was used last; -1: none */
	uint64	   *bits;			/* and its bits, NULL if there is none */
} KeySet;

/* One column of a scan. */
typedef struct KeyColumn
{
	FrozenScan	scan;
	AttrNumber	attnum;
	int			width;			/* in bytes */
} KeyColumn;

bool
integer_keys_equality(Oid operator)
{
	switch (get_opcode(operator))
	{
		case F_INT2EQ:
		case F_INT24EQ:
		case F_INT28EQ:
		case F_INT4EQ:
		case F_INT42EQ:
		case F_INT48EQ:
		case F_INT8EQ:
		case F_INT82EQ:
		case F_INT84EQ:
			return true;
		default:
			return false;
	}
}

static bool
is_integer_column(Relation rel, AttrNumber attnum)
{
	Form_pg_attribute att;

	if (attnum <= 0 || attnum > RelationGetNumberOfAttributes(rel))
		return false;
	att = TupleDescAttr(RelationGetDescr(rel), attnum - 1);
	return !att->attisdropped && is_integer_type(att->atttypid);
}

/* ---- the keys of a column ---- */

static void
begin_column(KeyColumn *column, Relation rel, AttrNumber attnum)
{
	frozen_scan_begin(&column->scan, rel);
	column->attnum = attnum;
	column->width = TupleDescAttr(RelationGetDescr(rel), attnum - 1)->attlen;
}

/* The key of a row of the page; false if it is NULL. */
static inline bool
read_key(KeyColumn *column, int row, int64 *key)
{
	bool		isnull;
	Datum		value = heap_getattr(&column->scan.tuples[row], column->attnum,
									 RelationGetDescr(column->scan.rel), &isnull);

	if (column->width == sizeof(int64))
		*key = isnull ? 0 : DatumGetInt64(value);
	else if (column->width == sizeof(int32))
		*key = DatumGetInt32(value);
	else
		*key = DatumGetInt16(value);
	return !isnull;
}

/* ---- the set ---- */

/* Shifting a negative number to the right is the compiler's choice; this is not. */
static inline int64
chunk_number(int64 key)
{
	return (int64) (((uint64) key ^ (UINT64CONST(1) << 63)) >> CHUNK_BITS);
}

static inline uint64
key_bit(int64 key)
{
	return UINT64CONST(1) << ((uint64) key % 64);
}

static inline int
key_word(int64 key)
{
	return (int) ((uint64) key % CHUNK_KEYS / 64);
}

/* While the hash table grows, the smaller one is still there. */
static Size
bytes_taken(const KeySet *set)
{
	return set->chunks->members * (CHUNK_WORDS * sizeof(uint64) + 2 * sizeof(Size)) +
		set->chunks->size * sizeof(Chunk) * 2;
}

/* False if it does not fit any more. */
static bool
add_chunk(KeySet *set, int64 number)
{
	bool		found;
	Chunk	   *chunk = chunks_insert(set->chunks, number, &found);

	if (!found)
		chunk->bits = palloc0(CHUNK_WORDS * sizeof(uint64));
	set->number = number;
	set->bits = chunk->bits;
	return found || bytes_taken(set) <= set->bytes;
}

static bool
add_key(KeySet *set, int64 key)
{
	if (chunk_number(key) != set->number && !add_chunk(set, chunk_number(key)))
		return false;
	set->bits[key_word(key)] |= key_bit(key);
	return true;
}

static void
find_chunk(KeySet *set, int64 number)
{
	Chunk	   *chunk = chunks_lookup(set->chunks, number);

	set->number = number;
	set->bits = chunk != NULL ? chunk->bits : NULL;
}

static bool
find_key(KeySet *set, int64 key)
{
	if (chunk_number(key) != set->number)
		find_chunk(set, chunk_number(key));
	return set->bits != NULL && (set->bits[key_word(key)] & key_bit(key)) != 0;
}

/* Hands each key of the page to "visit" until that says no. */
static pg_attribute_always_inline bool
page_keys(KeySet *set, KeyColumn *column, bool (*visit) (KeySet *, int64))
{
	int64		key;

	for (int row = 0; row < column->scan.ntuples; row++)
	{
		if (read_key(column, row, &key) && !visit(set, key))
			return false;
	}
	return column->scan.frozen;
}

/* The same for the whole column; inlined, so that each use has a loop of its own. */
static pg_attribute_always_inline bool
all_keys(KeySet *set, Relation rel, AttrNumber attnum, bool (*visit) (KeySet *, int64))
{
	KeyColumn	column;
	bool		go_on = true;

	begin_column(&column, rel, attnum);
	while (go_on && frozen_scan_page(&column.scan))
		go_on = page_keys(set, &column, visit);
	frozen_scan_end(&column.scan);
	return go_on;
}

bool
integer_keys_match(Relation referencing, AttrNumber fk,
				   Relation referenced, AttrNumber pk, Size bytes)
{
	MemoryContext context;
	MemoryContext oldcontext;
	KeySet		set = {.bytes = bytes, .number = -1};
	bool		match;

	if (!frozen_scan_possible(referencing) || !frozen_scan_possible(referenced) ||
		!is_integer_column(referencing, fk) || !is_integer_column(referenced, pk))
		return false;
	if (!pg_strong_random(&set.seed, sizeof(set.seed)))
		return false;
	context = AllocSetContextCreate(CurrentMemoryContext, "pgtunsync integer keys",
									ALLOCSET_DEFAULT_SIZES);
	oldcontext = MemoryContextSwitchTo(context);
	set.chunks = chunks_create(context, 256, &set.seed);
	match = all_keys(&set, referenced, pk, add_key) && all_keys(&set, referencing, fk, find_key);
	MemoryContextSwitchTo(oldcontext);
	MemoryContextDelete(context);
	return match;
}
