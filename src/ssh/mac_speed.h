/*-------------------------------------------------------------------------
 *
 * mac_speed.h
 *	  Finds the fastest message authentication code on this machine.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_MAC_SPEED_H
#define PGTUNSYNC_MAC_SPEED_H

/*
 * Returns the SSH names of the SHA-2 HMACs as a comma-separated list, the
 * fastest first.  The first call measures them, which takes a few ms.
 */
extern const char *mac_preference(void);

#endif							/* PGTUNSYNC_MAC_SPEED_H */
