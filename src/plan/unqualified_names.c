/*-------------------------------------------------------------------------
 *
 * unqualified_names.c
 *	  Functions of tables that a pull can probably not run.
 *
 * Code of a table's owner runs with search_path = pg_catalog.  A function that
 * names another function or a table without its schema works in an INSERT and
 * fails in a pull, unless its own SET clause has a search_path.  The texts of
 * functions in SQL and PL/pgSQL are searched for such names: a word in front of
 * a parenthesis that is a function outside pg_catalog only, and a word behind
 * FROM or JOIN that is a table outside pg_catalog only.  This is a guess, since
 * a comment may hold such words, so it is a remark and no error.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "plan/planner_state.h"
#include "plan/unqualified_names.h"

#define SUBJECT	"functions of"

/* For each table: the function, its arguments, and the names in it. */
#define FUNCTIONS_SQL \
	"SELECT u.relid, format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid))," \
	" string_agg(DISTINCT w.name, ', ')" \
	" FROM (SELECT ad.adrelid AS relid, d.refobjid FROM pg_attrdef ad JOIN pg_depend d" \
	"  ON d.classid = 'pg_attrdef'::regclass AND d.objid = ad.oid" \
	"  WHERE d.refclassid = 'pg_proc'::regclass AND ad.adrelid = ANY ($1)" \
	" UNION SELECT k.conrelid, d.refobjid FROM pg_constraint k JOIN pg_depend d" \
	"  ON d.classid = 'pg_constraint'::regclass AND d.objid = k.oid" \
	"  WHERE d.refclassid = 'pg_proc'::regclass AND k.contype = 'c' AND k.conrelid = ANY ($1)" \
	" UNION SELECT i.indrelid, d.refobjid FROM pg_index i JOIN pg_depend d" \
	"  ON d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid" \
	"  WHERE d.refclassid = 'pg_proc'::regclass AND i.indrelid = ANY ($1)) u" \
	" JOIN pg_proc p ON p.oid = u.refobjid JOIN pg_namespace n ON n.oid = p.pronamespace" \
	" JOIN pg_language l ON l.oid = p.prolang AND l.lanname IN ('sql', 'plpgsql')" \
	" CROSS JOIN LATERAL (SELECT lower(m[1]) AS name" \
	"  FROM regexp_matches(p.prosrc, '(?<![.\\w\"$])([a-z_]\\w*)\\s*\\(', 'gi') m" \
	"  WHERE EXISTS (SELECT FROM pg_proc f WHERE f.proname = lower(m[1]))" \
	"  AND NOT EXISTS (SELECT FROM pg_proc f WHERE f.proname = lower(m[1])" \
	"   AND f.pronamespace = 'pg_catalog'::regnamespace)" \
	"  UNION SELECT lower(m[1]) FROM regexp_matches(p.prosrc," \
	"   '\\y(?:from|join)\\s+(?:only\\s+)?([a-z_]\\w*)(?![.\\w]|\\s*\\()', 'gi') m" \
	"  WHERE EXISTS (SELECT FROM pg_class c WHERE c.relname = lower(m[1]) AND c.relkind IN ('r', 'p', 'v', 'm', 'f'))" \
	"  AND NOT EXISTS (SELECT FROM pg_class c WHERE c.relname = lower(m[1])" \
	"   AND c.relnamespace = 'pg_catalog'::regnamespace)) w" \
	" WHERE n.nspname <> 'pg_catalog' AND pg_get_function_sqlbody(p.oid) IS NULL" \
	" AND NOT EXISTS (SELECT FROM unnest(p.proconfig) s WHERE s ILIKE 'search_path=%')" \
	" GROUP BY u.relid, p.oid, n.nspname, p.proname ORDER BY 1, 2"

static Datum
planned_oids(const RunPlan *plan)
{
	ArrayBuildState *state = initArrayResult(OIDOID, CurrentMemoryContext, false);
	ListCell   *lc;

	foreach(lc, plan->tables)
	{
		TablePlan  *table = lfirst(lc);

		if (table->message == NULL && OidIsValid(table->relid))
			state = accumArrayResult(state, ObjectIdGetDatum(table->relid), false, OIDOID,
									 CurrentMemoryContext);
	}
	return makeArrayResult(state, CurrentMemoryContext);
}

static TablePlan *
find_table(const RunPlan *plan, Oid relid)
{
	ListCell   *lc;

	foreach(lc, plan->tables)
		if (((TablePlan *) lfirst(lc))->relid == relid)
			return lfirst(lc);
	return NULL;
}

/* "public, ext, pg_temp" */
static char *
path_text(const List *search_path)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, search_path)
		appendStringInfo(&buf, "%s, ", quote_identifier(lfirst(lc)));
	appendStringInfoString(&buf, "pg_temp");
	return buf.data;
}

/* Takes one row of the answer. */
static void
take_function(const RunPlan *plan, HeapTuple row, TupleDesc desc, const char *path)
{
	bool		isnull;
	TablePlan  *table = find_table(plan, DatumGetObjectId(SPI_getbinval(row, desc, 1, &isnull)));
	char	   *function = SPI_getvalue(row, desc, 2);

	if (table != NULL)
		table_remark(table, SUBJECT, false,
					 psprintf("Function %s names objects without their schema (%s), and a pull runs it with"
							  " search_path = pg_catalog.", function, SPI_getvalue(row, desc, 3)),
					 psprintf("ALTER FUNCTION %s SET search_path = %s;", function, path));
}

void
plan_find_unqualified_names(const RunPlan *plan, const List *search_path)
{
	MemoryContext context = CurrentMemoryContext;
	Oid			argtypes[] = {OIDARRAYOID};
	Datum		args[] = {planned_oids(plan)};
	char	   *path = path_text(search_path);

	SPI_connect();
	if (SPI_execute_with_args(FUNCTIONS_SQL, 1, argtypes, args, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not look for functions of tables");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		MemoryContext spi_context = MemoryContextSwitchTo(context);

		take_function(plan, SPI_tuptable->vals[i], SPI_tuptable->tupdesc, path);
		MemoryContextSwitchTo(spi_context);
	}
	SPI_finish();
}

char *
plan_unqualified_hint(const TablePlan *table)
{
	char	   *hint = NULL;
	ListCell   *lc;

	foreach(lc, table->remarks)
	{
		const TableRemark *remark = lfirst(lc);

		if (strcmp(remark->subject, SUBJECT) == 0)
			hint = hint ? psprintf("%s\n%s", hint, remark->hint) : remark->hint;
	}
	return hint;
}
