/*-------------------------------------------------------------------------
 *
 * sensitive.h
 *	  Columns that look sensitive, by their name and type.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_SENSITIVE_H
#define PGTUNSYNC_SENSITIVE_H

#include "schema/catalog.h"

/*
 * Does a column of this name and type look like one that should have a data
 * rule?
 */
extern bool looks_sensitive(const CatalogColumn *column);

#endif							/* PGTUNSYNC_SENSITIVE_H */
