/*-------------------------------------------------------------------------
 *
 * variables_json.c
 *	  The values that a call gives to the variables of clauses.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include "base/compat.h"
#include "api/variables_json.h"

static void pg_attribute_noreturn()
refuse(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for \"variables\""),
			 errdetail("%s", detail),
			 errhint("Use an object such as '{\"region\": \"eu\"}'.")));
}

/* A name as it stands between braces. */
static char *
variable_name(const JsonbValue *key)
{
	char	   *name = pnstrdup(key->val.string.val, key->val.string.len);

	if (name[0] == '\0' ||
		strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != strlen(name))
		refuse(psprintf("\"%s\" cannot be the name of a variable: use letters, digits and underscores.", name));
	return name;
}

static char *
variable_value(const JsonbValue *value, const char *name)
{
	switch (value->type)
	{
		case jbvString:
			return pnstrdup(value->val.string.val, value->val.string.len);
		case jbvNumeric:
			return DatumGetCString(DirectFunctionCall1(numeric_out,
													   NumericGetDatum(value->val.numeric)));
		case jbvBool:
			return pstrdup(value->val.boolean ? "true" : "false");
		default:
			refuse(psprintf("The value of \"%s\" must be a string, a number or a boolean.", name));
	}
}

List *
variables_from_jsonb(Jsonb *jsonb)
{
	JsonbIterator *it = JsonbIteratorInit(&jsonb->root);
	List	   *variables = NIL;
	char	   *name = NULL;
	JsonbValue	value;
	JsonbIteratorToken token;

	if (!JB_ROOT_IS_OBJECT(jsonb))
		refuse("It must be a JSON object.");
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = variable_name(&value);
		else if (token == WJB_VALUE)
			variables = lappend(lappend(variables, name), variable_value(&value, name));
	}
	return variables;
}
