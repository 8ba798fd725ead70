/*-------------------------------------------------------------------------
 *
 * ssh_auth.c
 *	  Logging in to one hop.
 *
 * As OpenSSH does it: the agent's keys that belong to an IdentityFile, the
 * agent's other keys, key files, keyboard-interactive, password; each only if
 * the server offers the method.  The order of methods can be changed by
 * PreferredAuthentications.
 *
 *		none → (server's list) → attempt 1 → refused → attempt 2 → … → in
 *
 * The list costs a round trip.  Where keys are all that we have, the first one is
 * tried before anything is asked, and the list comes after it was refused.
 *
 * Everything that was tried, and everything that was not and why, is written
 * down as we go: "permission denied" alone helps nobody.
 *
 * A success may be only partial: the server wants a key *and* a password.
 * libssh2 reports that as a refusal, so when everything was refused we ask
 * for the list once more, and go on if there are new methods in it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "ssh/known_hosts.h"
#include "ssh/ssh_key.h"
#include "ssh/ssh_link.h"

#include "base/compat.h"

typedef enum AttemptKind
{
	ATTEMPT_AGENT,
	ATTEMPT_KEY,
	ATTEMPT_KEYBOARD,
	ATTEMPT_PASSWORD
} AttemptKind;

typedef struct Attempt
{
	AttemptKind kind;
	struct libssh2_agent_publickey *identity;	/* of the agent */
	SshKeyFile *key;
	char	   *label;
} Attempt;

struct SshAuth
{
	char	   *methods;		/* what the server would take, or NULL: not yet asked */
	char	   *planned;		/* the list before, whose methods were tried */
	bool		guessed;		/* that the server takes keys; it was not asked */
	bool		proven;			/* the last key is one of the user's: the server said so */
	List	   *attempts;		/* of Attempt * */
	int			current;
	List	   *keys;			/* of SshKeyFile * */
	List	   *missing;		/* of char *: key files that are not there */
	LIBSSH2_AGENT *agent;
	bool		agent_connected;
	bool		announced;		/* the trace has the current attempt */
	bool		answered;		/* the password was given to a prompt */
	StringInfoData tried;		/* one line for each thing tried, or not */
	char	   *hint;
};

static void tried(SshAuth *auth, const char *format,...) pg_attribute_printf(2, 3);

/* Adds a line to what was tried. */
static void
tried(SshAuth *auth, const char *format,...)
{
	char		line[1024];
	va_list		args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	appendStringInfo(&auth->tried, "%s%s", auth->tried.len > 0 ? "; " : "", line);
	trace(TRACE_DEBUG1, "authentication: %s", line);
}

static void
suggest(SshAuth *auth, const char *hint)
{
	if (auth->hint == NULL)
		auth->hint = pstrdup(hint);
}

static const char *
password_of(const SshNode *node)
{
	/* the password is for the jump host, not for the hosts before it */
	return node->index == node->link->count - 1 ? node->link->secrets->password : NULL;
}

/* ---- what to try ---- */

static void
add_attempt(SshAuth *auth, AttemptKind kind, struct libssh2_agent_publickey *identity,
			SshKeyFile *key, char *label)
{
	Attempt    *attempt = palloc0(sizeof(Attempt));

	attempt->kind = kind;
	attempt->identity = identity;
	attempt->key = key;
	attempt->label = label;
	auth->attempts = lappend(auth->attempts, attempt);
}

static void
trace_key_file(SshNode *node, const SshKeyFile *key)
{
	if (key->problem != NULL)
		ssh_trace(TRACE_DEBUG2, node, "key file %s: %s", key->path, key->problem);
	else
		ssh_trace(TRACE_DEBUG2, node, "key file %s: %s%s%s%s", key->path,
				  key->type ? key->type : "type unknown", key->encrypted ? ", encrypted" : "",
				  key->public_key ? ", " : "",
				  key->public_key ? ssh_key_fingerprint(key->public_key, key->public_len) : "");
}

static void
read_key_files(SshNode *node)
{
	ListCell   *lc;

	foreach(lc, node->hop->identity_files)
	{
		SshKeyFile *key = ssh_key_read(lfirst(lc));

		trace_key_file(node, key);
		node->auth->keys = lappend(node->auth->keys, key);
	}
}

