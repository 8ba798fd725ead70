/*-------------------------------------------------------------------------
 *
 * ssh_offer.c
 *	  Compares the algorithms that both sides of a key exchange offer.
 *
 * If there is no common algorithm, libssh2 says only that much.  But the
 * server's offer passes through our hands in clear text: after its banner, its
 * first packet (SSH_MSG_KEXINIT, RFC 4253 §7.1) is a list of names for each
 * purpose, in the order of LIBSSH2_METHOD_….  It is kept until the handshake
 * ends, and read only if that fails.
 *
 * Nothing here decides anything.  The text is the server's, so it is cleaned
 * and cut before it is shown.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "ssh/ssh_link.h"

#include "base/compat.h"
#include "base/text.h"

#define OFFER_LIMIT		40000	/* a packet has at most 35000 bytes (RFC 4253 §6.1) */
#define KEXINIT			20		/* SSH_MSG_KEXINIT */
#define COOKIE_SIZE		16
#define SHOWN			400		/* bytes of a list that are shown */

static const char *const purposes[SSH_METHODS] = {
	"key exchange algorithm", "host key algorithm", "cipher", "cipher", "MAC", "MAC"
};

static const char *const options[SSH_METHODS] = {
	"KexAlgorithms", "HostKeyAlgorithms", "Ciphers", "Ciphers", "MACs", "MACs"
};

void
ssh_offer_collect(SshNode *node, const char *data, size_t len)
{
	if (node->offer.len + len <= OFFER_LIMIT)
		appendBinaryStringInfo(&node->offer, data, (int) len);
}

static uint32
get_uint32(const unsigned char *at)
{
	return ((uint32) at[0] << 24) | ((uint32) at[1] << 16) | ((uint32) at[2] << 8) | at[3];
}

/* Returns the first packet's payload behind the cookie, or NULL. */
static const unsigned char *
find_lists(const SshNode *node, const unsigned char **end)
{
	const unsigned char *at = (const unsigned char *) node->offer.data;
	const unsigned char *stop = at + node->offer.len;
	bool		is_banner = false;

	/* lines before the banner are allowed (RFC 4253 §4.2) */
	while (!is_banner)
	{
		const unsigned char *newline = memchr(at, '\n', stop - at);

		if (newline == NULL)
			return NULL;
		is_banner = stop - at >= 4 && memcmp(at, "SSH-", 4) == 0;
		at = newline + 1;
	}
	if (stop - at < 4 + 2 + COOKIE_SIZE || get_uint32(at) > stop - at - 4 || at[5] != KEXINIT)
		return NULL;
	*end = at + 4 + get_uint32(at);
	return at + 4 + 2 + COOKIE_SIZE;
}

/* Takes the next list of names; palloc'd, NULL at the end. */
static char *
next_list(const unsigned char **at, const unsigned char *end)
{
	char	   *list;
	uint32		len;

	if (end - *at < 4)
		return NULL;
	len = get_uint32(*at);
	if (len > end - *at - 4)
		return NULL;
	list = pnstrdup((const char *) *at + 4, len);
	*at += 4 + len;
	return list;
}

/* Returns the first of our names that the server has as well, or NULL. */
static char *
common_name(const char *ours, const char *theirs)
{
	char	   *copy = pstrdup(ours);
	char	   *save = NULL;

	for (char *name = strtok_r(copy, ",", &save); name != NULL; name = strtok_r(NULL, ",", &save))
	{
		if (ssh_listed(theirs, name))
			return name;
	}
	return NULL;
}

/* Such a cipher authenticates by itself; no MAC is agreed on. */
static bool
needs_no_mac(const char *cipher)
{
	return strstr(cipher, "gcm@") != NULL || strstr(cipher, "poly1305@") != NULL;
}

static char *
shown_list(const char *list)
{
	char		clean[SHOWN];

	make_printable(clean, sizeof(clean), list, strlen(list));
	return psprintf("%s%s", clean[0] ? clean : "none", strlen(list) >= SHOWN ? "…" : "");
}

/* The first purpose without a common name; false if all have one. */
static bool
find_mismatch(const SshNode *node, int *method, char **theirs)
{
	const unsigned char *end;
	const unsigned char *at = find_lists(node, &end);
	bool		has_mac[SSH_METHODS] = {false};

	for (*method = 0; at != NULL && *method < SSH_METHODS; (*method)++)
	{
		const char *ours = node->our_offer[*method];
		char	   *common;

		*theirs = next_list(&at, end);
		if (*theirs == NULL || ours == NULL)
			return false;
		common = common_name(ours, *theirs);
		if (common == NULL && !has_mac[*method])
			return true;
		if (common != NULL && (*method == LIBSSH2_METHOD_CRYPT_CS || *method == LIBSSH2_METHOD_CRYPT_SC))
			has_mac[*method + 2] = needs_no_mac(common);
	}
	return false;
}

bool
ssh_offer_mismatch(const SshNode *node, SshMismatch *mismatch)
{
	char	   *theirs;
	int			method;

	if (!find_mismatch(node, &method, &theirs))
		return false;
	mismatch->host_key = method == LIBSSH2_METHOD_HOSTKEY;
	mismatch->purpose = purposes[method];
	mismatch->option = options[method];
	mismatch->detail = psprintf("The server offers %s. libssh2 %s with this ssh_config offers %s.",
								shown_list(theirs), libssh2_version(0),
								shown_list(node->our_offer[method]));
	mismatch->needs_etm = strstr(theirs, "-etm@") != NULL &&
		(method == LIBSSH2_METHOD_MAC_CS || method == LIBSSH2_METHOD_MAC_SC) &&
		libssh2_version(0x010b00) == NULL;
	return true;
}
