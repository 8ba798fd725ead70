/*-------------------------------------------------------------------------
 *
 * shim_text.c
 *	  settings_file.c for the fuzzers: every file holds shim_text.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "config/secure_file.h"
#include "shim.h"

const char *shim_text = NULL;
size_t		shim_text_len = 0;

char *
settings_file_path(const char *path)
{
	return pstrdup(path);
}

char *
settings_file_read(const SettingsFileKind *kind, const char *path, size_t *len)
{
	char	   *text = palloc(shim_text_len + 1);

	memcpy(text, shim_text, shim_text_len);
	text[shim_text_len] = '\0';
	*len = shim_text_len;
	return text;
}
