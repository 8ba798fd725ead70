/*-------------------------------------------------------------------------
 *
 * shim_files.c
 *	  What settings_file.c and env_file.c need of a server.
 *
 * The driver makes the current directory the data directory.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"

#include "base/similar_name.h"

char	   *DataDir = NULL;

int
OpenTransientFile(const char *fileName, int fileFlags)
{
	return open(fileName, fileFlags);
}

int
CloseTransientFile(int fd)
{
	return close(fd);
}

/* The server computes the distance of names. */
const char *
similar_name(const char *name, const List *candidates)
{
	return NULL;
}
