/*-------------------------------------------------------------------------
 *
 * standalone.c
 *	  Runs a fuzzing target over the files that are named, without clang.
 *
 *-------------------------------------------------------------------------
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
run_file(const char *path)
{
	const size_t limit = 1024 * 1024;
	uint8_t    *data = malloc(limit);
	FILE	   *file = fopen(path, "rb");

	if (data == NULL || file == NULL)
	{
		perror(path);
		exit(1);
	}
	LLVMFuzzerTestOneInput(data, fread(data, 1, limit, file));
	fclose(file);
	free(data);
}

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		run_file(argv[i]);
	printf("%d files\n", argc - 1);
	return 0;
}
