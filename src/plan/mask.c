/*-------------------------------------------------------------------------
 *
 * mask.c
 *	  Data rules: what the source sends instead of a column's values.
 *
 * The first rule whose pattern matches decides, as in pgsync.  Then there are
 * foreign keys: a column that refers to a masked one would give the
 * masked values away, or refer to nothing.  It follows the rule of the column
 * at the end of the chain, and how depends on what the fake is made of:
 *
 *		the value			pseudonym…, partial, value, null: the same again
 *		the row				unique_…, shift_date, statement: looked up in the
 *							row that is referred to
 *		chance				random_…: cannot be followed, and is refused
 *
 * A column that the source generates from masked ones is a copy of them:
 * generated_masks.c computes it again.
 *
 * A rule must fit its column: the wrong type, NULL for a NOT NULL column, a
 * key that would itself be given away, are problems that fail the table before
 * anything moves.  What only the source knows, it is asked by EXPLAIN
 * (source_trial.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "plan/clause.h"
#include "plan/column_pattern.h"
#include "schema/integer_type.h"
#include "plan/mask.h"
#include "plan/mask_sql.h"

/* The name of a row that is referred to. */
#define REFERENCED		"pgtunsync_referenced"

/* What the fake is made of. */
typedef enum MaskBase
{
	BY_VALUE,
	BY_ROW,
	BY_CHANCE
} MaskBase;

/* A column with both its relations. */
typedef struct Place
{
	const CatalogRelation *local;
	const CatalogRelation *source;
	const CatalogColumn *column;	/* local */
	const CatalogForeignKey *key;	/* by which it was reached, or NULL */
} Place;

/* One mask in the making. */
typedef struct Work
{
	MaskContext *context;
	Mask	   *mask;
	Place		own;			/* the column that travels */
	Place		base;			/* the column whose rule it is */
	const char *relation;		/* how rows of base are called */
	char	   *value;			/* SQL of the value that is masked */
	char	   *text;			/* the same as text */
	char		category;		/* of the local type */
	int			limit;			/* most characters, -1: none */
} Work;

typedef char *(*MaskMaker) (Work *work);

/* ---- matching ---- */

static const SyncRule *
find_rule(MaskContext *context, const Place *place)
{
	const char *name = place->column->name;
	ListCell   *lc;

	foreach(lc, context->config->data_rules)
	{
		SyncRule   *rule = lfirst(lc);

		if (column_pattern_matches(rule->pattern, place->local, place->source, name))
		{
			context->matched = list_append_unique_ptr(context->matched, rule);
			return rule;
		}
	}
	return NULL;
}

/* ---- foreign keys ---- */

static int
position_of(const List *names, const char *name)
{
	ListCell   *lc;
	int			n = 0;

	foreach(lc, names)
	{
		if (strcmp(lfirst(lc), name) == 0)
			return n;
		n++;
	}
	return -1;
}

/*
 * The column that a foreign key leads to; false if there is none that we know.
 */
static bool
follow_key(MaskContext *context, const CatalogForeignKey *key, const char *column, Place *place)
{
	int			position = position_of(key->columns, column);

	if (position < 0)
		return false;
	place->key = key;
	place->local = catalog_find(context->local, key->schema, key->table);
	place->source = catalog_find(context->source, key->schema, key->table);
	if (place->local == NULL || place->source == NULL)
		return false;
	place->column = catalog_find_column(place->local, list_nth(key->referenced, position));
	return place->column != NULL;
}

/*
 * The keys of a place from both sides, also those of tables whose rows come
 * with it.
 */
static List *
keys_of(const Place *place)
{
	List	   *keys = list_concat_copy(place->local->foreign_keys, place->source->foreign_keys);
	ListCell   *lc;

	foreach(lc, place->source->members)
		keys = list_concat(keys, ((CatalogRelation *) lfirst(lc))->foreign_keys);
	return keys;
}

/*
 * The column at the end of the chain that has a rule, and that rule; NULL:
 * none.  Keys come twice, from both sides, and can lead in circles: each
 * column is looked at once.
 */
