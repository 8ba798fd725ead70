/*-------------------------------------------------------------------------
 *
 * ssh_key.c
 *	  Reads private key files and what they reveal without the passphrase.
 *
 * libssh2 reports an encrypted key without passphrase, and every other
 * problem, as "Unable to extract public key from private key file".  To report
 * the real problem, the file is checked here: whether it exists, is not
 * readable by others, is a private key, is encrypted, and which type it has.
 *
 * OpenSSH's own format (PROTOCOL.key) contains the cipher and the public key
 * in clear text: "openssh-key-v1\0", cipher, kdf, kdf options, number of keys,
 * public key.  The headers of the older PEM formats show whether they are
 * encrypted; their public key is read from the .pub file, if there is one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base64.h"

#include "base/compat.h"
#include "ssh/known_hosts.h"
#include "ssh/ssh_key.h"

#define MAX_KEY_FILE	65536
#define OPENSSH_BEGIN	"-----BEGIN OPENSSH PRIVATE KEY-----"
#define OPENSSH_END		"-----END OPENSSH PRIVATE KEY-----"
#define OPENSSH_MAGIC	"openssh-key-v1"

/*
 * Reads a small file, followed by a NUL.  Returns NULL and sets errno on
 * failure.
 */
static char *
read_small_file(const char *path, size_t *len, struct stat *st)
{
	int			fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char	   *text;
	ssize_t		n;
	int			save_errno;

	if (fd < 0)
		return NULL;
	if (fstat(fd, st) != 0 || !S_ISREG(st->st_mode) || st->st_size > MAX_KEY_FILE)
	{
		close(fd);
		errno = EINVAL;
		return NULL;
	}
	text = palloc0(MAX_KEY_FILE + 1);
	n = read(fd, text, MAX_KEY_FILE);
	save_errno = errno;
	close(fd);
	errno = save_errno;
	if (n < 0)
	{
		pfree(text);
		return NULL;
	}
	*len = (size_t) n;
	return text;
}

/* Reads a length-prefixed string from a blob.  Returns NULL at its end. */
static const unsigned char *
read_string(const unsigned char **at, size_t *left, size_t *len)
{
	const unsigned char *p = *at;

	if (*left < 4)
		return NULL;
	*len = ((size_t) p[0] << 24) | ((size_t) p[1] << 16) | ((size_t) p[2] << 8) | p[3];
	if (*len > *left - 4)
		return NULL;
	*at += 4 + *len;
	*left -= 4 + *len;
	return p + 4;
}

static void
set_public_key(SshKeyFile *key, const unsigned char *data, size_t len)
{
	key->public_key = palloc(len + 1);
	memcpy(key->public_key, data, len);
	key->public_len = len;
	key->type = ssh_key_type(data, len);
}

/* Reads the clear-text part of OpenSSH's format. */
static bool
inspect_openssh_blob(SshKeyFile *key, const unsigned char *blob, size_t blob_len)
{
	const unsigned char *at = blob + sizeof(OPENSSH_MAGIC);
	size_t		left = blob_len - sizeof(OPENSSH_MAGIC);
	const unsigned char *cipher;
	const unsigned char *public_key;
	size_t		cipher_len;
	size_t		len;

	if (blob_len < sizeof(OPENSSH_MAGIC) || memcmp(blob, OPENSSH_MAGIC, sizeof(OPENSSH_MAGIC)) != 0)
		return false;
	cipher = read_string(&at, &left, &cipher_len);
	if (cipher == NULL || read_string(&at, &left, &len) == NULL ||	/* kdf */
		read_string(&at, &left, &len) == NULL || left < 4)	/* its options */
		return false;
	at += 4;					/* number of keys: one */
	left -= 4;
	public_key = read_string(&at, &left, &len);
	if (public_key == NULL)
		return false;
	key->encrypted = cipher_len != 4 || memcmp(cipher, "none", 4) != 0;
	set_public_key(key, public_key, len);
	return true;
}

/* Joins the lines of a PEM body.  Returns the length. */
static int
join_lines(char *joined, const char *body, const char *end)
{
	char	   *at = joined;

	for (; body < end; body++)
	{
		if (!isspace((unsigned char) *body))
			*at++ = *body;
	}
	return (int) (at - joined);
}

