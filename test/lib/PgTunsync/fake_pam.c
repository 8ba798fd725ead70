/*-------------------------------------------------------------------------
 *
 * fake_pam.c
 *	  Preloaded into a private sshd: passwords that an ordinary user can check.
 *
 * sshd asks PAM, and PAM the shadow file, which only root may read.  Here
 * stands in for PAM a list of answers from the environment,
 * FAKE_PAM="prompt=answer|prompt=answer": each prompt is put in turn (a "+"
 * before it lets the answer be seen), and all answers must be right.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

/* as <security/pam_appl.h> has them (X/Open), which need not be installed */
struct pam_message
{
	int			msg_style;
	const char *msg;
};
struct pam_response
{
	char	   *resp;
	int			resp_retcode;
};
struct pam_conv
{
	int			(*conv) (int count, const struct pam_message **messages,
						 struct pam_response **responses, void *data);
	void	   *data;
};

#define SUCCESS			0
#define AUTH_ERR		7
#define ITEM_USER		2
#define ITEM_CONV		5
#define ECHO_OFF		1
#define ECHO_ON			2

static struct pam_conv conversation;
static const char *user_name;
static char *questions = "";

/* Early: sshd empties the environment before it asks. */
__attribute__((constructor)) static void
remember_questions(void)
{
	const char *list = getenv("FAKE_PAM");

	if (list != NULL)
		questions = strdup(list);
}

int
pam_start(const char *service, const char *user, const struct pam_conv *conv, void **handle)
{
	static int	anything;

	(void) service;
	user_name = strdup(user);
	conversation = *conv;
	*handle = &anything;
	return SUCCESS;
}

int
pam_set_item(void *handle, int type, const void *item)
{
	(void) handle;
	if (type == ITEM_CONV)
		conversation = *(const struct pam_conv *) item;
	return SUCCESS;
}

int
pam_get_item(const void *handle, int type, const void **item)
{
	(void) handle;
	*item = type == ITEM_USER ? user_name : NULL;
	return SUCCESS;
}

/* Puts one question; is the answer right? */
static int
ask(char *prompt, const char *expected)
{
	struct pam_message message = {*prompt == '+' ? ECHO_ON : ECHO_OFF, *prompt == '+' ? prompt + 1 : prompt};
	const struct pam_message *messages = &message;
	struct pam_response *response = NULL;

	if (conversation.conv(1, &messages, &response, conversation.data) != SUCCESS || response == NULL)
		return 0;
	return response->resp != NULL && strcmp(response->resp, expected) == 0;
}

int
pam_authenticate(void *handle, int flags)
{
	char	   *list = strdup(questions);
	char	   *save = NULL;
	int			right = 1;

	(void) handle;
	(void) flags;
	for (char *pair = strtok_r(list, "|", &save); pair != NULL; pair = strtok_r(NULL, "|", &save))
	{
		char	   *expected = strchr(pair, '=');

		*expected++ = '\0';
		right = ask(pair, expected) && right;
	}
	return right && *list != '\0' ? SUCCESS : AUTH_ERR;
}

#define AGREES(function, ...) \
int function(__VA_ARGS__); \
int \
function(__VA_ARGS__) \
{ \
	return SUCCESS; \
}

AGREES(pam_end, void *handle, int status)
AGREES(pam_acct_mgmt, void *handle, int flags)
AGREES(pam_setcred, void *handle, int flags)
AGREES(pam_open_session, void *handle, int flags)
AGREES(pam_close_session, void *handle, int flags)
AGREES(pam_chauthtok, void *handle, int flags)
AGREES(pam_putenv, void *handle, const char *assignment)

char	  **
pam_getenvlist(void *handle)
{
	(void) handle;
	return calloc(1, sizeof(char *));
}

const char *
pam_strerror(void *handle, int status)
{
	(void) handle;
	return status == SUCCESS ? "success" : "authentication failure";
}