static const SyncRule *
follow_chain(MaskContext *context, const Place *place, Place *base, int depth, List **visited)
{
	List	   *keys = keys_of(place);
	ListCell   *lc;

	check_stack_depth();
	*visited = lappend(*visited, (void *) place->column);
	foreach(lc, keys)
	{
		Place		next;
		const SyncRule *rule;

		if (!follow_key(context, lfirst(lc), place->column->name, &next) ||
			list_member_ptr(*visited, next.column))
			continue;
		rule = follow_chain(context, &next, base, depth + 1, visited);
		if (rule == NULL)
		{
			rule = find_rule(context, &next);
			*base = next;
		}
		if (rule != NULL && strcmp(rule->kind, "untouched") != 0)
		{
			/* only one step is looked up by a subquery */
			base->key = depth == 0 ? base->key : NULL;
			return rule;
		}
	}
	return NULL;
}

static const SyncRule *
referenced_rule(MaskContext *context, const Place *place, Place *base)
{
	List	   *visited = NIL;

	if (keys_of(place) == NIL)
		return NULL;
	return follow_chain(context, place, base, 0, &visited);
}

/* ---- problems ---- */

static char *
problem(Work *work, char *text)
{
	if (work->mask->problem == NULL)
		work->mask->problem = text;
	return NULL;
}

static bool
is_text(const Work *work)
{
	return work->category == TYPCATEGORY_STRING;
}

/* The rule gives text, of which so many characters are needed. */
static bool
needs_text(Work *work, int characters)
{
	if (!is_text(work))
		problem(work, "it gives text");
	else if (work->limit >= 0 && work->limit < characters)
		problem(work, psprintf("it needs %d characters", characters));
	return work->mask->problem == NULL;
}

static bool
needs_category(Work *work, const char *categories, char *what)
{
	if (strchr(categories, work->category) == NULL)
		problem(work, psprintf("it gives %s", what));
	return work->mask->problem == NULL;
}

/*
 * SQL of the only column of the primary key; it must not be a secret itself.
 */
static char *
key_column(Work *work, bool numeric)
{
	Place		place = work->base;
	Place		base;
	const SyncRule *rule;
	char		category;
	bool		preferred;

	if (list_length(place.local->primary_key) != 1)
		return problem(work, "it needs a primary key of one column");
	place.column = catalog_find_column(place.local, linitial(place.local->primary_key));
	if (catalog_find_column(place.source, place.column->name) == NULL)
		return problem(work, "the source has no column for the primary key");
	rule = referenced_rule(work->context, &place, &base);
	if (rule == NULL)
		rule = find_rule(work->context, &place);
	if (rule != NULL && strcmp(rule->kind, "untouched") != 0)
		return problem(work, "the primary key is masked itself, and this rule would show it; use a pseudonym");
	get_type_category_preferred(place.column->base_typid, &category, &preferred);
	if (numeric && category != TYPCATEGORY_NUMERIC)
		return problem(work, "it needs a numeric primary key");
	return psprintf("%s.%s", work->relation, catalog_sql_identifier(place.column->name));
}

/* ---- pgsync's rules ---- */

static char *
make_unique_email(Work *work)
{
	char	   *key = key_column(work, false);

	if (key == NULL || !needs_text(work, strlen("email1@example.org")))
		return NULL;
	return psprintf("'email' || %s::text || '@example.org'", key);
}

static char *
make_unique_phone(Work *work)
{
	char	   *key = key_column(work, true);

	if (key == NULL || !needs_category(work, "SN", "a number") ||
		(is_text(work) && !needs_text(work, 10)))
		return NULL;
	return psprintf("(%s::bigint + 1000000000)::text", key);
}

static char *
make_unique_secret(Work *work)
{
	char	   *key = key_column(work, false);

	if (key == NULL || !needs_text(work, strlen("secret1")))
		return NULL;
	return psprintf("'secret' || %s::text", key);
}

static char *
make_random_letter(Work *work)
{
	return needs_text(work, 1) ? "chr(65 + (random() * 25)::int)" : NULL;
}

static char *
make_random_string(Work *work)
{
	return needs_text(work, 1) ? "right(md5(random()::text), 10)" : NULL;
}

static char *
make_random_int(Work *work)
{
	return needs_category(work, "SN", "a number") ? "(random() * 100)::int" : NULL;
}

static char *
make_random_date(Work *work)
{
	return needs_category(work, "SD", "a date") ? "date '1970-01-01' + (random() * 10000)::int" : NULL;
}

