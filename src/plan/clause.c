/*-------------------------------------------------------------------------
 *
 * clause.c
 *	  SQL that people write, made safe to be sent.
 *
 * A clause from the configuration or from a caller becomes part of
 *
 *		COPY (SELECT … FROM "schema"."table" <clause>) TO STDOUT
 *
 * on the source.  It must not be able to leave that place, whatever quotes,
 * comments or escapes it is made of, and however the source reads them.  So
 * the text itself is never sent.  It goes through the server's own scanner,
 * and what comes out is written anew, token by token, in one spelling:
 *
 *		identifiers			quoted
 *		keywords			as they are
 *		literals			'…', or E'…' when there is a backslash in it
 *		comments			gone
 *		;  $1  U&'…'		refused
 *
 * That text reads the same for any setting of standard_conforming_strings.
 * Variables are replaced between these two steps: {1} that stands alone
 * becomes a literal token, in a literal it is replaced in the literal's
 * *value*; so there is no kind of quoting to be broken out of.  Afterwards the
 * server's parser says whether it is one SELECT that just chooses rows of our
 * table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/keywords.h"
#include "lib/stringinfo.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "nodes/primnodes.h"
#include "parser/parser.h"
#include "parser/scanner.h"
#include "parser/scansup.h"
#include "utils/builtins.h"

#include "base/text.h"
#include "schema/catalog.h"
#include "plan/clause.h"
#include "base/compat.h"

/*
 * The scanner's tokens.  Their numbers are the same for every grammar that is
 * built upon it, see parser/scanner.h; keywords differ, and we know them by
 * name.
 */
typedef enum TokenCode
{
	IDENT = 258,
	UIDENT,
	FCONST,
	SCONST,
	USCONST,
	BCONST,
	XCONST,
	Op,
	ICONST,
	PARAM,
	TYPECAST,
	DOT_DOT,
	COLON_EQUALS,
	EQUALS_GREATER,
	LESS_EQUALS,
	GREATER_EQUALS,
	NOT_EQUALS,
	KEYWORD						/* this one and all above */
} TokenCode;

/* A table that stands for the real one while we look at the clause. */
#define STAND_IN_SCHEMA	"pgtunsync"
#define STAND_IN_TABLE	"the table"

typedef struct Token
{
	int			code;
	char	   *text;			/* canonical; the value for SCONST */
} Token;

/* One text on its way. */
typedef struct Scan
{
	const char *text;
	const ClauseValues *values; /* NULL: no variables here */
	List	   *tokens;			/* of Token * */
	List	   *missing;		/* of char *: variables without a value */
} Scan;

/* ---- errors ---- */

/* Says where the text came from; positions refer to the text. */
typedef struct ErrorPlace
{
	const char *what;
	const char *text;
	int			offset;			/* of the text in what is parsed; -1: it was rewritten */
} ErrorPlace;

static void
add_place(void *arg)
{
	ErrorPlace *place = arg;
	int			position = geterrposition();

	if (position > 0)
	{
		errposition(0);
		internalerrquery(place->text);
		internalerrposition(place->offset >= 0 ? position - place->offset : 0);
	}
	errcontext("%s: %s", place->what, place->text);
}

static void pg_attribute_noreturn()
refuse(const char *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("a clause must not have %s", problem),
			 errdetail("It may have WHERE, JOIN, ORDER BY, LIMIT, OFFSET and TABLESAMPLE.")));
}

/* ---- variables ---- */

