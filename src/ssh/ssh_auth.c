/*-------------------------------------------------------------------------
 *
 * ssh_auth.c
 *	  Logs in to one hop.
 *
 * The order is that of OpenSSH: keys of the agent that belong to an
 * IdentityFile, other keys of the agent, key files, keyboard-interactive,
 * password.  A method is used only if the server offers it.
 * PreferredAuthentications changes the order of methods.
 *
 *		none → (server's list) → attempt 1 → refused → attempt 2 → … → in
 *
 * Asking for the list costs a round trip.  If only keys are available, the
 * first key is tried without asking, and the list is requested after it was
 * refused.
 *
 * Everything that was tried is recorded, and everything that was skipped with
 * its reason, because "permission denied" alone does not help.
 *
 * A success may be partial: the server wants a key *and* a password.  libssh2
 * reports this as a refusal.  So after all attempts were refused, the list is
 * requested once more, and new methods in it are tried.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <errno.h>
#include <unistd.h>

#include "ssh/known_hosts.h"
#include "ssh/ssh_key.h"
#include "ssh/ssh_link.h"

#include "base/compat.h"

#define FEW_KEYS	3			/* ssh has more default names for key files */

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
	char	   *methods;		/* methods the server accepts; NULL if not yet requested */
	char	   *tried_methods;		/* the previous list, whose methods were tried */
	bool		guessed;		/* methods are assumed, not requested */
	bool		proven;			/* the server has confirmed that the last key belongs to the user */
	List	   *attempts;		/* of Attempt * */
	int			current;
	List	   *keys;			/* of SshKeyFile * */
	List	   *missing;		/* of char *: key files that do not exist */
	LIBSSH2_AGENT *agent;
	bool		agent_connected;
	bool		traced;		/* the trace contains the current attempt */
	bool		answered;		/* a prompt was answered with the password */
	List	   *refused;		/* of char *: refused public keys, as authorized_keys has them */
	StringInfoData tried;		/* text about each attempt, made or skipped */
	char	   *hint;
};

static void note_tried(SshAuth *auth, const char *format,...) pg_attribute_printf(2, 3);

/* Adds a text about an attempt. */
static void
note_tried(SshAuth *auth, const char *format,...)
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

/* ---- planning attempts ---- */

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

/*
 * Connects to the agent and lists its keys.  Returns false if there are none.
 */
static bool
open_agent(SshNode *node)
{
	SshAuth    *auth = node->auth;
	const char *path = node->hop->identity_agent;

	if (path == NULL)
	{
		if (node->hop->identities_only)
			return false;		/* a key file is configured, so no agent is expected */
		note_tried(auth, "no agent (SSH_AUTH_SOCK is not set for the server, IdentityAgent not given)");
		return false;
	}
	auth->agent = libssh2_agent_init(node->session);
	if (auth->agent == NULL)
		return false;
	libssh2_agent_set_identity_path(auth->agent, path);
	if (libssh2_agent_connect(auth->agent) != 0)
	{
		note_tried(auth, "agent at \"%s\" could not be reached%s%s", path,
				   access(path, R_OK | W_OK) != 0 ? ": " : "",
				   access(path, R_OK | W_OK) != 0 ? strerror(errno) : "");
		suggest(auth, psprintf("The agent of your own login is not the server's. Name a key file of operating system user \"%s\" with PGSYNC_SSH_KEY, or start an agent as that user.",
							   ssh_server_user()));
		return false;
	}
	auth->agent_connected = true;
	if (libssh2_agent_list_identities(auth->agent) != 0)
	{
		note_tried(auth, "agent at \"%s\" did not list its keys", path);
		return false;
	}
	return true;
}

/* Returns the key file with the public key of this identity, or NULL. */
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

/* Adds the agent's keys: those that belong to key files, or the others. */
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
		note_tried(auth, "the agent holds no key");
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
		note_tried(auth, "key %s: %s", key->path, key->problem);
	else if (key->encrypted && node->link->secrets->passphrase == NULL)
	{
		note_tried(auth, "key %s: encrypted, and PGSYNC_SSH_KEY_PASSPHRASE is not set", key->path);
		suggest(auth, "Set PGSYNC_SSH_KEY_PASSPHRASE in the environment file, or load the key into an agent that the server can reach.");
	}
	else
		add_attempt(auth, ATTEMPT_KEY, NULL, key,
					psprintf("key %s (%s)", key->path, key->type ? key->type : "type unknown"));
}