/* Connects to the agent and asks it for its keys; false: none to be had. */
static bool
open_agent(SshNode *node)
{
	SshAuth    *auth = node->auth;
	const char *path = node->hop->identity_agent;

	if (path == NULL)
	{
		if (node->hop->identities_only)
			return false;		/* a key file was asked for: nobody misses an agent */
		tried(auth, "no agent (SSH_AUTH_SOCK is not set for the server, IdentityAgent not given)");
		return false;
	}
	auth->agent = libssh2_agent_init(node->session);
	if (auth->agent == NULL)
		return false;
	libssh2_agent_set_identity_path(auth->agent, path);
	if (libssh2_agent_connect(auth->agent) != 0)
	{
		tried(auth, "agent at \"%s\" could not be reached", path);
		suggest(auth, "Start the agent, or name a key file with PGSYNC_SSH_KEY.");
		return false;
	}
	auth->agent_connected = true;
	if (libssh2_agent_list_identities(auth->agent) != 0)
	{
		tried(auth, "agent at \"%s\" did not list its keys", path);
		return false;
	}
	return true;
}

/* The key file whose public half this identity is, or NULL. */
static SshKeyFile *
file_of_identity(const SshAuth *auth, const struct libssh2_agent_publickey *identity)
{
	ListCell   *lc;

	foreach(lc, auth->keys)
	{
		SshKeyFile *key = lfirst(lc);

		if (key->public_key != NULL && key->public_len == identity->blob_len &&
			memcmp(key->public_key, identity->blob, identity->blob_len) == 0)
			return key;
	}
	return NULL;
}

/* The agent's keys, either those of our files or the others. */
static void
add_agent_keys(SshNode *node, bool of_files)
{
	SshAuth    *auth = node->auth;
	struct libssh2_agent_publickey *identity = NULL;
	struct libssh2_agent_publickey *previous = NULL;
	int			count = 0;

	while (libssh2_agent_get_identity(auth->agent, &identity, previous) == 0)
	{
		SshKeyFile *file = file_of_identity(auth, identity);

		if (of_files)
			ssh_trace(TRACE_DEBUG2, node, "the agent holds %s %s%s%s",
					  ssh_key_type(identity->blob, identity->blob_len),
					  ssh_key_fingerprint(identity->blob, identity->blob_len),
					  file ? " of file " : "", file ? file->path : "");
		count++;
		if ((file != NULL) == of_files)
			add_attempt(auth, ATTEMPT_AGENT, identity, file,
						psprintf("agent key %s %s",
								 ssh_key_type(identity->blob, identity->blob_len),
								 ssh_key_fingerprint(identity->blob, identity->blob_len)));
		previous = identity;
	}
	if (count == 0 && of_files)
		tried(auth, "the agent holds no key");
}

static bool
agent_has(const SshAuth *auth, const SshKeyFile *key)
{
	ListCell   *lc;

	foreach(lc, auth->attempts)
	{
		if (((Attempt *) lfirst(lc))->key == key)
			return true;
	}
	return false;
}

static void
add_key_file(SshNode *node, SshKeyFile *key)
{
	SshAuth    *auth = node->auth;

	if (agent_has(auth, key))
		return;
	if (key->missing)
		auth->missing = lappend(auth->missing, key->path);
	else if (key->problem != NULL)
		tried(auth, "key %s: %s", key->path, key->problem);
	else if (key->encrypted && node->link->secrets->passphrase == NULL)
	{
		tried(auth, "key %s: encrypted, and PGSYNC_SSH_KEY_PASSPHRASE is not set", key->path);
		suggest(auth, "Set PGSYNC_SSH_KEY_PASSPHRASE in the environment file, or load the key into an agent that the server can reach.");
	}
	else
		add_attempt(auth, ATTEMPT_KEY, NULL, key,
					psprintf("key %s (%s)", key->path, key->type ? key->type : "type unknown"));
}

/* Most of the default files never exist: one word for all of them. */
static void
note_missing_keys(SshAuth *auth)
{
	StringInfoData names;
	ListCell   *lc;

	if (auth->missing == NIL)
		return;
	initStringInfo(&names);
	foreach(lc, auth->missing)
		appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "", (char *) lfirst(lc));
	tried(auth, "no such key file: %s", names.data);
	if (auth->attempts == NIL)
		suggest(auth, "Name a key file that the server's operating system user can read with PGSYNC_SSH_KEY or IdentityFile, or let it reach an agent.");
}

