/*-------------------------------------------------------------------------
 *
 * glob.h
 *	  Patterns in which "*" stands for any characters.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_GLOB_H
#define PGTUNSYNC_GLOB_H

/*
 * Does the pattern match the text?  "*" stands for any characters (but no dot
 * when dots is false); everything else for itself.
 */
extern bool glob_matches(const char *pattern, const char *text, bool dots);

/* The pattern as a regular expression of PostgreSQL, with the same meaning.  palloc'd. */
extern char *glob_regex(const char *pattern, bool dots);

#endif							/* PGTUNSYNC_GLOB_H */