static char *
make_random_time(Work *work)
{
	return needs_category(work, "SD", "a time") ?
		"now() - (random() * 100000000)::int * interval '1 second'" : NULL;
}

static char *
make_random_ip(Work *work)
{
	return needs_category(work, "SI", "an IP address") ?
		"(1 + random() * 254)::int::text || '.0.0.1'" : NULL;
}

static char *
make_value(Work *work)
{
	return quote_literal_cstr(work->mask->rule->argument);
}

static char *
make_null(Work *work)
{
	if (work->own.column->not_null)
		return problem(work, "the column is NOT NULL");
	return "NULL";
}

static char *
make_statement(Work *work)
{
	work->mask->user_sql = true;
	return clause_expression(work->mask->rule->argument,
							 psprintf("data rule \"%s\", line %d of file \"%s\"",
									  work->mask->rule->pattern, work->mask->rule->line,
									  work->context->config->path));
}

/* ---- pseudonyms ---- */

static bool
is_integer(const Work *work)
{
	return is_integer_type(work->own.column->base_typid);
}

static char *
make_pseudonym_number(Work *work)
{
	const char *encoding = work->context->encoding;
	const CatalogColumn *column = work->own.column;
	int			precision = column->typmod < (int32) VARHDRSZ ? 1000 :
		((column->typmod - (int32) VARHDRSZ) >> 16) & 0xffff;

	if (is_integer(work))
		return mask_sql_number(work->value, column->base_typid == INT2OID ? 15 : 31, encoding);
	if (column->base_typid == NUMERICOID && precision >= 19)
		return mask_sql_number(psprintf("trunc(%s)", work->value), 31, encoding);
	if (is_text(work))
		return needs_text(work, work->base.column->unique ? 16 : 6) ?
			mask_sql_digits(work->text, encoding) : NULL;
	return problem(work, "it gives whole numbers of up to 19 digits");
}

static char *
make_pseudonym(Work *work)
{
	const char *encoding = work->context->encoding;

	if (is_integer(work))
		return make_pseudonym_number(work);
	if (work->own.column->base_typid == UUIDOID)
		return mask_sql_uuid(work->text, encoding);
	if (work->own.column->base_typid == BYTEAOID)
		return mask_sql_hmac(work->text, encoding);
	if (is_text(work))
		return needs_text(work, work->base.column->unique ? 16 : 6) ?
			mask_sql_token(work->text, encoding) : NULL;
	return problem(work, "it is for text, integers, uuid and bytea");
}

static char *
make_pseudonym_email(Work *work)
{
	return needs_text(work, 32) ? mask_sql_email(work->text, work->context->encoding) : NULL;
}

static char *
make_pseudonym_name(Work *work)
{
	bool		unique = work->base.column->unique;

	return needs_text(work, unique ? 40 : 10) ?
		mask_sql_name(work->text, work->mask->rule->argument, unique, work->context->encoding) : NULL;
}

static char *
make_partial(Work *work)
{
	const SyncRule *rule = work->mask->rule;

	return needs_text(work, 1) ?
		mask_sql_partial(work->text, rule->keep_first, rule->keep_last, work->context->encoding) : NULL;
}

/* The key of the row as one text. */
static char *
row_key(Work *work)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, work->base.local->primary_key)
	{
		if (catalog_find_column(work->base.source, lfirst(lc)) == NULL)
			return NULL;
		appendStringInfo(&buf, "%s%s.%s::text", buf.len > 0 ? " || chr(31) || " : "",
						 work->relation, catalog_sql_identifier(lfirst(lc)));
	}
	return buf.len > 0 ? buf.data : NULL;
}

static char *
make_shift_date(Work *work)
{
	char	   *key = row_key(work);
	char	   *days;

	if (key == NULL)
		return problem(work, "it needs a primary key that both sides have");
	days = mask_sql_shift(key, work->mask->rule->days, work->context->encoding);
	switch (work->own.column->base_typid)
	{
		case DATEOID:
			return mask_sql_unless_sentinel(psprintf("%s::date", work->value), "date",
											psprintf("%s::date + %s", work->value, days));
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return mask_sql_unless_sentinel(work->value,
											work->own.column->base_typid == TIMESTAMPOID ? "timestamp" : "timestamptz",
											psprintf("%s + %s * interval '1 day'", work->value, days));
		default:
			return problem(work, "it is for dates and timestamps");
	}
}