static bool
is_word(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* The length of "{word}" at that place, 0: there is none. */
static int
variable_length(const char *p)
{
	int			len = 1;

	if (*p != '{')
		return 0;
	while (is_word(p[len]))
		len++;
	return len > 1 && p[len] == '}' ? len + 1 : 0;
}

/* The value of the variable, or NULL. */
static const char *
find_value(const ClauseValues *values, const char *name)
{
	ListCell   *lc;

	if (strcmp(name, "id") == 0 && values->args != NIL)
		return linitial(values->args);
	if (strspn(name, "0123456789") == strlen(name) && strlen(name) < 4 &&
		atoi(name) >= 1 && atoi(name) <= list_length(values->args))
		return list_nth(values->args, atoi(name) - 1);
	for (lc = list_head(values->names); lc != NULL; lc = lnext(values->names, lnext(values->names, lc)))
	{
		if (strcmp(lfirst(lc), name) == 0)
			return lfirst(lnext(values->names, lc));
	}
	return NULL;
}

static void
add_missing(Scan *scan, const char *name)
{
	if (!names_include(scan->missing, name))
		scan->missing = lappend(scan->missing, pstrdup(name));
}

/* Replaces the variables within a literal's value. */
static char *
replace_in_literal(Scan *scan, const char *literal)
{
	StringInfoData buf;

	initStringInfo(&buf);
	while (*literal)
	{
		int			len = scan->values ? variable_length(literal) : 0;
		char	   *name = len > 0 ? pnstrdup(literal + 1, len - 2) : NULL;
		const char *value = len > 0 ? find_value(scan->values, name) : NULL;

		if (value != NULL)
			appendStringInfoString(&buf, value);
		else if (len > 0 && scan->values->strict)
			add_missing(scan, name);
		else
			len = 0;
		if (len == 0)
			appendStringInfoChar(&buf, *literal);
		literal += Max(len, 1);
	}
	return buf.data;
}

static void
refuse_variable_in_name(const Scan *scan, const char *name)
{
	if (scan->values == NULL)
		return;
	for (const char *p = name; *p; p++)
	{
		int			len = variable_length(p);

		if (len > 0 && (scan->values->strict || find_value(scan->values, pnstrdup(p + 1, len - 2))))
			ereport(ERROR,
					(errcode(ERRCODE_SYNTAX_ERROR),
					 errmsg("variable %s stands in a name", pnstrdup(p, len)),
					 errdetail("Variables are values; they cannot name columns or tables.")));
	}
}

static void
check_missing(const Scan *scan)
{
	StringInfoData buf;
	ListCell   *lc;

	if (scan->missing == NIL)
		return;
	initStringInfo(&buf);
	foreach(lc, scan->missing)
		appendStringInfo(&buf, "%s%s", buf.len > 0 ? ", " : "", (char *) lfirst(lc));
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_PARAMETER),
			 errmsg("missing variables: %s", buf.data),
			 errhint("Write group:name:value for {1} (or {id}), group:name:value:value2 for {2}, and variables => '{\"name\": \"value\"}' for {name}.")));
}

/* ---- tokens ---- */

static void
add_token(Scan *scan, int code, const char *text)
{
	Token	   *token = palloc(sizeof(Token));

	token->code = code;
	token->text = pstrdup(text);
	scan->tokens = lappend(scan->tokens, token);
}

/* B'01' or X'1F' from the scanner's "b01", "x1F". */
static char *
bit_literal(const char *scanned)
{
	if (strspn(scanned + 1, "0123456789abcdefABCDEF") != strlen(scanned + 1))
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("invalid bit string")));
	return psprintf("%c'%s'", scanned[0], scanned + 1);
}

