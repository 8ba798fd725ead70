/*-------------------------------------------------------------------------
 *
 * framework_table.h
 *	  Tables in which frameworks keep their migration state.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_FRAMEWORK_TABLE_H
#define PGTUNSYNC_FRAMEWORK_TABLE_H

/* The entry of "exclude" that lets them come like other tables. */
#define FRAMEWORK_TABLES_INCLUDED	"!default"

/* Is the local table one of them?  The second form goes by the name alone. */
extern bool framework_table(Oid relid, const char *name);
extern bool framework_table_name(const char *name);

#endif							/* PGTUNSYNC_FRAMEWORK_TABLE_H */
