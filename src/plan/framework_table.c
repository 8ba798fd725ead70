/*-------------------------------------------------------------------------
 *
 * framework_table.c
 *	  Tables in which frameworks keep their migration state.
 *
 * Such a table says which migrations this very database has seen, and for
 * Rails also which environment it is.  With the source's rows the framework
 * would believe that it talks to production.  A call that names no table
 * therefore leaves them out.
 *
 * Several frameworks call their table "migrations", and so may a user: only
 * its columns tell.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/attnum.h"
#include "utils/lsyscache.h"

#include "plan/framework_table.h"

static const struct
{
	const char *name;
	const char *column;			/* that it must have, or NULL */
}			known[] =
{
	{"schema_migrations", NULL},	/* Rails, Ecto, dbmate, golang-migrate */
	{"ar_internal_metadata", NULL}, /* Rails */
	{"django_migrations", NULL},
	{"_prisma_migrations", NULL},
	{"alembic_version", NULL},
	{"flyway_schema_history", NULL},
	{"knex_migrations", NULL},
	{"knex_migrations_lock", NULL},
	{"goose_db_version", NULL},
	{"databasechangelog", NULL},	/* Liquibase */
	{"databasechangeloglock", NULL},
	{"__drizzle_migrations", NULL},
	{"__EFMigrationsHistory", NULL},
	{"SequelizeMeta", NULL},
	{"pgmigrations", NULL},		/* node-pg-migrate */
	{"mikro_orm_migrations", NULL},
	{"typeorm_metadata", NULL},
	{"doctrine_migration_versions", NULL},
	{"phinxlog", NULL},
	{"_sqlx_migrations", NULL},
	{"__diesel_schema_migrations", NULL},
	{"refinery_schema_history", NULL},
	{"migrations", "batch"},	/* Laravel */
	{"migrations", "timestamp"} /* TypeORM */
};

bool
framework_table(Oid relid, const char *name)
{
	for (int i = 0; i < lengthof(known); i++)
	{
		if (strcmp(name, known[i].name) == 0 &&
			(known[i].column == NULL ||
			 get_attnum(relid, known[i].column) != InvalidAttrNumber))
			return true;
	}
	return false;
}

bool
framework_table_name(const char *name)
{
	for (int i = 0; i < lengthof(known); i++)
	{
		if (strcmp(name, known[i].name) == 0)
			return true;
	}
	return false;
}