static void
take_token(Scan *scan, int code, const core_YYSTYPE *value)
{
	switch (code)
	{
		case IDENT:
			refuse_variable_in_name(scan, value->str);
			add_token(scan, code, catalog_sql_identifier(value->str));
			break;
		case SCONST:
			add_token(scan, code, replace_in_literal(scan, value->str));
			break;
		case ICONST:
			add_token(scan, code, psprintf("%d", value->ival));
			break;
		case FCONST:
		case Op:
			add_token(scan, code, value->str);
			break;
		case BCONST:
		case XCONST:
			add_token(scan, code, bit_literal(value->str));
			break;
		case TYPECAST:
			add_token(scan, code, "::");
			break;
		case DOT_DOT:
			add_token(scan, code, "..");
			break;
		case COLON_EQUALS:
			add_token(scan, code, ":=");
			break;
		case EQUALS_GREATER:
			add_token(scan, code, "=>");
			break;
		case LESS_EQUALS:
			add_token(scan, code, "<=");
			break;
		case GREATER_EQUALS:
			add_token(scan, code, ">=");
			break;
		case NOT_EQUALS:
			add_token(scan, code, "<>");
			break;
		case PARAM:
		case UIDENT:
		case USCONST:
			ereport(ERROR,
					(errcode(ERRCODE_SYNTAX_ERROR),
					 errmsg("%s cannot be used here",
							code == PARAM ? "a parameter such as $1" : "a Unicode escape (U&)")));
			break;
		case ';':
			ereport(ERROR,
					(errcode(ERRCODE_SYNTAX_ERROR),
					 errmsg("a semicolon cannot stand here")));
			break;
		default:
			if (code < KEYWORD)
				add_token(scan, code, psprintf("%c", code));
			else
				add_token(scan, KEYWORD, value->keyword);
	}
}

/* The variable that begins at this brace; false if it is just a brace. */
static bool
take_variable(Scan *scan, int location, int *end)
{
	int			len = scan->values ? variable_length(scan->text + location) : 0;
	const char *value;
	char	   *name;

	if (len == 0)
		return false;
	name = pnstrdup(scan->text + location + 1, len - 2);
	value = find_value(scan->values, name);
	if (value == NULL)
		add_missing(scan, name);
	add_token(scan, SCONST, value ? value : "");
	*end = location + len - 1;
	return true;
}

/* Reads the whole text into tokens. */
static void
scan_text(Scan *scan)
{
	core_yy_extra_type extra;
	core_yyscan_t scanner = scanner_init(scan->text, &extra, &ScanKeywords, ScanKeywordTokens);
	core_YYSTYPE value;
	YYLTYPE		location;
	int			variable_end = -1;
	int			code;

	extra.standard_conforming_strings = true;
	extra.escape_string_warning = false;
	while ((code = core_yylex(&value, &location, scanner)) != 0)
	{
		if (location <= variable_end)
			continue;			/* what stands between the braces */
		if (code == '{' && take_variable(scan, location, &variable_end))
			continue;
		take_token(scan, code, &value);
	}
	scanner_finish(scanner);
	check_missing(scan);
}

static void
append_literal(StringInfo buf, const char *value)
{
	bool		escaped = strchr(value, '\\') != NULL;

	appendStringInfoString(buf, escaped ? "E'" : "'");
	for (; *value; value++)
	{
		if (*value == '\'' || *value == '\\')
			appendStringInfoChar(buf, *value);
		appendStringInfoChar(buf, *value);
	}
	appendStringInfoChar(buf, '\'');
}

/* Writes tokens from the n-th on, each behind a blank. */
static char *
write_tokens(const Scan *scan, int from)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = from; i < list_length(scan->tokens); i++)
	{
		Token	   *token = list_nth(scan->tokens, i);

		if (i > from)
			appendStringInfoChar(&buf, ' ');
		if (token->code == SCONST)
			append_literal(&buf, token->text);
		else
			appendStringInfoString(&buf, token->text);
	}
	return buf.data;
}

/* ---- clauses ---- */

/* True if the text begins like something that follows a table in FROM. */
static bool
begins_clause(const Scan *scan)
{
	static const char *const words[] = {
		"where", "order", "limit", "offset", "fetch", "tablesample", "for", "group",
		"having", "window", "union", "except", "intersect", "join", "inner", "left",
		"right", "full", "cross", "natural"
	};
	Token	   *first = linitial(scan->tokens);
	Token	   *second = list_length(scan->tokens) > 1 ? lsecond(scan->tokens) : NULL;

	if (first->code == ',')
		return true;
	if (first->code != KEYWORD || (second != NULL && second->code == '(' &&
								   strcmp(first->text, "where") != 0))
		return false;			/* left(…) is a function */
	for (int i = 0; i < lengthof(words); i++)
	{
		if (strcmp(first->text, words[i]) == 0)
			return true;
	}
	return false;
}

