/*-------------------------------------------------------------------------
 *
 * platform.h
 *	  Differences between operating systems and C libraries.
 *
 * Linux with glibc is what the tests run on.  test/compilers.sh compiles every
 * file for musl, too.  What other systems have instead is written from their
 * documentation and has never run there.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_PLATFORM_H
#define PGTUNSYNC_PLATFORM_H

#include <sys/socket.h>

/* The usable size of a piece of memory that malloc() has returned. */
#if defined(__APPLE__)
#include <malloc/malloc.h>
#define malloced_size(data) malloc_size(data)
#elif defined(__FreeBSD__)
#include <malloc_np.h>
#define malloced_size(data) malloc_usable_size(data)
#else
#include <malloc.h>
#define malloced_size(data) malloc_usable_size(data)
#endif

/* Background workers ignore SIGPIPE anyway. */
#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

#endif							/* PGTUNSYNC_PLATFORM_H */
