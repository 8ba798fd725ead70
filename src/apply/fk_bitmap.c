/*-------------------------------------------------------------------------
 *
 * fk_bitmap.c
 *	  Checks references by one integer column without a query.
 *
 * Most foreign keys have one integer column, and the referenced keys are
 * mostly dense.  So the referenced keys are stored in a bitmap, and each
 * reference is looked up there.  The bitmap is divided into chunks, and only
 * chunks with a bit set exist.  This is about ten times cheaper than a hash
 * join, which has to copy every row.  Sparse keys need too many chunks; they
 * are checked like all other keys.
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

#define CHUNK_BITS		12		/* low bits of a key, which select a bit of the chunk */
#define CHUNK_KEYS		(1 << CHUNK_BITS)
#define CHUNK_WORDS		(CHUNK_KEYS / 64)

typedef struct Chunk
{
	int64		number;			/* the key without its low CHUNK_BITS */
	char		status;			/* used by simplehash */
	uint64	   *bits;
} Chunk;

/* Hashes with a seed.  The keys come from the source, which cannot know it. */
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
	uint64		seed;			/* seed of the hash */
	Size		bytes;			/* maximum memory */
	int64		number;			/* the chunk used last; -1 if none */
	uint64	   *bits;			/* bits of that chunk; NULL if it does not exist */
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

/* ---- reading the keys of a column ---- */

static void
begin_column(KeyColumn *column, Relation rel, AttrNumber attnum)
{
	frozen_scan_begin(&column->scan, rel);
	column->attnum = attnum;
	column->width = TupleDescAttr(RelationGetDescr(rel), attnum - 1)->attlen;
}

/* Reads the key of a row of the page.  Returns false if it is NULL. */
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

/* ---- the set of keys ---- */

/*
 * Returns the chunk of a key.  A right shift of a negative number would be
 * implementation-defined in C.
 */
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

/*
 * Returns the memory of the set.  The factor 2 covers growing the hash table,
 * when the old and the new one exist.
 */
static Size
bytes_used(const KeySet *set)
{
	return set->chunks->members * (CHUNK_WORDS * sizeof(uint64) + 2 * sizeof(Size)) +
		set->chunks->size * sizeof(Chunk) * 2;
}

/* Returns false if the set has become too large. */
static bool
add_chunk(KeySet *set, int64 number)
{
	bool		found;
	Chunk	   *chunk = chunks_insert(set->chunks, number, &found);

	if (!found)
		chunk->bits = palloc0(CHUNK_WORDS * sizeof(uint64));
	set->number = number;
	set->bits = chunk->bits;
	return found || bytes_used(set) <= set->bytes;
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

/* Calls visit for each key of the page until it returns false. */
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

/*
 * Does the same for the whole column.  It is inlined, so that each caller has
 * its own loop.
 */
static pg_attribute_always_inline bool
all_keys(KeySet *set, Relation rel, AttrNumber attnum, bool (*visit) (KeySet *, int64))
{
	KeyColumn	column;
	bool		continues = true;

	begin_column(&column, rel, attnum);
	while (continues && frozen_scan_page(&column.scan))
		continues = page_keys(set, &column, visit);
	frozen_scan_end(&column.scan);
	return continues;
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
