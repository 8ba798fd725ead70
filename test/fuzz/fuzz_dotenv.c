/*-------------------------------------------------------------------------
 *
 * fuzz_dotenv.c
 *	  libFuzzer target: any bytes as an environment file.
 *
 * Apart from what the sanitizers see: every name is one that a shell takes,
 * every line lies in the file, and nothing is left after a wipe.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "config/dotenv.h"
#include "../parsers/shim.h"

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Input
{
	const char *text;
	size_t		len;
} Input;

static const char *
inherited(const char *name)
{
	if (strcmp(name, "HOME") == 0)
		return "/home/tester";
	return strcmp(name, "I") == 0 ? "inherited" : NULL;
}

static void
check_variable(const DotenvVariable *var, int lines)
{
	if (var->name[0] == '\0' || (var->name[0] >= '0' && var->name[0] <= '9'))
		abort();
	for (const char *c = var->name; *c; c++)
	{
		if (*c != '_' && !isalnum((unsigned char) *c))
			abort();
	}
	if (var->line < 1 || var->line > lines)
		abort();
	if (var->value && strlen(var->value) > 64 * 1024)
		abort();
}

static void
parse(void *arg)
{
	Input	   *input = arg;
	Dotenv	   *env = dotenv_create("fuzz", inherited, "/home/of/passwd");
	int			lines = 1;

	dotenv_parse(env, input->text, input->len);
	for (size_t i = 0; i < input->len; i++)
		lines += input->text[i] == '\n';
	for (int i = 0; i < dotenv_count(env); i++)
		check_variable(dotenv_variable(env, i), lines);
	dotenv_wipe(env);
	if (dotenv_count(env) != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* an exact copy without a terminator: reading beyond it is seen */
	char	   *text = malloc(size ? size : 1);
	Input		input = {text, size};

	memcpy(text, data, size);
	shim_try(parse, &input);
	shim_reset();
	free(text);
	return 0;
}
