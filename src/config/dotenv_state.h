/*-------------------------------------------------------------------------
 *
 * dotenv_state.h
 *	  The state of an environment file while it is read.  Only dotenv.c,
 *	  dotenv_value.c and dotenv_state.c include it.
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
#define NESTING_LIMIT	16		/* of nested ${...} */

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
	const char *variable;		/* the variable being assigned, for messages */
	int			len;			/* used bytes of the buffer */
	int			unused;			/* > 0 inside a ${A:-word} that is not used */
	int			nesting;		/* current depth of ${...} */
} Parser;

#define HINT_QUOTE	"Quote the value: NAME='...'."
#define HINT_DOLLAR	"Use single quotes for a literal dollar sign or backquote: NAME='...'."
#define HINT_ASSIGN	"Only assignments are allowed here: NAME=value or export NAME=value."

/*
 * Raises CONFIG_FILE_ERROR for a line.  problem and hint may contain names of
 * variables, but no other text of the file.  hint may be NULL.
 */
extern void dotenv_refuse(Parser *p, int line, const char *problem,
						  const char *hint) pg_attribute_noreturn();

/* Raises PROGRAM_LIMIT_EXCEEDED for the current line. */
extern void dotenv_refuse_size(Parser *p, const char *problem) pg_attribute_noreturn();

/*
 * Reads a name of at most NAME_LIMIT - 1 bytes.  The caller has checked its
 * first character.
 */
extern void dotenv_parse_name(Parser *p, char *name);

/* Returns the variable, or NULL if the file has not named it. */
extern DotenvVariable *dotenv_find_variable(Dotenv *env, const char *name);

/* Overwrites and frees the value. */
extern void dotenv_forget_value(DotenvVariable *var);

/*
 * Finds or adds a variable that the file is about to change.  Raises
 * CONFIG_FILE_ERROR if it is read-only or used by bash itself.
 */
extern DotenvVariable *dotenv_variable_to_change(Parser *p, const char *name, int line);

/* Returns the value of ${name} at this point, or NULL if it is not set. */
extern const char *dotenv_value_of(Parser *p, const char *name);

/* Adds to the bytes processed.  TOTAL_LIMIT bounds the time to read a file. */
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

/* Returns the next character outside single quotes.  Joins continued lines. */
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

/* Returns whether an unquoted c ends a word. */
static inline bool
ends_word(int c)
{
	return c == END_OF_FILE || is_blank(c) || strchr("\n;&|<>()", c) != NULL;
}

#endif							/* PGTUNSYNC_DOTENV_STATE_H */