static const struct
{
	const char *kind;
	MaskMaker	make;
	MaskBase	base;
	bool		keyed;
	bool		exact;			/* text that must not be cut off */
}			makers[] = {
	{"unique_email", make_unique_email, BY_ROW, false, true},
	{"unique_phone", make_unique_phone, BY_ROW, false, true},
	{"unique_secret", make_unique_secret, BY_ROW, false, true},
	{"random_letter", make_random_letter, BY_CHANCE},
	{"random_int", make_random_int, BY_CHANCE},
	{"random_date", make_random_date, BY_CHANCE},
	{"random_time", make_random_time, BY_CHANCE},
	{"random_ip", make_random_ip, BY_CHANCE},
	{"random_string", make_random_string, BY_CHANCE},
	{"value", make_value, BY_VALUE},
	{"null", make_null, BY_VALUE},
	{"statement", make_statement, BY_ROW},
	{"pseudonym", make_pseudonym, BY_VALUE, true},
	{"pseudonym_email", make_pseudonym_email, BY_VALUE, true},
	{"pseudonym_name", make_pseudonym_name, BY_VALUE, true},
	{"pseudonym_number", make_pseudonym_number, BY_VALUE, true},
	{"partial", make_partial, BY_VALUE, true},
	{"shift_date", make_shift_date, BY_ROW, true}
};

static int
find_maker(const char *kind)
{
	for (int i = 0; i < lengthof(makers); i++)
	{
		if (strcmp(makers[i].kind, kind) == 0)
			return i;
	}
	elog(ERROR, "no such data rule: %s", kind);
}

bool
mask_needs_key(const SyncConfig *config)
{
	ListCell   *lc;

	foreach(lc, config->data_rules)
	{
		const char *kind = ((SyncRule *) lfirst(lc))->kind;

		if (strcmp(kind, "untouched") != 0 && makers[find_maker(kind)].keyed)
			return true;
	}
	return false;
}

/* ---- one column ---- */

/* The most characters that a value can have here, -1: any number. */
static int
length_limit(const CatalogColumn *column)
{
	if (column->typid == NAMEOID)
		return NAMEDATALEN - 1;
	if ((column->typid == VARCHAROID || column->typid == BPCHAROID) &&
		column->typmod >= (int32) VARHDRSZ)
		return column->typmod - VARHDRSZ;
	return -1;
}

/* SQL of the value, and of its text: as different as the type says it is. */
static void
set_value(Work *work, const char *relation)
{
	const CatalogColumn *source = catalog_find_column(work->own.source, work->own.column->name);
	int			len = strlen(source->type);

	work->value = psprintf("%s.%s", relation, catalog_sql_identifier(source->name));
	work->text = psprintf("%s::text", work->value);
	if (len >= 6 && strcmp(source->type + len - 6, "citext") == 0)
		work->text = psprintf("lower(%s)", work->text);
}

/* The type in which the value travels. */
static char *
wire_type(const Work *work, bool exact)
{
	const CatalogColumn *column = work->own.column;

	if (is_text(work) && (exact || column->typid >= FirstGenbkiObjectId))
		return "text";
	if (column->typid < FirstGenbkiObjectId)
		return column->type;
	return NULL;
}

/* The expression, looked up in the row that the foreign key leads to. */
static char *
in_referenced_row(const Work *work, const char *relation, const char *sql)
{
	const CatalogForeignKey *key = work->base.key;
	StringInfoData buf;
	ListCell   *lc;
	ListCell   *lc_to;

	initStringInfo(&buf);
	appendStringInfo(&buf, "(SELECT %s FROM %s%s AS %s WHERE ", sql,
					 work->base.source->kind == RELKIND_PARTITIONED_TABLE ? "" : "ONLY ",
					 catalog_sql_name(work->base.source->schema, work->base.source->name),
					 work->relation);
	forboth(lc, key->columns, lc_to, key->referenced)
		appendStringInfo(&buf, "%s%s.%s = %s.%s", lc == list_head(key->columns) ? "" : " AND ",
						 work->relation, catalog_sql_identifier(lfirst(lc_to)),
						 relation, catalog_sql_identifier(lfirst(lc)));
	appendStringInfoChar(&buf, ')');
	return buf.data;
}

