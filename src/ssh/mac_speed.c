/*-------------------------------------------------------------------------
 *
 * mac_speed.c
 *	  Finds the fastest message authentication code on this machine.
 *
 * With a cipher that does not include authentication, the MAC is the largest
 * part of the tunnel's cost, on both ends.  On 64-bit machines SHA-512 takes
 * two thirds of the time of SHA-256.  But if the processor has instructions
 * for SHA-256, that is much faster than SHA-512.  The server's own
 * implementation, mostly OpenSSL, is measured.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hmac.h"
#include "common/sha2.h"
#include "portability/instr_time.h"
#include "utils/float.h"

#include "ssh/mac_speed.h"

#define SAMPLE_BYTES	(32 * 1024) /* the size of an SSH packet */
#define SAMPLES			5

/*
 * Returns the time for the MAC of one sample in microseconds, or infinity if
 * it cannot be computed.
 */
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

/*
 * Returns the best of several times, since other processes use the processor,
 * too.
 */
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
