/*-------------------------------------------------------------------------
 *
 * fuzz_known_hosts.c
 *	  libFuzzer target: any bytes as known_hosts.
 *
 * The first line is the host's name, the second what its key is made of, the
 * rest the file.  Apart from what the sanitizers see: patterns match as a
 * plain reading of ssh's rules says; a line that we write ourselves makes the
 * key known, whatever stands before it; and nothing outweighs a revocation.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "ssh/known_hosts.h"
#include "../parsers/shim.h"

#define KEY_TYPE	"\0\0\0\x0bssh-ed25519"

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Input
{
	char	   *name;
	char	   *text;
	size_t		len;
	unsigned char *key;
	size_t		key_len;
} Input;

/* ssh's match_pattern(), as it is described: recursion, no cleverness. */
static bool
plain_match(const char *pattern, size_t len, const char *name, int *steps)
{
	if (--*steps < 0)
		return false;
	if (len == 0)
		return *name == '\0';
	if (*pattern == '*')
		return plain_match(pattern + 1, len - 1, name, steps) ||
			(*name != '\0' && plain_match(pattern, len, name + 1, steps));
	if (*name == '\0' || (*pattern != '?' && pg_ascii_tolower((unsigned char) *pattern) != (unsigned char) *name))
		return false;
	return plain_match(pattern + 1, len - 1, name + 1, steps);
}

static bool
plain_list_match(const char *field, const char *name, int *steps)
{
	bool		matches = false;

	for (;;)
	{
		size_t		len = strcspn(field, ",");
		bool		negated = field[0] == '!';
		bool		match = plain_match(field + negated, len - negated, name, steps);

		if (match && negated)
			return false;
		matches |= match;
		if (field[len] == '\0')
			return matches;
		field += len + 1;
	}
}

static void
check_patterns(const Input *input)
{
	char	   *first = pnstrdup(input->text, strcspn(input->text, " \t\r\n"));
	int			steps = 100000;
	bool		expected;

	if (strncmp(first, "|1|", 3) == 0)
	{
		(void) known_hosts_field_matches(first, input->name);
		return;
	}
	expected = plain_list_match(first, input->name, &steps);
	if (steps >= 0 && known_hosts_field_matches(first, input->name) != expected)
		abort();
}

/* Looks the key up in the file with a line added to it. */
static KnownHostResult
result_with(const Input *input, const char *marker, const char *line)
{
	KnownHostVerdict verdict;
	StringInfoData buf;
	List	   *files = lappend(lappend(lappend(NIL, "file"), "missing"), "locked");
	int			lines = 1;

	initStringInfo(&buf);
	appendBinaryStringInfo(&buf, input->text, input->len);
	if (line != NULL)
		appendStringInfo(&buf, "\n%s%s\n", marker, line);
	for (int i = 0; i < buf.len; i++)
		lines += buf.data[i] == '\n';
	shim_text = buf.data;
	shim_text_len = buf.len;
	known_hosts_check(files, input->name, input->key, input->key_len, &verdict);
	if (list_length(verdict.unreadable) != 1 || strcmp(linitial(verdict.unreadable), "locked") != 0)
		abort();
	if ((verdict.result != KNOWN_HOST_UNKNOWN) != (verdict.file != NULL))
		abort();
	if (verdict.file != NULL && (verdict.line < 1 || verdict.line > lines))
		abort();
	(void) known_hosts_types(files, input->name);
	return verdict.result;
}

static void
check_lines(const Input *input)
{
	KnownHostResult result = result_with(input, "", NULL);
	KnownHostResult with_line;
	char	   *line;

	/* the name as a host can have it, not as a pattern */
	if (input->name[0] == '\0' || strpbrk(input->name, "*?!,|@# \t\r\n") != NULL)
		return;
	for (int hashed = 0; hashed <= 1; hashed++)
	{
		line = known_hosts_line(input->name, input->key, input->key_len, hashed);
		with_line = result_with(input, "", line);
		if (with_line != KNOWN_HOST_MATCH && (with_line != result || result != KNOWN_HOST_REVOKED))
			abort();
		/* what is said of the host at any port counts only while nothing is said of this one */
		if (with_line != KNOWN_HOST_REVOKED && result == KNOWN_HOST_REVOKED && input->name[0] != '[')
			abort();
		if (result_with(input, "@revoked ", line) != KNOWN_HOST_REVOKED)
			abort();
	}
}

static void
look_up(void *arg)
{
	check_patterns(arg);
	check_lines(arg);
}

/* Takes the next line off; the name is lower case, as its callers have it. */
static char *
take_line(char **at)
{
	char	   *line = *at;
	size_t		len = strcspn(line, "\n");

	*at = line + len + (line[len] == '\n');
	line[len] = '\0';
	return line;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	   *copy = malloc(size + 1);
	char	   *rest = copy;
	char	   *seed;
	Input		input;

	memcpy(copy, data, size);
	copy[size] = '\0';
	input.name = take_line(&rest);
	for (char *c = input.name; *c; c++)
		*c = pg_ascii_tolower((unsigned char) *c);
	seed = take_line(&rest);
	input.key_len = sizeof(KEY_TYPE) - 1 + strlen(seed);
	input.key = malloc(input.key_len);
	memcpy(input.key, KEY_TYPE, sizeof(KEY_TYPE) - 1);
	memcpy(input.key + sizeof(KEY_TYPE) - 1, seed, strlen(seed));
	input.text = rest;
	input.len = copy + size - rest;

	(void) ssh_key_type((unsigned char *) seed, strlen(seed));
	shim_try(look_up, &input);
	shim_reset();
	free(input.key);
	free(copy);
	return 0;
}
