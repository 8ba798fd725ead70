/*-------------------------------------------------------------------------
 *
 * dotenv_value.c
 *	  Parses the value of an assignment: quotes, backslashes, $NAME, ~.
 *
 * A value is read character by character into the parser's buffer.  It is
 * expanded as bash does in "NAME=value": without splitting it into words and
 * without matching file names.  The word of a ${NAME:-word} that is not used
 * is read in the same way, but nothing is stored or assigned (Parser.unused).
 *
 * A backslash at the end of a line joins two lines wherever bash reads the
 * next character, even between "$" and the name.  peek() does that.  Only text
 * inside single quotes is read with raw_at().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "config/dotenv_value.h"

static void parse_dollar(Parser *p, bool quoted);

static void
emit(Parser *p, int c)
{
	if (p->unused > 0)
		return;
	if (p->len >= VALUE_LIMIT)
		dotenv_refuse_size(p, "value too long");
	dotenv_count_work(p, 1);
	p->env->buffer[p->len++] = c;
}

static void
emit_string(Parser *p, const char *s)
{
	for (; *s; s++)
		emit(p, (unsigned char) *s);
}

static void
parse_single_quotes(Parser *p)
{
	int			line = p->line;

	advance(p);
	while (raw_at(p, 0) != '\'')
	{
		if (raw_at(p, 0) == END_OF_FILE)
			dotenv_refuse(p, line, "a single quote opened here is not closed", NULL);
		emit(p, raw_at(p, 0));
		advance(p);
	}
	advance(p);
}

/*
 * Parses a backslash inside double quotes.  It is literal before most
 * characters.
 */
static void
parse_quoted_backslash(Parser *p)
{
	int			c = raw_at(p, 1);

	if (c == '$' || c == '`' || c == '"' || c == '\\')
		advance(p);
	emit(p, raw_at(p, 0));
	advance(p);
}

static void
reject_backquote(Parser *p)
{
	dotenv_refuse(p, p->line, "command substitution with backquotes, which needs a shell to run",
				  HINT_DOLLAR);
}

static void
parse_double_quotes(Parser *p)
{
	int			line = p->line;
	int			c;

	advance(p);
	while ((c = peek(p)) != '"')
	{
		if (c == END_OF_FILE)
			dotenv_refuse(p, line, "a double quote opened here is not closed", NULL);
		if (c == '`')
			reject_backquote(p);
		if (c == '$')
			parse_dollar(p, true);
		else if (c == '\\')
			parse_quoted_backslash(p);
		else
		{
			emit(p, c);
			advance(p);
		}
	}
	advance(p);
}

/*
 * Parses a backslash outside quotes, which makes the next character literal.
 */
static void
parse_backslash(Parser *p)
{
	advance(p);
	if (raw_at(p, 0) == END_OF_FILE)
		dotenv_refuse(p, p->line, "backslash at the end of the file", NULL);
	emit(p, raw_at(p, 0));
	advance(p);
}

static int
digit_value(int c, int base)
{
	int			digit = -1;

	if (c >= '0' && c <= '9')
		digit = c - '0';
	else if (c >= 'a' && c <= 'f')
		digit = c - 'a' + 10;
	else if (c >= 'A' && c <= 'F')
		digit = c - 'A' + 10;
	return digit < base ? digit : -1;
}

/* Parses up to max_digits digits of a byte inside $'...'. */
static void
parse_numeric_escape(Parser *p, int base, int max_digits)
{
	int			value = 0;
	int			digits = 0;

	while (digits < max_digits && digit_value(raw_at(p, 0), base) >= 0)
	{
		value = value * base + digit_value(raw_at(p, 0), base);
		digits++;
		advance(p);
	}
	if (digits == 0 || value == 0 || value > 255)
		dotenv_refuse(p, p->line, "numeric escape within $'...' that is not a byte from 1 to 255", NULL);
	emit(p, value);
}

/* Parses the rest of an escape inside $'...'; see bash(1), QUOTING. */
static void
parse_ansi_escape(Parser *p)
{
	static const char letters[] = "abeEfnrtv\\'\"?";
	static const char meanings[] = "\a\b\033\033\f\n\r\t\v\\'\"?";
	int			c = raw_at(p, 0);
	const char *found;

	if (c == END_OF_FILE)
		return;					/* the caller reports the missing quote */
	if (c >= '0' && c <= '7')
		parse_numeric_escape(p, 8, 3);
	else if (c == 'x')
	{
		advance(p);
		parse_numeric_escape(p, 16, 2);
	}
	else if (c != '\0' && (found = strchr(letters, c)) != NULL)
	{
		emit(p, meanings[found - letters]);
		advance(p);
	}
	else
		dotenv_refuse(p, p->line, "escape within $'...' that is not supported",
					  "Supported are \\a \\b \\e \\f \\n \\r \\t \\v \\\\ \\' \\\" \\? \\nnn and \\xHH.");
}

