/*-------------------------------------------------------------------------
 *
 * mac_speed.h
 *	  Which message authentication code is the cheapest on this machine.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_MAC_SPEED_H
#define PGTUNSYNC_MAC_SPEED_H

/*
 * The HMACs of SHA-2 by their names in SSH, as a comma list, the cheapest first.
 * Measured at the first call, which takes a few ms.
 */
extern const char *mac_preference(void);

#endif							/* PGTUNSYNC_MAC_SPEED_H */
