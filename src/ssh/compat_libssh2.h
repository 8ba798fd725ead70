/*-------------------------------------------------------------------------
 *
 * compat_libssh2.h
 *	  Hides the differences between versions of libssh2.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_COMPAT_LIBSSH2_H
#define PGTUNSYNC_COMPAT_LIBSSH2_H

#include <libssh2.h>

/* 1.11.1 has a separate type for callbacks */
#if LIBSSH2_VERSION_NUM >= 0x010b01
#define compat_libssh2_set_callback(session, which, function) \
	((void) libssh2_session_callback_set2(session, which, (libssh2_cb_generic *) (function)))
#else
#define compat_libssh2_set_callback(session, which, function) \
	((void) libssh2_session_callback_set(session, which, (void *) (function)))
#endif

#endif							/* PGTUNSYNC_COMPAT_LIBSSH2_H */