static void
add_publickeys(SshNode *node)
{
	SshAuth    *auth = node->auth;
	bool		agent;
	ListCell   *lc;

	read_key_files(node);
	agent = open_agent(node);
	ssh_link_extend(node->link);	/* an agent's slowness is not the server's */
	if (agent)
		add_agent_keys(node, true);
	if (agent && !node->hop->identities_only)
		add_agent_keys(node, false);
	foreach(lc, auth->keys)
		add_key_file(node, lfirst(lc));
	note_missing_keys(auth);
	foreach(lc, node->hop->certificates)
		tried(auth, "certificate %s: not supported by libssh2, the plain key is used", (char *) lfirst(lc));
}

static void
add_password(SshNode *node, AttemptKind kind, const char *label)
{
	if (password_of(node) != NULL)
		add_attempt(node->auth, kind, NULL, NULL, pstrdup(label));
	else if (node->index == node->link->count - 1)
		tried(node->auth, "%s: PGSYNC_SSH_PASSWORD is not set", label);
	else
		tried(node->auth, "%s: PGSYNC_SSH_PASSWORD is for the last hop only", label);
}

static void
add_method(SshNode *node, const char *method)
{
	const SshHop *hop = node->hop;
	const char *methods = node->auth->methods;

	if (!ssh_listed(methods, method) ||
		(node->auth->planned != NULL && ssh_listed(node->auth->planned, method)))
		return;
	if (strcmp(method, "publickey") == 0 && hop->try_publickey)
		add_publickeys(node);
	else if (strcmp(method, "keyboard-interactive") == 0 && hop->try_keyboard)
		add_password(node, ATTEMPT_KEYBOARD, "keyboard-interactive");
	else if (strcmp(method, "password") == 0 && hop->try_password)
		add_password(node, ATTEMPT_PASSWORD, "password");
}

static void
plan_attempts(SshNode *node)
{
	char	   *order = pstrdup(node->hop->preferred ? node->hop->preferred :
								"publickey,keyboard-interactive,password");
	char	   *save = NULL;

	for (char *method = strtok_r(order, ",", &save); method != NULL;
		 method = strtok_r(NULL, ",", &save))
		add_method(node, method);
}

/* ---- trying ---- */

/* libssh2 asks what to answer to the server's prompts. */
static void
answer_prompts(const char *name, int name_len, const char *instruction,
			   int instruction_len, int num_prompts,
			   const LIBSSH2_USERAUTH_KBDINT_PROMPT *prompts,
			   LIBSSH2_USERAUTH_KBDINT_RESPONSE *responses, void **abstract)
{
	SshNode    *node = *abstract;
	const char *password = password_of(node);

	for (int i = 0; i < num_prompts; i++)
	{
		/* the password is a secret: only to a prompt that hides it, and once */
		if (prompts[i].echo || node->auth->answered || password == NULL)
			continue;
		responses[i].text = ssh_alloc(strlen(password) + 1, abstract);
		if (responses[i].text == NULL)
			continue;
		strcpy(responses[i].text, password);
		responses[i].length = (unsigned) strlen(password);
		node->auth->answered = true;
	}
}

static int
try_key_file(SshNode *node, const SshKeyFile *key)
{
	const char *user = node->hop->user;

	return libssh2_userauth_publickey_frommemory(node->session, user, strlen(user),
												 NULL, 0, key->text, key->text_len,
												 key->encrypted ? node->link->secrets->passphrase : NULL);
}

static int
try_attempt(SshNode *node, const Attempt *attempt)
{
	const char *user = node->hop->user;
	const char *password = password_of(node);

	switch (attempt->kind)
	{
		case ATTEMPT_AGENT:
			return libssh2_agent_userauth(node->auth->agent, user, attempt->identity);
		case ATTEMPT_KEY:
			return try_key_file(node, attempt->key);
		case ATTEMPT_KEYBOARD:
			return libssh2_userauth_keyboard_interactive_ex(node->session, user, strlen(user),
															answer_prompts);
		case ATTEMPT_PASSWORD:
			return libssh2_userauth_password_ex(node->session, user, strlen(user),
												password, strlen(password), NULL);
	}
	return LIBSSH2_ERROR_INVAL;
}

static const char *
attempt_key_type(const Attempt *attempt)
{
	if (attempt->kind == ATTEMPT_AGENT)
		return ssh_key_type(attempt->identity->blob, attempt->identity->blob_len);
	if (attempt->kind == ATTEMPT_KEY && attempt->key->type != NULL)
		return attempt->key->type;
	return "";
}

static bool
is_connection_loss(const SshNode *node, int rc)
{
	return node->ended || node->io_errno != 0 || rc == LIBSSH2_ERROR_SOCKET_DISCONNECT ||
		rc == LIBSSH2_ERROR_SOCKET_RECV || rc == LIBSSH2_ERROR_SOCKET_SEND;
}

