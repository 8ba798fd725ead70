/*-------------------------------------------------------------------------
 *
 * error_text.c
 *	  What an error of the source is called when its own text may not be shown.
 *
 * While data rules are in force, the texts of the source's errors can hold
 * values that the rules mask (source.c says when they are left out).  The user
 * then sees the SQLSTATE and one of these texts.  The codes are those of
 * appendix A of PostgreSQL's documentation; a code of its own comes before its
 * class.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "source/error_text.h"

static const struct
{
	const char *prefix;
	const char *text;
}			texts[] =
{
	{"08", "a connection that the statement uses has failed"},
	{"0A", "a feature is not supported"},
	{"21", "a subquery returned more than one row"},
	{"22", "a value could not be converted or computed"},
	{"23", "a constraint was violated"},
	{"25006", "the statement would write in a read-only transaction"},
	{"25", "the transaction does not allow the statement"},
	{"28", "an authorization was refused"},
	{"2F", "a function failed"},
	{"38", "a function failed"},
	{"39", "a function failed"},
	{"3D", "a database does not exist"},
	{"3F", "a schema does not exist"},
	{"40001", "the statement conflicts with other transactions or with recovery"},
	{"40P01", "the statement was part of a deadlock"},
	{"40", "the transaction was rolled back"},
	{"42501", "permission denied"},
	{"42601", "a statement has a syntax error"},
	{"42", "a name or a type is not right"},
	{"53100", "the disk is full"},
	{"53200", "out of memory"},
	{"53300", "too many connections"},
	{"53", "a resource is exhausted"},
	{"54", "a limit of the server is exceeded"},
	{"55P03", "a lock was not available in time"},
	{"55", "an object is not in the state that the statement needs"},
	{"57014", "the statement was canceled or timed out"},
	{"57P", "the server is shutting down or has ended the session"},
	{"57", "an operator has intervened"},
	{"58", "the server met an error of its system"},
	{"72", "the snapshot is too old"},
	{"F0", "the server's configuration has an error"},
	{"HV", "a foreign data wrapper failed"},
	{"P0", "a function raised an exception"},
	{"XX001", "data of the server is corrupted"},
	{"XX002", "an index of the server is corrupted"},
	{"XX", "the server met an internal error"}
};

const char *
error_text(const char *state)
{
	for (int i = 0; i < lengthof(texts); i++)
	{
		if (strncmp(state, texts[i].prefix, strlen(texts[i].prefix)) == 0)
			return texts[i].text;
	}
	return "the statement failed";
}
