/*-------------------------------------------------------------------------
 *
 * known_hosts.c
 *	  Looks up host keys in known_hosts files.
 *
 * libssh2 can read known_hosts, but it takes "@revoked" for a host name and
 * stores wildcards and negations literally.  So it would accept a revoked key,
 * and a pattern would never match.  The files are therefore read here, as
 * sshd(8) describes under SSH_KNOWN_HOSTS FILE FORMAT:
 *
 *		[@revoked|@cert-authority] names type base64-key [comment]
 *
 * names is a comma-separated list of patterns ("*", "?", "!" to negate), or
 * one name hashed as |1|salt|HMAC-SHA1(salt, name).
 *
 * Every line of every file is checked.  An entry that revokes the key takes
 * precedence over all entries that list it, wherever it is.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base64.h"
#include "common/cryptohash.h"
#include "common/hmac.h"
#include "common/sha1.h"
#include "common/sha2.h"
#include "common/string.h"
#include "lib/stringinfo.h"
#include "storage/fd.h"

#include "base/text.h"
#include "base/compat.h"
#include "ssh/known_hosts.h"

#define MAX_LINE	65536

/* The fields of a line, which is split in place. */
typedef struct KnownHostLine
{
	const char *marker;			/* "@revoked", "@cert-authority", or NULL */
	const char *names;
	const char *type;
	const char *key;			/* base64 */
} KnownHostLine;

/* Called for each line that matches the host. */
typedef void (*LineVisitor) (const KnownHostLine *line, const char *file,
							 int number, void *arg);

typedef struct CheckState
{
	const unsigned char *key;
	size_t		key_len;
	const char *type;
	KnownHostVerdict *verdict;
} CheckState;

/* ---- names ---- */

/* Matches one shell-like pattern without its "!".  The name is lower case. */
static bool
pattern_matches(const char *pattern, size_t len, const char *name)
{
	const char *end = pattern + len;
	const char *star = NULL;
	const char *resume = NULL;

	/* it is enough to go back to the last star */
	while (*name != '\0')
	{
		if (pattern < end && *pattern == '*')
		{
			star = pattern++;
			resume = name;
		}
		else if (pattern < end &&
				 (*pattern == '?' || pg_ascii_tolower((unsigned char) *pattern) == (unsigned char) *name))
		{
			pattern++;
			name++;
		}
		else if (star != NULL)
		{
			pattern = star + 1;
			name = ++resume;
		}
		else
			return false;
	}
	while (pattern < end && *pattern == '*')
		pattern++;
	return pattern == end;
}

static bool
hash_name(const uint8 *salt, size_t salt_len, const char *name, uint8 *hash)
{
	pg_hmac_ctx *ctx = pg_hmac_create(PG_SHA1);
	bool		ok;

	ok = ctx != NULL &&
		pg_hmac_init(ctx, salt, salt_len) >= 0 &&
		pg_hmac_update(ctx, (const uint8 *) name, strlen(name)) >= 0 &&
		pg_hmac_final(ctx, hash, SHA1_DIGEST_LENGTH) >= 0;
	pg_hmac_free(ctx);
	return ok;
}

/* Matches |1|base64(salt)|base64(hash). */
static bool
hashed_matches(const char *field, const char *name)
{
	const char *salt_text = field + 3;
	const char *bar = strchr(salt_text, '|');
	uint8		salt[64];
	uint8		stored[64];
	uint8		computed[SHA1_DIGEST_LENGTH];
	int			salt_len;
	int			stored_len;

	if (bar == NULL || bar - salt_text > 60 || strlen(bar + 1) > 60)
		return false;
	salt_len = pg_b64_decode(salt_text, (int) (bar - salt_text), (void *) salt, sizeof(salt));
	stored_len = pg_b64_decode(bar + 1, (int) strlen(bar + 1), (void *) stored, sizeof(stored));
	return salt_len > 0 && stored_len == SHA1_DIGEST_LENGTH &&
		hash_name(salt, salt_len, name, computed) &&
		memcmp(stored, computed, SHA1_DIGEST_LENGTH) == 0;
}

bool
known_hosts_field_matches(const char *field, const char *name)
{
	bool		matches = false;

	if (strncmp(field, "|1|", 3) == 0)
		return hashed_matches(field, name);
	for (;;)
	{
		size_t		len = strcspn(field, ",");
		bool		negated = field[0] == '!';

		if (pattern_matches(field + negated, len - negated, name))
		{
			if (negated)
				return false;
			matches = true;
		}
		if (field[len] == '\0')
			return matches;
		field += len + 1;
	}
}

/* ---- keys ---- */