/* Without a word; a server that has had enough says so. */
static bool
is_cut(const SshNode *node, int rc)
{
	return is_connection_loss(node, rc) && node->goodbye == NULL;
}

/* Why an attempt failed, in words that lead somewhere. */
static void
note_refusal(SshNode *node, const Attempt *attempt, int rc)
{
	SshAuth    *auth = node->auth;

	/* 1.11.1 takes the end of the connection for an answer */
	if (!is_cut(node, rc) &&
		(rc == LIBSSH2_ERROR_AUTHENTICATION_FAILED || rc == LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED))
		tried(auth, "%s: refused", attempt->label);
	else if (is_connection_loss(node, rc))
		tried(auth, "%s: the server closed the connection", attempt->label);
	else if (attempt->kind == ATTEMPT_KEY && attempt->key->encrypted)
	{
		tried(auth, "%s: PGSYNC_SSH_KEY_PASSPHRASE does not open it", attempt->label);
		suggest(auth, "Check the passphrase with \"ssh-keygen -y -f\" and the key's path.");
	}
	else if (attempt->kind == ATTEMPT_KEY)
		tried(auth, "%s: libssh2 %s cannot use this key: %s", attempt->label,
			  libssh2_version(0), ssh_node_error(node));
	else
		tried(auth, "%s: %s", attempt->label, ssh_node_error(node));

	if (strcmp(attempt_key_type(attempt), "ssh-rsa") == 0 && libssh2_version(0x010b00) == NULL)
	{
		tried(auth, "libssh2 %s signs with RSA keys by SHA-1 only, which OpenSSH 8.8 and later refuse",
			  libssh2_version(0));
		suggest(auth, "Use an ed25519 key (ssh-keygen -t ed25519), or libssh2 1.11 or later.");
	}
}

static Progress
fail_login(SshNode *node, const char *what)
{
	SshAuth    *auth = node->auth;

	if (node->goodbye != NULL && strstr(node->goodbye, "authentication failures") != NULL)
		suggest(auth, "Name the key that the server takes with PGSYNC_SSH_KEY, or with IdentityFile and IdentitiesOnly in ssh_config.");
	ssh_link_fail(node->link, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, false,
				  psprintf("SSH server \"%s\" (hop %d) %s", node->name, node->index + 1, what),
				  psprintf("The server would take: %s. Tried: %s.%s%s%s",
						   auth->methods && auth->methods[0] ? auth->methods : "nothing that it tells",
						   auth->tried.len > 0 ? auth->tried.data : "nothing",
						   node->goodbye ? " It disconnected, saying \"" : "",
						   node->goodbye ? node->goodbye : "", node->goodbye ? "\"." : ""),
				  auth->hint ? auth->hint :
				  psprintf("Check that authorized_keys of user \"%s\" on that host has the public key. Try \"ssh -v -i KEYFILE -p %d %s@%s\" as the server's operating system user.",
						   node->hop->user, node->hop->port, node->hop->user, node->hop->host));
	return PROGRESS_FAILED;
}

/* The link broke; tried again unless a refused key would go the same way. */
static Progress
fail_cut(SshNode *node)
{
	ssh_link_fail(node->link, ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION,
				  node->auth->current == 0,
				  psprintf("SSH server \"%s\" (hop %d) closed the connection during the login",
						   node->name, node->index + 1),
				  psprintf("Tried: %s.", node->auth->tried.data), NULL);
	return PROGRESS_FAILED;
}

static Progress
logged_in(SshNode *node, const char *by)
{
	ssh_trace(TRACE_DEBUG1, node, "the server accepts it; logged in as %s by %s", node->hop->user, by);
	ssh_link_note(node, "login", psprintf("%s, by %s", node->name, by));
	ssh_auth_end(node);
	return PROGRESS_DONE;
}

/*
 * Not where there is a password: the server may want that alone.  Behind other hops, the
 * answer to the question is how a round trip is measured.
 */
static bool
may_guess(const SshNode *node)
{
	const char *preferred = node->hop->preferred;

	return node->hop->try_publickey && node->link->secrets->password == NULL &&
		(preferred == NULL || strncmp(preferred, "publickey", strlen("publickey")) == 0) &&
		(node->index == 0 || node->index < node->link->count - 1);
}

/* The first key is tried unasked, if there is one. */
static void
guess_methods(SshNode *node)
{
	SshAuth    *auth = node->auth;

	auth->guessed = true;
	auth->methods = pstrdup("publickey");
	plan_attempts(node);
	if (auth->attempts != NIL)
		return;
	auth->planned = auth->methods;
	auth->methods = NULL;
}