static bool
inspect_openssh(SshKeyFile *key, const char *begin)
{
	const char *end = strstr(begin, OPENSSH_END);
	const char *body = begin + strlen(OPENSSH_BEGIN);
	char	   *joined;
	unsigned char *blob;
	int			size;
	int			len;
	bool		ok;

	if (end == NULL)
		return false;
	size = (int) (end - body) + 4;
	joined = palloc(size);
	blob = palloc(size);
	len = pg_b64_decode(joined, join_lines(joined, body, end), (void *) blob, size);
	ok = len > 0 && inspect_openssh_blob(key, blob, len);
	explicit_bzero(joined, size);
	explicit_bzero(blob, size);
	pfree(joined);
	pfree(blob);
	return ok;
}

bool
ssh_key_inspect(SshKeyFile *key)
{
	const char *begin = strstr(key->text, "-----BEGIN ");

	if (begin == NULL || strstr(begin, "PRIVATE KEY-----") == NULL)
		return false;
	if (strncmp(begin, OPENSSH_BEGIN, strlen(OPENSSH_BEGIN)) == 0)
		return inspect_openssh(key, begin);
	key->encrypted = strstr(begin, "BEGIN ENCRYPTED") != NULL ||
		strstr(begin, "Proc-Type: 4,ENCRYPTED") != NULL;
	if (strstr(begin, "BEGIN RSA") != NULL)
		key->type = pstrdup("ssh-rsa");
	else if (strstr(begin, "BEGIN DSA") != NULL)
		key->type = pstrdup("ssh-dss");
	else if (strstr(begin, "BEGIN EC") != NULL)
		key->type = pstrdup("ecdsa-sha2");
	return true;
}

/* Parses a public key in text form: type, base64, comment. */
static void
parse_public_text(SshKeyFile *key, const char *text)
{
	const char *blank = strchr(text, ' ');
	size_t		text_len;
	unsigned char *blob;
	int			blob_len;

	if (blank == NULL)
		return;
	text_len = strcspn(blank + 1, " \r\n");
	blob = palloc(text_len + 4);
	blob_len = pg_b64_decode(blank + 1, (int) text_len, (void *) blob, (int) text_len + 4);
	if (blob_len > 4)
		set_public_key(key, blob, blob_len);
}

/* Reads the public key from "path.pub". */
static void
read_public_file(SshKeyFile *key)
{
	struct stat st;
	size_t		len;
	char	   *text = read_small_file(psprintf("%s.pub", key->path), &len, &st);

	if (text == NULL)
		return;
	parse_public_text(key, text);
	pfree(text);
}

/*
 * Returns whether the text is a public key.  IdentityFile may name one, if an
 * agent holds the private key.
 */
static bool
is_public_text(const char *text)
{
	return strncmp(text, "ssh-", 4) == 0 || strncmp(text, "ecdsa-", 6) == 0 ||
		strncmp(text, "sk-", 3) == 0;
}

SshKeyFile *
ssh_key_read(const char *path)
{
	SshKeyFile *key = palloc0(sizeof(SshKeyFile));
	struct stat st;

	key->path = pstrdup(path);
	key->text = read_small_file(path, &key->text_len, &st);
	if (key->text == NULL)
	{
		key->missing = errno == ENOENT || errno == ENOTDIR;
		key->problem = errno == EINVAL ? pstrdup("not a regular file of at most 64 kB") :
			pstrdup(strerror(errno));
	}
	else if (is_public_text(key->text))
	{
		parse_public_text(key, key->text);
		key->problem = pstrdup("a public key, and no agent holds the private key");
	}
	else if (st.st_uid == geteuid() && (st.st_mode & 077) != 0)
		key->problem = psprintf("others may read it (mode %03o); ssh also rejects such a key: chmod 600",
								(unsigned) st.st_mode & 0777);
	else if (!ssh_key_inspect(key))
		key->problem = pstrdup("not a private key");

	/* an agent may hold the private key for a .pub file */
	if (key->public_key == NULL)
		read_public_file(key);
	return key;
}

void
ssh_key_wipe(SshKeyFile *key)
{
	if (key->text != NULL)
	{
		explicit_bzero(key->text, MAX_KEY_FILE + 1);
		pfree(key->text);
	}
	key->text = NULL;
	key->text_len = 0;
}
