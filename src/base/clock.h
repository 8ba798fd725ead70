/*-------------------------------------------------------------------------
 *
 * clock.h
 *	  A clock in milliseconds that never goes back, for deadlines.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_CLOCK_H
#define PGTUNSYNC_CLOCK_H

#include <time.h>

static inline int64
clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

#endif							/* PGTUNSYNC_CLOCK_H */
