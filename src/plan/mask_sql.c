/*-------------------------------------------------------------------------
 *
 * mask_sql.c
 *	  SQL for masks, out of built-in functions.
 *
 * Pseudonyms are HMAC-SHA-256 (RFC 2104) of the value:
 *
 *		sha256(outer || sha256(inner || value))
 *
 * The two padded keys are settings of the session (mask_key.c); a subquery
 * without references to the row is evaluated once.  Where a digest is used
 * twice, OFFSET 0 keeps the planner from computing it twice.
 *
 * Numbers are not hashed but permuted, so that keys stay unique: a Feistel
 * network of four rounds over 31 bits, whose round function is the HMAC.  The
 * halves of an odd number of bits change places with their sizes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"

#include "source/mask_key.h"
#include "plan/mask_sql.h"

/* Short, common, and of many languages. */
static const char *const first_names =
"Ada,Aki,Alma,Amir,Ana,Anton,Aya,Ben,Bruno,Carla,Chen,Cleo,Dana,David,Dina,Elif,"
"Elsa,Emil,Emma,Enzo,Eva,Fatima,Felix,Finn,Frida,Gina,Hana,Hugo,Ida,Ines,Ivan,Jana,"
"Jo,Jonas,Juan,Karl,Kemal,Kim,Lara,Lea,Leo,Lina,Luca,Maja,Marie,Max,Maya,Mila,"
"Nils,Nina,Noah,Nora,Olga,Omar,Oscar,Paul,Pia,Rosa,Sam,Sara,Tim,Vera,Yara,Zoe";
static const char *const last_names =
"Adler,Ahmed,Aoki,Baker,Bauer,Berg,Bianchi,Blum,Brandt,Castro,Chen,Costa,Cruz,Diaz,Dubois,Eder,"
"Engel,Fischer,Fontaine,Garcia,Greco,Haas,Hansen,Hill,Ito,Jansen,Keller,Khan,Kim,Klein,Kovacs,Lang,"
"Larsen,Lee,Lopez,Lund,Maier,Marin,Martin,Mendez,Moreau,Nagy,Nguyen,Novak,Olsen,Park,Patel,Petit,"
"Popov,Reyes,Ricci,Rossi,Roth,Sato,Silva,Singh,Stein,Suzuki,Torres,Vogel,Weber,Winter,Wolf,Young";

/* One of the two keys, evaluated once. */
#define KEY_SQL(name) \
	"(SELECT pg_catalog.decode(pg_catalog.current_setting('" name "'), 'hex'))"

char *
mask_sql_hmac(const char *text, const char *encoding)
{
	return psprintf("pg_catalog.sha256(" KEY_SQL(MASK_KEY_OUTER)
					" || pg_catalog.sha256(" KEY_SQL(MASK_KEY_INNER)
					" || pg_catalog.convert_to(%s, %s)))",
					text, quote_literal_cstr(encoding));
}

/* Some of the digest's bytes in hexadecimal. */
static char *
hex(const char *text, int bytes, const char *encoding)
{
	return psprintf("pg_catalog.encode(pg_catalog.substr(%s, 1, %d), 'hex')",
					mask_sql_hmac(text, encoding), bytes);
}

/* Hexadecimal digits as decimal ones. */
static char *
decimal(const char *digits)
{
	return psprintf("pg_catalog.translate(%s, 'abcdef', '083952')", digits);
}

char *
mask_sql_token(const char *text, const char *encoding)
{
	return hex(text, 12, encoding);
}

char *
mask_sql_uuid(const char *text, const char *encoding)
{
	return psprintf("%s::uuid", hex(text, 16, encoding));
}

char *
mask_sql_email(const char *text, const char *encoding)
{
	return psprintf("'user' || %s || '@example.org'", hex(text, 8, encoding));
}

char *
mask_sql_digits(const char *text, const char *encoding)
{
	return decimal(hex(text, 8, encoding));
}

/* An element of a list of 64 by a byte of the digest h. */
static char *
pick(const char *list, int byte)
{
	return psprintf("(pg_catalog.string_to_array(%s, ','))[1 + (pg_catalog.get_byte(h, %d) & 63)]",
					quote_literal_cstr(list), byte);
}

