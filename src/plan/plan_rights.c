/*-------------------------------------------------------------------------
 *
 * plan_rights.c
 *	  Rights of the source's role and of the caller on a table.
 *
 * The source's role must be allowed to read all columns that are pulled, and
 * the caller to replace the local table.  Row security that would filter rows
 * without a word refuses the table.  The HINT is the GRANT to paste, for all
 * that is missing on both sides.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/rls.h"

#include "base/text.h"
#include "plan/plan_rights.h"
#include "plan/planner_state.h"
#include "plan/selection.h"

/* "GRANT SELECT ON app.t TO reader;" */
static char *
grant_text(const char *rights, const char *object, const char *role)
{
	return psprintf("GRANT %s ON %s TO %s;", rights, object, quote_identifier(role));
}

/*
 * Fails the table for a missing right.  If another one is missing already,
 * both are told.
 */
static void
fail_rights(TablePlan *table, char *message, char *detail, char *hint)
{
	if (table->message == NULL)
	{
		table_fail(table, ERRCODE_INSUFFICIENT_PRIVILEGE, message, detail, hint);
		return;
	}
	table->detail = table->detail ? psprintf("%s\n%s", table->detail, detail) : detail;
	table->hint = table->hint ? psprintf("%s\n%s", table->hint, hint) : hint;
}

/* ---- here ---- */

/* The rights of the mode that the role does not have, for a GRANT. */
static char *
lacking_rights(Landing mode, Oid relid, Oid role)
{
	static const struct
	{
		AclMode		right;
		const char *name;
	}			rights[] = {
		{ACL_INSERT, "INSERT"},
		{ACL_UPDATE, "UPDATE"},
		{ACL_TRUNCATE, "TRUNCATE"}
	};
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < lengthof(rights); i++)
	{
		if ((landing_rights(mode) & rights[i].right) &&
			pg_class_aclcheck(relid, role, rights[i].right) != ACLCHECK_OK)
			appendStringInfo(&text, "%s%s", text.len > 0 ? ", " : "", rights[i].name);
	}
	return text.data;
}

void
plan_check_local_rights(TablePlan *table, const Choice *choice, Oid role)
{
	const char *lacking = landing_missing_rights(table->mode, table->relid, role);
	const CatalogRelation *grantable = choice->root ? choice->root : choice->local;
	const char *name = GetUserNameFromId(role, false);

	table->grants = table->relid;
	if (lacking != NULL && choice->root != NULL &&
		landing_missing_rights(table->mode, choice->root->oid, role) == NULL)
	{
		table->grants = choice->root->oid;
		lacking = NULL;
	}
	if (lacking != NULL)
		fail_rights(table, psprintf("permission denied for table %s", table->display),
					psprintf("Role %s needs %s on it for mode \"%s\".", quote_identifier(name),
							 lacking, landing_name(table->mode)),
					psprintf("Let the table's owner run here: %s",
							 grant_text(lacking_rights(table->mode, grantable->oid, role),
										quote_qualified_identifier(grantable->schema,
																   grantable->name),
										name)));
	else if (check_enable_rls(table->relid, role, true) == RLS_ENABLED ||
			 (choice->root && check_enable_rls(choice->root->oid, role, true) == RLS_ENABLED))
		fail_rights(table, psprintf("row security of table %s applies to role %s", table->display,
									quote_identifier(name)),
					table->mode == LAND_REPLACE ? "A pull replaces all rows, also those that the policies hide." :
					"A pull writes rows without asking the policies.",
					"Call as the table's owner or as a role with BYPASSRLS.");
}

/* ---- on the source ---- */

void
plan_check_source_rights(TablePlan *table, const CatalogRelation *source, bool row_security)
{
	if (source->row_security && !row_security)
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

/* The names of the columns that the source's role may not read. */
static List *
unreadable_columns(const CatalogRelation *source, List *columns)
{
	List	   *unreadable = NIL;
	ListCell   *lc;

	foreach(lc, columns)
	{
		CatalogColumn *column = lfirst(lc);

		if (!source->readable && !column->readable)
			unreadable = lappend(unreadable, column->name);
	}
	return unreadable;
}

static void
add_grant(StringInfo grants, const char *rights, const char *kind, const char *object,
		  const char *user)
{
	appendStringInfo(grants, " %s", grant_text(rights, psprintf("%s%s", kind, object), user));
}

/* The GRANTs for the table, its schema and its sequences, each after a space. */
static char *
source_grants(const CatalogRelation *source, const char *user, bool select, bool sequences)
{
	StringInfoData grants;
	ListCell   *lc;

	initStringInfo(&grants);
	if (!source->reachable)
		add_grant(&grants, "USAGE", "SCHEMA ", quote_identifier(source->schema), user);
	if (select)
		add_grant(&grants, "SELECT", "",
				  quote_qualified_identifier(source->schema, source->name), user);
	foreach(lc, sequences ? source->sequences : NIL)
	{
		CatalogSequence *sequence = lfirst(lc);

		if (!sequence->readable)
			add_grant(&grants, "SELECT", "SEQUENCE ",
					  quote_qualified_identifier(sequence->schema, sequence->name), user);
	}
	return grants.data;
}

/* What the role lacks: USAGE on the schema, SELECT on the table or columns. */
static char *
reading_detail(const CatalogRelation *source, bool select, List *unreadable)
{
	StringInfoData detail;

	initStringInfo(&detail);
	if (!source->reachable)
		appendStringInfo(&detail, "The source's role has no USAGE on schema %s.",
						 quote_identifier(source->schema));
	if (select)
		appendStringInfo(&detail, "%sThe source's role has no SELECT on%s%s.",
						 detail.len > 0 ? "\n" : "", unreadable == NIL ? " it" : ": ",
						 unreadable == NIL ? "" : names_text(unreadable, true));
	return detail.data;
}

void
plan_check_reading(const Planner *planner, TablePlan *table, const CatalogRelation *source,
				   List *columns)
{
	List	   *unreadable = unreadable_columns(source, columns);
	bool		select = unreadable != NIL || (columns == NIL && !source->readable);

	if (source->reachable && !select)
		return;
	fail_rights(table,
				psprintf("permission denied on the source for table %s", table->display),
				reading_detail(source, select, unreadable),
				psprintf("On the source, run:%s",
						 source_grants(source, source_user(planner->control), select,
									   planner->request->sequences)));
}

char *
plan_select_grant(const Planner *planner, List *names)
{
	return psprintf("On the source, run: %s",
					grant_text("SELECT", names_text(names, false),
							   source_user(planner->control)));
}
