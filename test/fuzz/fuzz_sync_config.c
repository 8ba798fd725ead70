/*-------------------------------------------------------------------------
 *
 * fuzz_sync_config.c
 *	  libFuzzer target: any bytes as .pgsync.yml.
 *
 * Apart from what the sanitizers see: no error of a wrong class, and no name,
 * kind or list in the result that other rooms could not take.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "config/sync_config.h"
#include "../parsers/shim.h"

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_names(List *names)
{
	ListCell   *lc;

	foreach(lc, names)
	{
		if (*(char *) lfirst(lc) == '\0')
			abort();
	}
}

static void
check_groups(List *groups)
{
	ListCell   *lc;

	foreach(lc, groups)
	{
		SyncGroup  *group = lfirst(lc);
		ListCell   *lc2;

		if (group->line < 1)
			abort();
		foreach(lc2, group->entries)
		{
			SyncGroupEntry *entry = lfirst(lc2);

			if (*entry->table == '\0' || entry->line < 1)
				abort();
		}
	}
}

static void
check_rules(List *rules)
{
	ListCell   *lc;

	foreach(lc, rules)
	{
		SyncRule   *rule = lfirst(lc);
		bool		argument = strcmp(rule->kind, "value") == 0 ||
			strcmp(rule->kind, "statement") == 0;

		if (*rule->pattern == '\0' || rule->line < 1 || argument != (rule->argument != NULL))
			abort();
	}
}

static void
check_expressions(List *expressions)
{
	ListCell   *lc;

	foreach(lc, expressions)
	{
		SyncExpression *expression = lfirst(lc);

		if (*expression->pattern == '\0' || *expression->sql == '\0' || expression->line < 1)
			abort();
	}
}

static void
parse(void *arg)
{
	SyncConfig *config = sync_config_read("fuzz");

	check_names(config->schemas);
	check_names(config->exclude);
	check_groups(config->groups);
	check_rules(config->data_rules);
	check_expressions(config->rewrites);
	check_expressions(config->keeps);
	if (config->groups)
		(void) sync_config_group(config, "core");
}

static void
report(int elevel, const char *sqlstate, const char *message,
	   const char *detail, const char *hint)
{
	if (elevel >= ERROR && strcmp(sqlstate, "F0000") != 0 &&
		strcmp(sqlstate, "54000") != 0 && strcmp(sqlstate, "0A000") != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	shim_reporter = report;
	shim_text = (const char *) data;
	shim_text_len = size;
	shim_try(parse, NULL);
	shim_reset();
	return 0;
}
