/*-------------------------------------------------------------------------
 *
 * final_check.c
 *	  Checks that a table is still the one its rows were loaded for.
 *
 * No lock is held on a target while its rows are loaded.  So everything that
 * the plan and the loader relied on is compared again when writers are locked
 * out, and once more under AccessExclusiveLock.  The safety of the swap
 * depends on this last comparison.  After the commit, the staging heap and its
 * indexes are read by the target's definition.  If a type differed, reading a
 * row would read memory outside the row.
 *
 * This file only reads catalogs, and fields of the relation cache that are
 * filled in without evaluating expressions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_class.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "apply/final_check.h"
#include "plan/recheck.h"
#include "schema/table_shape.h"
#include "staging/staging.h"

ErrorData *
make_failure(int sqlerrcode, const char *message, const char *detail)
{
	ErrorData  *error = palloc0(sizeof(ErrorData));

	error->elevel = ERROR;
	error->sqlerrcode = sqlerrcode;
	error->message = pstrdup(message);
	error->detail = detail != NULL ? pstrdup(detail) : NULL;
	if (sqlerrcode == ERRCODE_OBJECT_IN_USE || sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE)
		error->hint = pstrdup("Pull again.");
	return error;
}

/*
 * Makes a sentence for a DETAIL of a phrase such as "column "a" was changed".
 */
static char *
detail_sentence(char *phrase)
{
	phrase[0] = pg_toupper((unsigned char) phrase[0]);
	return psprintf("%s while its rows were loaded.", phrase);
}

static ErrorData *
check_open_target(Relation target, const StagedTable *table, Oid role)
{
	char	   *difference = table_shape_difference(table->plan->shape, table_shape(target));
	const char *problem;
	int			sqlerrcode;
	ListCell   *lc;

	if (difference != NULL)
		return make_failure(ERRCODE_OBJECT_IN_USE, "it was altered meanwhile",
							detail_sentence(difference));
	foreach(lc, table->plan->sequences)
	{
		SequencePlan *sequence = lfirst(lc);

		if (get_rel_relkind(sequence->relid) != RELKIND_SEQUENCE)
			return make_failure(ERRCODE_OBJECT_IN_USE, "it was altered meanwhile",
								psprintf("Sequence %s was dropped while its rows were loaded.",
										 sequence->display));
	}
	problem = recheck_rights(table->plan, role, &sqlerrcode);
	return problem != NULL ? make_failure(sqlerrcode, problem, NULL) : NULL;
}

ErrorData *
check_target(const StagedTable *table, Oid role)
{
	Relation	target = try_relation_open(table->target, NoLock);
	ErrorData  *error;

	if (target == NULL)
		return make_failure(ERRCODE_OBJECT_IN_USE, "it was dropped meanwhile", NULL);
	error = check_open_target(target, table, role);
	relation_close(target, NoLock);
	return error;
}

static ErrorData *
staging_altered(void)
{
	return make_failure(ERRCODE_OBJECT_IN_USE, "its staging heap was altered by someone else",
						NULL);
}

ErrorData *
check_staging(const StagedTable *table)
{
	Relation	staging = try_relation_open(table->staging, NoLock);
	bool		same;

	if (staging == NULL)
		return staging_altered();
	same = staging_fingerprint(table->staging) == table->fingerprint;
	relation_close(staging, NoLock);
	return same ? NULL : staging_altered();
}

ErrorData *
check_replacement(const StagedTable *table, Oid role)
{
	ErrorData  *error = check_target(table, role);
	Relation	target;
	Relation	staging;

	if (error != NULL)
		return error;
	target = relation_open(table->target, NoLock);
	staging = try_relation_open(table->staging, NoLock);
	if (staging == NULL || !staging_fits(target, staging, table->fingerprint))
		error = staging_altered();
	if (staging != NULL)
		relation_close(staging, NoLock);
	relation_close(target, NoLock);
	return error;
}