/* The guess has failed, or could not be made: what do we know now? */
static void
end_guess(SshNode *node)
{
	SshAuth    *auth = node->auth;

	auth->guessed = false;
	if (!ssh_listed(auth->methods, "publickey"))
	{
		auth->attempts = list_truncate(auth->attempts, auth->current);
		if (auth->proven)
			tried(auth, "one of these was accepted, and the server then asked for %s", auth->methods);
	}
	plan_attempts(node);
	auth->planned = NULL;
}

/* Asks what the server would take. */
static Progress
ask_methods(SshNode *node)
{
	const char *user = node->hop->user;
	char	   *methods = libssh2_userauth_list(node->session, user, (unsigned) strlen(user));
	int			rc;

	if (methods != NULL)
	{
		char		clean[512];

		make_printable(clean, sizeof(clean), methods, strlen(methods));
		methods = node->auth->methods = pstrdup(clean);
		node->answer_ms = (int) (clock_ms() - node->question_sent);
		ssh_trace(TRACE_DEBUG1, node, "the server takes %s for user %s; it answered in %d ms", methods, user,
				  node->answer_ms);
		if (node->auth->guessed)
		{
			end_guess(node);
			return PROGRESS_DONE;
		}
		if (node->auth->planned != NULL && strcmp(node->auth->planned, methods) != 0)
			tried(node->auth, "one of these was accepted, and the server then asked for %s", methods);
		plan_attempts(node);
		return PROGRESS_DONE;
	}
	if (libssh2_userauth_authenticated(node->session))
		return logged_in(node, "nothing at all (the server asks for no authentication)");
	rc = libssh2_session_last_errno(node->session);
	if (rc == LIBSSH2_ERROR_EAGAIN)
		return PROGRESS_AGAIN;
	if (is_connection_loss(node, rc) && (node->auth->planned == NULL || node->auth->attempts == NIL))
	{
		ssh_link_fail(node->link, ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION, true,
					  psprintf("SSH server \"%s\" (hop %d) closed the connection before the login",
							   node->name, node->index + 1),
					  ssh_node_error(node), NULL);
		return PROGRESS_FAILED;
	}
	if (node->auth->planned != NULL)
		node->auth->methods = node->auth->planned;
	return fail_login(node, "refused the login");
}

Progress
ssh_auth_step(SshNode *node)
{
	SshAuth    *auth = node->auth;

	if (auth == NULL)
	{
		auth = node->auth = palloc0(sizeof(SshAuth));
		initStringInfo(&auth->tried);
		node->question_sent = clock_ms();
		if (may_guess(node))
			guess_methods(node);
	}
	if (auth->methods == NULL)
	{
		Progress	progress = ask_methods(node);

		if (progress != PROGRESS_DONE || node->auth == NULL)
			return progress;
	}
	while (auth->current < list_length(auth->attempts))
	{
		const Attempt *attempt = list_nth(auth->attempts, auth->current);
		int			rc;

		if (!auth->announced)
			ssh_trace(TRACE_DEBUG1, node, "trying %s", attempt->label);
		auth->announced = true;
		rc = try_attempt(node, attempt);
		if (rc == LIBSSH2_ERROR_EAGAIN)
			return PROGRESS_AGAIN;
		if (rc == 0)
			return logged_in(node, attempt->label);
		auth->announced = false;
		note_refusal(node, attempt, rc);
		if (is_cut(node, rc))
			return fail_cut(node);
		if (is_connection_loss(node, rc))
			return fail_login(node, "closed the connection during the login");
		auth->proven = rc == LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED;
		auth->current++;
		if (auth->guessed)
		{
			auth->planned = auth->methods;
			auth->methods = NULL;
			return ssh_auth_step(node);
		}
	}
	if (auth->planned == NULL && auth->attempts != NIL)
	{
		auth->planned = auth->methods;
		auth->methods = NULL;
		return ssh_auth_step(node);
	}
	return fail_login(node, "refused the login");
}

void
ssh_auth_end(SshNode *node)
{
	SshAuth    *auth = node->auth;
	ListCell   *lc;

	if (auth == NULL)
		return;
	foreach(lc, auth->keys)
		ssh_key_wipe(lfirst(lc));
	if (auth->agent_connected)
		libssh2_agent_disconnect(auth->agent);
	if (auth->agent != NULL)
		libssh2_agent_free(auth->agent);
	node->auth = NULL;
}
