/*-------------------------------------------------------------------------
 *
 * key_order.c
 *	  Sorts the rows of a heap by the keys of a btree index.
 *
 * Sorting is about half the cost of a btree build, most of it in comparison
 * calls.  PostgreSQL's sort first checks whether its input is already sorted.
 * For sorted input it makes one comparison call for each row instead of about
 * twenty.  So we sort the rows before the build gets them, by a cheaper
 * method.
 *
 * Correctness does not depend on this order.  The build sorts, compares and
 * detects duplicates by itself.  If our order is wrong, as with minus zero,
 * the build is slower.  But each row must reach the build exactly once, with
 * its values.
 *
 * Each row has an entry of a few words, sorted as one long unsigned number
 * (word_sort.c).  For each key column, the entry has one bit for NULL and the
 * bits of the value's number (key_kind.c).  Then come the address of the row,
 * the position of its record, and the INCLUDE columns.  Values that cannot be
 * decoded from these bits are stored in one record for each row, at the other
 * end of the same memory:
 *
 *		| entry | entry | entry | ...            | record | record | record |
 *
 * When entries and records meet, the rows so far, a chunk, are sorted and
 * passed to the build.  The ranks of distinct values and the prefixes of texts
 * depend on all rows of the chunk, so they are set only then.  Texts with
 * equal prefixes are sorted again by all of their bytes.
 *
 * A text column first uses ranks of distinct values.  If it has too many
 * values, the chunk starts again with prefixes, provided that the collation
 * orders by bytes.  Otherwise the rest of the rows is not sorted.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/nbtree.h"
#include "access/tupmacs.h"
#include "catalog/pg_am.h"
#include "catalog/pg_type_d.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/uuid.h"

#include "staging/bit_fields.h"
#include "staging/key_kind.h"
#include "staging/key_order.h"
#include "staging/value_numbers.h"
#include "staging/word_sort.h"

#define NUMBER_BITS		14		/* for the number of a distinct value */

typedef struct Column
{
	Form_pg_attribute att;		/* the heap's */
	KeyKind		kind;
	bool		is_key;			/* false for an INCLUDE column */
	bool		descending;
	bool		nulls_first;
	bool		blank_padded;
	bool		recorded;		/* the value is in the record */
	int			at;				/* first bit in the entry: 1 bit for NULL, then "bits" */
	int			bits;
	ValueNumbers *numbers;
	KeyBytes	sample;			/* first text of the chunk */
	int			common;			/* length of the common prefix of the chunk's texts */
	pg_uuid_t	uuid;			/* decoded value for the callback */
} Column;

struct KeyOrder
{
	MemoryContext context;
	MemoryContext layout_context;	/* holds "memory" and distinct values */
	Relation	heap;
	Relation	index;
	IndexBuildCallback callback;
	void	   *state;
	BlockNumber nblocks;
	Size		bytes;

	int			ncolumns;
	int			nrecorded;
	int			words;			/* in an entry */
	int			block_at;		/* address of the row */
	int			block_bits;
	int			offset_at;
	int			offset_bits;
	int			record_at;		/* offset of its record in "memory" */
	int			record_bits;

	char	   *memory;
	Size		size;
	Size		page_bytes;		/* the most that the rows of one page need */
	Size		count;			/* number of entries */
	Size		records;		/* offset of the first record */
	BlockNumber first;			/* first page of the chunk */
	Column	   *misfit;			/* column whose value did not fit */
	Column		columns[FLEXIBLE_ARRAY_MEMBER];
};

/* ---- entries ---- */

static inline uint64 *
entry_at(KeyOrder *order, Size row)
{
	return (uint64 *) order->memory + row * order->words;
}

static inline bool
is_null(const Column *column, const uint64 *entry)
{
	return get_bits(entry, column->at, 1) != column->nulls_first;
}

static inline void
put_null(const Column *column, uint64 *entry, bool isnull)
{
	put_bits(entry, column->at, 1, isnull != column->nulls_first);
}

/* Reads "bits" bits of a column's value after the first "skip" bits. */
static inline uint64
get_part(const Column *column, const uint64 *entry, int skip, int bits)
{
	uint64		part = get_bits(entry, column->at + 1 + skip, bits);

	return column->descending ? ~part & low_bits(bits) : part;
}

static inline void
put_part(const Column *column, uint64 *entry, int skip, int bits, uint64 part)
{
	put_bits(entry, column->at + 1 + skip, bits,
			 column->descending ? ~part & low_bits(bits) : part);
}

