/*-------------------------------------------------------------------------
 *
 * dotenv.c
 *	  Reads the text of an environment file as bash would.
 *
 * Shells source the same file.  So there is one rule: accepted text means
 * exactly what it means to bash (test/t/010_env_file.pl compares with bash),
 * and everything else is an error that names the line and the variable.
 * Accepted are
 *
 *		NAME=value NAME+=value ...			in order; each sees previous ones
 *		export NAME=value NAME ...			all values before any assignment
 *		readonly, declare -x, declare -r, typeset	likewise
 *		unset NAME ...		set -a		set +a		: ${NAME:=value}
 *
 * joined by newlines, ";" and "&&".  A value consists of bare characters,
 * '...', "...", $'...', backslashes, ~/, $NAME, ${NAME}, and ${NAME:-word}
 * with the operators - = ? +.  Everything that needs a shell to run is
 * rejected: commands, $(...), `...`, pipes, redirections, and "&", which is a
 * common mistake in an unquoted URL.  Also rejected are the few places where
 * the result would depend on the state of the shell ($1, $RANDOM, ~user).
 *
 * Since the file holds passwords, no message shows a part of a value.  This
 * includes words that look like commands: in "PASSWORD=two words" the second
 * word is one.  Messages show only words from a fixed list.
 *
 * Values are built in one buffer of fixed size and then copied once, with
 * their exact size.  So dotenv_wipe() can overwrite every copy.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "config/dotenv.h"
#include "config/dotenv_value.h"

/* An assignment of "export A=1 B=$A", made at the end of the command. */
typedef struct Pending
{
	char		name[NAME_LIMIT];
	int			start;			/* offset of its value in the buffer */
	int			end;
	int			line;
	bool		append;
} Pending;

typedef struct Declaration
{
	bool		readonly;
	bool		options;		/* accepts -x and -r */
	const char *command;
} Declaration;

/*
 * Characters
 */

static void
skip_blanks(Parser *p)
{
	while (is_blank(peek(p)))
		advance(p);
}

/* Skips a comment.  A backslash does not continue a comment line. */
static void
skip_comment(Parser *p)
{
	while (raw_at(p, 0) != '\n' && raw_at(p, 0) != END_OF_FILE)
		advance(p);
}

static void
skip_blank_lines(Parser *p)
{
	for (;;)
	{
		int			c = peek(p);

		if (c == '#')
			skip_comment(p);
		else if (is_blank(c) || c == '\n')
			advance(p);
		else
			return;
	}
}

/*
 * Commands
 */

/* Returns whether a command ends here. */
static bool
at_command_end(Parser *p)
{
	int			c = peek(p);

	return c == END_OF_FILE || c == '\n' || c == ';' || c == '&' || c == '#';
}

/* Reads "=" or "+=" after a name.  Returns false if there is none. */
static bool
parse_equals(Parser *p, bool *append)
{
	Parser		ahead = *p;

	*append = (peek(&ahead) == '+');
	if (*append)
		advance(&ahead);
	if (peek(&ahead) != '=')
		return false;
	advance(&ahead);
	p->next = ahead.next;
	p->line = ahead.line;
	return true;
}

/* Reads the start of an assignment.  Otherwise leaves the parser unchanged. */
static bool
parse_target(Parser *p, char *name, bool *append)
{
	Parser		ahead = *p;
	char		word[NAME_LIMIT];

	if (!is_name_start(peek(&ahead)))
		return false;
	dotenv_parse_name(&ahead, word);
	if (!parse_equals(&ahead, append))
		return false;
	strcpy(name, word);
	p->next = ahead.next;
	p->line = ahead.line;
	return true;
}

/* Parses NAME=value NAME=value ..., starting at the first value. */
static void
parse_assignments(Parser *p, char *name, bool append)
{
	int			line;

	do
	{
		line = p->line;
		p->variable = name;
		p->len = 0;
		dotenv_parse_value(p, VALUE_ASSIGNED);
		dotenv_assign(p, name, 0, p->len, append, line);
		skip_blanks(p);
		if (at_command_end(p))
			return;
	} while (parse_target(p, name, &append));
	dotenv_refuse(p, p->line, "unquoted space, after which a shell sees a command",
				  p->len == 0 ? "Write NAME=value without spaces around \"=\"." : HINT_QUOTE);
}

