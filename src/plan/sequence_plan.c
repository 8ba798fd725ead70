/*-------------------------------------------------------------------------
 *
 * sequence_plan.c
 *	  Where local sequences go on after the pull.
 *
 * A sequence that a pulled column owns, or names in its default, takes the
 * state of the sequence that the column uses on the source.  If that cannot be
 * read, or there is none, or its value is out of the local range, the local
 * sequence goes on behind the highest key that is pulled: an INSERT must not
 * meet a key that has just come.  Such sequences are reported, with the GRANT
 * that helps.
 *
 * A default may name a sequence of somebody else.  It changes only if the
 * caller could change it: USAGE lets him advance it, UPDATE set it back.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "catalog/pg_sequence.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "base/text.h"
#include "plan/sequence_plan.h"
#include "schema/local_sequences.h"

/* The tables that use a sequence. */
typedef struct SequenceUsers
{
	Oid			sequence;
	List	   *users;			/* of Oid */
} SequenceUsers;

/* ---- one sequence ---- */

static bool
may_use(Oid sequence, Oid role, AclMode mode)
{
	return pg_class_aclcheck(sequence, role, mode) == ACLCHECK_OK;
}

static bool
in_range(Oid sequence, int64 value)
{
	HeapTuple	tuple = SearchSysCache1(SEQRELID, ObjectIdGetDatum(sequence));
	Form_pg_sequence form;
	bool		fits;

	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_sequence) GETSTRUCT(tuple);
	fits = value >= form->seqmin && value <= form->seqmax;
	ReleaseSysCache(tuple);
	return fits;
}

/* True if the column's highest value says where the sequence has to go on. */
static bool
holds_numbers(Oid relid, AttrNumber attnum)
{
	switch (getBaseType(get_atttype(relid, attnum)))
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case NUMERICOID:
			return true;
		default:
			return false;
	}
}

/* Notes why the sequence does not follow. */
static void
note_reason(SequenceReport *report, const CatalogSequence *source, char *display)
{
	if (source == NULL)
		report->unmatched = lappend(report->unmatched, display);
	else if (source->readable)
		report->beyond = lappend(report->beyond, display);
	else
	{
		report->unreadable = lappend(report->unreadable, display);
		report->unreadable_there = lappend(report->unreadable_there,
										   quote_qualified_identifier(source->schema, source->name));
	}
}

void
sequence_plan_add(TablePlan *table, const CatalogSequence *local, const CatalogSequence *source,
				  char *display, List *users, Oid role, SequenceReport *report)
{
	SequencePlan *plan = palloc0(sizeof(SequencePlan));

	plan->relid = local->oid;
	plan->display = display;
	plan->attnum = local->attnum;
	plan->may_lower = local->owned || may_use(local->oid, role, ACL_UPDATE);
	plan->users = users;
	plan->follows = source != NULL && source->readable && in_range(local->oid, source->last_value);
	if (plan->follows)
	{
		plan->last_value = source->last_value;
		plan->is_called = source->is_called;
	}
	if (!local->owned && !may_use(local->oid, role, ACL_USAGE | ACL_UPDATE))
	{
		report->names = lappend(report->names, display);
		report->no_right = lappend(report->no_right, display);
		return;
	}
	if (!plan->follows)
	{
		report->names = lappend(report->names, display);
		note_reason(report, source, display);
		if (!holds_numbers(table->relid, local->attnum))
		{
			report->no_number = lappend(report->no_number, display);
			return;
		}
	}
	table->sequences = lappend(table->sequences, plan);
}

/* ---- the report ---- */

static void
append_reason(StringInfo buf, const char *reason, List *names)
{
	if (names != NIL)
		appendStringInfo(buf, "%s%s: %s.", buf->len > 0 ? "\n" : "", reason,
						 names_text(names, false));
}

/* What becomes of the sequences, and why. */
static char *
report_detail(const SequenceReport *report, const char *role)
{
	StringInfoData buf;

	initStringInfo(&buf);
	append_reason(&buf, "The source's role has no SELECT on", report->unreadable);
	append_reason(&buf, "The column uses no sequence on the source", report->unmatched);
	append_reason(&buf, "The source's value is outside the local sequence's range", report->beyond);
	append_reason(&buf, psprintf("Left as it is, since role %s has neither USAGE nor UPDATE on it",
								 role), report->no_right);
	append_reason(&buf, "Left as it is, since the column holds no numbers", report->no_number);
	if (list_length(report->names) > list_length(report->no_right) + list_length(report->no_number))
		appendStringInfo(&buf, "%s go on behind the highest key that is pulled.",
						 report->no_right || report->no_number ? "\nThe others" : "\nThey");
	return buf.data;
}