/* ---- records ---- */

/*
 * Finds the value of a recorded column that is not NULL in the record of its
 * row.
 */
static Datum
recorded_value(KeyOrder *order, const uint64 *entry, const Column *wanted)
{
	char	   *at = order->memory + get_bits(entry, order->record_at, order->record_bits);

	for (Column *column = order->columns;; column++)
	{
		Form_pg_attribute att = column->att;

		if (!column->recorded || is_null(column, entry))
			continue;
		at = (char *) att_align_pointer(at, att->attalign, att->attlen, at);
		if (column == wanted)
			return PointerGetDatum(at);
		at = att_addlength_pointer(at, att->attlen, at);
	}
}

/*
 * Computes the layout of a record at offset "at" and returns its end.  Writes
 * the values if "memory" is not NULL; else sets *aligned if a value needs
 * alignment.
 */
static Size
lay_out(KeyOrder *order, Size at, char *memory, const Datum *values, const bool *isnull,
		bool *aligned)
{
	for (int i = 0; i < order->ncolumns; i++)
	{
		Form_pg_attribute att = order->columns[i].att;
		Size		start;
		Size		length;

		if (!order->columns[i].recorded || isnull[i])
			continue;
		start = att_align_datum(at, att->attalign, att->attlen, values[i]);
		length = datumGetSize(values[i], false, att->attlen);
		if (memory != NULL)
		{
			/* att_align_pointer() requires zeros as padding */
			memset(memory + at, 0, start - at);
			memcpy(memory + start, DatumGetPointer(values[i]), length);
		}
		else if (att->attlen != -1 || !VARATT_IS_SHORT(DatumGetPointer(values[i])))
			*aligned = true;
		at = start + length;
	}
	return at;
}

static void
add_record(KeyOrder *order, uint64 *entry, const Datum *values, const bool *isnull)
{
	bool		aligned = false;
	Size		size = lay_out(order, 0, NULL, values, isnull, &aligned);

	order->records -= size;
	if (aligned)
		order->records = TYPEALIGN_DOWN(MAXIMUM_ALIGNOF, order->records);
	lay_out(order, order->records, order->memory, values, isnull, NULL);
	put_bits(entry, order->record_at, order->record_bits, order->records);
}

/* ---- the layout of entries ---- */

static int
value_bits(const Column *column)
{
	switch (column->kind)
	{
		case KEY_NUMBERED:
			return NUMBER_BITS;
		case KEY_BYTES:
			return WORD_BITS;
		case KEY_UUID:
			return 2 * WORD_BITS;
		default:
			return column->recorded ? 0 : column->att->attlen * BITS_PER_BYTE;
	}
}

/* Places all key columns, or all others, from bit "at".  Returns the end. */
static int
place_columns(KeyOrder *order, bool is_key, int at)
{
	for (int i = 0; i < order->ncolumns; i++)
	{
		Column	   *column = &order->columns[i];

		if (column->is_key != is_key)
			continue;
		column->at = at;
		column->bits = value_bits(column);
		at += 1 + column->bits;
	}
	return at;
}

static int
place_field(int *at, int end, int bits)
{
	*at = end;
	return end + bits;
}

/* Places all fields of an entry.  Returns false if the entry is too wide. */
static bool
place_bits(KeyOrder *order)
{
	int			end = place_columns(order, true, 0);

	order->block_bits = bits_for(order->nblocks);
	order->offset_bits = bits_for(MaxHeapTuplesPerPage);
	order->record_bits = order->nrecorded > 0 ? bits_for(order->bytes) : 0;
	end = place_field(&order->block_at, end, order->block_bits);
	end = place_field(&order->offset_at, end, order->offset_bits);
	end = place_field(&order->record_at, end, order->record_bits);
	end = place_columns(order, false, end);
	order->words = (end + WORD_BITS - 1) / WORD_BITS;
	return order->words <= WORD_SORT_MAX_WORDS;
}

/*
 * Allots up to a quarter of the memory to distinct values.  Returns the rest.
 */
static Size
make_numbers(KeyOrder *order)
{
	Size		share = order->bytes / 4 / order->ncolumns;
	Size		left = order->bytes;

	for (int i = 0; i < order->ncolumns; i++)
	{
		Column	   *column = &order->columns[i];

		if (column->kind != KEY_NUMBERED)
			continue;
		column->numbers = value_numbers_create(column->att->attlen, column->att->attbyval,
											   index_getprocinfo(order->index, i + 1, BTORDER_PROC),
											   order->index->rd_indcollation[i],
											   1 << NUMBER_BITS, share);
		left -= share;
	}
	return left;
}