/* True if the leftmost of the joined tables is ours, under its own name. */
static bool
is_ours(Node *from)
{
	if (IsA(from, JoinExpr))
		return ((JoinExpr *) from)->alias == NULL && is_ours(((JoinExpr *) from)->larg);
	if (IsA(from, RangeTableSample))
		return is_ours(((RangeTableSample *) from)->relation);
	return IsA(from, RangeVar) && ((RangeVar *) from)->alias == NULL &&
		((RangeVar *) from)->schemaname != NULL &&
		strcmp(((RangeVar *) from)->schemaname, STAND_IN_SCHEMA) == 0 &&
		strcmp(((RangeVar *) from)->relname, STAND_IN_TABLE) == 0;
}

/* The only statement of the text, which must be a SELECT. */
static SelectStmt *
only_select(const char *sql)
{
	List	   *parsed = raw_parser(sql, RAW_PARSE_DEFAULT);
	Node	   *stmt = list_length(parsed) == 1 ? linitial_node(RawStmt, parsed)->stmt : NULL;

	if (stmt == NULL || !IsA(stmt, SelectStmt))
		refuse("another statement");
	return (SelectStmt *) stmt;
}

/* Refuses a clause that does more than to choose rows. */
static void
check_clause(const SelectStmt *select)
{
	if (select->op != SETOP_NONE)
		refuse("UNION, INTERSECT or EXCEPT");
	if (select->intoClause != NULL)
		refuse("INTO");
	if (select->lockingClause != NIL)
		refuse("FOR UPDATE or FOR SHARE");
	if (select->groupClause != NIL || select->havingClause != NULL ||
		select->windowClause != NIL || select->distinctClause != NIL)
		refuse("GROUP BY, HAVING or WINDOW");
	if (select->withClause != NULL || select->valuesLists != NIL || select->targetList != NIL)
		refuse("anything but conditions");
	if (select->fromClause == NIL || !is_ours(linitial(select->fromClause)))
		refuse("another name for the table");
}

static bool
is_only_where(const SelectStmt *select)
{
	return select->whereClause != NULL && select->sortClause == NIL &&
		select->limitCount == NULL && select->limitOffset == NULL &&
		list_length(select->fromClause) == 1 && IsA(linitial(select->fromClause), RangeVar);
}

/*
 * Our table, at the far left, unsampled and in no join that has rows without
 * it.
 */
static bool
is_rowwise_source(Node *from)
{
	JoinExpr   *join = (JoinExpr *) from;

	if (!IsA(from, JoinExpr))
		return IsA(from, RangeVar);
	return (join->jointype == JOIN_INNER || join->jointype == JOIN_LEFT) &&
		is_rowwise_source(join->larg);
}

/* True if the parts of the table, queried one by one, have the same rows. */
static bool
is_rowwise(const SelectStmt *select)
{
	return is_rowwise_source(linitial(select->fromClause)) &&
		select->limitCount == NULL && select->limitOffset == NULL;
}

static void
finish_clause(Clause *clause, Scan *scan)
{
	SelectStmt *select;

	if (!begins_clause(scan))
		clause->sql = psprintf("WHERE %s", write_tokens(scan, 0));
	else
		clause->sql = write_tokens(scan, 0);
	select = only_select(psprintf("SELECT FROM ONLY %s %s",
								  catalog_sql_name(STAND_IN_SCHEMA, STAND_IN_TABLE), clause->sql));
	check_clause(select);
	if (is_only_where(select))
		clause->where = clause->sql + strlen("where ");
	clause->rowwise = is_rowwise(select);
}