/* Returns whether the missing files can be more than ssh's default names. */
static bool
missing_matters(const SshAuth *auth)
{
	return list_length(auth->missing) <= FEW_KEYS ||
		(auth->attempts == NIL && list_length(auth->missing) == list_length(auth->keys));
}

/*
 * Reports all missing key files together, because most default files do not
 * exist.
 */
static void
note_missing_keys(SshAuth *auth)
{
	StringInfoData names;
	ListCell   *lc;

	if (auth->missing == NIL || !missing_matters(auth))
		return;
	initStringInfo(&names);
	foreach(lc, auth->missing)
		appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "", (char *) lfirst(lc));
	note_tried(auth, "no such key file: %s", names.data);
	if (auth->attempts == NIL)
		suggest(auth, psprintf("Name a key file that operating system user \"%s\" can read with PGSYNC_SSH_KEY or IdentityFile. To make one, run as that user: ssh-keygen -t ed25519 -N '' -f %s",
							   ssh_server_user(), (char *) llast(auth->missing)));
}

static void
add_publickeys(SshNode *node)
{
	SshAuth    *auth = node->auth;
	bool		agent;
	ListCell   *lc;

	read_key_files(node);
	agent = open_agent(node);
	ssh_link_extend(node->link);	/* the time of the agent does not count as the server's */
	if (agent)
		add_agent_keys(node, true);
	if (agent && !node->hop->identities_only)
		add_agent_keys(node, false);
	foreach(lc, auth->keys)
		add_key_file(node, lfirst(lc));
	note_missing_keys(auth);
	foreach(lc, node->hop->certificates)
		note_tried(auth, "certificate %s: not supported by libssh2, the plain key is used", (char *) lfirst(lc));
}

static void
add_password(SshNode *node, AttemptKind kind, const char *label)
{
	if (password_of(node) != NULL)
		add_attempt(node->auth, kind, NULL, NULL, pstrdup(label));
	else if (node->index == node->link->count - 1)
		note_tried(node->auth, "%s: PGSYNC_SSH_PASSWORD is not set", label);
	else
		note_tried(node->auth, "%s: PGSYNC_SSH_PASSWORD is for the last hop only", label);
}

