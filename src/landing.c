/*-------------------------------------------------------------------------
 *
 * landing.c
 *	  How pulled rows land in a table that has rows already.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "landing.h"

static const char *const names[] = {
	[LAND_REPLACE] = "replace",
	[LAND_OVERWRITE] = "overwrite",
	[LAND_PRESERVE] = "preserve",
	[LAND_APPEND] = "append"
};

Landing
landing_parse(const char *name)
{
	if (name == NULL)
		return LAND_UNSAID;
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
	return landing == LAND_UNSAID ? NULL : names[landing];
}