/* Parses options of declare: -r, and -x, which changes nothing here. */
static void
parse_declare_options(Parser *p, Declaration *declaration)
{
	while (peek(p) == '-')
	{
		advance(p);
		if (!declaration->options || ends_word(peek(p)))
			dotenv_refuse(p, p->line, psprintf("option of \"%s\"", declaration->command), HINT_ASSIGN);
		while (!ends_word(peek(p)))
		{
			if (peek(p) == 'r')
				declaration->readonly = true;
			else if (peek(p) != 'x')
				dotenv_refuse(p, p->line, psprintf("option of \"%s\" other than -x and -r",
												   declaration->command), HINT_ASSIGN);
			advance(p);
		}
		skip_blanks(p);
	}
}

/*
 * Parses "export NAME" without a value, which changes no variable.  After an
 * assignment in the same command, it is more likely the rest of a value with a
 * space.  So it is rejected unless it names a variable that the file has set.
 */
static void
parse_bare_name(Parser *p, const Declaration *declaration, const char *name, bool after_value)
{
	DotenvVariable *var = dotenv_find_variable(p->env, name);
	bool		known = var != NULL && var->value != NULL;

	if (!ends_word(peek(p)))
		dotenv_refuse(p, p->line, psprintf("argument of \"%s\" that is not NAME=value",
										   declaration->command), HINT_ASSIGN);
	dotenv_check_value_end(p);
	if (after_value && !known)
		dotenv_refuse(p, p->line, "unquoted space, after which a shell sees another variable",
					  HINT_QUOTE);
	if (declaration->readonly && !known)
		dotenv_refuse(p, p->line, psprintf("\"%s\" without a value", declaration->command),
					  HINT_ASSIGN);
	if (declaration->readonly)
		var->readonly = true;
}

/* Parses one argument of export and similar commands. */
static void
parse_argument(Parser *p, const Declaration *declaration, Pending *pending, bool after_value)
{
	if (!is_name_start(peek(p)))
		dotenv_refuse(p, p->line, psprintf("argument of \"%s\" that is not NAME=value",
										   declaration->command), HINT_ASSIGN);
	pending->line = p->line;
	dotenv_parse_name(p, pending->name);
	if (ends_word(peek(p)) || !parse_equals(p, &pending->append))
	{
		parse_bare_name(p, declaration, pending->name, after_value);
		pending->start = -1;
		return;
	}
	p->variable = pending->name;
	pending->start = p->len;
	dotenv_parse_value(p, VALUE_ARGUMENT);
	pending->end = p->len;
}

/*
 * Parses export NAME=value ....  The shell expands all values before it
 * assigns any.
 */
static void
parse_declaration(Parser *p, Declaration *declaration)
{
	static const int max_arguments = 32;
	Pending    *pending = palloc(sizeof(Pending) * max_arguments);
	int			count = 0;

	p->len = 0;
	skip_blanks(p);
	parse_declare_options(p, declaration);
	while (!at_command_end(p))
	{
		if (count == max_arguments)
			dotenv_refuse_size(p, "too many assignments in one command");
		parse_argument(p, declaration, &pending[count], p->variable != NULL);
		count++;
		skip_blanks(p);
	}
	p->variable = NULL;
	if (count == 0)
		dotenv_refuse(p, p->line, psprintf("\"%s\" without arguments", declaration->command),
					  HINT_ASSIGN);
	for (int i = 0; i < count; i++)
	{
		DotenvVariable *var;

		if (pending[i].start < 0)
			continue;
		var = dotenv_assign(p, pending[i].name, pending[i].start, pending[i].end,
							pending[i].append, pending[i].line);
		var->readonly = declaration->readonly;
	}
	pfree(pending);
}