Clause *
clause_parse(const char *text, const ClauseValues *values, const char *what)
{
	Clause	   *clause = palloc0(sizeof(Clause));
	Scan		scan = {.text = text, .values = values};
	ErrorPlace	place = {.what = what, .text = text};
	ErrorContextCallback callback = {
		.previous = error_context_stack,
		.callback = add_place,
		.arg = &place
	};

	error_context_stack = &callback;
	scan_text(&scan);
	if (scan.tokens == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("the clause is empty")));
	place.offset = -1;
	finish_clause(clause, &scan);
	error_context_stack = callback.previous;
	return clause;
}

/* ---- expressions ---- */

/* True for a SELECT with one expression and nothing else. */
static bool
is_one_expression(const SelectStmt *select)
{
	ResTarget  *target;

	if (select->op != SETOP_NONE || list_length(select->targetList) != 1 ||
		select->distinctClause != NIL || select->intoClause != NULL ||
		select->fromClause != NIL || select->whereClause != NULL ||
		select->groupClause != NIL || select->havingClause != NULL ||
		select->windowClause != NIL || select->valuesLists != NIL ||
		select->sortClause != NIL || select->limitCount != NULL ||
		select->limitOffset != NULL || select->lockingClause != NIL ||
		select->withClause != NULL)
		return false;
	target = linitial_node(ResTarget, select->targetList);
	return target->name == NULL && target->indirection == NIL &&
		!(IsA(target->val, ColumnRef) && IsA(llast(((ColumnRef *) target->val)->fields), A_Star));
}

char *
clause_expression(const char *text, const char *what)
{
	Scan		scan = {.text = text};
	ErrorPlace	place = {.what = what, .text = text};
	ErrorContextCallback callback = {
		.previous = error_context_stack,
		.callback = add_place,
		.arg = &place
	};
	char	   *sql;

	error_context_stack = &callback;
	scan_text(&scan);
	sql = write_tokens(&scan, 0);
	place.offset = -1;
	if (!is_one_expression(only_select(psprintf("SELECT %s", sql))) ||
		!is_one_expression(only_select(psprintf("SELECT (%s)", sql))))
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("this is not one expression")));
	error_context_stack = callback.previous;
	return sql;
}

/* ---- the last look ---- */

static bool
is_copy_out(Node *stmt)
{
	CopyStmt   *copy = (CopyStmt *) stmt;

	return IsA(stmt, CopyStmt) && copy->relation == NULL && copy->query != NULL &&
		IsA(copy->query, SelectStmt) && !copy->is_from && !copy->is_program &&
		copy->filename == NULL;
}

void
clause_verify_copy(const char *sql)
{
	List	   *parsed = raw_parser(sql, RAW_PARSE_DEFAULT);
	ListCell   *lc;

	foreach(lc, parsed)
	{
		Node	   *stmt = lfirst_node(RawStmt, lc)->stmt;
		bool		last = lnext(parsed, lc) == NULL;

		if (last ? !is_copy_out(stmt) : !IsA(stmt, VariableSetStmt))
			elog(ERROR, "a clause has changed the statement: %s", sql);
	}
}

/* ---- names ---- */

static bool
collect_relations_walker(Node *node, void *context)
{
	List	  **names = context;

	if (node == NULL)
		return false;
	if (IsA(node, RangeVar))
	{
		RangeVar   *relation = (RangeVar *) node;
		char	   *name = quote_qualified_identifier(relation->schemaname,
													  relation->relname);

		if (!list_member(*names, makeString(name)))
			*names = lappend(*names, makeString(name));
		return false;
	}
	return raw_expression_tree_walker(node, collect_relations_walker, context);
}

List *
clause_relations(const char *sql)
{
	List	   *strings = NIL;
	List	   *names = NIL;
	ListCell   *lc;

	(void) collect_relations_walker((Node *) only_select(sql), &strings);
	foreach(lc, strings)
		names = lappend(names, strVal(lfirst(lc)));
	return names;
}