static void
begin_chunk(KeyOrder *order)
{
	order->count = 0;
	order->records = order->size;
	for (int i = 0; i < order->ncolumns; i++)
		order->columns[i].sample.start = NULL;
}

/*
 * Allocates memory for entries and records.  The estimate may be generous,
 * because the operating system provides only memory that is used.
 */
static bool
make_memory(KeyOrder *order, Size bytes)
{
	order->page_bytes = MaxHeapTuplesPerPage * order->words * sizeof(uint64) +
		order->nrecorded * BLCKSZ + MaxHeapTuplesPerPage * (order->nrecorded + 1) * MAXIMUM_ALIGNOF;
	order->size = MAXALIGN_DOWN(Min(bytes, order->page_bytes * order->nblocks));
	if (order->size < order->page_bytes)
		return false;
	order->memory = palloc(order->size);
	return true;
}

static bool
make_layout(KeyOrder *order)
{
	MemoryContext oldcontext;
	bool		fits;

	MemoryContextReset(order->layout_context);
	oldcontext = MemoryContextSwitchTo(order->layout_context);
	order->nrecorded = 0;
	for (int i = 0; i < order->ncolumns; i++)
	{
		Column	   *column = &order->columns[i];

		column->recorded = column->kind == KEY_BYTES ||
			(column->kind == KEY_NONE && !column->att->attbyval);
		order->nrecorded += column->recorded;
	}
	fits = place_bits(order) && make_memory(order, make_numbers(order));
	begin_chunk(order);
	MemoryContextSwitchTo(oldcontext);
	return fits;
}

/*
 * Returns false if the order of a key column is not known, or if the type is
 * cstring.
 */
static bool
describe_column(KeyOrder *order, const IndexInfo *info, int i)
{
	Column	   *column = &order->columns[i];

	column->att = TupleDescAttr(RelationGetDescr(order->heap), info->ii_IndexAttrNumbers[i] - 1);
	column->is_key = i < info->ii_NumIndexKeyAttrs;
	if (!column->is_key)
		return column->att->attlen != -2;
	column->descending = (order->index->rd_indoption[i] & INDOPTION_DESC) != 0;
	column->nulls_first = (order->index->rd_indoption[i] & INDOPTION_NULLS_FIRST) != 0;
	column->blank_padded = getBaseType(column->att->atttypid) == BPCHAROID;
	column->kind = key_kind(order->index, i, column->att);
	return column->kind != KEY_NONE;
}

static KeyOrder *
create(const IndexInfo *info)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pgtunsync key order",
												  ALLOCSET_SMALL_SIZES);
	KeyOrder   *order = MemoryContextAllocZero(context, offsetof(KeyOrder, columns) +
											   sizeof(Column) * info->ii_NumIndexAttrs);

	order->context = context;
	order->layout_context = AllocSetContextCreate(context, "pgtunsync key order's rows",
												  ALLOCSET_DEFAULT_SIZES);
	order->ncolumns = info->ii_NumIndexAttrs;
	return order;
}

KeyOrder *
key_order_begin(Relation heap, Relation index, const IndexInfo *info, BlockNumber nblocks,
				Size bytes, IndexBuildCallback callback, void *state)
{
	KeyOrder   *order;
	bool		known = true;

	if (index->rd_rel->relam != BTREE_AM_OID || nblocks == 0)
		return NULL;
	order = create(info);
	order->heap = heap;
	order->index = index;
	order->callback = callback;
	order->state = state;
	order->nblocks = nblocks;
	order->bytes = bytes;
	for (int i = 0; i < order->ncolumns && known; i++)
		known = describe_column(order, info, i);
	if (known && make_layout(order))
		return order;
	key_order_end(order);
	return NULL;
}

void
key_order_end(KeyOrder *order)
{
	MemoryContextDelete(order->context);
}

/* ---- adding rows ---- */

static void
put_uuid(const Column *column, uint64 *entry, Datum value)
{
	uint64		halves[2];

	memcpy(halves, DatumGetPointer(value), sizeof(halves));
	put_part(column, entry, 0, WORD_BITS, pg_ntoh64(halves[0]));
	put_part(column, entry, WORD_BITS, WORD_BITS, pg_ntoh64(halves[1]));
}

/*
 * Writes the number of the value.  place_numbers() replaces it by the rank
 * later.
 */
