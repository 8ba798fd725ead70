/*-------------------------------------------------------------------------
 *
 * mac_speed.c
 *	  Which message authentication code is the cheapest on this machine.
 *
 * Where the cipher brings none, the MAC is the largest part of what the
 * tunnel costs, on both ends.  SHA-512 takes two thirds of SHA-256's time on 64 bits,
 * but where the processor has instructions for SHA-256 it is the other way
 * round, by much more.  The server's own implementation, OpenSSL's mostly, tells.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hmac.h"
#include "common/sha2.h"
#include "portability/instr_time.h"
#include "utils/float.h"

#include "ssh/mac_speed.h"

#define SAMPLE_BYTES	(32 * 1024) /* what SSH puts into one packet */
#define SAMPLES			5

/* Microseconds for the MAC of one sample; infinite if it cannot be computed. */
static double
time_sample(pg_cryptohash_type type, const uint8 *sample)
{
	uint8		mac[PG_SHA512_DIGEST_LENGTH];
	pg_hmac_ctx *ctx = pg_hmac_create(type);
	instr_time	start;
	instr_time	end;
	bool		ok;

	INSTR_TIME_SET_CURRENT(start);
	ok = ctx != NULL &&
		pg_hmac_init(ctx, sample, 32) >= 0 &&
		pg_hmac_update(ctx, sample, SAMPLE_BYTES) >= 0 &&
		pg_hmac_final(ctx, mac, type == PG_SHA512 ? PG_SHA512_DIGEST_LENGTH :
					  PG_SHA256_DIGEST_LENGTH) >= 0;
	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, start);
	pg_hmac_free(ctx);
	return ok ? INSTR_TIME_GET_DOUBLE(end) * 1e6 : get_float8_infinity();
}

/* The best of some, since others use the processor too. */
static double
best_time(pg_cryptohash_type type, const uint8 *sample)
{
	double		best = time_sample(type, sample);

	for (int i = 1; i < SAMPLES; i++)
		best = Min(best, time_sample(type, sample));
	return best;
}

const char *
mac_preference(void)
{
	static const char *preference = NULL;
	uint8	   *sample;

	if (preference != NULL)
		return preference;
	sample = palloc0(SAMPLE_BYTES);
	if (best_time(PG_SHA512, sample) < best_time(PG_SHA256, sample))
		preference = "hmac-sha2-512,hmac-sha2-512-etm@openssh.com,"
			"hmac-sha2-256,hmac-sha2-256-etm@openssh.com";
	else
		preference = "hmac-sha2-256,hmac-sha2-256-etm@openssh.com,"
			"hmac-sha2-512,hmac-sha2-512-etm@openssh.com";
	pfree(sample);
	return preference;
}
