/*-------------------------------------------------------------------------
 *
 * sensitive.c
 *	  Columns that look sensitive, by their name and type.
 *
 * This is a reminder, not a protection: it finds common English names of
 * personal data and secrets.  A word counts only for types that can hold the
 * value, so that "email_count integer" is not one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/lsyscache.h"

#include "plan/sensitive.h"

/* "firstName" as "_first_name_". */
static char *
spread_name(const char *name)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoChar(&buf, '_');
	for (const char *p = name; *p; p++)
	{
		bool		upper = *p >= 'A' && *p <= 'Z';

		if (upper && p > name && p[-1] >= 'a' && p[-1] <= 'z')
			appendStringInfoChar(&buf, '_');
		appendStringInfoChar(&buf, upper ? *p - 'A' + 'a' : *p);
	}
	appendStringInfoChar(&buf, '_');
	return buf.data;
}

bool
looks_sensitive(const CatalogColumn *column)
{
	static const struct
	{
		const char *word;		/* with what must stand beside it */
		const char *categories; /* of types that can hold it */
	}			words[] = {
		{"_email", "S"}, {"_e_mail", "S"}, {"_phone", "SN"}, {"_mobile_", "SN"},
		{"_telephone", "SN"}, {"_fax_", "SN"}, {"passw", "SU"}, {"_secret", "SU"},
		{"_token_", "SU"}, {"_api_key_", "SU"}, {"_private_key_", "SU"}, {"encrypted_", "SU"},
		{"_ssn_", "SN"}, {"social_security", "SN"}, {"_iban_", "S"}, {"card_number", "SN"},
		{"_credit_card_", "SN"}, {"_cvv_", "SN"}, {"_passport", "SN"}, {"_tax_id_", "SN"},
		{"_salary_", "N"}, {"_birth", "SD"}, {"_dob_", "SD"}, {"_first_name_", "S"},
		{"_last_name_", "S"}, {"_full_name_", "S"}, {"_surname_", "S"}, {"_street", "S"},
		{"_address_", "S"}, {"_zip_", "SN"}, {"_postal_code_", "SN"}, {"_ip_address_", "SI"},
		{"_ip_", "SI"}
	};
	char	   *name = spread_name(column->name);
	char		category;
	bool		preferred;

	get_type_category_preferred(column->base_typid, &category, &preferred);
	for (int i = 0; i < lengthof(words); i++)
	{
		if (strstr(name, words[i].word) != NULL && strchr(words[i].categories, category) != NULL)
			return true;
	}
	return false;
}
