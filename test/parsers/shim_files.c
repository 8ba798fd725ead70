/*-------------------------------------------------------------------------
 *
 * shim_files.c
 *	  What settings_file.c needs of a server's file access.
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
