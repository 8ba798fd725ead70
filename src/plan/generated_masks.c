/*-------------------------------------------------------------------------
 *
 * generated_masks.c
 *	  Columns that the source generates from masked ones.
 *
 * Such a column is a copy of what is masked, and is sent by its stored value
 * unless something is done.  If the local column is generated as well, it is
 * computed here, from masked values.  If it has a rule of its own, the rule
 * applies.  Else the source computes its expression once more, over a row of
 * masked values (copy_sql.c), so it fits the masked columns beside it.
 *
 * The table is refused if that is not possible: the expression reads the whole
 * row, tables below this one have other expressions, or a column in it cannot
 * be masked.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_class.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

#include "base/text.h"
#include "plan/generated_masks.h"
#include "plan/sensitive.h"

/* The columns of one expression, in the making. */
typedef struct Work
{
	Planner    *planner;
	TablePlan  *table;
	const Choice *choice;
	const char *relation;		/* how rows of the source are called */
	const CatalogColumn *column;	/* the generated one */
	List	   *inputs;			/* of CatalogColumn * */
	bool		sensitive;		/* one of them looks so and has no rule */
	char	   *problem;		/* why it cannot be computed; NULL: it can */
} Work;

static CatalogColumn *
find_column(List *columns, const char *name)
{
	ListCell   *lc;

	foreach(lc, columns)
	{
		if (strcmp(((CatalogColumn *) lfirst(lc))->name, name) == 0)
			return lfirst(lc);
	}
	return NULL;
}

/*
 * The column as the rules see it if this side has none of that name; NULL if
 * its type is unknown here.
 */
static CatalogColumn *
stand_in(const CatalogColumn *source)
{
	CatalogColumn *column;

	if (source->typid >= FirstGenbkiObjectId || source->base_typid >= FirstGenbkiObjectId ||
		!SearchSysCacheExists1(TYPEOID, ObjectIdGetDatum(source->base_typid)))
		return NULL;
	column = palloc(sizeof(CatalogColumn));
	*column = *source;
	column->typmod = -1;
	return column;
}

/* A column that the expression needs and that is not sent itself. */
static void
add_unsent(Work *work, CatalogColumn *source)
{
	CatalogColumn *local = catalog_find_column(work->choice->local, source->name);
	CatalogColumn *input = palloc(sizeof(CatalogColumn));
	Mask	   *mask;

	*input = *source;
	if (local == NULL)
		local = stand_in(source);
	if (local == NULL)
	{
		work->problem = psprintf("type %s of column %s is unknown here", source->type,
								 quote_identifier(source->name));
		return;
	}
	mask = mask_column(&work->planner->masks, work->choice->local, work->choice->source, local,
					   work->relation);
	work->sensitive |= mask == NULL && looks_sensitive(local);
	if (mask != NULL && mask->problem != NULL)
		work->problem = psprintf("data rule \"%s\" cannot work for column %s: %s",
								 mask->rule->kind, quote_identifier(source->name), mask->problem);
	if (mask != NULL)
	{
		work->table->user_sql |= mask->user_sql;
		input->mask = mask->sql;
	}
	work->inputs = lappend(work->inputs, input);
}

static void
add_inputs(Work *work, List *sent)
{
	ListCell   *lc;

	foreach(lc, work->column->made_of)
	{
		CatalogColumn *source = catalog_find_column(work->choice->source, lfirst(lc));
		CatalogColumn *input = find_column(sent, lfirst(lc));

		work->sensitive |= names_include(work->table->unmasked_columns, lfirst(lc));
		if (source == NULL)
			work->problem = psprintf("column %s is in a table below this one only",
									 quote_identifier(lfirst(lc)));
		else if (input != NULL)
			work->inputs = lappend(work->inputs, input);
		else
			add_unsent(work, source);
	}
}

/*
 * The expression, over the row of what is sent: its columns have their names
 * and types of the source.
 */
static char *
computed_sql(const Work *work)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	appendStringInfo(&buf, "(SELECT (%s) FROM (SELECT ", work->column->expression);
	foreach(lc, work->inputs)
	{
		CatalogColumn *input = lfirst(lc);
		CatalogColumn *source = catalog_find_column(work->choice->source, input->name);
		char	   *name = catalog_sql_identifier(input->name);

		appendStringInfo(&buf, "%s" COPY_ROW ".%s::%s AS %s", lc == list_head(work->inputs) ? "" : ", ",
						 name, source->type, name);
	}
	appendStringInfo(&buf, ") AS pgtunsync_columns)::%s", work->column->type);
	return buf.data;
}

/* True if rows of tables below the source's table come with it. */
static bool
reads_tree(const Choice *choice)
{
	return choice->source->kind == RELKIND_PARTITIONED_TABLE || choice->source->members != NIL;
}

static CatalogColumn *
refuse(Work *work, CatalogColumn *column)
{
	table_fail(work->table, ERRCODE_FEATURE_NOT_SUPPORTED,
			   psprintf("cannot pull %s: the source generates column %s from masked columns, and it cannot be computed from their masks",
						work->table->display, quote_identifier(column->name)),
			   psprintf("It is made of: %s.  Reason: %s.", names_text(column->made_of, true),
						work->problem),
			   psprintf("Give column %s a rule in \"data_rules\", or generate it here, too.",
						quote_identifier(column->name)));
	return column;
}

/* What is sent instead of the stored value. */
static CatalogColumn *
compute(Work *work, CatalogColumn *column)
{
	CatalogColumn *computed = palloc(sizeof(CatalogColumn));

	if (work->problem == NULL && column->varies && reads_tree(work->choice))
		work->problem = "tables below this one have other expressions for it";
	if (work->problem == NULL && column->expression == NULL)
		work->problem = "its expression reads the whole row";
	if (work->problem != NULL)
		return refuse(work, column);
	*computed = *column;
	computed->computed = computed_sql(work);
	computed->inputs = work->inputs;
	computed->readable = true;	/* what the expression reads is seen when it is tried */
	computed->generated = false;
	work->table->masked_columns = lappend(work->table->masked_columns,
										  psprintf("%s: generated", quote_identifier(column->name)));
	return computed;
}

CatalogColumn *
generated_mask(Planner *planner, TablePlan *table, const Choice *choice, const char *relation,
			   CatalogColumn *column, List *sent)
{
	Work		work = {planner, table, choice, relation, column};

	add_inputs(&work, sent);
	if (work.sensitive && !names_include(table->unmasked_columns, column->name))
		plan_note_unmasked(planner, table, column->name);
	if (!mask_is_generated(&planner->masks, choice->local, choice->source, column))
		return column;
	return compute(&work, column);
}