static bool
put_number(const Column *column, uint64 *entry, Datum value)
{
	int			number = -1;

	if (column->att->attbyval || column->att->attlen != -1 ||
		!VARATT_IS_EXTERNAL(DatumGetPointer(value)))
		number = value_numbers_add(column->numbers, value);
	if (number < 0)
		return false;
	put_bits(entry, column->at + 1, column->bits, number);
	return true;
}

static inline bool
text_of(const Column *column, Datum value, KeyBytes *bytes)
{
	return key_bytes(value, column->blank_padded, bytes);
}

static bool
put_value(KeyOrder *order, Column *column, uint64 *entry, Datum value)
{
	KeyBytes	bytes;

	switch (column->kind)
	{
		case KEY_UUID:
			put_uuid(column, entry, value);
			return true;
		case KEY_NUMBERED:
			return put_number(column, entry, value);
		case KEY_BYTES:
			return text_of(column, value, &bytes);
		default:
			if (!column->recorded)
				put_part(column, entry, 0, column->bits,
						 key_encode(column->kind, column->att->attlen, value));
			return true;
	}
}

/* Shortens the common prefix of the chunk's texts to that of this row. */
static void
narrow_prefixes(KeyOrder *order, const uint64 *entry)
{
	for (int i = 0; i < order->ncolumns; i++)
	{
		Column	   *column = &order->columns[i];
		KeyBytes	bytes;

		if (column->kind != KEY_BYTES || is_null(column, entry))
			continue;
		(void) text_of(column, recorded_value(order, entry, column), &bytes);
		if (column->sample.start == NULL)
		{
			column->sample = bytes;
			column->common = bytes.length;
		}
		bytes.length = Min(bytes.length, column->common);
		column->common = key_common_bytes(column->sample, bytes);
	}
}

static bool
add_row(KeyOrder *order, HeapTuple tuple)
{
	uint64	   *entry = entry_at(order, order->count);
	Datum		values[INDEX_MAX_KEYS];
	bool		isnull[INDEX_MAX_KEYS];

	memset(entry, 0, order->words * sizeof(uint64));
	for (int i = 0; i < order->ncolumns; i++)
	{
		Column	   *column = &order->columns[i];

		values[i] = heap_getattr(tuple, column->att->attnum, RelationGetDescr(order->heap),
								 &isnull[i]);
		put_null(column, entry, isnull[i]);
		if (!isnull[i] && !put_value(order, column, entry, values[i]))
		{
			order->misfit = column;
			return false;
		}
	}
	put_bits(entry, order->block_at, order->block_bits,
			 ItemPointerGetBlockNumberNoCheck(&tuple->t_self));
	put_bits(entry, order->offset_at, order->offset_bits,
			 ItemPointerGetOffsetNumberNoCheck(&tuple->t_self));
	if (order->nrecorded > 0)
	{
		add_record(order, entry, values, isnull);
		narrow_prefixes(order, entry);
	}
	order->count++;
	return true;
}

bool
key_order_add(KeyOrder *order, FrozenScan *page)
{
	if (order->count * order->words * sizeof(uint64) + order->page_bytes > order->records)
		key_order_flush(order);
	if (order->count == 0)
		order->first = page->block;
	for (int row = 0; row < page->ntuples; row++)
		if (!add_row(order, &page->tuples[row]))
			return false;
	return true;
}

bool
key_order_revise(KeyOrder *order, BlockNumber *block)
{
	Column	   *misfit = order->misfit;

	*block = order->first;
	misfit->kind = key_kind_of_many(order->index, misfit - order->columns, misfit->kind);
	return misfit->kind != KEY_NONE && make_layout(order);
}

/* ---- the order of a chunk ---- */

/* Replaces the number of each value by its rank. */
static void
place_numbers(KeyOrder *order, Column *column)
{
	value_numbers_rank(column->numbers);
	for (Size row = 0; row < order->count; row++)
	{
		uint64	   *entry = entry_at(order, row);
		uint64		number;

		if (is_null(column, entry))
			continue;
		number = get_bits(entry, column->at + 1, column->bits);
		put_bits(entry, column->at + 1, column->bits, number);
		put_part(column, entry, 0, column->bits, value_numbers_get_rank(column->numbers, number));
	}
}

