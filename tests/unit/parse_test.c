/* parse_test.c: how expressions hang together, which forms statements have, and what is no statement. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "core/function.h"
#include "sql/ast.h"
#include "support/sql_case.h"

struct order_case {
    char name[48], written[120], want[200];
};

/* The condition as it is printed, with every bracket. */
ParameterizedTestParameters(parse, precedence)
{
    /* clang-format off */
    static struct order_case cases[] = {
        {"AND before OR", "ok OR ok AND n = 1", "(ok OR (ok AND (n = 1)))"},
        {"brackets", "(ok OR ok) AND n = 1", "((ok OR ok) AND (n = 1))"},
        {"NOT before AND", "NOT ok AND ok", "((NOT ok) AND ok)"},
        {"NOT after the comparison", "NOT n = 1", "(NOT (n = 1))"},
        {"NOT twice", "NOT NOT ok", "(NOT (NOT ok))"},
        {"a chain is one node", "ok AND ok AND ok AND n = 1", "(ok AND ok AND ok AND (n = 1))"},
        {"a chain in brackets stays", "ok AND (ok AND ok)", "(ok AND (ok AND ok))"},
        {"times before plus", "n + n * n = 1", "((n + (n * n)) = 1)"},
        {"minus from the left", "n - n - n = 1", "(((n - n) - n) = 1)"},
        {"unary minus", "-n * n = -1", "(((- n) * n) = -1)"},
        {"unary plus", "+n = 1", "(n = 1)"},
        {"minus minus", "n - -1 = 1", "((n - -1) = 1)"},
        {"IS is looser than =", "n = 1 IS NOT TRUE", "(NOT ((n = 1) IS TRUE))"},
        {"IS NULL", "n IS NULL AND host IS NOT NULL", "((n IS NULL) AND (host IS NOT NULL))"},
        {"IS UNKNOWN", "ok IS UNKNOWN OR ok IS NOT UNKNOWN", "((ok IS NULL) OR (ok IS NOT NULL))"},
        {"IS FALSE", "ok IS FALSE OR ok IS NOT FALSE", "((ok IS FALSE) OR (NOT (ok IS FALSE)))"},
        {"BETWEEN and its AND", "n BETWEEN 1 AND 2 AND ok", "(((n >= 1) AND (n <= 2)) AND ok)"},
        {"NOT BETWEEN", "n NOT BETWEEN n - 1 AND n + 1", "(NOT ((n >= (n - 1)) AND (n <= (n + 1))))"},
        {"IN", "n IN (1, 2) OR ok", "(((n = 1) OR (n = 2)) OR ok)"},
        {"IN of one", "n IN (1)", "(n = 1)"},
        {"NOT IN", "host NOT IN ('a', 'b')", "(NOT ((host = 'a') OR (host = 'b')))"},
        {"LIKE", "host LIKE 'a%' AND ok", "((host LIKE 'a%') AND ok)"},
        {"NOT LIKE with ESCAPE", "host NOT LIKE 'a!%' ESCAPE '!'", "(NOT (host LIKE 'a!%' ESCAPE '!'))"},
        {"CASE", "CASE WHEN ok THEN n = 1 ELSE FALSE END", "CASE WHEN ok THEN (n = 1) ELSE FALSE END"},
        {"CASE without ELSE", "CASE WHEN ok THEN TRUE END", "CASE WHEN ok THEN TRUE ELSE CAST(NULL AS BOOLEAN) END"},
        {"CASE of a value", "CASE n WHEN 1 THEN TRUE WHEN 2 THEN ok END",
         "CASE WHEN (n = 1) THEN TRUE WHEN (n = 2) THEN ok ELSE CAST(NULL AS BOOLEAN) END"},
        {"not equal has two spellings", "n != 1 AND n <> 1", "((n <> 1) AND (n <> 1))"},
        {"words know no case", "not ok is null and n between 1 and 2", "((NOT (ok IS NULL)) AND ((n >= 1) AND (n <= 2)))"},
        {"a quote in a text", "host = 'it''s'", "(host = 'it''s')"},
        {"a qualified name", "t.n = `t`.`n`", "(n = n)"},
    };
    /* clang-format on */
    return cr_make_param_array(struct order_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct order_case *c, parse, precedence)
{
    char sql[600];
    struct tl_plan *plan;
    struct tl_buf buf;

    snprintf(sql, sizeof sql, EVENTS "CREATE VIEW v AS SELECT ts FROM t WHERE %s", c->written);
    plan = sql_plan(sql);
    tl_buf_init(&buf, 0);
    tl_expr_print(plan->views[0].filter, &plan->sources[0], NULL, &buf);
    tl_buf_put_u8(&buf, 0);
    cr_assert_str_eq(buf.data, c->want, "%s: got %s", c->name, buf.data);
    tl_buf_done(&buf);
    tl_plan_close(plan);
}

struct form_case {
    char name[48], sql[420];
};

ParameterizedTestParameters(parse, forms)
{
    /* clang-format off */
    static struct form_case cases[] = {
        {"no semicolon at the end", "CREATE VIEW v AS SELECT ts FROM t"},
        {"many semicolons", ";;CREATE VIEW v AS SELECT ts FROM t;;;"},
        {"SET and RESET", "SET; SET 'a' = 'b'; RESET 'a'; RESET; CREATE VIEW v AS SELECT ts FROM t;"},
        {"IF NOT EXISTS", "CREATE VIEW IF NOT EXISTS v AS SELECT ts FROM t; CREATE VIEW IF NOT EXISTS v AS SELECT nothing FROM nowhere;"},
        {"a comment of the view", "CREATE VIEW v COMMENT 'what it is' AS SELECT ts FROM t"},
        {"names of the view", "CREATE VIEW v (a, b COMMENT 'x') AS SELECT ts, n + 1 FROM t"},
        {"aliases with and without AS", "CREATE VIEW v AS SELECT ts AS a, n b, t.host FROM t"},
        {"an alias of the table", "CREATE VIEW v AS SELECT x.ts FROM t AS x WHERE x.n = 1"},
        {"a star and more", "CREATE VIEW v AS SELECT *, n + 1 AS m FROM t"},
        {"a qualified star", "CREATE VIEW v AS SELECT x.* FROM t x"},
        {"a query behind FROM", "CREATE VIEW v AS SELECT ts FROM (SELECT ts, n FROM t WHERE ok) x WHERE x.n = 1"},
        {"words that are no keywords", "CREATE VIEW v AS SELECT ts, n AS comment, n AS key, n AS `order` FROM t"},
        {"every kind of column",
         "CREATE TABLE u (a TIMESTAMP(3) NOT NULL COMMENT 'x', b VARCHAR(20) NULL, c CHAR(3), d DOUBLE PRECISION, e AS a, "
         "f TIMESTAMP(3) WITH LOCAL TIME ZONE, g TIMESTAMP(3) WITHOUT TIME ZONE, h INTEGER PRIMARY KEY NOT ENFORCED, i VARCHAR, "
         "WATERMARK FOR a AS a, CONSTRAINT k PRIMARY KEY (h, i) NOT ENFORCED, PRIMARY KEY (h) NOT ENFORCED) COMMENT 'y' "
         "PARTITIONED BY (b, c) WITH ('x' = 'y'); CREATE VIEW v AS SELECT * FROM u"},
        {"a temporary table", "CREATE TEMPORARY TABLE IF NOT EXISTS u (a TIMESTAMP(3), WATERMARK FOR a AS a); CREATE VIEW v AS SELECT a FROM u"},
        {"a window with and without TABLE",
         "CREATE VIEW v AS SELECT window_start, window_end FROM TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' DAY) x GROUP BY window_start, window_end"},
        {"an alias of the window",
         "CREATE VIEW v AS SELECT w.window_start, COUNT(w.n) AS c FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' DAY)) AS w "
         "GROUP BY w.window_start, w.window_end"},
        {"DISTINCT, ALL and FILTER",
         "CREATE VIEW v AS SELECT COUNT(DISTINCT n) AS a, sum(all n) AS b, COUNT(*) FILTER (WHERE ok OR n = 1) AS c, "
         "MAX(n) filter (where ok) + 1 AS d FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' DAY)) GROUP BY window_start, window_end"},
        {"HAVING",
         "CREATE VIEW v AS SELECT COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' DAY)) WHERE ok "
         "GROUP BY window_start, window_end HAVING COUNT(*) FILTER (WHERE ok) > 1 OR SUM(n) = 2"},
        {"a window in a query",
         "CREATE VIEW v AS SELECT window_start, COUNT(*) AS c FROM (SELECT * FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' DAY)) WHERE ok) "
         "WHERE n > 1 GROUP BY window_start, window_end"},
    };
    /* clang-format on */
    return cr_make_param_array(struct form_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct form_case *c, parse, forms)
{
    char sql[900];
    struct tl_plan *plan;

    snprintf(sql, sizeof sql, EVENTS "%s", c->sql);
    plan = sql_plan(sql);
    cr_assert_eq(plan->views_count, 1, "%s", c->name);
    tl_plan_close(plan);
}

ParameterizedTestParameters(parse, mistakes)
{
    /* clang-format off */
    static struct sql_mistake cases[] = {
        {"unknown statement",
         EVENTS "SELEC ts FROM t",
         2, 1, "no statement begins with this word",
         "SELEC", "a statement begins with SET, CREATE TABLE, CREATE VIEW or CREATE TEMPORARY VIEW"},
        {"misspelled CREATE",
         EVENTS "CREAT VIEW v AS SELECT ts FROM t",
         2, 1, "no statement begins with this word",
         "CREAT", "did you mean 'CREATE'?"},
        {"SELECT alone",
         EVENTS "SELECT ts FROM t",
         2, 1, "a query alone is kept by nobody",
         "SELECT", "give the query a name: CREATE VIEW name AS SELECT ..."},
        {"INSERT",
         EVENTS "INSERT INTO x SELECT ts FROM t",
         2, 1, "a views file writes into no table of its own",
         "INSERT", "CREATE VIEW is enough: tally makes the tables and keeps them up to date"},
        {"ALTER",
         EVENTS "ALTER TABLE t ADD CONSTRAINT c",
         2, 1, "ALTER has no place in a views file",
         "ALTER", "constraints belong into the checks file (--checks)"},
        {"DROP",
         EVENTS "DROP TABLE t",
         2, 1, "no statement begins with this word",
         "DROP", "a statement begins with SET, CREATE TABLE, CREATE VIEW or CREATE TEMPORARY VIEW"},
        {"CREATE FUNCTION",
         EVENTS "CREATE FUNCTION f AS 'x'",
         2, 8, "CREATE makes a TABLE, a VIEW or a TEMPORARY VIEW",
         "FUNCTION", "functions are built in; a views file makes none"},
        {"CREATE OR REPLACE",
         EVENTS "CREATE OR REPLACE VIEW v AS SELECT ts FROM t",
         2, 8, "CREATE OR REPLACE has no place here: a changed definition is built beside the old one by itself",
         "OR", "write CREATE TABLE, CREATE VIEW or CREATE TEMPORARY VIEW"},
        {"CREATE TEMPORARY FUNCTION",
         EVENTS "CREATE TEMPORARY FUNCTION f AS 'x'",
         2, 18, "CREATE makes a TABLE, a VIEW or a TEMPORARY VIEW",
         "FUNCTION", "functions are built in; a views file makes none"},
        {"SET without quotes",
         EVENTS "SET tally.x = '5 s'",
         2, 5, "both sides of SET stand in quotes",
         "tally", "write SET 'key' = 'value'"},
        {"JOIN",
         EVENTS "CREATE VIEW v AS SELECT ts FROM t JOIN u ON t.id = u.id",
         2, 35, "a view reads one table: JOIN has no place here",
         "JOIN", "FROM takes one table, one view, or TABLE(TUMBLE(...))"},
        {"LEFT JOIN",
         EVENTS "CREATE VIEW v AS SELECT ts FROM t LEFT JOIN u ON t.id = u.id",
         2, 35, "a view reads one table: JOIN has no place here",
         "LEFT", "FROM takes one table, one view, or TABLE(TUMBLE(...))"},
        {"two tables",
         EVENTS "CREATE VIEW v AS SELECT ts FROM t, u",
         2, 34, "a view reads one table",
         ",", "FROM takes one table, one view, or TABLE(TUMBLE(...))"},
        {"ORDER BY",
         EVENTS "CREATE VIEW v AS SELECT ts FROM t ORDER BY ts",
         2, 35, "ORDER BY has no place in a view: its rows have the order of window and key",
         "ORDER", "sort where the view is read"},
        {"LIMIT",
         EVENTS "CREATE VIEW v AS SELECT ts FROM t LIMIT 5",
         2, 35, "LIMIT has no place in a view",
         "LIMIT", "take as many rows as you want where the view is read: tally query --limit"},
        {"UNION",
         EVENTS "CREATE VIEW v AS SELECT ts FROM t UNION ALL SELECT ts FROM t",
         2, 35, "a view is one SELECT: UNION has no place here",
         "UNION", "make one view for each SELECT, or one SELECT whose WHERE takes both"},
        {"SELECT DISTINCT",
         EVENTS "CREATE VIEW v AS SELECT DISTINCT host FROM t",
         2, 25, "SELECT DISTINCT has no place in a view",
         "DISTINCT", "GROUP BY window_start, window_end and the columns gives each combination once"},
        {"OVER",
         EVENTS "CREATE VIEW v AS SELECT ts, SUM(n) OVER (ORDER BY ts) AS x FROM t",
         2, 36, "OVER has no place in a view: aggregates are per window and GROUP BY key",
         "OVER", "write FROM TABLE(TUMBLE(...)) and GROUP BY window_start, window_end, keys"},
        {"WITH",
         EVENTS "CREATE VIEW v AS WITH x AS (SELECT ts FROM t) SELECT ts FROM x",
         2, 18, "WITH has no place in front of a query",
         "WITH", "write CREATE TEMPORARY VIEW name AS SELECT ... before it, and read that"},
        {"IN a query",
         EVENTS "CREATE VIEW v AS SELECT ts FROM t WHERE id IN (SELECT id FROM t)",
         2, 48, "a query inside an expression has no place in a view",
         "SELECT", "a view reads one table: write a condition over its columns"},
        {"EXISTS",
         EVENTS "CREATE VIEW v AS SELECT ts FROM t WHERE EXISTS (SELECT id FROM t)",
         2, 41, "a query inside an expression has no place in a view",
         "EXISTS", "a view reads one table: write a condition over its columns"},
        {"SIMILAR TO",
         EVENTS "CREATE VIEW v AS SELECT ts FROM t WHERE host SIMILAR TO 'a'",
         2, 46, "SIMILAR TO has no place here",
         "SIMILAR", "use LIKE, with % for any text and _ for one character"},
        {"DATE literal",
         EVENTS "CREATE VIEW v AS SELECT ts FROM t WHERE at > DATE '2024-01-01'",
         2, 46, "'DATE' in front of a text has no meaning here",
         "DATE '2024-01-01'", "texts with a type are TIMESTAMP '2024-03-01 10:00:00' and INTERVAL '5' MINUTE"},
        {"two units",
         EVENTS "CREATE VIEW v AS SELECT ts FROM t WHERE at > at - INTERVAL '1:30' MINUTE TO SECOND",
         2, 51, "an interval of two units has no place here",
         "INTERVAL '1:30' MINUTE TO SECOND", "write it in one unit: INTERVAL '90' SECOND"},
        {"METADATA",
         EVENTS "CREATE TABLE u (o BIGINT METADATA FROM 'offset')",
         2, 26, "METADATA columns have no place here: a table's columns are fields of its JSON events",
         "METADATA", "partition and offset of an event stand beside each row of a view without a window"},
        {"METADATA without FROM",
         EVENTS "CREATE TABLE u (o BIGINT METADATA)",
         2, 26, "METADATA columns have no place here: a table's columns are fields of its JSON events",
         "METADATA", "partition and offset of an event stand beside each row of a view without a window"},
        {"comma before the bracket",
         EVENTS "CREATE TABLE u (a INT,)",
         2, 22, "nothing follows this comma",
         ",", "remove the comma, or write what is missing behind it"},
        {"comma before FROM",
         EVENTS "CREATE VIEW v AS SELECT ts, FROM t",
         2, 27, "nothing follows this comma",
         ",", "remove the comma, or write what is missing behind it"},
        {"misspelled GROUP",
         EVENTS "CREATE VIEW v AS SELECT ts FROM t x GROPU BY ts",
         2, 37, "'GROPU' cannot stand here",
         "GROPU", "did you mean 'GROUP'?"},
        {"reserved word as a name",
         EVENTS "CREATE TABLE u (order INT)",
         2, 17, "'order' cannot stand here",
         "order", "it is a reserved word; as a name it stands in backticks: `order`"},
        {"the file ends",
         EVENTS "CREATE VIEW v AS SELECT ts FROM",
         2, 32, "the file ends inside a statement",
         "", "expected a name, TABLE or '('"},
        {"the statement ends",
         EVENTS "CREATE VIEW v AS SELECT ts FROM;",
         2, 32, "the statement ends too early",
         ";", "expected a name, TABLE or '('"},
        {"missing bracket",
         EVENTS "CREATE VIEW v AS SELECT ts FROM t WHERE (n = 1",
         2, 47, "the file ends inside a statement",
         "", "expected ')' or an operator"},
        {"missing expression",
         EVENTS "CREATE VIEW v AS SELECT ts FROM t WHERE n =",
         2, 44, "the file ends inside a statement",
         "", "expected an expression"},
        {"a name of two parts",
         EVENTS "CREATE VIEW db.v AS SELECT ts FROM t",
         2, 13, "a name of one part is wanted here",
         "db.v", "write the last part alone: a views file is one database"},
        {"VALUES",
         EVENTS "CREATE VIEW v AS VALUES (1)",
         2, 18, "VALUES has no place here: a view reads a table",
         "VALUES", "write SELECT ... FROM table"},
        {"window ORDER",
         EVENTS "CREATE VIEW v AS SELECT ts FROM TABLE(TUMBLE(TABLE t ORDER BY ts, DESCRIPTOR(ts), INTERVAL '1' DAY))",
         2, 54, "ORDER BY has no place in a view: its rows have the order of window and key",
         "ORDER", "sort where the view is read"},
        {"OFFSET without backticks",
         EVENTS "CREATE VIEW v AS SELECT ts FROM TABLE(TUMBLE(DATA => TABLE t, TIMECOL => DESCRIPTOR(ts), SIZE => "
                "INTERVAL '1' DAY, OFFSET => INTERVAL '1' HOUR))",
         2, 116, "OFFSET is a reserved word",
         "OFFSET", "a name that is a reserved word stands in backticks: `OFFSET`"},
    };
    /* clang-format on */
    return cr_make_param_array(struct sql_mistake, cases, TL_COUNT(cases));
}

ParameterizedTest(struct sql_mistake *c, parse, mistakes)
{
    sql_mistake_check(c);
}

/* `times` copies of `piece` between what is before and after. */
static char *repeated(const char *before, const char *piece, size_t times, const char *after)
{
    size_t size = strlen(before) + strlen(piece) * times + strlen(after) + 1;
    char *text = malloc(size), *at = text;

    cr_assert_not_null(text);
    at += sprintf(at, "%s", before);
    for (size_t i = 0; i < times; i++)
        at += sprintf(at, "%s", piece);
    sprintf(at, "%s", after);
    return text;
}

struct deep_case {
    char name[40], before[40], piece[24], after[40], want[60];
    uint32_t times;
};

/* Nothing that is nested may reach the end of a stack; what is long without being deep is taken. */
ParameterizedTestParameters(parse, depth)
{
    /* clang-format off */
    static struct deep_case cases[] = {
        {"brackets", "", "(", "ok", "brackets are nested deeper than 200", 200000},
        {"NOT", "", "NOT ", "ok", "nested deeper than 200", 100000},
        {"minus", "1 = ", "- ", "n", "nested deeper than 200", 100000},
        {"CASE", "", "CASE WHEN ok THEN ", "ok", "the file ends inside a statement", 20000},
        {"plus", "n = 1", " + n", "", "nested deeper than 200", 20000},
        {"calls", "host = ", "LOWER(", "host", "brackets are nested deeper than 200", 20000},
        {"a long AND", "ok", " AND ok", "", "", 10000},
        {"a long OR", "ok", " OR n = 1", "", "", 10000},
        {"a long IN", "n IN (1", ", 1", ")", "", 10000},
        {"IS", "ok", " IS TRUE", "", "nested deeper than 200", 20000},
    };
    /* clang-format on */
    return cr_make_param_array(struct deep_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct deep_case *c, parse, depth)
{
    char before[400];
    struct tl_plan *plan = NULL;
    struct tl_err err = {0};
    enum tl_code rc;
    char *sql;

    snprintf(before, sizeof before, EVENTS "CREATE VIEW v AS SELECT ts FROM t WHERE %s", c->before);
    sql = repeated(before, c->piece, c->times, c->after);
    rc = tl_plan_parse(tl_sv_from(sql), "views.sql", tl_function_catalog(), &plan, &err);
    free(sql);
    if (c->want[0] == '\0') {
        cr_assert_eq(rc, TL_OK, "%s: %s", c->name, err.message);
        tl_plan_close(plan);
    } else {
        cr_assert_eq(rc, TL_ERR_DEFINITION, "%s", c->name);
        cr_assert_not_null(strstr(err.message, c->want), "%s: %s", c->name, err.message);
    }
}

Test(parse, a_file_has_an_end)
{
    char *sql = repeated("", " ", TL_SQL_BYTES_MAX + 1, "");
    struct tl_plan *plan = NULL;
    struct tl_err err = {0};

    cr_assert_eq(tl_plan_parse(tl_sv_from(sql), "views.sql", tl_function_catalog(), &plan, &err), TL_ERR_DEFINITION);
    cr_assert_not_null(strstr(err.message, "at most"), "%s", err.message);
    free(sql);
}

/* Views over views double an expression with each step: refused long before memory or time end. */
Test(parse, views_that_double_an_expression)
{
    char sql[6000] = EVENTS "CREATE TEMPORARY VIEW v0 AS SELECT ts, n AS x FROM t;";
    struct tl_plan *plan = NULL;
    struct tl_err err = {0};

    for (int i = 1; i < 60; i++)
        sprintf(sql + strlen(sql), "CREATE TEMPORARY VIEW v%d AS SELECT ts, x + x AS x FROM v%d;", i, i - 1);
    strcat(sql, "CREATE VIEW v AS SELECT ts, x FROM v59;");
    cr_assert_eq(tl_plan_parse(tl_sv_from(sql), "views.sql", tl_function_catalog(), &plan, &err), TL_ERR_DEFINITION);
    cr_assert_not_null(strstr(err.message, "more than 50000 parts"), "%s", err.message);
}