static void
parse_ansi_quotes(Parser *p)
{
	int			line = p->line;

	advance(p);
	while (raw_at(p, 0) != '\'')
	{
		if (raw_at(p, 0) == END_OF_FILE)
			dotenv_refuse(p, line, "a $' quote opened here is not closed", NULL);
		if (raw_at(p, 0) == '\\')
		{
			advance(p);
			parse_ansi_escape(p);
		}
		else
		{
			emit(p, raw_at(p, 0));
			advance(p);
		}
	}
	advance(p);
}

/* Appends the value of $NAME or ${NAME}. */
static void
emit_variable(Parser *p, const char *name)
{
	const char *value;

	if (p->unused > 0)
		return;
	value = dotenv_value_of(p, name);
	if (value != NULL)
		emit_string(p, value);
	else
		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg("environment file \"%s\", line %d: reference to a variable that is not set",
						p->env->path, p->line),
				 p->variable ? errdetail("It expands to nothing in the value of %s.", p->variable) : 0,
				 errhint(HINT_DOLLAR)));
}

/* Parses the word of "${NAME:-word}" inside double quotes. */
static void
parse_quoted_alternative(Parser *p, int line)
{
	int			c;

	while ((c = peek(p)) != '}')
	{
		int			escaped = raw_at(p, 1);

		if (c == END_OF_FILE)
			dotenv_refuse(p, line, "a ${ opened here is not closed", NULL);
		if (c == '`')
			reject_backquote(p);
		if (c == '"' || c == '\'' ||
			(c == '\\' && !(escaped == '$' || escaped == '`' || escaped == '"' || escaped == '\\')))
			dotenv_refuse(p, p->line, "quote or backslash within \"${...}\"",
						  "Assign the alternative to a variable of its own first.");
		if (c == '$')
			parse_dollar(p, true);
		else if (c == '\\')
			parse_quoted_backslash(p);
		else
		{
			emit(p, c);
			advance(p);
		}
	}
}

/*
 * Parses one character or quoted part of the word of an unquoted
 * ${NAME:-word}.
 */
static void
parse_alternative_piece(Parser *p, int c, bool tilde)
{
	if (c == '`')
		reject_backquote(p);
	if ((c == '~' && tilde) || c == '<' || c == '>' || c == '(' || c == ')' ||
		(c == '$' && raw_at(p, 1) == '\''))
		dotenv_refuse(p, p->line, "special character within ${...}", "Quote it.");
	if (c == '\'')
		parse_single_quotes(p);
	else if (c == '"')
		parse_double_quotes(p);
	else if (c == '\\')
		parse_backslash(p);
	else if (c == '$')
		parse_dollar(p, false);
	else
	{
		emit(p, c);
		advance(p);
	}
}

static void
parse_alternative(Parser *p, int line)
{
	bool		tilde = true;
	int			c;

	while ((c = peek(p)) != '}')
	{
		if (c == END_OF_FILE)
			dotenv_refuse(p, line, "a ${ opened here is not closed", NULL);
		parse_alternative_piece(p, c, tilde);
		tilde = (c == ':' || c == '=' || is_blank(c));
	}
}

/* Applies ${NAME<op>word} after the word has been read; it begins at start. */
static void
apply_alternative(Parser *p, const char *name, int op, const char *value,
				  bool taken, int start)
{
	if (p->unused > 0)
		return;
	if (taken && op == '?')
		dotenv_refuse(p, p->line, psprintf("%s is required but not set", name), NULL);
	if (taken && op == '=')
		dotenv_assign(p, name, start, p->len, false, p->line);
	if (!taken && op != '+')
		emit_string(p, value);
}

/* Parses the rest of ${NAME..., after the name. */
static void
parse_operator(Parser *p, const char *name, bool quoted, int line)
{
	bool		colon = false;
	bool		taken = false;
	const char *value = NULL;
	int			start = p->len;
	int			op = peek(p);

	if (op == ':')
	{
		colon = true;
		advance(p);
		op = peek(p);
	}
	if (op != '-' && op != '=' && op != '?' && op != '+')
		dotenv_refuse(p, p->line, "operator within ${...} that is not supported",
					  "Supported are - = ? + with or without a colon. " HINT_DOLLAR);
	advance(p);
	if (p->unused == 0)
	{
		value = dotenv_value_of(p, name);
		if (colon && value != NULL && *value == '\0')
			taken = true;
		else
			taken = (value == NULL);
		if (op == '+')
			taken = !taken;
	}

	if (!taken)
		p->unused++;
	if (quoted)
		parse_quoted_alternative(p, line);
	else
		parse_alternative(p, line);
	if (!taken)
		p->unused--;
	advance(p);

	apply_alternative(p, name, op, value, taken, start);
}