char *
ssh_key_type(const unsigned char *key, size_t key_len)
{
	size_t		len;

	if (key_len < 4)
		return pstrdup("unknown");
	len = ((size_t) key[0] << 24) | (key[1] << 16) | (key[2] << 8) | key[3];
	if (len == 0 || len > 64 || len > key_len - 4)
		return pstrdup("unknown");
	for (size_t i = 0; i < len; i++)
	{
		/* it comes from a server, and is shown in messages and known_hosts */
		if (key[4 + i] <= ' ' || key[4 + i] >= 0x7f)
			return pstrdup("unknown");
	}
	return pnstrdup((const char *) key + 4, len);
}

char *
ssh_key_fingerprint(const unsigned char *key, size_t key_len)
{
	pg_cryptohash_ctx *ctx = pg_cryptohash_create(PG_SHA256);
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	char		text[64];
	int			len;

	if (ctx == NULL ||
		pg_cryptohash_init(ctx) < 0 ||
		pg_cryptohash_update(ctx, key, key_len) < 0 ||
		pg_cryptohash_final(ctx, digest, sizeof(digest)) < 0)
	{
		pg_cryptohash_free(ctx);
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not compute a SHA256 fingerprint")));
	}
	pg_cryptohash_free(ctx);
	len = pg_b64_encode((void *) digest, sizeof(digest), text, sizeof(text));
	while (len > 0 && text[len - 1] == '=')
		len--;
	return psprintf("SHA256:%.*s", Max(len, 0), text);
}

static char *
encode_base64(const unsigned char *data, size_t len)
{
	int			size = pg_b64_enc_len((int) len);
	char	   *text = palloc(size + 1);
	int			n = pg_b64_encode((const void *) data, (int) len, text, size);

	text[Max(n, 0)] = '\0';
	return text;
}

/* Returns whether the base64 text is this key. */
static bool
same_key(const char *text, const unsigned char *key, size_t key_len)
{
	int			size = pg_b64_dec_len((int) strlen(text));
	unsigned char *decoded = palloc(size + 1);
	int			len = pg_b64_decode(text, (int) strlen(text), (void *) decoded, size);
	bool		same = len >= 0 && (size_t) len == key_len && memcmp(decoded, key, key_len) == 0;

	pfree(decoded);
	return same;
}

/* ---- files ---- */

static char *
next_field(char **rest)
{
	char	   *field = *rest + strspn(*rest, " \t");
	size_t		len = strcspn(field, " \t\r\n");

	*rest = field + len;
	if (**rest != '\0')
		*(*rest)++ = '\0';
	return field;
}

/* Returns false for comments, empty and malformed lines. */
static bool
parse_line(char *text, KnownHostLine *line)
{
	char	   *rest = text;
	char	   *field = next_field(&rest);

	line->marker = NULL;
	if (field[0] == '@')
	{
		line->marker = field;
		field = next_field(&rest);
	}
	line->names = field;
	line->type = next_field(&rest);
	line->key = next_field(&rest);
	return field[0] != '\0' && field[0] != '#' && line->key[0] != '\0' &&
		(line->marker == NULL || strcmp(line->marker, "@revoked") == 0 ||
		 strcmp(line->marker, "@cert-authority") == 0);
}

/*
 * Reads the next line without its newline.  Returns false at the end.  Text
 * after a zero byte is ignored, but only up to the end of the line: the next
 * line may revoke a key.
 */
static bool
read_line(FILE *file, StringInfo line)
{
	bool		zero = false;
	bool		any = false;
	int			c;

	resetStringInfo(line);
	while ((c = getc(file)) != EOF)
	{
		any = true;
		if (c == '\n')
			break;
		zero |= c == '\0';
		if (!zero && line->len < MAX_LINE)
			appendStringInfoCharMacro(line, c);
	}
	return any;
}

/*
 * Visits the lines of one file that match the host.  Returns false if the file
 * cannot be read.
 */
static bool
scan_file(const char *path, const char *name, LineVisitor visit, void *arg)
{
	FILE	   *file = AllocateFile(path, "r");
	StringInfoData buf;
	int			number = 0;

	if (file == NULL)
		return errno == ENOENT || errno == ENOTDIR;
	initStringInfo(&buf);
	while (read_line(file, &buf))
	{
		KnownHostLine line;

		number++;
		if (buf.len < MAX_LINE && parse_line(buf.data, &line) &&
			known_hosts_field_matches(line.names, name))
			visit(&line, path, number, arg);
	}
	FreeFile(file);
	pfree(buf.data);
	return true;
}

static List *
scan_files(const List *files, const char *name, LineVisitor visit, void *arg)
{
	List	   *unreadable = NIL;
	ListCell   *lc;

	foreach(lc, files)
	{
		if (!scan_file(lfirst(lc), name, visit, arg))
			unreadable = lappend(unreadable, lfirst(lc));
	}
	return unreadable;
}

static List *
add_type(List *types, const char *type)
{
	return names_include(types, type) ? types : lappend(types, pstrdup(type));
}

static void
set_verdict(KnownHostVerdict *verdict, KnownHostResult result, const char *file, int number)
{
	verdict->result = result;
	verdict->file = pstrdup(file);
	verdict->line = number;
}

