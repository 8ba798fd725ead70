/*-------------------------------------------------------------------------
 *
 * dotenv_state.c
 *	  The variables of an environment file while it is read, and its errors.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "config/dotenv_state.h"

/*
 * Messages
 */

void
dotenv_refuse(Parser *p, int line, const char *problem, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("environment file \"%s\", line %d: %s", p->env->path, line, problem),
			 p->variable ? errdetail("This is in the value of %s.", p->variable) : 0,
			 errhint("%s%sSee the template \".env.pgsync.example\"; the path comes from the setting \"pgtunsync.env_file\".",
					 hint ? hint : "", hint ? " " : "")));
	pg_unreachable();
}

void
dotenv_refuse_size(Parser *p, const char *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("environment file \"%s\", line %d: %s", p->env->path, p->line, problem),
			 p->variable ? errdetail("This is in the value of %s.", p->variable) : 0));
	pg_unreachable();
}

void
dotenv_parse_name(Parser *p, char *name)
{
	int			len = 0;

	while (is_name_char(peek(p)))
	{
		if (len >= NAME_LIMIT - 1)
			dotenv_refuse(p, p->line, "name of variable is too long", NULL);
		name[len++] = peek(p);
		advance(p);
	}
	name[len] = '\0';
}

/*
 * Variables
 */

/*
 * Returns whether bash itself uses the variable: it sets it to values unknown
 * here, treats assignments to it specially, or rejects them.
 */
static bool
is_used_by_shell(const char *name)
{
	static const char *const names[] = {
		"_", "COMP_WORDBREAKS", "DIRSTACK", "EPOCHREALTIME", "EPOCHSECONDS",
		"EUID", "FUNCNAME", "GROUPS", "HISTCMD", "LINENO", "OPTARG", "OPTERR",
		"OPTIND", "PIPESTATUS", "POSIXLY_CORRECT", "PPID", "PS4", "RANDOM",
		"SECONDS", "SHELLOPTS", "SHLVL", "SRANDOM", "UID"
	};

	if (strncmp(name, "BASH", 4) == 0)
		return true;
	for (int i = 0; i < lengthof(names); i++)
	{
		if (strcmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

/*
 * Returns whether bash sets the variable to a value of its own at its start.
 */
static bool
set_by_shell(const char *name)
{
	static const char *const names[] = {
		"HOSTTYPE", "IFS", "MACHTYPE", "OLDPWD", "OSTYPE", "PWD"
	};

	for (int i = 0; i < lengthof(names); i++)
	{
		if (strcmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

/* Returns whether bash sets the variable if it does not inherit it. */
static bool
set_by_shell_if_missing(const char *name)
{
	return strcmp(name, "HOSTNAME") == 0 || strcmp(name, "PATH") == 0 ||
		strcmp(name, "SHELL") == 0 || strcmp(name, "TERM") == 0;
}

DotenvVariable *
dotenv_find_variable(Dotenv *env, const char *name)
{
	for (int i = 0; i < env->count; i++)
	{
		if (strcmp(env->variables[i].name, name) == 0)
			return &env->variables[i];
	}
	return NULL;
}

static DotenvVariable *
find_or_add_variable(Parser *p, const char *name)
{
	Dotenv	   *env = p->env;
	DotenvVariable *var = dotenv_find_variable(env, name);

	if (var != NULL)
		return var;
	if (env->count == VARIABLES_LIMIT)
		dotenv_refuse_size(p, "too many variables");
	var = &env->variables[env->count];
	memset(var, 0, sizeof(*var));
	var->name = pstrdup(name);
	env->count++;
	return var;
}

const char *
dotenv_value_of(Parser *p, const char *name)
{
	DotenvVariable *var = dotenv_find_variable(p->env, name);
	const char *value;

	if (var != NULL)
		return var->value;
	value = p->env->inherited(name);
	if (is_used_by_shell(name) || set_by_shell(name) ||
		(value == NULL && set_by_shell_if_missing(name)))
		dotenv_refuse(p, p->line, "reference to a variable that a shell sets by itself, such as $RANDOM or $PWD",
					  HINT_DOLLAR);
	return value;
}

void
dotenv_forget_value(DotenvVariable *var)
{
	if (var->value != NULL)
	{
		explicit_bzero(var->value, strlen(var->value));
		pfree(var->value);
		var->value = NULL;
	}
}

DotenvVariable *
dotenv_variable_to_change(Parser *p, const char *name, int line)
{
	DotenvVariable *var;

	if (is_used_by_shell(name))
		dotenv_refuse(p, line, psprintf("assignment to %s, which belongs to the shell", name), NULL);
	var = find_or_add_variable(p, name);
	if (var->readonly)
		dotenv_refuse(p, line, psprintf("assignment to %s, which is read-only", name), NULL);
	return var;
}

void
dotenv_count_work(Parser *p, size_t bytes)
{
	p->env->total += bytes;
	if (p->env->total > TOTAL_LIMIT)
		dotenv_refuse_size(p, "values too long in total");
}

DotenvVariable *
dotenv_assign(Parser *p, const char *name, int start, int end, bool append, int line)
{
	DotenvVariable *var;
	const char *old = append ? dotenv_value_of(p, name) : NULL;
	size_t		oldlen = old ? strlen(old) : 0;
	size_t		size = oldlen + (end - start) + 1;
	char	   *value;

	if (size > VALUE_LIMIT)
		dotenv_refuse_size(p, "value too long");
	dotenv_count_work(p, size);
	var = dotenv_variable_to_change(p, name, line);
	value = palloc(size);
	if (oldlen > 0)
		memcpy(value, old, oldlen);
	memcpy(value + oldlen, p->env->buffer + start, end - start);
	value[size - 1] = '\0';
	dotenv_forget_value(var);
	var->value = value;
	var->line = line;
	return var;
}
