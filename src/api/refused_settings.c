/*-------------------------------------------------------------------------
 *
 * refused_settings.c
 *	  Settings of ours that the server has not accepted.
 *
 * Before the library is loaded, SET, PGOPTIONS, ALTER ROLE and ALTER DATABASE
 * take any value for a name with our prefix: a placeholder.  When the settings
 * are defined, a value that the role may not set, or that is invalid, is
 * dropped with a WARNING, and so is a name that does not exist.  A pull would
 * then use the default: another file, another source.  So the placeholders are
 * noted beforehand and compared, and every call of the session is refused.
 *
 * If the library is preloaded, there are no placeholders.  A misspelt name of
 * ALTER ROLE or ALTER DATABASE is then found in pg_db_role_setting.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_db_role_setting.h"
#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/guc_tables.h"
#include "utils/memutils.h"

#include "api/refused_settings.h"
#include "base/compat.h"
#include "base/similar_name.h"

#define PREFIX		"pgtunsync."
#define PREFIX_LEN	(sizeof(PREFIX) - 1)

/* A setting that was there before ours were defined. */
typedef struct Placeholder
{
	char	   *name;
	GucSource	source;
} Placeholder;

/* Of this session, in TopMemoryContext. */
static List *placeholders;		/* of Placeholder *: only while settings are defined */
static List *unknown;			/* of char * */
static List *refused;			/* of char * */

static bool
has_prefix(const char *name)
{
	return pg_strncasecmp(name, PREFIX, PREFIX_LEN) == 0;
}

static bool
is_placeholder(const struct config_generic *setting)
{
	return (setting->flags & GUC_CUSTOM_PLACEHOLDER) != 0;
}

/* Our own settings, defined or not. */
static List *
settings_with_prefix(void)
{
	int			count;
	struct config_generic **variables = compat_guc_variables(count);
	List	   *settings = NIL;

	for (int i = 0; i < count; i++)
	{
		if (has_prefix(variables[i]->name))
			settings = lappend(settings, variables[i]);
	}
	return settings;
}

void
refused_settings_begin(void)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(TopMemoryContext);
	ListCell   *lc;

	foreach(lc, settings_with_prefix())
	{
		struct config_generic *setting = lfirst(lc);
		Placeholder *placeholder;

		if (setting->source == PGC_S_DEFAULT)
			continue;
		placeholder = palloc(sizeof(Placeholder));
		placeholder->name = pstrdup(setting->name);
		placeholder->source = setting->source;
		placeholders = lappend(placeholders, placeholder);
	}
	MemoryContextSwitchTo(oldcontext);
}

/* The setting of that name if it is defined, or NULL. */
static struct config_generic *
find_setting(List *settings, const char *name)
{
	ListCell   *lc;

	foreach(lc, settings)
	{
		struct config_generic *setting = lfirst(lc);

		if (!is_placeholder(setting) && pg_strcasecmp(setting->name, name) == 0)
			return setting;
	}
	return NULL;
}

/* A value that was accepted keeps its source. */
void
refused_settings_end(void)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(TopMemoryContext);
	List	   *settings = settings_with_prefix();
	ListCell   *lc;

	foreach(lc, placeholders)
	{
		Placeholder *placeholder = lfirst(lc);
		struct config_generic *setting = find_setting(settings, placeholder->name);

		if (setting == NULL)
			unknown = lappend(unknown, placeholder->name);
		else if (setting->source < placeholder->source)
			refused = lappend(refused, placeholder->name);
	}
	placeholders = NIL;
	list_free(settings);
	MemoryContextSwitchTo(oldcontext);
}

/* ---- the call ---- */

static void pg_attribute_noreturn()
raise_unknown(const List *settings, const char *name, const char *where)
{
	List	   *names = NIL;
	const char *close;
	ListCell   *lc;

	foreach(lc, settings)
	{
		struct config_generic *setting = lfirst(lc);

		if (!is_placeholder(setting))
			names = lappend(names, unconstify(char *, setting->name));
	}
	close = similar_name(name, names);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("there is no setting \"%s\"", name),
			 errdetail("%s", where),
			 close ? errhint("Perhaps you meant \"%s\".  Set that one, remove this one, and connect again.",
							 close) :
			 errhint("Remove it, and connect again.")));
}

static void pg_attribute_noreturn()
raise_refused(const struct config_generic *setting)
{
	bool		denied = setting->context == PGC_SUSET && !superuser();

	ereport(ERROR,
			(errcode(denied ? ERRCODE_INSUFFICIENT_PRIVILEGE : ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("setting \"%s\" was not accepted in this session", setting->name),
			 denied ? errdetail("It was set before the library was loaded, by a role that may not set it.") :
			 errdetail("It was set before the library was loaded, to an invalid value."),
			 denied ?
			 errhint("Connect again without it.  A superuser can set it by ALTER DATABASE %s SET %s = '...'.",
					 quote_identifier(get_database_name(MyDatabaseId)), setting->name) :
			 errhint("Correct it, and connect again.")));
}

/* Raises for an unknown name in the settings of a database and role. */
static void
check_stored(List *settings, HeapTuple tuple, TupleDesc descriptor)
{
	bool		isnull;
	Datum		config = heap_getattr(tuple, Anum_pg_db_role_setting_setconfig, descriptor, &isnull);
	Datum	   *elems;
	int			count;

	if (isnull)
		return;
	deconstruct_array(DatumGetArrayTypeP(config), TEXTOID, -1, false, TYPALIGN_INT,
					  &elems, NULL, &count);
	for (int i = 0; i < count; i++)
	{
		char	   *name = TextDatumGetCString(elems[i]);

		name[strcspn(name, "=")] = '\0';
		if (has_prefix(name) && find_setting(settings, name) == NULL)
			raise_unknown(settings, name, "It was set by ALTER ROLE or ALTER DATABASE.");
	}
}

static void
check_role_and_database(List *settings, Oid database, Oid role)
{
	Relation	pg_db_role_setting = table_open(DbRoleSettingRelationId, AccessShareLock);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&keys[0], Anum_pg_db_role_setting_setdatabase, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(database));
	ScanKeyInit(&keys[1], Anum_pg_db_role_setting_setrole, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(role));
	scan = systable_beginscan(pg_db_role_setting, DbRoleSettingDatidRolidIndexId, true, NULL, 2, keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		check_stored(settings, tuple, RelationGetDescr(pg_db_role_setting));
	systable_endscan(scan);
	table_close(pg_db_role_setting, AccessShareLock);
}

void
refused_settings_check(void)
{
	List	   *settings = settings_with_prefix();
	Oid			role = GetSessionUserId();
	ListCell   *lc;

	if (unknown != NIL)
		raise_unknown(settings, linitial(unknown),
					  "It was set in this session, or for it, and is ignored.");
	/* before version 15, the server lets them be */
	foreach(lc, settings)
	{
		struct config_generic *setting = lfirst(lc);

		if (is_placeholder(setting) && setting->source != PGC_S_DEFAULT)
			raise_unknown(settings, setting->name, "It was set in this session, and is ignored.");
	}
	if (refused != NIL)
		raise_refused(find_setting(settings, linitial(refused)));
	check_role_and_database(settings, MyDatabaseId, role);
	check_role_and_database(settings, MyDatabaseId, InvalidOid);
	check_role_and_database(settings, InvalidOid, role);
	check_role_and_database(settings, InvalidOid, InvalidOid);
}
