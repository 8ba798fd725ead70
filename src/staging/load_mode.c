/*-------------------------------------------------------------------------
 *
 * load_mode.c
 *	  Load modes: what a pull does with the rows that a table already has.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/acl.h"

#include "staging/load_mode.h"

static const char *const names[] = {
	[LAND_REPLACE] = "replace",
	[LAND_OVERWRITE] = "overwrite",
	[LAND_PRESERVE] = "preserve",
	[LAND_APPEND] = "append"
};

/* The privilege that each mode requires besides INSERT. */
static const struct
{
	AclMode		right;
	const char *needed;
}			rights[] = {
	[LAND_REPLACE] = {ACL_TRUNCATE, "TRUNCATE and INSERT"},
	[LAND_OVERWRITE] = {ACL_UPDATE, "INSERT and UPDATE"},
	[LAND_PRESERVE] = {ACL_INSERT, "INSERT"},
	[LAND_APPEND] = {ACL_INSERT, "INSERT"}
};

Landing
landing_parse(const char *name)
{
	if (name == NULL)
		return LAND_DEFAULT;
	for (int i = LAND_REPLACE; i < lengthof(names); i++)
		if (strcmp(names[i], name) == 0)
			return i;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for \"mode\": \"%s\"", name),
			 errhint("Use \"replace\", \"overwrite\", \"preserve\" or \"append\".")));
}

const char *
landing_name(Landing landing)
{
	return landing == LAND_DEFAULT ? NULL : names[landing];
}

AclMode
landing_rights(Landing landing)
{
	return ACL_INSERT | rights[landing].right;
}

const char *
landing_missing_rights(Landing landing, Oid relid, Oid role)
{
	if (pg_class_aclcheck(relid, role, ACL_INSERT) == ACLCHECK_OK &&
		pg_class_aclcheck(relid, role, rights[landing].right) == ACLCHECK_OK)
		return NULL;
	return rights[landing].needed;
}