static void
parse_unset(Parser *p)
{
	char		name[NAME_LIMIT];
	DotenvVariable *var;

	skip_blanks(p);
	do
	{
		if (!is_name_start(peek(p)))
			dotenv_refuse(p, p->line, "argument of \"unset\" that is not a name", HINT_ASSIGN);
		dotenv_parse_name(p, name);
		if (!ends_word(peek(p)))
			dotenv_refuse(p, p->line, "argument of \"unset\" that is not a name", HINT_ASSIGN);
		dotenv_check_value_end(p);
		var = dotenv_variable_to_change(p, name, p->line);
		dotenv_forget_value(var);
		var->line = p->line;
		skip_blanks(p);
	} while (!at_command_end(p));
}

/* Parses set -a and set +a, also written as -o allexport. */
static void
parse_set(Parser *p)
{
	char		argument[32];
	int			len = 0;

	skip_blanks(p);
	while (!at_command_end(p) && len < sizeof(argument) - 1)
	{
		argument[len++] = peek(p);
		advance(p);
		if (is_blank(peek(p)))
		{
			skip_blanks(p);
			if (!at_command_end(p) && len < sizeof(argument) - 1)
				argument[len++] = ' ';
		}
	}
	argument[len] = '\0';
	if (strcmp(argument, "-a") != 0 && strcmp(argument, "+a") != 0 &&
		strcmp(argument, "-o allexport") != 0 && strcmp(argument, "+o allexport") != 0)
		dotenv_refuse(p, p->line, "\"set\" with other options than -a and +a", HINT_ASSIGN);
}

/*
 * Parses ": ${NAME:=value}", with which scripts set defaults.  The words are
 * discarded.
 */
static void
parse_colon(Parser *p)
{
	skip_blanks(p);
	while (!at_command_end(p))
	{
		p->len = 0;
		dotenv_parse_value(p, VALUE_ARGUMENT);
		skip_blanks(p);
	}
}

/*
 * Returns whether messages may show the word, because it is unlikely to be a
 * password.
 */
static bool
is_known_command(const char *word)
{
	static const char *const words[] = {
		"alias", "break", "case", "cat", "cd", "command", "continue", "curl",
		"echo", "eval", "exec", "exit", "for", "function", "if", "let", "local",
		"printf", "read", "return", "select", "shift", "shopt", "source", "test",
		"then", "time", "trap", "true", "ulimit", "umask", "until", "while"
	};

	for (int i = 0; i < lengthof(words); i++)
	{
		if (strcmp(word, words[i]) == 0)
			return true;
	}
	return false;
}

/* Raises the best explanation of a command that is not accepted. */
static void pg_attribute_noreturn()
reject_command(Parser *p, const char *word)
{
	if (is_known_command(word))
		dotenv_refuse(p, p->line, psprintf("\"%s\", which needs a shell to run", word), HINT_ASSIGN);
	skip_blanks(p);
	if (*word != '\0' && peek(p) == '=')
		dotenv_refuse(p, p->line, "spaces around \"=\"", "Write NAME=value without spaces.");
	if (*word != '\0' && peek(p) == '[')
		dotenv_refuse(p, p->line, "array, which an environment cannot hold", HINT_ASSIGN);
	dotenv_refuse(p, p->line, "a command, which needs a shell to run", HINT_ASSIGN);
}

/* Finds the declaration command of that name. */
static bool
find_declaration(const char *word, Declaration *declaration)
{
	static const Declaration declarations[] = {
		{.command = "export"},
		{.command = "readonly", .readonly = true},
		{.command = "declare", .options = true},
		{.command = "typeset", .options = true}
	};

	for (int i = 0; i < lengthof(declarations); i++)
	{
		if (strcmp(word, declarations[i].command) == 0)
		{
			*declaration = declarations[i];
			return true;
		}
	}
	return false;
}

/*
 * Parses a command word that is followed by a blank or the end of the command.
 */