/* The GRANTs that help, or NULL. */
static char *
report_hint(const SequenceReport *report, const char *source_role, const char *role)
{
	char	   *there = NULL;
	char	   *here = NULL;

	if (report->unreadable != NIL)
		there = psprintf("On the source, run: GRANT SELECT ON SEQUENCE %s TO %s;",
						 names_text(report->unreadable_there, false),
						 quote_identifier(source_role));
	if (report->no_right != NIL)
		here = psprintf("Let the sequence's owner run: GRANT USAGE, UPDATE ON SEQUENCE %s TO %s;",
						names_text(report->no_right, false), role);
	return there && here ? psprintf("%s\n%s", there, here) : there ? there : here;
}

void
sequence_plan_report(TablePlan *table, const SequenceReport *report, const char *source_role,
					 Oid role)
{
	const char *name = quote_identifier(GetUserNameFromId(role, false));
	char	   *detail;
	char	   *hint;

	if (report->names == NIL)
		return;
	detail = report_detail(report, name);
	hint = report_hint(report, source_role, name);
	table_remark(table, "sequences of", true, detail, hint);
	ereport(NOTICE,
			(errmsg("sequences of table %s do not follow the source's: %s", table->display,
					names_text(report->names, false)),
			 errdetail("%s", detail),
			 hint ? errhint("%s", hint) : 0));
}

/* ---- the sequences of one table ---- */

/*
 * The source's sequence that belongs to a column's; names decide if it has
 * several.
 */
static CatalogSequence *
find_sequence(List *sequences, AttrNumber attnum, const char *name)
{
	CatalogSequence *first = NULL;
	ListCell   *lc;

	foreach(lc, sequences)
	{
		CatalogSequence *sequence = lfirst(lc);

		if (sequence->attnum != attnum)
			continue;
		if (strcmp(sequence->name, name) == 0)
			return sequence;
		if (first == NULL)
			first = sequence;
	}
	return first;
}

/* The column of the source that comes into this local one, or NULL. */
static CatalogColumn *
travelling_column(const TablePlan *table, List *travel, AttrNumber attnum)
{
	ListCell   *lc_column;
	ListCell   *lc_travel;

	forboth(lc_column, table->columns, lc_travel, travel)
		if (((ColumnPlan *) lfirst(lc_column))->attnum == attnum)
			return lfirst(lc_travel);
	return NULL;
}

/* Each sequence's users, found once: a thousand partitions may share it. */
static List *
users_of(Planner *planner, Oid sequence)
{
	SequenceUsers *found;
	ListCell   *lc;

	foreach(lc, planner->sequence_users)
		if (((SequenceUsers *) lfirst(lc))->sequence == sequence)
			return ((SequenceUsers *) lfirst(lc))->users;
	found = palloc(sizeof(SequenceUsers));
	found->sequence = sequence;
	found->users = local_sequence_users(sequence);
	planner->sequence_users = lappend(planner->sequence_users, found);
	return found->users;
}

void
plan_match_sequences(Planner *planner, TablePlan *table, const Choice *choice, List *travel)
{
	SequenceReport report = {0};
	SequenceReport told_before = {0};
	ListCell   *lc;

	foreach(lc, choice->local->sequences)
	{
		CatalogSequence *local = lfirst(lc);
		CatalogColumn *column = travelling_column(table, travel, local->attnum);
		int			known = list_length(planner->sequence_users);
		List	   *users;

		if (column == NULL)
			continue;			/* the rows take its next numbers here */
		users = users_of(planner, local->oid);
		sequence_plan_add(table, local,
						  find_sequence(choice->source->sequences, column->attnum, local->name),
						  selection_display(planner->request, planner->local, planner->source,
											local->schema, local->name),
						  users, planner->request->role,
						  list_length(planner->sequence_users) > known ? &report : &told_before);
	}
	sequence_plan_report(table, &report, source_user(planner->control), planner->request->role);
}

/* ---- sequences that no column uses ---- */

void
plan_report_unused_sequences(const Planner *planner)
{
	List	   *names = NIL;
	ListCell   *lc;

	foreach(lc, planner->local->relations)
	{
		CatalogRelation *local = lfirst(lc);
		CatalogRelation *source;

		if (local->kind != RELKIND_SEQUENCE || local->extension_member)
			continue;
		source = catalog_find(planner->source, local->schema, local->name);
		if (source != NULL && source->kind == RELKIND_SEQUENCE &&
			local_sequence_users(local->oid) == NIL)
			names = lappend(names, selection_display(planner->request, planner->local,
													 planner->source, local->schema, local->name));
	}
	if (names != NIL)
		ereport(NOTICE,
				(errmsg("sequences that no column uses are left as they are: %s",
						names_text(names, false)),
				 errhint("If an application takes its keys from them, set them by setval().")));
}