/* Writes the prefix of each text, after the common prefix of the chunk. */
static void
place_prefixes(KeyOrder *order, Column *column)
{
	for (Size row = 0; row < order->count; row++)
	{
		uint64	   *entry = entry_at(order, row);
		KeyBytes	bytes;

		if (is_null(column, entry))
			continue;
		(void) text_of(column, recorded_value(order, entry, column), &bytes);
		put_part(column, entry, 0, column->bits, key_prefix(bytes, column->common));
	}
}

static int
compare_texts(KeyOrder *order, const Column *column, const uint64 *a, const uint64 *b)
{
	KeyBytes	x;
	KeyBytes	y;
	int			result;

	/* either both are NULL or none */
	if (is_null(column, a))
		return 0;
	(void) text_of(column, recorded_value(order, a, column), &x);
	(void) text_of(column, recorded_value(order, b, column), &y);
	result = key_compare_bytes(x, y);
	if (column->descending)
		INVERT_COMPARE_RESULT(result);
	return result;
}

/* Compares texts by all of their bytes, other columns by their bits. */
static int
compare_entries(const void *a, const void *b, void *arg)
{
	KeyOrder   *order = arg;
	int			from = 0;
	int			result = 0;

	CHECK_FOR_INTERRUPTS();
	for (int i = 0; i < order->ncolumns && result == 0; i++)
	{
		Column	   *column = &order->columns[i];
		int			end = column->at + 1 + column->bits;

		if (column->kind != KEY_BYTES)
			continue;
		result = compare_bits(a, b, from, end);
		if (result == 0)
			result = compare_texts(order, column, a, b);
		from = end;
	}
	return result != 0 ? result : compare_bits(a, b, from, order->record_at);
}

/*
 * Sorts rows again that are equal up to the prefix of the first text column.
 */
static void
sort_ties(KeyOrder *order, const Column *text)
{
	int			end = text->at + 1 + text->bits;
	Size		start = 0;

	for (Size row = 1; row <= order->count; row++)
	{
		if (row < order->count &&
			compare_bits(entry_at(order, start), entry_at(order, row), 0, end) == 0)
			continue;
		if (row - start > 1)
			qsort_arg(entry_at(order, start), row - start, order->words * sizeof(uint64),
					  compare_entries, order);
		start = row;
	}
}

static void
sort_chunk(KeyOrder *order)
{
	Column	   *text = NULL;

	for (int i = order->ncolumns - 1; i >= 0; i--)
	{
		Column	   *column = &order->columns[i];

		if (column->kind == KEY_NUMBERED)
			place_numbers(order, column);
		if (column->kind == KEY_BYTES)
		{
			place_prefixes(order, column);
			text = column;
		}
	}
	word_sort((uint64 *) order->memory, order->count, order->words);
	if (text != NULL)
		sort_ties(order, text);
}

/* ---- passing rows to the build ---- */

static Datum
get_uuid(Column *column, const uint64 *entry)
{
	uint64		halves[2];

	halves[0] = pg_hton64(get_part(column, entry, 0, WORD_BITS));
	halves[1] = pg_hton64(get_part(column, entry, WORD_BITS, WORD_BITS));
	memcpy(&column->uuid, halves, sizeof(halves));
	return UUIDPGetDatum(&column->uuid);
}

static Datum
get_value(KeyOrder *order, Column *column, const uint64 *entry)
{
	if (column->recorded)
		return recorded_value(order, entry, column);
	if (column->kind == KEY_UUID)
		return get_uuid(column, entry);
	if (column->kind == KEY_NUMBERED)
		return value_numbers_get_value(column->numbers, get_part(column, entry, 0, column->bits));
	return key_decode(column->kind, column->att->attlen,
					  get_part(column, entry, 0, column->bits));
}

static void
pass_row(KeyOrder *order, const uint64 *entry)
{
	Datum		values[INDEX_MAX_KEYS];
	bool		isnull[INDEX_MAX_KEYS];
	ItemPointerData tid;

	for (int i = 0; i < order->ncolumns; i++)
	{
		isnull[i] = is_null(&order->columns[i], entry);
		values[i] = isnull[i] ? (Datum) 0 : get_value(order, &order->columns[i], entry);
	}
	ItemPointerSet(&tid, get_bits(entry, order->block_at, order->block_bits),
				   get_bits(entry, order->offset_at, order->offset_bits));
	order->callback(order->index, &tid, values, isnull, true, order->state);
}

void
key_order_flush(KeyOrder *order)
{
	sort_chunk(order);
	for (Size row = 0; row < order->count; row++)
	{
		CHECK_FOR_INTERRUPTS();
		pass_row(order, entry_at(order, row));
	}
	begin_chunk(order);
}
