/*-------------------------------------------------------------------------
 *
 * worker_session.c
 *	  Starts a worker's database session with fixed settings.
 *
 * ALTER DATABASE … SET may have changed default_transaction_read_only,
 * statement_timeout or search_path, and a background worker's session starts
 * with these settings.  A run uses only the settings that are passed with the
 * call.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "postmaster/bgworker.h"
#include "utils/guc.h"

#include "base/user_context.h"
#include "base/worker_session.h"

static const struct
{
	const char *name;
	const char *value;
}			pinned[] =
{
	{"search_path", "pg_catalog, pg_temp"},
	{"client_min_messages", "notice"},
	{"statement_timeout", "0"},
	{"lock_timeout", "0"},
	{"idle_in_transaction_session_timeout", "0"},
	{"transaction_timeout", "0"},
	{"default_transaction_isolation", "read committed"},
	{"default_transaction_read_only", "off"},
	{"default_transaction_deferrable", "off"},
	{"session_replication_role", "origin"},
	{"row_security", "off"},
	{"check_function_bodies", "off"},
	{"transform_null_equals", "off"},
	{"DateStyle", "ISO, YMD"},
	{"IntervalStyle", "postgres"},
	{"extra_float_digits", "3"},
	{"bytea_output", "hex"},
	{"xmloption", "content"},
	{"lc_monetary", "C"},
	{"TimeZone", "UTC"},
	{"enable_seqscan", "on"},
	{"enable_hashjoin", "on"},
	{"enable_mergejoin", "on"},
	{"enable_sort", "on"},
	{"cursor_tuple_fraction", "1.0"},
	{"array_nulls", "on"},
	{"standard_conforming_strings", "on"},
	{"backslash_quote", "safe_encoding"},
	{"xmlbinary", "base64"},
	{"constraint_exclusion", "off"},
	{"zero_damaged_pages", "off"}
};

void
session_set(const char *name, const char *value)
{
	SetConfigOption(name, value, PGC_SUSET, PGC_S_SESSION);
}

void
session_set_int(const char *name, int value)
{
	char		text[16];

	snprintf(text, sizeof(text), "%d", value);
	session_set(name, text);
}

void
session_start(Oid database)
{
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
	for (int i = 0; i < lengthof(pinned); i++)
	{
		/* some settings exist in newer versions only */
		const char *now = GetConfigOption(pinned[i].name, true, false);

		if (now != NULL && strcmp(now, pinned[i].value) != 0)
			session_set(pinned[i].name, pinned[i].value);
	}
	session_set("client_encoding", GetDatabaseEncodingName());
	owner_install();
}
