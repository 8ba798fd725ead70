/*-------------------------------------------------------------------------
 *
 * dotenv_state.h
 *	  An environment file while it is read.  Only dotenv.c, dotenv_value.c and
 *	  dotenv_state.c include it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_DOTENV_STATE_H
#define PGTUNSYNC_DOTENV_STATE_H

#include "config/dotenv_variable.h"

#define END_OF_FILE		(-1)

#define NAME_LIMIT		128		/* bytes of a variable's name */
#define VALUE_LIMIT		(64 * 1024) /* bytes of a value */
#define TOTAL_LIMIT		(4 * 1024 * 1024)	/* bytes expanded and assigned */
#define VARIABLES_LIMIT 1024
#define NESTING_LIMIT	16		/* of ${...} */

typedef struct Dotenv
{
	const char *path;
	const char *home;
	DotenvInherited inherited;
	DotenvVariable variables[VARIABLES_LIMIT];
	int			count;
	size_t		total;			/* bytes expanded and assigned so far */
	char		buffer[VALUE_LIMIT + 1];	/* the value being read */
} Dotenv;

typedef struct Parser
{
	Dotenv	   *env;
	const char *next;
	const char *end;
	int			line;
	const char *variable;		/* being assigned, for messages */
	int			len;			/* bytes used of the buffer */
	int			unused;			/* > 0 inside a ${A:-word} that is not taken */
	int			nesting;		/* of ${...} */
} Parser;

#define HINT_QUOTE	"Quote the value: NAME='...'."
#define HINT_DOLLAR	"Use single quotes when a dollar sign or a backquote is meant: NAME='...'."
#define HINT_ASSIGN	"Only assignments may stand here: NAME=value or export NAME=value."

/*
 * Raises CONFIG_FILE_ERROR about a line.  problem and hint must not hold a
 * piece of the file other than a variable's name; hint may be NULL.
 */
extern void dotenv_refuse(Parser *p, int line, const char *problem,
						  const char *hint) pg_attribute_noreturn();

/* Raises PROGRAM_LIMIT_EXCEEDED about the current line. */
extern void dotenv_refuse_size(Parser *p, const char *problem) pg_attribute_noreturn();

/* Reads a name of at most NAME_LIMIT - 1 bytes; its start has been seen. */
extern void dotenv_parse_name(Parser *p, char *name);

/* NULL when the file has not mentioned it. */
extern DotenvVariable *dotenv_find_variable(Dotenv *env, const char *name);

/* Overwrites and frees the value. */
extern void dotenv_forget_value(DotenvVariable *var);

/* The variable of that name, which must be one that the file may change. */
extern DotenvVariable *dotenv_variable_to_change(Parser *p, const char *name, int line);

/* What ${name} stands for here, NULL when it is not set. */
extern const char *dotenv_value_of(Parser *p, const char *name);

/* Counts bytes moved towards TOTAL_LIMIT, so that every file is read quickly. */
extern void dotenv_count_work(Parser *p, size_t bytes);

/* Sets name to the buffer's bytes from start to end. */
extern DotenvVariable *dotenv_assign(Parser *p, const char *name, int start, int end,
									 bool append, int line);

static inline int
raw_at(Parser *p, int offset)
{
	if (p->end - p->next <= offset)
		return END_OF_FILE;
	return (unsigned char) p->next[offset];
}

static inline void
advance(Parser *p)
{
	if (*p->next == '\n')
		p->line++;
	p->next++;
}

/* The next character outside single quotes: continued lines are joined. */
static inline int
peek(Parser *p)
{
	while (raw_at(p, 0) == '\\' && raw_at(p, 1) == '\n')
	{
		advance(p);
		advance(p);
	}
	return raw_at(p, 0);
}

static inline bool
is_name_start(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static inline bool
is_name_char(int c)
{
	return is_name_start(c) || (c >= '0' && c <= '9');
}

static inline bool
is_blank(int c)
{
	return c == ' ' || c == '\t';
}

/* Does an unquoted c end a word? */
static inline bool
ends_word(int c)
{
	return c == END_OF_FILE || is_blank(c) || strchr("\n;&|<>()", c) != NULL;
}

#endif							/* PGTUNSYNC_DOTENV_STATE_H */
