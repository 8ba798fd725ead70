/*-------------------------------------------------------------------------
 *
 * ssh_clock.h
 *	  Milliseconds that only go forward, for deadlines.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SSH_CLOCK_H
#define SSH_CLOCK_H

#include <time.h>

static inline int64
clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

#endif							/* SSH_CLOCK_H */