static void
parse_builtin(Parser *p, const char *word)
{
	Declaration declaration;

	if (find_declaration(word, &declaration))
		parse_declaration(p, &declaration);
	else if (strcmp(word, "unset") == 0)
		parse_unset(p);
	else if (strcmp(word, "set") == 0)
		parse_set(p);
	else
		reject_command(p, word);
}

static void
parse_command(Parser *p)
{
	char		word[NAME_LIMIT] = "";
	bool		append;
	int			c = peek(p);

	p->variable = NULL;
	if (c == ':')
	{
		advance(p);
		if (peek(p) == '#' || (!is_blank(peek(p)) && !at_command_end(p)))
			reject_command(p, word);
		parse_colon(p);
		return;
	}
	if (!is_name_start(c))
		reject_command(p, word);
	if (parse_target(p, word, &append))
	{
		parse_assignments(p, word, append);
		return;
	}
	dotenv_parse_name(p, word);
	if (is_blank(peek(p)) || at_command_end(p))
		parse_builtin(p, word);
	else
		reject_command(p, word);
}

/*
 * Parses the separator after a command.  Returns true if another command must
 * follow.
 */
static bool
parse_separator(Parser *p)
{
	int			c;

	p->variable = NULL;
	skip_blanks(p);
	c = peek(p);
	if (c == '#')
		skip_comment(p);
	else if (c == ';')
	{
		advance(p);
		skip_blanks(p);
		c = peek(p);
		if (c == ';' || c == '&' || c == '|')
			dotenv_refuse(p, p->line, "an operator without a command", HINT_ASSIGN);
	}
	else if (c == '&')
	{
		dotenv_check_value_end(p);
		advance(p);
		(void) peek(p);
		advance(p);
		return true;
	}
	return false;
}

/* Rejects characters that are wrong anywhere in the file. */
static void
check_text(Parser *p)
{
	static const char mark[] = "\xEF\xBB\xBF";

	if (p->end - p->next >= 3 && memcmp(p->next, mark, 3) == 0)
		dotenv_refuse(p, 1, "byte order mark, which a shell would take as part of a command",
					  "Save the file as UTF-8 without a byte order mark.");
	for (const char *c = p->next; c < p->end; c++)
	{
		if (*c == '\0')
			dotenv_refuse(p, p->line, "zero byte", NULL);
		if (*c == '\r')
			dotenv_refuse(p, p->line, "carriage return, which a shell would take as part of the value",
						  "Save the file with Unix line ends.");
		if (*c == '\n')
			p->line++;
	}
	p->line = 1;
}

/*
 * Public functions
 */

Dotenv *
dotenv_create(const char *path, DotenvInherited inherited, const char *home)
{
	Dotenv	   *env = palloc0(sizeof(Dotenv));

	env->path = path;
	env->inherited = inherited;
	env->home = home;
	return env;
}

void
dotenv_parse(Dotenv *env, const char *text, size_t len)
{
	Parser		parser = {.env = env, .next = text, .end = text + len, .line = 1};
	Parser	   *p = &parser;
	bool		required = false;

	check_text(p);
	for (;;)
	{
		skip_blank_lines(p);
		if (peek(p) == END_OF_FILE)
			break;
		parse_command(p);
		required = parse_separator(p);
	}
	if (required)
		dotenv_refuse(p, p->line, "\"&&\" without a command after it", HINT_ASSIGN);
	explicit_bzero(env->buffer, sizeof(env->buffer));
}

const DotenvVariable *
dotenv_find(const Dotenv *env, const char *name)
{
	return dotenv_find_variable((Dotenv *) env, name);
}

int
dotenv_count(const Dotenv *env)
{
	return env->count;
}

const DotenvVariable *
dotenv_variable(const Dotenv *env, int i)
{
	return &env->variables[i];
}

void
dotenv_wipe(Dotenv *env)
{
	for (int i = 0; i < env->count; i++)
		dotenv_forget_value(&env->variables[i]);
	env->count = 0;
	explicit_bzero(env->buffer, sizeof(env->buffer));
}
