/*-------------------------------------------------------------------------
 *
 * glob.h
 *	  Matches patterns in which "*" stands for any characters.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_GLOB_H
#define PGTUNSYNC_GLOB_H

/*
 * Returns whether the pattern matches the whole text.  "*" stands for any
 * characters, or any except a dot if dots is false.  All other characters
 * stand for themselves.
 */
extern bool glob_matches(const char *pattern, const char *text, bool dots);

/* Returns a palloc'd PostgreSQL regular expression with the same meaning. */
extern char *glob_regex(const char *pattern, bool dots);

#endif							/* PGTUNSYNC_GLOB_H */
