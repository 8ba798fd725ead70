/*-------------------------------------------------------------------------
 *
 * key_kind.h
 *	  Maps the order of a btree column to the order of unsigned numbers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_KEY_KIND_H
#define PGTUNSYNC_KEY_KIND_H

#include "catalog/pg_attribute.h"
#include "utils/rel.h"

typedef enum KeyKind
{
	KEY_NONE,					/* no mapping is known */
	KEY_UNSIGNED,				/* the bits of the value are the number */
	KEY_SIGNED,
	KEY_FLOAT,
	KEY_UUID,
	KEY_NUMBERED,				/* see value_numbers.h */
	KEY_BYTES,					/* see key_prefix() */
} KeyKind;

/*
 * Bytes that sort as memcmp() does; of two with a common prefix, shorter
 * first.
 */
typedef struct KeyBytes
{
	const char *start;
	int			length;
} KeyBytes;

/*
 * Returns the kind of an index column (counted from 0) that indexes the heap
 * column att.  Only comparison functions of the server itself have a kind.
 */
extern KeyKind key_kind(Relation index, int column, Form_pg_attribute att);

/*
 * Returns the kind to use instead if the column has too many distinct values
 * for "kind"; KEY_NONE if there is none.
 */
extern KeyKind key_kind_of_many(Relation index, int column, KeyKind kind);

/*
 * Convert a value that is passed by value to its number and back.  "length" is
 * the length of the type in bytes.  "kind" is one of the first four.
 */
extern uint64 key_encode(KeyKind kind, int length, Datum value);
extern Datum key_decode(KeyKind kind, int length, uint64 key);

/*
 * Gets the bytes of a KEY_BYTES value.  Returns false if the value is
 * compressed or stored out of line.
 */
extern bool key_bytes(Datum value, bool blank_padded, KeyBytes *bytes);
extern int	key_compare_bytes(KeyBytes a, KeyBytes b);

/* The length of the common prefix. */
extern int	key_common_bytes(KeyBytes a, KeyBytes b);

/* The eight bytes after the first "skip" bytes, as a number. */
extern uint64 key_prefix(KeyBytes bytes, int skip);

#endif							/* PGTUNSYNC_KEY_KIND_H */
