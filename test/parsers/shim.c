/*-------------------------------------------------------------------------
 *
 * shim.c
 *	  Just enough of a server for the parsers to run without one.
 *
 * The parsers are compiled as they are, with the server's headers, and linked
 * with this instead of a server: palloc() on top of malloc(), so that the
 * sanitizers see every byte, ereport() that jumps, and lists and strings in
 * their simplest form.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <stdio.h>

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "nodes/pg_list.h"
#include "utils/memutils.h"

#include "shim.h"

#undef vsnprintf
#undef snprintf
#undef fprintf

sigjmp_buf *PG_exception_stack = NULL;
ErrorContextCallback *error_context_stack = NULL;
ShimReporter shim_reporter = NULL;
const char *shim_secret = NULL;

/*
 * Memory
 */

typedef struct Chunk
{
	struct Chunk *previous;
	struct Chunk *next;
	Size		size;
	Size		padding;		/* keeps what follows aligned */
} Chunk;

static Chunk chunks = {&chunks, &chunks};

static void *
add_chunk(Chunk *chunk, Size size)
{
	if (chunk == NULL)
		abort();
	chunk->size = size;
	chunk->previous = &chunks;
	chunk->next = chunks.next;
	chunks.next->previous = chunk;
	chunks.next = chunk;
	return chunk + 1;
}

static Chunk *
take_chunk(void *pointer)
{
	Chunk	   *chunk = (Chunk *) pointer - 1;

	if (shim_secret && memmem(pointer, chunk->size, shim_secret, strlen(shim_secret)))
		abort();
	chunk->previous->next = chunk->next;
	chunk->next->previous = chunk->previous;
	return chunk;
}

void *
palloc(Size size)
{
	return add_chunk(malloc(sizeof(Chunk) + size), size);
}

void *
palloc0(Size size)
{
	return memset(palloc(size), 0, size);
}

void *
repalloc(void *pointer, Size size)
{
	return add_chunk(realloc(take_chunk(pointer), sizeof(Chunk) + size), size);
}

void
pfree(void *pointer)
{
	free(take_chunk(pointer));
}

/* One context for all; the callbacks are run by shim_reset(). */
MemoryContext CurrentMemoryContext = NULL;
static MemoryContextCallback *callbacks = NULL;

MemoryContext
AllocSetContextCreateInternal(MemoryContext parent, const char *name,
							  Size minContextSize, Size initBlockSize, Size maxBlockSize)
{
	return NULL;
}

void
MemoryContextRegisterResetCallback(MemoryContext context, MemoryContextCallback *cb)
{
	cb->next = callbacks;
	callbacks = cb;
}

void
shim_reset(void)
{
	for (; callbacks; callbacks = callbacks->next)
		callbacks->func(callbacks->arg);
	while (chunks.next != &chunks)
		pfree(chunks.next + 1);
}

char *
pnstrdup(const char *in, Size len)
{
	Size		n = strnlen(in, len);
	char	   *out = palloc(n + 1);

	memcpy(out, in, n);
	out[n] = '\0';
	return out;
}

char *
pstrdup(const char *in)
{
	return pnstrdup(in, strlen(in));
}

/*
 * Strings and lists
 */

static char *
format(const char *fmt, va_list args)
{
	va_list		again;
	char	   *result;
	int			len;

	va_copy(again, args);
	len = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	result = palloc(len + 1);
	vsnprintf(result, len + 1, fmt, args);
	return result;
}

char *
psprintf(const char *fmt,...)
{
	va_list		args;
	char	   *result;

	va_start(args, fmt);
	result = format(fmt, args);
	va_end(args);
	return result;
}

void
initStringInfo(StringInfo str)
{
	str->data = pstrdup("");
	str->len = 0;
	str->maxlen = 1;
	str->cursor = 0;
}

void
appendStringInfo(StringInfo str, const char *fmt,...)
{
	va_list		args;
	char	   *more;

	va_start(args, fmt);
	more = format(fmt, args);
	va_end(args);
	str->data = repalloc(str->data, str->len + strlen(more) + 1);
	strcpy(str->data + str->len, more);
	str->len += strlen(more);
	str->maxlen = str->len + 1;
	pfree(more);
}

List *
lappend(List *list, void *datum)
{
	if (list == NIL)
	{
		list = palloc0(sizeof(List));
		list->type = T_List;
	}
	if (list->length == list->max_length)
	{
		list->max_length = Max(8, list->max_length * 2);
		list->elements = list->elements ?
			repalloc(list->elements, list->max_length * sizeof(ListCell)) :
			palloc(list->max_length * sizeof(ListCell));
	}
	list->elements[list->length++].ptr_value = datum;
	return list;
}

int
pg_strcasecmp(const char *s1, const char *s2)
{
	return strcasecmp(s1, s2);
}

int
pg_strncasecmp(const char *s1, const char *s2, size_t n)
{
	return strncasecmp(s1, s2, n);
}

char *
pg_any_to_server(const char *s, int len, int encoding)
{
	return (char *) s;
}

const char *
GetDatabaseEncodingName(void)
{
	return "UTF8";
}

/*
 * Messages
 */

static struct
{
	int			elevel;
	char		sqlstate[6];
	char	   *message;
	char	   *detail;
	char	   *hint;
}			report;

bool
errstart(int elevel, const char *domain)
{
	memset(&report, 0, sizeof(report));
	report.elevel = elevel;
	return true;
}

bool
errstart_cold(int elevel, const char *domain)
{
	return errstart(elevel, domain);
}

int
errcode(int sqlerrcode)
{
	for (int i = 0; i < 5; i++, sqlerrcode >>= 6)
		report.sqlstate[i] = PGUNSIXBIT(sqlerrcode);
	return 0;
}

int
errcode_for_file_access(void)
{
	return errcode(errno == EACCES || errno == EPERM ? ERRCODE_INSUFFICIENT_PRIVILEGE :
				   ERRCODE_IO_ERROR);
}

#define REPORT_FIELD(function, field) \
int \
function(const char *fmt,...) \
{ \
	va_list		args; \
	va_start(args, fmt); \
	report.field = format(fmt, args); \
	va_end(args); \
	return 0; \
}

REPORT_FIELD(errmsg, message)
REPORT_FIELD(errdetail, detail)
REPORT_FIELD(errhint, hint)

void
pg_re_throw(void)
{
	siglongjmp(*PG_exception_stack, 1);
}

void
errfinish(const char *filename, int lineno, const char *funcname)
{
	if (shim_reporter)
		shim_reporter(report.elevel, report.sqlstate, report.message,
					  report.detail, report.hint);
	if (report.elevel >= ERROR)
		pg_re_throw();
}

bool
shim_try(void (*function) (void *arg), void *arg)
{
	sigjmp_buf	here;
	bool		done = false;

	PG_exception_stack = &here;
	if (sigsetjmp(here, 0) == 0)
	{
		function(arg);
		done = true;
	}
	PG_exception_stack = NULL;
	return done;
}