/* Parses ${...}, starting at the brace. */
static void
parse_braces(Parser *p, bool quoted)
{
	char		name[NAME_LIMIT];
	int			line = p->line;

	advance(p);
	if (!is_name_start(peek(p)))
		dotenv_refuse(p, line, "${...} that is not the name of a variable", HINT_DOLLAR);
	if (++p->nesting > NESTING_LIMIT)
		dotenv_refuse_size(p, "${...} nested too deeply");
	dotenv_parse_name(p, name);
	if (peek(p) == '}')
	{
		advance(p);
		emit_variable(p, name);
	}
	else
		parse_operator(p, name, quoted, line);
	p->nesting--;
}

/* Parses "$" and what it expands. */
static void
parse_dollar(Parser *p, bool quoted)
{
	char		name[NAME_LIMIT];
	int			c;

	advance(p);
	c = peek(p);
	if (is_name_start(c))
	{
		dotenv_parse_name(p, name);
		emit_variable(p, name);
	}
	else if (c == '{')
		parse_braces(p, quoted);
	else if (c == '(' || c == '[')
		dotenv_refuse(p, p->line, "command or arithmetic substitution $(...), which needs a shell to run",
					  HINT_DOLLAR);
	else if (c == '\'' && !quoted)
		parse_ansi_quotes(p);
	else if (c == '"' && !quoted)
		dotenv_refuse(p, p->line, "translated string $\"...\"", "Remove the dollar sign.");
	else if (c != END_OF_FILE && c != '\0' && strchr("0123456789@*#?-$!", c) != NULL)
		dotenv_refuse(p, p->line, "special parameter of the shell, such as $1 or $$", HINT_DOLLAR);
	else
		emit(p, '$');
}

/* Parses "~" where the shell expands it. */
static void
parse_tilde(Parser *p)
{
	const char *home;
	int			c;

	advance(p);
	c = peek(p);
	if (c != '/' && c != ':' && !ends_word(c))
		dotenv_refuse(p, p->line, "unquoted \"~\" that is not followed by \"/\"", HINT_QUOTE);
	if (p->unused > 0)
		return;
	home = dotenv_value_of(p, "HOME");
	if (home == NULL)
		home = p->env->home;
	if (home == NULL || home[0] == '\0' || home[strlen(home) - 1] == '/')
		dotenv_refuse(p, p->line, "unquoted \"~\", but no usable home directory is known", HINT_QUOTE);
	emit_string(p, home);
}

/* Returns whether "&&" is next.  Does not move the parser. */
static bool
at_and(Parser *p)
{
	Parser		ahead = *p;

	if (peek(&ahead) != '&')
		return false;
	advance(&ahead);
	return peek(&ahead) == '&';
}

void
dotenv_check_value_end(Parser *p)
{
	int			c = peek(p);

	if (c == '&' && !at_and(p))
		dotenv_refuse(p, p->line, "unquoted \"&\", which a shell takes as the end of a command",
					  HINT_QUOTE);
	if (c == '|' || c == '<' || c == '>' || c == '(' || c == ')')
		dotenv_refuse(p, p->line, psprintf("unquoted \"%c\"", c), HINT_QUOTE);
}

/* Parses one character or quoted part of a value. */
static void
parse_value_piece(Parser *p, int c, ValuePlace place)
{
	if (c == '`')
		reject_backquote(p);
	if (c == '{' && place == VALUE_ARGUMENT)
		dotenv_refuse(p, p->line, "unquoted \"{\", which bash may expand", HINT_QUOTE);
	if (c == '\'')
		parse_single_quotes(p);
	else if (c == '"')
		parse_double_quotes(p);
	else if (c == '\\')
		parse_backslash(p);
	else if (c == '$')
		parse_dollar(p, false);
	else
	{
		emit(p, c);
		advance(p);
	}
}

void
dotenv_parse_value(Parser *p, ValuePlace place)
{
	int			before = ':';	/* a tilde is expanded at the start and after ":" */
	int			c;

	while (!ends_word(c = peek(p)))
	{
		if (c == '~' && before == '=')
			dotenv_refuse(p, p->line, "unquoted \"~\" after \"=\"", HINT_QUOTE);
		if (c == '~' && before == ':')
			parse_tilde(p);
		else
			parse_value_piece(p, c, place);
		before = c;
	}
	dotenv_check_value_end(p);
}