/* Where the rule is another column's. */
static void
set_base(Work *work, MaskBase base, const char *relation)
{
	work->relation = relation;
	if (work->base.column == work->own.column)
		return;
	if (base == BY_CHANCE)
		problem(work, "a column that others refer to cannot be masked by chance; use a pseudonym");
	else if (base == BY_ROW && work->base.key == NULL)
		problem(work, "it cannot be followed over several foreign keys; use a pseudonym");
	else if (base == BY_ROW)
	{
		work->relation = REFERENCED;
		work->value = psprintf("%s.%s", REFERENCED, catalog_sql_identifier(work->base.column->name));
	}
}

static void
make_mask(Work *work, const char *relation)
{
	Mask	   *mask = work->mask;
	int			maker = find_maker(mask->rule->kind);
	bool		preferred;
	char	   *sql;

	get_type_category_preferred(work->own.column->base_typid, &work->category, &preferred);
	work->limit = length_limit(work->own.column);
	set_value(work, relation);
	set_base(work, makers[maker].base, relation);
	if (makers[maker].keyed && work->context->source_version < 110000)
		problem(work, "it needs PostgreSQL 11 or later on the source");
	if (mask->problem != NULL)
		return;
	sql = makers[maker].make(work);
	if (mask->problem != NULL)
		return;
	if (work->relation != relation)
		sql = in_referenced_row(work, relation, sql);
	mask->nondeterministic = makers[maker].base == BY_CHANCE;
	mask->type = wire_type(work, makers[maker].exact);
	mask->sql = psprintf("(%s)::%s", sql, mask->type ? mask->type :
						 catalog_find_column(work->own.source, work->own.column->name)->type);
}

Mask *
mask_column(MaskContext *context, const CatalogRelation *local, const CatalogRelation *source,
			const CatalogColumn *column, const char *relation)
{
	Work		work = {.context = context, .own = {local, source, column}};
	const SyncRule *rule = referenced_rule(context, &work.own, &work.base);
	const SyncRule *own_rule = find_rule(context, &work.own);

	if (rule == NULL)
	{
		rule = own_rule;
		work.base = work.own;
	}
	if (rule == NULL)
		return NULL;
	work.mask = palloc0(sizeof(Mask));
	work.mask->rule = rule;
	if (strcmp(rule->kind, "untouched") != 0)
		make_mask(&work, relation);
	return work.mask;
}

/* ---- columns that the source generates ---- */

bool
mask_is_generated(MaskContext *context, const CatalogRelation *local,
				  const CatalogRelation *source, const CatalogColumn *column)
{
	CatalogColumn *generated = catalog_find_column(source, column->name);
	ListCell   *lc;

	foreach(lc, generated ? generated->made_of : NIL)
	{
		CatalogColumn *part = catalog_find_column(local, lfirst(lc));
		Place		place = {local, source, part ? part : catalog_find_column(source, lfirst(lc))};
		Place		base;
		const SyncRule *rule;

		if (place.column == NULL)
			return true;		/* a column of a table below this one */
		rule = referenced_rule(context, &place, &base);
		if (rule == NULL)
			rule = find_rule(context, &place);
		if (rule != NULL && strcmp(rule->kind, "untouched") != 0)
			return true;
	}
	return false;
}

static char *
find_generated(MaskContext *context, const Place *place, List **visited)
{
	List	   *keys = keys_of(place);
	ListCell   *lc;

	check_stack_depth();
	*visited = lappend(*visited, (void *) place->column);
	foreach(lc, keys)
	{
		Place		next;
		char	   *found;

		if (!follow_key(context, lfirst(lc), place->column->name, &next) ||
			list_member_ptr(*visited, next.column))
			continue;
		if (find_rule(context, &next) == NULL &&
			mask_is_generated(context, next.local, next.source, next.column))
			return psprintf("%s.%s", quote_qualified_identifier(next.local->schema, next.local->name),
							quote_identifier(next.column->name));
		found = find_generated(context, &next, visited);
		if (found != NULL)
			return found;
	}
	return NULL;
}

char *
mask_generated_reference(MaskContext *context, const CatalogRelation *local,
						 const CatalogRelation *source, const CatalogColumn *column)
{
	Place		place = {local, source, column};
	List	   *visited = NIL;

	if (keys_of(&place) == NIL)
		return NULL;
	return find_generated(context, &place, &visited);
}