/*
 * Evaluates one line.  The precedence is: revoked, match, changed, other type.
 */
static void
check_line(const KnownHostLine *line, const char *file, int number, void *arg)
{
	CheckState *state = arg;
	KnownHostVerdict *verdict = state->verdict;
	bool		same = same_key(line->key, state->key, state->key_len);

	if (line->marker != NULL && strcmp(line->marker, "@cert-authority") == 0)
		verdict->authority = true;
	else if (line->marker != NULL)
	{
		if (same)
			set_verdict(verdict, KNOWN_HOST_REVOKED, file, number);
	}
	else
	{
		verdict->types = add_type(verdict->types, line->type);
		if (verdict->result == KNOWN_HOST_REVOKED)
			return;
		if (same)
			set_verdict(verdict, KNOWN_HOST_MATCH, file, number);
		else if (verdict->result == KNOWN_HOST_MATCH)
			return;
		else if (strcmp(line->type, state->type) == 0)
			set_verdict(verdict, KNOWN_HOST_CHANGED, file, number);
		else if (verdict->result == KNOWN_HOST_UNKNOWN)
			set_verdict(verdict, KNOWN_HOST_OTHER_TYPE, file, number);
	}
}

void
known_hosts_check(const List *files, const char *name, const unsigned char *key,
				  size_t key_len, KnownHostVerdict *verdict)
{
	CheckState	state = {key, key_len, ssh_key_type(key, key_len), verdict};
	const char *bracket = name[0] == '[' ? strstr(name, "]:") : NULL;

	memset(verdict, 0, sizeof(KnownHostVerdict));
	verdict->result = KNOWN_HOST_UNKNOWN;
	verdict->unreadable = scan_files(files, name, check_line, &state);

	/* like ssh: an entry without the port is valid for any port */
	if (verdict->result == KNOWN_HOST_UNKNOWN && bracket != NULL)
	{
		KnownHostVerdict plain = {.result = KNOWN_HOST_UNKNOWN};

		state.verdict = &plain;
		(void) scan_files(files, pnstrdup(name + 1, bracket - name - 1), check_line, &state);
		if (plain.result == KNOWN_HOST_MATCH || plain.result == KNOWN_HOST_REVOKED)
			set_verdict(verdict, plain.result, plain.file, plain.line);
	}
}

static void
collect_type(const KnownHostLine *line, const char *file, int number, void *arg)
{
	List	  **types = arg;

	if (line->marker == NULL)
		*types = add_type(*types, line->type);
}

List *
known_hosts_types(const List *files, const char *name)
{
	const char *bracket = name[0] == '[' ? strstr(name, "]:") : NULL;
	List	   *types = NIL;

	(void) scan_files(files, name, collect_type, &types);
	if (types == NIL && bracket != NULL)
		(void) scan_files(files, pnstrdup(name + 1, bracket - name - 1), collect_type, &types);
	return types;
}

/* ---- new entries ---- */

static char *
hashed_name(const char *name)
{
	uint8		salt[SHA1_DIGEST_LENGTH];
	uint8		hash[SHA1_DIGEST_LENGTH];

	if (!pg_strong_random(salt, sizeof(salt)) ||
		!hash_name(salt, sizeof(salt), name, hash))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not hash a host name for known_hosts")));
	return psprintf("|1|%s|%s", encode_base64(salt, sizeof(salt)),
					encode_base64(hash, sizeof(hash)));
}

char *
ssh_key_text(const unsigned char *key, size_t key_len)
{
	return psprintf("%s %s", ssh_key_type(key, key_len), encode_base64(key, key_len));
}

char *
known_hosts_line(const char *name, const unsigned char *key, size_t key_len, bool hashed)
{
	return psprintf("%s %s", hashed ? hashed_name(name) : name, ssh_key_text(key, key_len));
}

/* Returns whether the last line of the file has no newline. */
static bool
lacks_newline(int fd)
{
	char		last = '\n';

	if (lseek(fd, -1, SEEK_END) >= 0)
		(void) !read(fd, &last, 1);
	return last != '\n';
}

char *
known_hosts_append(const char *file, const char *line)
{
	const char *slash = strrchr(file, '/');
	char	   *text;
	int			fd;
	ssize_t		written;
	int			save_errno;

	if (slash != NULL && slash != file)
		(void) mkdir(pnstrdup(file, slash - file), 0700);
	fd = open(file, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return psprintf("could not open \"%s\": %s", file, strerror(errno));
	text = psprintf("%s%s\n", lacks_newline(fd) ? "\n" : "", line);
	written = write(fd, text, strlen(text));
	save_errno = errno;
	close(fd);
	if (written != (ssize_t) strlen(text))
		return psprintf("could not write \"%s\": %s", file,
						written < 0 ? strerror(save_errno) : "short write");
	return NULL;
}