char *
mask_sql_name(const char *text, const char *part, bool unique, const char *encoding)
{
	bool		has_first = part == NULL || strcmp(part, "first") == 0;
	bool		has_last = part == NULL || strcmp(part, "last") == 0;

	return psprintf("(SELECT %s%s%s%s FROM (SELECT %s AS h OFFSET 0) d)",
					has_first ? pick(first_names, 0) : "",
					has_first && has_last ? " || ' ' || " : "",
					has_last ? pick(last_names, 1) : "",
					unique ? " || ' ' || pg_catalog.encode(pg_catalog.substr(h, 3, 8), 'hex')" : "",
					mask_sql_hmac(text, encoding));
}

/* A number from the HMAC of round and half. */
static char *
round_function(int round, const char *half, const char *encoding)
{
	return psprintf("('x' || %s)::bit(64)::bigint",
					hex(psprintf("'number %d ' || (%s)::text", round, half), 8, encoding));
}

/* Permutes the numbers of that many bits; y: SQL of one. */
static char *
feistel(const char *y, int bits, const char *encoding)
{
	int			low = bits - bits / 2;
	int64		masks[2] = {(INT64CONST(1) << (bits / 2)) - 1, (INT64CONST(1) << low) - 1};
	char	   *sql = psprintf("(SELECT (%s) >> %d AS l, (%s) & " INT64_FORMAT " AS r OFFSET 0) f",
							   y, low, y, masks[1]);

	for (int round = 1; round <= 4; round++)
		sql = psprintf("(SELECT r AS l, l # (%s & " INT64_FORMAT ") AS r FROM %s OFFSET 0) f",
					   round_function(round, "r", encoding), masks[(round + 1) % 2], sql);
	return psprintf("(SELECT (l << %d) | r FROM %s)", low, sql);
}

char *
mask_sql_number(const char *number, int bits, const char *encoding)
{
	char	   *small = feistel("n.y", bits, encoding);

	/*
	 * Numbers that need more than 31 bits are permuted among those of 63 bits;
	 * that one of them becomes smaller than 2^31 has a probability of 2^-32.
	 */
	if (bits == 31)
		small = psprintf("CASE WHEN n.y <= 2147483647 THEN %s ELSE %s END", small,
						 feistel("n.y", 63, encoding));
	return psprintf("(SELECT CASE WHEN p.x < 0 THEN -1 - p.z ELSE p.z END"
					" FROM (SELECT n.x, %s AS z"
					" FROM (SELECT v.x, CASE WHEN v.x < 0 THEN -1 - v.x ELSE v.x END AS y"
					" FROM (SELECT (%s)::bigint AS x OFFSET 0) v OFFSET 0) n"
					" WHERE n.x IS NOT NULL OFFSET 0) p)",
					small, number);
}

char *
mask_sql_partial(const char *text, int first, int last, const char *encoding)
{
	return psprintf("(SELECT CASE WHEN n <= %d THEN pg_catalog.left(fill, n)"
					" ELSE pg_catalog.left(t, %d) || pg_catalog.left(fill, n - %d) || pg_catalog.right(t, %d) END"
					" FROM (SELECT t, n, pg_catalog.repeat(CASE WHEN t ~ '[^0-9 +().-]' THEN x ELSE %s END, 1 + n / 64) AS fill"
					" FROM (SELECT v.t, pg_catalog.length(v.t) AS n, pg_catalog.encode(%s, 'hex') AS x"
					" FROM (SELECT %s AS t OFFSET 0) v OFFSET 0) w OFFSET 0) z WHERE t IS NOT NULL)",
					first + last, first, first + last, last, decimal("x"),
					mask_sql_hmac("v.t", encoding), text);
}

char *
mask_sql_shift(const char *key, int days, const char *encoding)
{
	return psprintf("(SELECT CASE WHEN d < 0 THEN d ELSE d + 1 END"
					" FROM (SELECT (('x' || %s)::bit(32)::bigint %% %d)::int - %d AS d OFFSET 0) s)",
					hex(psprintf("'shift ' || %s", key), 4, encoding), days * 2, days);
}

char *
mask_sql_unless_sentinel(const char *value, const char *type, const char *shifted)
{
	return psprintf("CASE WHEN %s >= %s '0002-01-01' AND %s < %s '9999-01-01' THEN %s ELSE %s END",
					value, type, value, type, shifted, value);
}
