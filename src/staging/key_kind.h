/*-------------------------------------------------------------------------
 *
 * key_kind.h
 *	  What the order of a b-tree's column is in terms of unsigned numbers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_KEY_KIND_H
#define PGTUNSYNC_KEY_KIND_H

#include "catalog/pg_attribute.h"
#include "utils/rel.h"

typedef enum KeyKind
{
	KEY_NONE,					/* none that we know of */
	KEY_UNSIGNED,				/* its bits are the number */
	KEY_SIGNED,
	KEY_FLOAT,
	KEY_UUID,
	KEY_NUMBERED,				/* see value_numbers.h */
	KEY_BYTES,					/* see key_prefix() */
} KeyKind;

/* Bytes in the order of memcmp(), the shorter first. */
typedef struct KeyBytes
{
	const char *start;
	int			length;
} KeyBytes;

/*
 * The kind of the index's column, from 0 on, whose values come from a heap's column.
 * Only functions of the server take part in it.
 */
extern KeyKind key_kind(Relation index, int column, Form_pg_attribute att);

/* The kind if there are too many values for that one. */
extern KeyKind key_kind_of_many(Relation index, int column, KeyKind kind);

/*
 * The number that stands for a value passed by value, and the other way round;
 * "length" is that of the type in bytes, "kind" one of the first four.
 */
extern uint64 key_encode(KeyKind kind, int length, Datum value);
extern Datum key_decode(KeyKind kind, int length, uint64 key);

/* Of KEY_BYTES: false if the value is not there as such, but compressed or stored elsewhere. */
extern bool key_bytes(Datum value, bool blank_padded, KeyBytes *bytes);
extern int	key_compare_bytes(KeyBytes a, KeyBytes b);

/* How many bytes both begin with. */
extern int	key_common_bytes(KeyBytes a, KeyBytes b);

/* The eight bytes from "skip" on as a number. */
extern uint64 key_prefix(KeyBytes bytes, int skip);

#endif							/* PGTUNSYNC_KEY_KIND_H */
