/*-------------------------------------------------------------------------
 *
 * env_file.c
 *	  Reads the environment file, which contains the credentials.
 *
 * There are three layers.  secure_file.c opens the file and checks who could
 * have written it.  dotenv.c parses its text.  This file returns the values of
 * single variables: from the file, else from the server's environment.
 *
 * Everything lives in a memory context of its own.  The reset callback of the
 * context overwrites the values, also if an error ends the context while the
 * file is read.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <pwd.h>
#include <unistd.h>

#include "utils/memutils.h"

#include "base/text.h"
#include "base/similar_name.h"
#include "config/dotenv.h"
#include "config/env_file.h"
#include "config/secure_file.h"

struct EnvFile
{
	char	   *path;
	Dotenv	   *variables;
	char	   *text;			/* set while it is parsed */
	size_t		textlen;
	MemoryContextCallback callback;
};

static const SettingsFileKind env_file_kind = {
	.what = "environment file",
	.setting = "pgtunsync.env_file",
	.example = ".env.pgsync.example",
	.advice = "Two lines are enough: PGSYNC_FROM_URL='postgresql://USER:PASSWORD@HOST:5432/DATABASE' with the source's own address, and PGSYNC_SSH_HOST=JUMPHOST.",
	.secret = true
};

/* All that somebody asks for by env_file_get(). */
static const char *const known_variables[] = {
	"PGSYNC_ALLOW_CLEARTEXT", "PGSYNC_DIRECT", "PGSYNC_FROM_URL", "PGSYNC_LOCAL_PORT", "PGSYNC_MASK_KEY",
	"PGSYNC_REMOTE_HOST", "PGSYNC_REMOTE_PORT", "PGSYNC_SSH_COMPRESSION", "PGSYNC_SSH_CONFIG",
	"PGSYNC_SSH_HOST", "PGSYNC_SSH_HOST_KEY", "PGSYNC_SSH_KEY", "PGSYNC_SSH_KEY_PASSPHRASE",
	"PGSYNC_SSH_KNOWN_HOSTS", "PGSYNC_SSH_PASSWORD", "PGSYNC_SSH_PORT", "PGSYNC_SSH_USER",
	"PGSYNC_TO_URL"
};

static const char *
server_environment(const char *name)
{
	return getenv(name);
}

static const char *
server_home(void)
{
	struct passwd *pw = getpwuid(geteuid());

	return pw ? pstrdup(pw->pw_dir) : NULL;
}

static void
wipe_text(EnvFile *env)
{
	if (env->text != NULL)
		explicit_bzero(env->text, env->textlen);
	env->text = NULL;
}

/* Overwrites all secrets when the context is reset. */
static void
wipe(void *arg)
{
	EnvFile    *env = arg;

	wipe_text(env);
	if (env->variables != NULL)
		dotenv_wipe(env->variables);
}

static EnvFile *
create(void)
{
	EnvFile    *env = palloc0(sizeof(EnvFile));

	env->callback.func = wipe;
	env->callback.arg = env;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &env->callback);
	return env;
}

static List *
known_names(void)
{
	List	   *names = NIL;

	for (int i = 0; i < lengthof(known_variables); i++)
		names = lappend(names, unconstify(char *, known_variables[i]));
	return names;
}

/*
 * Warns of variables with our prefix that nothing reads: a misspelt one would
 * leave its default in force.
 */
static void
warn_unknown(const EnvFile *env)
{
	List	   *known = known_names();

	for (int i = 0; i < dotenv_count(env->variables); i++)
	{
		const DotenvVariable *var = dotenv_variable(env->variables, i);
		const char *close;

		if (strncmp(var->name, "PGSYNC_", 7) != 0 || var->value == NULL ||
			names_include(known, var->name))
			continue;
		close = similar_name(var->name, known);
		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg("environment file \"%s\", line %d: variable %s is unknown and ignored",
						env->path, var->line, var->name),
				 close ? errhint("Perhaps you meant %s.", close) : 0));
	}
}