static void
add_method(SshNode *node, const char *method)
{
	const SshHop *hop = node->hop;
	const char *methods = node->auth->methods;

	if (!ssh_listed(methods, method) ||
		(node->auth->tried_methods != NULL && ssh_listed(node->auth->tried_methods, method)))
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

/* ---- making attempts ---- */

/* Answers the server's prompts; called by libssh2. */
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
		/* send the password only once, and only to a prompt that hides it */
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

/* Returns whether the connection was lost without a reason from the server. */
static bool
is_cut(const SshNode *node, int rc)
{
	return is_connection_loss(node, rc) && node->disconnect_reason == NULL;
}

/* Returns whether OpenSSH 8.8 and later refuse the signatures of this key. */
static bool
has_old_signatures(const Attempt *attempt)
{
	return strcmp(attempt_key_type(attempt), "ssh-rsa") == 0 && libssh2_version(0x010b00) == NULL;
}

/* Keeps the public key that the server does not know. */
static void
keep_refused_key(SshAuth *auth, const Attempt *attempt)
{
	char	   *text = NULL;

	if (has_old_signatures(attempt))
		return;
	if (attempt->kind == ATTEMPT_AGENT)
		text = ssh_key_text(attempt->identity->blob, attempt->identity->blob_len);
	else if (attempt->kind == ATTEMPT_KEY && attempt->key->public_key != NULL)
		text = ssh_key_text(attempt->key->public_key, attempt->key->public_len);
	if (text != NULL)
		auth->refused = lappend(auth->refused, text);
}

/* Records why an attempt failed. */
static void
note_refusal(SshNode *node, const Attempt *attempt, int rc)
{
	SshAuth    *auth = node->auth;

	/* 1.11.1 reports the end of the connection as a refusal */
	if (!is_cut(node, rc) &&
		(rc == LIBSSH2_ERROR_AUTHENTICATION_FAILED || rc == LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED))
	{
		note_tried(auth, "%s: refused", attempt->label);
		if (rc == LIBSSH2_ERROR_AUTHENTICATION_FAILED)
			keep_refused_key(auth, attempt);
	}
	else if (is_connection_loss(node, rc))
		note_tried(auth, "%s: the server closed the connection", attempt->label);
	else if (attempt->kind == ATTEMPT_KEY && attempt->key->encrypted)
	{
		note_tried(auth, "%s: PGSYNC_SSH_KEY_PASSPHRASE does not decrypt it", attempt->label);
		suggest(auth, "Check the passphrase with \"ssh-keygen -y -f\" and the key's path.");
	}
	else if (attempt->kind == ATTEMPT_KEY)
		note_tried(auth, "%s: libssh2 %s cannot use this key: %s", attempt->label,
				   libssh2_version(0), ssh_node_error(node));
	else
		note_tried(auth, "%s: %s", attempt->label, ssh_node_error(node));

	if (has_old_signatures(attempt))
	{
		note_tried(auth, "libssh2 %s signs with RSA keys using SHA-1 only, which OpenSSH 8.8 and later refuse",
				   libssh2_version(0));
		suggest(auth, "Use an ed25519 key (ssh-keygen -t ed25519), or libssh2 1.11 or later.");
	}
}

/* The lines that let the offered keys in. */
static char *
key_lines_hint(const SshNode *node)
{
	const SshHop *hop = node->hop;
	const List *refused = node->auth->refused;
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "To let the key in, append %s to ~%s/.ssh/authorized_keys on \"%s\":\n",
					 list_length(refused) == 1 ? "this line" : "one of these lines", hop->user, hop->host);
	for (int i = 0; i < Min(list_length(refused), FEW_KEYS); i++)
		appendStringInfo(&buf, "restrict,port-forwarding %s pgtunsync\n", (char *) list_nth(refused, i));
	return buf.data;
}

/* What to do after a refused login, if no attempt has said it. */
static char *
login_hint(const SshNode *node)
{
	const SshAuth *auth = node->auth;
	const SshHop *hop = node->hop;
	const char *methods = auth->methods ? auth->methods : "publickey";

	if (!ssh_listed(methods, "publickey") && password_of(node) == NULL &&
		(ssh_listed(methods, "password") || ssh_listed(methods, "keyboard-interactive")))
		return pstrdup(node->index == node->link->count - 1 ?
					   "The server takes a password, for which nobody can be asked here: set PGSYNC_SSH_PASSWORD in the environment file, or ask the administrator to take a key." :
					   "The server takes a password, which only the last hop can have (PGSYNC_SSH_PASSWORD). Ask the administrator to take a key.");
	return psprintf("Check that authorized_keys of user \"%s\" on that host has the public key. Try \"ssh -v -i KEYFILE -p %d %s@%s\" as the server's operating system user.",
					hop->user, hop->port, hop->user, hop->host);
}

static Progress
fail_login(SshNode *node, const char *what)
{
	SshAuth    *auth = node->auth;
	char	   *hint;

	if (node->disconnect_reason != NULL && strstr(node->disconnect_reason, "authentication failures") != NULL)
		suggest(auth, "Name the key that the server takes with PGSYNC_SSH_KEY, or with IdentityFile and IdentitiesOnly in ssh_config.");
	hint = auth->hint ? auth->hint : login_hint(node);
	if (auth->refused != NIL && (auth->methods == NULL || ssh_listed(auth->methods, "publickey")))
		hint = psprintf("%s%s", key_lines_hint(node), hint);
	ssh_link_fail(node->link, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, false,
				  psprintf("SSH server \"%s\" (hop %d) %s", node->name, node->index + 1, what),
				  psprintf("The server accepts: %s. Tried: %s.%s%s%s",
						   auth->methods && auth->methods[0] ? auth->methods : "an unknown set of methods",
						   auth->tried.len > 0 ? auth->tried.data : "nothing",
						   node->disconnect_reason ? " It disconnected, saying \"" : "",
						   node->disconnect_reason ? node->disconnect_reason : "", node->disconnect_reason ? "\"." : ""),
				  hint);
	return PROGRESS_FAILED;
}

