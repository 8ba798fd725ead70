/*-------------------------------------------------------------------------
 *
 * mask_key.c
 *	  PGSYNC_MASK_KEY on its way to the source.
 *
 * Pseudonyms are computed on the source, which needs the key for that.  It gets
 * one that is derived from the secret, when the login is over, in each
 * transaction that computes pseudonyms, as a setting of this transaction.  So a
 * pooler may sit in between, and no session keeps the key.
 *
 * The key must not get into the source's logs or its pg_stat_activity.  A
 * statement does, and so does a bind parameter (log_statement shows both).  The
 * values that a query returns do not.  So the source first makes a random pad,
 * keeps it in a setting and returns it:
 *
 *		here				SELECT set_config('...pad', <random>)
 *		source				pad
 *		here				SELECT set_config('...inner', <key # pad> # '...pad')
 *
 * The statements show the random function's name, and a key that is combined
 * with a pad that was used once.  The pad serves all transactions of the message
 * that follows, and is then reset.  Sources before version 13 have no strong
 * random function; there the pad depends on random() and on the clock.
 *
 * A transaction without the key fails: the settings do not exist there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hmac.h"
#include "common/sha2.h"
#include "lib/stringinfo.h"
#include "utils/resowner.h"

#include "source/mask_key.h"
#include "source/result_reader.h"

#define KEY_VARIABLE	"PGSYNC_MASK_KEY"
#define KEY_LENGTH_MIN	16
#define HMAC_BLOCK		64
#define INNER_PAD		0x36
#define OUTER_PAD		0x5c
#define PAD				"pgtunsync_mask.pad"
#define PAD_DIGITS		(PG_SHA256_DIGEST_LENGTH * 2)

/* A key for this purpose alone: HMAC of a label. */
static bool
derive_key(const char *key, uint8 *derived)
{
	static const char label[] = "pgtunsync mask key 1";
	pg_hmac_ctx *hmac = pg_hmac_create(PG_SHA256);
	bool		done;

	done = hmac != NULL &&
		pg_hmac_init(hmac, (const uint8 *) key, strlen(key)) >= 0 &&
		pg_hmac_update(hmac, (const uint8 *) label, strlen(label)) >= 0 &&
		pg_hmac_final(hmac, derived, PG_SHA256_DIGEST_LENGTH) >= 0;
	if (hmac != NULL)
		pg_hmac_free(hmac);
	return done;
}

/* The server's HMAC wants a resource owner, also where there is no transaction. */
static bool
derive_key_owned(const char *key, uint8 *derived)
{
	ResourceOwner saved = CurrentResourceOwner;
	ResourceOwner owner = ResourceOwnerCreate(NULL, "pgtunsync mask key");
	bool		done;

	CurrentResourceOwner = owner;
	done = derive_key(key, derived);
	CurrentResourceOwner = saved;
	ResourceOwnerDelete(owner);
	return done;
}

static void
append_hex(StringInfo buf, const uint8 *bytes)
{
	for (int i = 0; i < PG_SHA256_DIGEST_LENGTH; i++)
		appendStringInfo(buf, "%02x", bytes[i]);
}

char *
mask_key_read(const EnvFile *env)
{
	const char *key = env_file_get_secret(env, KEY_VARIABLE);
	uint8		derived[PG_SHA256_DIGEST_LENGTH];
	StringInfoData buf;

	if (key == NULL || strlen(key) < KEY_LENGTH_MIN)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 key == NULL ?
				 errmsg("environment file \"%s\": %s is not set", env_file_path(env), KEY_VARIABLE) :
				 errmsg("environment file \"%s\", line %d: %s is shorter than %d characters",
						env_file_path(env), env_file_line(env, KEY_VARIABLE), KEY_VARIABLE, KEY_LENGTH_MIN),
				 errdetail("Data rules such as pseudonym, shift_date and partial need a secret key."),
				 errhint("Put %s=… into the file, with what \"openssl rand -hex 32\" prints, and keep it: another key gives other pseudonyms.",
						 KEY_VARIABLE)));
	if (!derive_key_owned(key, derived))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not derive a key from %s", KEY_VARIABLE)));
	initStringInfo(&buf);
	append_hex(&buf, derived);
	explicit_bzero(derived, sizeof(derived));
	return buf.data;
}

/* ---- on the source ---- */

/* A random text; sha256() takes what is known of it out of its bits. */
static const char *
random_sql(int version)
{
	if (version >= 130000)
		return "gen_random_uuid()::text || gen_random_uuid()::text";
	return "random()::text || random()::text || random()::text || random()::text"
		" || clock_timestamp()::text";
}

static const ResultColumn pad_columns[] = {{"pad", RESULT_TEXT, .max = PAD_DIGITS}};
static const ResultShape pad_shape = {"a random pad", pad_columns, lengthof(pad_columns)};

/* Reads the pad, behind the results of BEGIN and SET. */
static char *
read_pad(Source *source)
{
	ResultReader *reader;
	char	   *pad = NULL;

	result_skip(source);
	result_skip(source);
	reader = result_begin(source, &pad_shape, 1, 1);
	while (result_next(reader))
	{
		pad = result_text(reader, 0);
		if (strlen(pad) != PAD_DIGITS || strspn(pad, "0123456789abcdef") != PAD_DIGITS)
			result_refuse_column(reader, 0, "hexadecimal digits");
	}
	result_finish(source);
	return pad;
}

/* The value of a hexadecimal digit, which is one. */
static int
digit(char c)
{
	return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* Replaces the digits of pad by those of the key combined with it. */
static void
combine(char *pad, const char *key)
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; i < PAD_DIGITS; i++)
		pad[i] = digits[digit(pad[i]) ^ digit(key[i])];
}

/* One of HMAC's two padded keys, from the bytes b of the rows. */
static char *
padded_key_sql(const char *name, int byte)
{
	return psprintf("set_config('%s', string_agg(lpad(to_hex(b # %d), 2, '0'), '' ORDER BY i)"
					" || repeat('%02x', %d), true)",
					name, byte, byte, HMAC_BLOCK - PG_SHA256_DIGEST_LENGTH);
}

char *
mask_key_hand_over(Source *source, const char *key)
{
	char	   *pad;

	source_show_texts(source);
	source_send(source, psprintf("BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;"
								 " SET LOCAL search_path = pg_catalog, pg_temp;"
								 " SELECT set_config('" PAD "', encode(sha256(convert_to(%s, 'UTF8')),"
								 " 'hex'), false)", random_sql(source_version(source))));
	source_receive(source);
	pad = read_pad(source);
	combine(pad, key);
	return psprintf("SELECT FROM (SELECT %s AS a, %s FROM (SELECT i,"
					" get_byte(decode('%s', 'hex'), i) # get_byte(decode(current_setting('" PAD "'), 'hex'), i) AS b"
					" FROM generate_series(0, %d) i) bytes OFFSET 0) s WHERE a IS NULL; ",
					padded_key_sql(MASK_KEY_INNER, INNER_PAD), padded_key_sql(MASK_KEY_OUTER, OUTER_PAD),
					pad, PG_SHA256_DIGEST_LENGTH - 1);
}