EnvFile *
env_file_read(const char *path)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "pgtunsync environment file",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext oldcontext = MemoryContextSwitchTo(context);
	EnvFile    *env;

	if (path == NULL || path[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("no environment file is configured"),
				 errdetail("Credentials are read only from the environment file."),
				 errhint("Name a file like the template \"%s\", as a superuser: ALTER DATABASE name SET %s = '/etc/pgtunsync/dev.env'. %s",
						 env_file_kind.example, env_file_kind.setting, env_file_kind.advice)));
	env = create();
	env->path = settings_file_path(path);
	env->variables = dotenv_create(env->path, server_environment, server_home());
	env->text = settings_file_read(&env_file_kind, env->path, &env->textlen);
	dotenv_parse(env->variables, env->text, env->textlen);
	wipe_text(env);
	warn_unknown(env);
	MemoryContextSwitchTo(oldcontext);
	return env;
}

const char *
env_file_path(const EnvFile *env)
{
	return env->path;
}

/* Returns NULL for an empty value. */
static const char *
not_empty(const char *value)
{
	return value != NULL && value[0] != '\0' ? value : NULL;
}

const char *
env_file_get_secret(const EnvFile *env, const char *name)
{
	const DotenvVariable *var = dotenv_find(env->variables, name);

	return var ? not_empty(var->value) : NULL;
}

const char *
env_file_get(const EnvFile *env, const char *name)
{
	const DotenvVariable *var = dotenv_find(env->variables, name);

	return not_empty(var ? var->value : getenv(name));
}

int
env_file_line(const EnvFile *env, const char *name)
{
	const DotenvVariable *var = dotenv_find(env->variables, name);

	return var && var->value ? var->line : 0;
}

/*
 * Parses a decimal integer between min and max.  Returns false if it is not
 * one.
 */
static bool
parse_int(const char *value, int min, int max, int *result)
{
	char	   *end;
	long		number;

	if (!((value[0] >= '0' && value[0] <= '9') || value[0] == '-'))
		return false;
	errno = 0;
	number = strtol(value, &end, 10);
	if (errno != 0 || end == value || *end != '\0' || number < min || number > max)
		return false;
	*result = (int) number;
	return true;
}

/*
 * Raises an error about a value, without showing it: it may be a misplaced
 * password.
 */
static void
raise_bad_value(const EnvFile *env, const char *name, const char *expected)
{
	int			line = env_file_line(env, name);
	char	   *place;

	if (line > 0)
		place = psprintf("environment file \"%s\", line %d", env->path, line);
	else
		place = pstrdup("the server's environment");
	ereport(ERROR,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("%s must be %s", name, expected),
			 errdetail("It is set in %s.", place),
			 errhint("See the template \"%s\"; the path comes from the setting \"%s\".",
					 env_file_kind.example, env_file_kind.setting)));
}

int
env_file_get_int(const EnvFile *env, const char *name, int fallback, int min, int max)
{
	const char *value = env_file_get(env, name);
	int			result = fallback;

	if (value != NULL && !parse_int(value, min, max, &result))
		raise_bad_value(env, name, psprintf("a whole number between %d and %d", min, max));
	return result;
}

/* Parses a word for yes or no.  Returns false if it is neither. */
static bool
parse_yes_no(const char *value, bool *result)
{
	static const char *const words[][2] = {
		{"no", "yes"}, {"off", "on"}, {"false", "true"}, {"0", "1"}
	};

	for (int i = 0; i < lengthof(words) * 2; i++)
	{
		*result = i % 2 == 1;
		if (pg_strcasecmp(value, words[i / 2][i % 2]) == 0)
			return true;
	}
	return false;
}

bool
env_file_get_bool(const EnvFile *env, const char *name, bool fallback)
{
	const char *value = env_file_get_secret(env, name);
	bool		result = fallback;

	if (value != NULL && !parse_yes_no(value, &result))
		raise_bad_value(env, name, "yes or no");
	return result;
}