/*
 * Fails because the connection was lost.  The error is transient unless a key
 * has already been refused.
 */
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
	ssh_trace(TRACE_DEBUG1, node, "the server accepted it; logged in as %s by %s", node->hop->user, by);
	ssh_link_note(node, "login", psprintf("%s, by %s", node->name, by));
	ssh_auth_end(node);
	return PROGRESS_DONE;
}

/*
 * Returns whether the first key may be tried before the methods are known.
 * Not with a password, because the server may want only that.  Not on a last
 * hop behind others either, because there the request for methods measures the
 * round trip.
 */
static bool
may_guess(const SshNode *node)
{
	const char *preferred = node->hop->preferred;

	return node->hop->try_publickey && node->link->secrets->password == NULL &&
		(preferred == NULL || strncmp(preferred, "publickey", strlen("publickey")) == 0) &&
		(node->index == 0 || node->index < node->link->count - 1);
}

/* Assumes that the server accepts keys, and plans to try the first one. */
static void
guess_methods(SshNode *node)
{
	SshAuth    *auth = node->auth;

	auth->guessed = true;
	auth->methods = pstrdup("publickey");
	plan_attempts(node);
	if (auth->attempts != NIL)
		return;
	auth->tried_methods = auth->methods;
	auth->methods = NULL;
}

/* Plans further attempts after the list of methods has arrived. */
static void
end_guess(SshNode *node)
{
	SshAuth    *auth = node->auth;

	auth->guessed = false;
	if (!ssh_listed(auth->methods, "publickey"))
	{
		auth->attempts = list_truncate(auth->attempts, auth->current);
		if (auth->proven)
			note_tried(auth, "one of these was accepted, and the server then asked for %s", auth->methods);
	}
	plan_attempts(node);
	auth->tried_methods = NULL;
}

/* Requests the methods that the server accepts. */
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
		node->answer_ms = (int) (clock_ms() - node->methods_requested);
		ssh_trace(TRACE_DEBUG1, node, "the server accepts %s for user %s; it answered in %d ms", methods, user,
				  node->answer_ms);
		if (node->auth->guessed)
		{
			end_guess(node);
			return PROGRESS_DONE;
		}
		if (node->auth->tried_methods != NULL && strcmp(node->auth->tried_methods, methods) != 0)
			note_tried(node->auth, "one of these was accepted, and the server then asked for %s", methods);
		plan_attempts(node);
		return PROGRESS_DONE;
	}
	if (libssh2_userauth_authenticated(node->session))
		return logged_in(node, "no authentication (the server asks for none)");
	rc = libssh2_session_last_errno(node->session);
	if (rc == LIBSSH2_ERROR_EAGAIN)
		return PROGRESS_AGAIN;
	if (is_connection_loss(node, rc) &&
		(node->auth->tried_methods == NULL || node->auth->attempts == NIL))
	{
		ssh_link_fail(node->link, ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION, true,
					  psprintf("SSH server \"%s\" (hop %d) closed the connection before the login",
							   node->name, node->index + 1),
					  ssh_node_error(node), NULL);
		return PROGRESS_FAILED;
	}
	if (node->auth->tried_methods != NULL)
		node->auth->methods = node->auth->tried_methods;
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
		node->methods_requested = clock_ms();
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

		if (!auth->traced)
			ssh_trace(TRACE_DEBUG1, node, "trying %s", attempt->label);
		auth->traced = true;
		rc = try_attempt(node, attempt);
		if (rc == LIBSSH2_ERROR_EAGAIN)
			return PROGRESS_AGAIN;
		if (rc == 0)
			return logged_in(node, attempt->label);
		auth->traced = false;
		note_refusal(node, attempt, rc);
		if (is_cut(node, rc))
			return fail_cut(node);
		if (is_connection_loss(node, rc))
			return fail_login(node, "closed the connection during the login");
		auth->proven = rc == LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED;
		auth->current++;
		if (auth->guessed)
		{
			auth->tried_methods = auth->methods;
			auth->methods = NULL;
			return ssh_auth_step(node);
		}
	}
	if (auth->tried_methods == NULL && auth->attempts != NIL)
	{
		auth->tried_methods = auth->methods;
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
