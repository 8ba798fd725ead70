/*-------------------------------------------------------------------------
 *
 * plan_rights.c
 *	  Rights of the source's role and of the caller on a table.
 *
 * The source's role must be allowed to read all columns that are pulled, and
 * the caller to replace the local table.  Row security that would filter rows
 * without a word refuses the table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/rls.h"

#include "base/text.h"
#include "plan/plan_rights.h"
#include "plan/planner_state.h"
#include "plan/selection.h"

void
plan_check_local_rights(TablePlan *table, const Choice *choice, Oid role)
{
	const char *lacking = landing_missing_rights(table->mode, table->relid, role);

	table->grants = table->relid;
	if (lacking != NULL && choice->root != NULL &&
		landing_missing_rights(table->mode, choice->root->oid, role) == NULL)
	{
		table->grants = choice->root->oid;
		lacking = NULL;
	}
	if (lacking != NULL)
		table_fail(table, ERRCODE_INSUFFICIENT_PRIVILEGE,
				   psprintf("permission denied for table %s", table->display),
				   psprintf("Role %s needs %s on it for mode \"%s\".",
							quote_identifier(GetUserNameFromId(role, false)), lacking,
							landing_name(table->mode)),
				   psprintf("Let the table's owner run: GRANT INSERT%s ON %s TO %s;",
							table->mode == LAND_REPLACE ? ", TRUNCATE" :
							table->mode == LAND_OVERWRITE ? ", UPDATE" : "",
							table->display, quote_identifier(GetUserNameFromId(role, false))));
	else if (check_enable_rls(table->relid, role, true) == RLS_ENABLED ||
			 (choice->root && check_enable_rls(choice->root->oid, role, true) == RLS_ENABLED))
		table_fail(table, ERRCODE_INSUFFICIENT_PRIVILEGE,
				   psprintf("row security of table %s applies to role %s", table->display,
							quote_identifier(GetUserNameFromId(role, false))),
				   table->mode == LAND_REPLACE ? "A pull replaces all rows, also those that the policies hide." :
				   "A pull writes rows without asking the policies.",
				   "Call as the table's owner or as a role with BYPASSRLS.");
}

void
plan_check_source_rights(TablePlan *table, const CatalogRelation *source, bool row_security)
{
	if (!source->reachable)
		table_fail(table, ERRCODE_INSUFFICIENT_PRIVILEGE,
				   psprintf("permission denied on the source for table %s", table->display),
				   psprintf("The source's role has no USAGE on schema %s.", quote_identifier(source->schema)),
				   "On the source, grant USAGE on the schema to the user of PGSYNC_FROM_URL.");
	else if (source->row_security && !row_security)
		table_fail(table, ERRCODE_INSUFFICIENT_PRIVILEGE,
				   psprintf("row security on the source would filter table %s", table->display),
				   "A copy that lacks rows in silence is refused.",
				   "Use a source role that owns the table or has BYPASSRLS, or let a superuser allow it by the setting \"pgtunsync.source_row_security\".");
	else
		table->row_security = source->row_security;
}

void
plan_check_standby(TablePlan *table, const CatalogRelation *source)
{
	bool		unlogged = source->persistence == RELPERSISTENCE_UNLOGGED;
	ListCell   *lc;

	foreach(lc, source->leaves)
		unlogged |= ((CatalogRelation *) lfirst(lc))->persistence == RELPERSISTENCE_UNLOGGED;
	if (unlogged)
		table_fail(table, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
				   psprintf("cannot pull %s: it is unlogged, and the source is a standby", table->display),
				   "A standby has no rows of unlogged tables.",
				   "Pull it from the primary, or leave it out.");
}

void
plan_check_column_rights(TablePlan *table, const CatalogRelation *source, List *columns)
{
	List	   *unreadable = NIL;
	ListCell   *lc;

	if (source->readable)
		return;
	foreach(lc, columns)
	{
		CatalogColumn *column = lfirst(lc);

		if (!column->readable)
			unreadable = lappend(unreadable, column->name);
	}
	if (unreadable != NIL || columns == NIL)
		table_fail(table, ERRCODE_INSUFFICIENT_PRIVILEGE,
				   psprintf("permission denied on the source for table %s", table->display),
				   unreadable == NIL ? NULL :
				   psprintf("The source's role has no SELECT on: %s.", names_text(unreadable, true)),
				   "On the source, grant SELECT on the table to the user of PGSYNC_FROM_URL, or exclude the table.");
}
