/*-------------------------------------------------------------------------
 *
 * key_kind.c
 *	  Maps the order of a btree column to the order of unsigned numbers.
 *
 * The comparison function of the column's operator class determines the
 * mapping.  An operator class can pair any function with any type, so the
 * length of the type is checked as well.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/nbtree.h"
#include "port/pg_bswap.h"
#include "utils/fmgroids.h"
#include "utils/uuid.h"
#include "utils/varlena.h"

#include "staging/key_kind.h"

#define SIGN_BIT(length)	(UINT64CONST(1) << ((length) * 8 - 1))

/* The type may have any length, but must be passed by reference. */
#define ANY_LENGTH		0

static const struct
{
	Oid			function;
	KeyKind		kind;
	int			length;
}			orders[] = {
	{F_BTBOOLCMP, KEY_UNSIGNED, sizeof(bool)},
	{F_BTCHARCMP, KEY_UNSIGNED, sizeof(char)},
	{F_BTOIDCMP, KEY_UNSIGNED, sizeof(Oid)},
	{F_BTINT2CMP, KEY_SIGNED, sizeof(int16)},
	{F_BTINT4CMP, KEY_SIGNED, sizeof(int32)},
	{F_BTINT8CMP, KEY_SIGNED, sizeof(int64)},
	{F_CASH_CMP, KEY_SIGNED, sizeof(int64)},
	{F_DATE_CMP, KEY_SIGNED, sizeof(int32)},
	{F_TIME_CMP, KEY_SIGNED, sizeof(int64)},
	{F_TIMESTAMP_CMP, KEY_SIGNED, sizeof(int64)},
	{F_TIMESTAMPTZ_CMP, KEY_SIGNED, sizeof(int64)},
	{F_BTFLOAT4CMP, KEY_FLOAT, sizeof(float4)},
	{F_BTFLOAT8CMP, KEY_FLOAT, sizeof(float8)},
	{F_UUID_CMP, KEY_UUID, UUID_LEN},
	{F_ENUM_CMP, KEY_NUMBERED, sizeof(Oid)},
	{F_BTTEXTCMP, KEY_NUMBERED, ANY_LENGTH},
	{F_BPCHARCMP, KEY_NUMBERED, ANY_LENGTH},
	{F_BYTEACMP, KEY_NUMBERED, ANY_LENGTH},
	{F_BTTEXT_PATTERN_CMP, KEY_NUMBERED, ANY_LENGTH},
	{F_BTBPCHAR_PATTERN_CMP, KEY_NUMBERED, ANY_LENGTH},
	{F_BTNAMECMP, KEY_NUMBERED, ANY_LENGTH},
	{F_NUMERIC_CMP, KEY_NUMBERED, ANY_LENGTH},
	{F_NETWORK_CMP, KEY_NUMBERED, ANY_LENGTH},
};

static bool
has_length(Form_pg_attribute att, KeyKind kind, int length)
{
	if (length == ANY_LENGTH)
		return !att->attbyval && att->attlen >= -1;
	return att->attlen == length && att->attbyval == (kind != KEY_UUID);
}

KeyKind
key_kind(Relation index, int column, Form_pg_attribute att)
{
	Oid			function = index_getprocid(index, column + 1, BTORDER_PROC);

	for (int i = 0; i < lengthof(orders); i++)
		if (orders[i].function == function)
			return has_length(att, orders[i].kind, orders[i].length) ? orders[i].kind : KEY_NONE;
	return KEY_NONE;
}

/*
 * Guesses whether a collation orders text by its bytes.  A linguistic
 * collation sorts lower-case letters before upper-case ones, or ignores
 * punctuation at first.
 */
static bool
sorts_by_bytes(Oid collation)
{
	return varstr_cmp("Z", 1, "a", 1, collation) < 0 &&
		varstr_cmp("-b", 2, "a", 1, collation) < 0;
}

KeyKind
key_kind_of_many(Relation index, int column, KeyKind kind)
{
	if (kind != KEY_NUMBERED)
		return KEY_NONE;
	switch (index_getprocid(index, column + 1, BTORDER_PROC))
	{
		case F_BYTEACMP:
		case F_BTTEXT_PATTERN_CMP:
		case F_BTBPCHAR_PATTERN_CMP:
			return KEY_BYTES;
		case F_BTTEXTCMP:
		case F_BPCHARCMP:
			return sorts_by_bytes(index->rd_indcollation[column]) ? KEY_BYTES : KEY_NONE;
		default:
			return KEY_NONE;
	}
}

/* In IEEE 754, the bits without the sign grow with the distance from zero. */
static uint64
encode_float(int length, uint64 bits)
{
	return (bits & SIGN_BIT(length)) != 0 ? ~bits : bits | SIGN_BIT(length);
}

static uint64
decode_float(int length, uint64 key)
{
	return (key & SIGN_BIT(length)) != 0 ? key ^ SIGN_BIT(length) : ~key;
}

uint64
key_encode(KeyKind kind, int length, Datum value)
{
	uint64		bits = (uint64) value;

	if (kind == KEY_SIGNED)
		bits ^= SIGN_BIT(length);
	else if (kind == KEY_FLOAT)
		bits = encode_float(length, bits);
	return length < (int) sizeof(uint64) ? bits & ((UINT64CONST(1) << length * 8) - 1) : bits;
}

/* Returns the same Datum as fetch_att(). */
Datum
key_decode(KeyKind kind, int length, uint64 key)
{
	if (kind == KEY_SIGNED)
		key ^= SIGN_BIT(length);
	else if (kind == KEY_FLOAT)
		key = decode_float(length, key);
	switch (length)
	{
		case sizeof(char):
			return CharGetDatum((char) key);
		case sizeof(int16):
			return Int16GetDatum((int16) key);
		case sizeof(int32):
			return Int32GetDatum((int32) key);
		default:
			return (Datum) key;
	}
}

bool
key_bytes(Datum value, bool blank_padded, KeyBytes *bytes)
{
	struct varlena *text = (struct varlena *) DatumGetPointer(value);

	if (VARATT_IS_EXTERNAL(text) || VARATT_IS_COMPRESSED(text))
		return false;
	bytes->start = VARDATA_ANY(text);
	bytes->length = VARSIZE_ANY_EXHDR(text);
	while (blank_padded && bytes->length > 0 && bytes->start[bytes->length - 1] == ' ')
		bytes->length--;
	return true;
}

int
key_compare_bytes(KeyBytes a, KeyBytes b)
{
	int			order = memcmp(a.start, b.start, Min(a.length, b.length));

	return order != 0 ? order : a.length - b.length;
}

int
key_common_bytes(KeyBytes a, KeyBytes b)
{
	int			common = 0;

	while (common < Min(a.length, b.length) && a.start[common] == b.start[common])
		common++;
	return common;
}

uint64
key_prefix(KeyBytes bytes, int skip)
{
	uint64		prefix = 0;
	int			length = Min(bytes.length - skip, (int) sizeof(prefix));

	if (length > 0)
		memcpy(&prefix, bytes.start + skip, length);
	return pg_ntoh64(prefix);
}
