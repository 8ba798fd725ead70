/*-------------------------------------------------------------------------
 *
 * ssh_link.c
 *	  Functions for all stages of an SshLink: failure, deadline, notes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <pwd.h>
#include <unistd.h>

#include "ssh/ssh_link.h"

const char *
ssh_server_user(void)
{
	const struct passwd *pw = getpwuid(geteuid());

	return pw ? pstrdup(pw->pw_name) : psprintf("%u", (unsigned) geteuid());
}

int
ssh_link_timeout(const SshLink *link, const SshNode *node)
{
	return node->hop->connect_timeout > 0 ? node->hop->connect_timeout : link->connect_timeout;
}

void
ssh_link_extend(SshLink *link)
{
	link->deadline = clock_ms() + ssh_link_timeout(link, &link->nodes[link->current]);
}

/* Traces the traffic of each hop when it ends. */
void
ssh_link_trace_end(SshLink *link)
{
	for (int i = 0; i < link->count; i++)
	{
		SshNode    *node = &link->nodes[i];

		if (node->session != NULL)
			ssh_trace(TRACE_DEBUG1, node, "closing after " INT64_FORMAT " ms, " INT64_FORMAT " bytes in, "
					  INT64_FORMAT " out, %d new session keys", clock_ms() - link->since,
					  node->received, node->sent, node->rekeys);
	}
}

void
ssh_link_fail(SshLink *link, int sqlerrcode, bool transient, char *message,
			  char *detail, char *hint)
{
	SshFailure *failure = palloc0(sizeof(SshFailure));

	failure->sqlerrcode = sqlerrcode;
	failure->transient = transient;
	failure->message = message;
	failure->detail = detail;
	failure->hint = hint;
	ssh_trace(TRACE_DEBUG1, &link->nodes[link->current], "failed: %s%s%s", message, detail ? "; " : "",
			  detail ? detail : "");
	ssh_link_trace_end(link);
	link->failure = failure;
	link->stage = STAGE_FAILED;
}

void
ssh_link_note(SshNode *node, const char *name, char *detail)
{
	SshStep    *step = palloc0(sizeof(SshStep));

	step->hop = node->index + 1;
	step->name = name;
	step->detail = detail;
	node->link->steps = lappend(node->link->steps, step);
}

bool
ssh_listed(const char *list, const char *word)
{
	size_t		len = strlen(word);

	for (const char *at = list; *at != '\0'; at += strcspn(at, ","), at += *at == ',')
	{
		if (strncmp(at, word, len) == 0 && (at[len] == ',' || at[len] == '\0'))
			return true;
	}
	return false;
}
