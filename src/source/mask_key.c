/*-------------------------------------------------------------------------
 *
 * mask_key.c
 *	  PGSYNC_MASK_KEY on its way to the source.
 *
 * Pseudonyms are computed on the source, which needs the key for that.  It must
 * not get into the source's logs or its pg_stat_activity: a statement would, and
 * so would a bind parameter (log_statement shows both).  So it travels in the
 * connection's startup options, which nobody logs, as a custom setting that only
 * the session itself can see.  What travels is not the key but one derived
 * from it, already padded for HMAC's two hashes.
 *
 * A connection pooler that swallows such options makes the statements fail, as
 * they find no key; they never go on without one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hmac.h"
#include "common/sha2.h"
#include "lib/stringinfo.h"
#include "utils/resowner.h"

#include "source/mask_key.h"

#define KEY_VARIABLE	"PGSYNC_MASK_KEY"
#define KEY_LENGTH_MIN	16
#define HMAC_BLOCK		64

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
append_option(StringInfo buf, const char *name, const uint8 *key, uint8 pad)
{
	appendStringInfo(buf, "%s-c %s=", buf->len > 0 ? " " : "", name);
	for (int i = 0; i < HMAC_BLOCK; i++)
		appendStringInfo(buf, "%02x", (i < PG_SHA256_DIGEST_LENGTH ? key[i] : 0) ^ pad);
}

char *
mask_key_options(const EnvFile *env)
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
	append_option(&buf, MASK_KEY_INNER, derived, 0x36);
	append_option(&buf, MASK_KEY_OUTER, derived, 0x5c);
	explicit_bzero(derived, sizeof(derived));
	return buf.data;
}
