/*-------------------------------------------------------------------------
 *
 * driver.c
 *	  Shows what the parsers make of a file.
 *
 *		driver env FILE			NAME=value or, when unset, NAME; each with a zero byte
 *		driver get FILE NAME	the same for one variable, as other rooms ask:
 *								value, value as a secret, line, as a number from 1 to 9
 *		driver config FILE		a line per fact, text in JSON-like quotes
 *
 * Messages go to standard error; the status is 1 after an error.  With
 * SHIM_SECRET=text in the environment, "get" dies of SIGABRT when that text is
 * left in freed memory.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

#include "miscadmin.h"

#include "config/dotenv.h"
#include "config/env_file.h"
#include "config/secure_file.h"
#include "config/sync_config.h"
#include "shim.h"

#undef printf
#undef fprintf

static const char *
inherited(const char *name)
{
	return getenv(name);
}

static void
show_env(void *arg)
{
	static const SettingsFileKind kind = {.what = "environment file", .secret = true};
	char	  **args = arg;
	const char *path = args[0];
	Dotenv	   *env = dotenv_create(path, inherited, getpwuid(geteuid())->pw_dir);
	size_t		len;
	char	   *text = settings_file_read(&kind, settings_file_path(path), &len);

	dotenv_parse(env, text, len);
	for (int i = 0; i < dotenv_count(env); i++)
	{
		const DotenvVariable *var = dotenv_variable(env, i);

		fputs(var->name, stdout);
		if (var->value)
			printf("=%s", var->value);
		putchar('\0');
	}
	dotenv_wipe(env);
}

static const char *
or_none(const char *value)
{
	return value ? value : "(none)";
}

static void
show_variable(void *arg)
{
	char	  **args = arg;
	EnvFile    *env = env_file_read(args[0]);

	printf("%s\n%s\n%s\n%d\n", env_file_path(env),
		   or_none(env_file_get(env, args[1])),
		   or_none(env_file_get_secret(env, args[1])), env_file_line(env, args[1]));
	fflush(stdout);
	printf("%d\n", env_file_get_int(env, args[1], 7, 1, 9));
}

static void
show_text(const char *text)
{
	if (text == NULL)
	{
		printf(" -");
		return;
	}
	printf(" \"");
	for (; *text; text++)
	{
		if (*text == '\n')
			printf("\\n");
		else
			printf("%s%c", *text == '"' || *text == '\\' ? "\\" : "", *text);
	}
	putchar('"');
}

static void
show_names(const char *what, List *names)
{
	ListCell   *lc;

	foreach(lc, names)
	{
		printf("%s", what);
		show_text(lfirst(lc));
		putchar('\n');
	}
}

static void
show_groups(List *groups)
{
	ListCell   *lc;

	foreach(lc, groups)
	{
		SyncGroup  *group = lfirst(lc);
		ListCell   *lc2;

		printf("group");
		show_text(group->name);
		printf(" %d\n", group->line);
		foreach(lc2, group->entries)
		{
			SyncGroupEntry *entry = lfirst(lc2);

			printf("entry");
			show_text(entry->table);
			show_text(entry->clause);
			printf(" %d\n", entry->line);
		}
	}
}

static void
show_rules(List *rules)
{
	ListCell   *lc;

	foreach(lc, rules)
	{
		SyncRule   *rule = lfirst(lc);

		printf("rule");
		show_text(rule->pattern);
		printf(" %s", rule->kind);
		show_text(rule->argument);
		printf(" %d", rule->line);
		if (strcmp(rule->kind, "partial") == 0)
			printf(" keep %d %d", rule->keep_first, rule->keep_last);
		if (strcmp(rule->kind, "shift_date") == 0)
			printf(" days %d", rule->days);
		putchar('\n');
	}
}

static void
show_filters(List *filters)
{
	ListCell   *lc;

	foreach(lc, filters)
	{
		SyncFilter *filter = lfirst(lc);

		printf("filter");
		show_text(filter->table);
		show_text(filter->clause);
		show_text(filter->column);
		show_text(filter->last);
		printf(" %d\n", filter->line);
	}
}

static void
show_expressions(const char *what, List *expressions)
{
	ListCell   *lc;

	foreach(lc, expressions)
	{
		SyncExpression *expression = lfirst(lc);

		printf("%s", what);
		show_text(expression->pattern);
		show_text(expression->sql);
		printf(" %d\n", expression->line);
	}
}

static void
show_config(void *arg)
{
	SyncConfig *config = sync_config_read(*(char **) arg);

	show_names("schema", config->schemas);
	show_names("exclude", config->exclude);
	show_groups(config->groups);
	show_filters(config->filters);
	show_names("empty", config->empty);
	show_expressions("rewrite", config->rewrites);
	show_expressions("keep", config->keeps);
	show_rules(config->data_rules);
}

static void
report(int elevel, const char *sqlstate, const char *message,
	   const char *detail, const char *hint)
{
	fprintf(stderr, "%s %s: %s\n",
			elevel >= ERROR ? "ERROR" : elevel >= WARNING ? "WARNING" : "NOTICE",
			sqlstate, message);
	if (detail)
		fprintf(stderr, "DETAIL: %s\n", detail);
	if (hint)
		fprintf(stderr, "HINT: %s\n", hint);
}

int
main(int argc, char **argv)
{
	void		(*show) (void *) = NULL;
	char		directory[MAXPGPATH];
	bool		done;

	if (argc == 3 && strcmp(argv[1], "env") == 0)
		show = show_env;
	else if (argc == 3 && strcmp(argv[1], "config") == 0)
		show = show_config;
	else if (argc == 4 && strcmp(argv[1], "get") == 0)
		show = show_variable;
	if (show == NULL)
	{
		fprintf(stderr, "usage: driver env|config FILE, driver get FILE NAME\n");
		return 2;
	}
	shim_reporter = report;
	shim_secret = getenv("SHIM_SECRET");
	DataDir = getcwd(directory, sizeof(directory));
	done = shim_try(show, argv + 2);
	shim_reset();
	return done ? 0 : 1;
}
