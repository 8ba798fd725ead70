/*-------------------------------------------------------------------------
 *
 * mask_sql.h
 *	  SQL for masks, out of built-in functions.
 *
 * Each takes SQL whose value is masked, and gives SQL; null stays null.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_MASK_SQL_H
#define PGTUNSYNC_MASK_SQL_H

/* HMAC-SHA-256 of a text, bytea; encoding: in which it is hashed. */
extern char *mask_sql_hmac(const char *text, const char *encoding);

/* 24, or 16, hexadecimal digits. */
extern char *mask_sql_token(const char *text, const char *encoding);

extern char *mask_sql_uuid(const char *text, const char *encoding);

/* An address below example.org, 32 characters. */
extern char *mask_sql_email(const char *text, const char *encoding);

/*
 * A name; part: "first", "last" or NULL for both; unique: with something
 * behind it.
 */
extern char *mask_sql_name(const char *text, const char *part, bool unique, const char *encoding);

/* 16 digits. */
extern char *mask_sql_digits(const char *text, const char *encoding);

/*
 * A permutation of the numbers (SQL of an integer type); bits: 15 for
 * smallint, else 31, which larger numbers leave.  The sign stays.
 */
extern char *mask_sql_number(const char *number, int bits, const char *encoding);

/* All but the first and last characters replaced. */
extern char *mask_sql_partial(const char *text, int first, int last, const char *encoding);

/*
 * A number of days, not 0, up to "days" in both directions, from a row's key.
 */
extern char *mask_sql_shift(const char *key, int days, const char *encoding);

/*
 * The shifted date or timestamp, or the value itself if it is a sentinel:
 * infinite, or not between the years 2 and 9998.  type: of the comparison.
 */
extern char *mask_sql_unless_sentinel(const char *value, const char *type, const char *shifted);

#endif							/* PGTUNSYNC_MASK_SQL_H */
