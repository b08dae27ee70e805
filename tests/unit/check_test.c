/* check_test.c: what a checks file means, what it adds to the plan, and the mistakes that one can hold. */
#include "sql/check.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/sql_case.h"

/* hits reads ts, host, ok and d. */
#define VIEWS                                                                                                                    \
    EVENTS "CREATE TABLE unread (x INT, at TIMESTAMP(3), WATERMARK FOR at AS at);\n"                                             \
           "CREATE TEMPORARY VIEW pages AS SELECT * FROM t WHERE ok;\n"                                                          \
           "CREATE VIEW hits AS SELECT window_start, window_end, host, COUNT(*) AS c, AVG(d) AS mean FROM TABLE(TUMBLE(TABLE "   \
           "pages, DESCRIPTOR(ts), INTERVAL '5' MINUTE)) GROUP BY window_start, window_end, host;\n"

static struct tl_checks *checks_of(struct tl_plan *plan, const char *text)
{
    struct tl_checks *checks = NULL;
    struct tl_err err = {0};

    cr_assert_eq(tl_checks_parse(tl_sv_from(text), "checks.sql", plan, &checks, &err), TL_OK, "%s", err.message);
    return checks;
}

/* ---- what is meant ---- */

struct meaning_case {
    char name[48], written[160], want[160];
};

ParameterizedTestParameters(check, meaning)
{
    /* clang-format off */
    static struct meaning_case cases[] = {
        {"a condition", "TABLE t ADD CONSTRAINT x EXPECT (host IS NOT NULL AND n < 5)", "((host IS NOT NULL) AND (n < 5))"},
        {"a qualified column", "TABLE t ADD CONSTRAINT x EXPECT (t.n > 0)", "(n > 0)"},
        {"a function", "TABLE t ADD CONSTRAINT x EXPECT (LOWER(host) LIKE 'a%')", "(LOWER(host) LIKE 'a%')"},
        {"the event time", "TABLE t ADD CONSTRAINT x EXPECT (ts >= CAST(TIMESTAMP '2024-01-01 00:00:00' AS TIMESTAMP_LTZ(3)))",
         "(ts >= CAST(TIMESTAMP '2024-01-01 00:00:00.000' AS TIMESTAMP_LTZ(3)))"},
        {"words are names elsewhere", "TABLE t ADD CONSTRAINT `row` EXPECT (n = 1) ON VIOLATION WARN", "(n = 1)"},
        {"rows between", "VIEW hits ADD CONSTRAINT x EXPECT (ROW_COUNT BETWEEN 1 AND 20)", "ROW_COUNT BETWEEN 1 AND 20"},
        {"rows at least", "VIEW hits ADD CONSTRAINT x EXPECT (row_count >= 1)", "ROW_COUNT >= 1"},
        {"rows exactly", "VIEW hits ADD CONSTRAINT x EXPECT (ROW_COUNT = 24)", "ROW_COUNT = 24"},
        {"more than no rows", "VIEW hits ADD CONSTRAINT x EXPECT (ROW_COUNT > 0)", "ROW_COUNT >= 1"},
        {"fewer than so many", "VIEW hits ADD CONSTRAINT x EXPECT (SUM(c) < 7.5)", "SUM(c) <= 7"},
        {"more than nothing", "VIEW hits ADD CONSTRAINT x EXPECT (SUM(mean) > 0)", "SUM(mean) > 0"},
        {"more than nothing of the median", "VIEW hits ADD CONSTRAINT x EXPECT (ROW_COUNT > 0 PERCENT OF MEDIAN OVER 2 DAYS)",
         "ROW_COUNT > 0 PERCENT OF MEDIAN OVER 2 DAYS"},
        {"fresher than", "VIEW hits ADD CONSTRAINT x EXPECT (FRESHNESS < INTERVAL '1' SECOND)", "FRESHNESS <= INTERVAL '0.999' SECOND"},
        {"rows of the median", "VIEW hits ADD CONSTRAINT x EXPECT (ROW_COUNT BETWEEN 50 AND 200 PERCENT OF MEDIAN OVER 14 DAYS)",
         "ROW_COUNT BETWEEN 50 AND 200 PERCENT OF MEDIAN OVER 14 DAYS"},
        {"half of yesterday's", "VIEW hits ADD CONSTRAINT x EXPECT (SUM(c) >= 50 PERCENT OF MEDIAN OVER 1 DAY)",
         "SUM(c) >= 50 PERCENT OF MEDIAN OVER 1 DAY"},
        {"a sum below zero", "VIEW hits ADD CONSTRAINT x EXPECT (SUM(mean) > -1.5)", "SUM(mean) > -1.5"},
        {"a share", "VIEW hits ADD CONSTRAINT x EXPECT (NULL_SHARE(host) < 0.01)", "NULL_SHARE(host) < 0.01"},
        {"unique", "VIEW hits ADD CONSTRAINT x EXPECT (UNIQUE (window_start, host))", "UNIQUE (window_start, host)"},
        {"fresh", "VIEW hits ADD CONSTRAINT x EXPECT (FRESHNESS <= INTERVAL '2' HOUR)", "FRESHNESS <= INTERVAL '2' HOUR"},
        {"allowed texts", "VIEW hits ADD CONSTRAINT x EXPECT (host IN ('a', 'it''s'))", "host IN ('a', 'it''s')"},
        {"allowed numbers", "VIEW hits ADD CONSTRAINT x EXPECT (c IN (1, -2))", "c IN (CAST(1 AS BIGINT), CAST(-2 AS BIGINT))"},
    };
    /* clang-format on */
    return cr_make_param_array(struct meaning_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct meaning_case *c, check, meaning)
{
    struct tl_plan *plan = sql_plan(VIEWS);
    struct tl_checks *checks;
    struct tl_buf out;
    char sql[300];

    snprintf(sql, sizeof sql, "ALTER %s", c->written);
    checks = checks_of(plan, sql);
    tl_buf_init(&out, 0);
    if (checks->rows_count > 0)
        tl_row_check_print(plan, &checks->rows[0], &out);
    else
        tl_table_check_print(plan, &checks->tables[0], &out);
    tl_buf_put_u8(&out, 0);
    cr_assert_str_eq(out.data, c->want, "%s: %s", c->name, out.data);
    tl_buf_done(&out);
    tl_checks_close(checks);
    tl_plan_close(plan);
}

Test(check, what_each_part_says)
{
    struct tl_plan *plan = sql_plan(VIEWS);
    struct tl_checks *checks = checks_of(plan, "ALTER TABLE t ADD CONSTRAINT a EXPECT (ok) ON VIOLATION DROP ROW;\n"
                                               "ALTER VIEW hits ADD CONSTRAINT b EXPECT (ROW_COUNT BETWEEN 50 AND 200 PERCENT OF "
                                               "MEDIAN OVER 14 DAYS) ON VIOLATION FAIL UPDATE;\n"
                                               "ALTER TABLE t ADD CONSTRAINT c EXPECT (n > 0);\n"
                                               "ALTER VIEW hits ADD CONSTRAINT d EXPECT (NULL_SHARE(mean) < 0.5);\n"
                                               "ALTER VIEW hits ADD CONSTRAINT e EXPECT (UNIQUE (host, c))");
    const struct tl_table_check *t = checks->tables;

    cr_assert(checks->rows_count == 2 && checks->tables_count == 3 && strlen(checks->hash) == 32);
    cr_assert_str_eq(checks->rows[0].name.data, "a", "names end with a zero byte");
    cr_assert(checks->rows[0].violation == TL_VIOLATION_DROP_ROW && checks->rows[1].violation == TL_VIOLATION_WARN);
    cr_assert(checks->rows[1].place.line == 3 && checks->rows[1].source == 0);
    cr_assert(t[0].measure == TL_MEASURE_ROW_COUNT && t[0].low == 50 && t[0].high == 200 && t[0].median_days == 14 &&
              t[0].violation == TL_VIOLATION_FAIL_UPDATE && t[0].view == 0);
    cr_assert(t[1].measure == TL_MEASURE_NULL_SHARE && isinf(t[1].low) && t[1].high < 0.5 && t[1].high > 0.4999999 &&
              t[1].columns_count == 1 && t[1].columns[0] == 4);
    cr_assert(t[2].measure == TL_MEASURE_UNIQUE && t[2].low == 0 && t[2].high == 0 && t[2].columns_count == 2 &&
              t[2].columns[0] == 2 && t[2].columns[1] == 3);
    tl_checks_close(checks);
    tl_plan_close(plan);
}

Test(check, what_explain_prints)
{
    static const char want[] = "\nrow check `has host` of t  (line 1)\n"
                               "  expects      (host IS NOT NULL)\n"
                               "  otherwise    the event is in no row of batch; it stands in tally_quarantine\n"
                               "\nrow check b of t  (line 2)\n"
                               "  expects      (n > 0)\n"
                               "  otherwise    the event counts all the same; batch says how many there are\n"
                               "\nrow check c of t  (line 3)\n"
                               "  expects      (n > 0)\n"
                               "  otherwise    the range is not published, in none of the table's views\n"
                               "\ntable check d of hits  (line 4)\n"
                               "  expects      ROW_COUNT >= 1\n"
                               "  otherwise    the range is published all the same; batch says what was measured\n"
                               "\ntable check e of hits  (line 5)\n"
                               "  expects      UNIQUE (host)\n"
                               "  otherwise    the range is not published, and what was published of it stays\n"
                               "\ntable check f of hits  (line 6)\n"
                               "  expects      host IN ('aaaa";
    struct tl_plan *plan = sql_plan(VIEWS);
    struct tl_checks *checks = checks_of(
        plan,
        "ALTER TABLE t ADD CONSTRAINT `has host` EXPECT (host IS NOT NULL) ON VIOLATION DROP ROW;\n"
        "ALTER TABLE t ADD CONSTRAINT b EXPECT (n > 0);\n"
        "ALTER TABLE t ADD CONSTRAINT c EXPECT (n > 0) ON VIOLATION FAIL UPDATE;\n"
        "ALTER VIEW hits ADD CONSTRAINT d EXPECT (ROW_COUNT > 0);\n"
        "ALTER VIEW hits ADD CONSTRAINT e EXPECT (UNIQUE (host)) ON VIOLATION FAIL UPDATE;\n"
        "ALTER VIEW hits ADD CONSTRAINT f EXPECT (host IN ('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaÃ©'))");
    struct tl_buf out;

    tl_buf_init(&out, 0);
    tl_checks_print(checks, plan, NULL, &out);
    tl_buf_put_u8(&out, 0);
    cr_assert_eq(strncmp(out.data, want, strlen(want)), 0, "%s", out.data);
    cr_assert_not_null(strstr(out.data, "aaaa ...\n  otherwise "), "%s", out.data);
    tl_buf_done(&out);
    tl_checks_close(checks);
    tl_plan_close(plan);
}

Test(check, what_explain_prints_of_one_view)
{
    struct tl_plan *plan = sql_plan(VIEWS "CREATE TABLE other (x INT, at TIMESTAMP(3), WATERMARK FOR at AS at);\n"
                                          "CREATE VIEW big AS SELECT x FROM other;\n");
    struct tl_checks *checks = checks_of(plan, "ALTER TABLE t ADD CONSTRAINT a EXPECT (n > 0);\n"
                                               "ALTER TABLE other ADD CONSTRAINT b EXPECT (x > 0);\n"
                                               "ALTER VIEW hits ADD CONSTRAINT c EXPECT (ROW_COUNT > 0);\n"
                                               "ALTER VIEW big ADD CONSTRAINT d EXPECT (ROW_COUNT > 0);\n");
    struct tl_buf out;

    tl_buf_init(&out, 0);
    tl_checks_print(checks, plan, tl_plan_view(plan, TL_SV("big")), &out);
    tl_buf_put_u8(&out, 0);
    cr_assert_str_eq(out.data, "\nrow check b of other  (line 2)\n"
                               "  expects      (x > 0)\n"
                               "  otherwise    the event counts all the same; batch says how many there are\n"
                               "\ntable check d of big  (line 4)\n"
                               "  expects      ROW_COUNT >= 1\n"
                               "  otherwise    the range is published all the same; batch says what was measured\n");
    tl_buf_done(&out);
    tl_checks_close(checks);
    tl_plan_close(plan);
}

/* ---- what it does to the plan ---- */

Test(check, columns_of_checks_come_behind_the_others)
{
    struct tl_plan *plan = sql_plan(VIEWS);
    uint32_t before = plan->sources[0].schema.fields_count;
    char hash[33];
    struct tl_checks *checks;

    strcpy(hash, plan->views[0].hash);
    checks = checks_of(plan, "ALTER TABLE t ADD CONSTRAINT a EXPECT (n > 0 AND host <> 'x' AND big > 0);\n"
                             "ALTER TABLE t ADD CONSTRAINT b EXPECT (n < 9)");
    cr_assert_eq(plan->sources[0].schema.fields_count, before + 2);
    cr_assert(tl_sv_eq(plan->sources[0].schema.fields[before].name, TL_SV("n")) &&
              tl_sv_eq(plan->sources[0].schema.fields[before + 1].name, TL_SV("big")));
    cr_assert_eq(checks->rows[0].expected->args[0]->args[0]->slot, before);
    cr_assert_eq(checks->rows[1].expected->args[0]->slot, before);
    cr_assert_str_eq(plan->views[0].hash, hash);
    tl_checks_close(checks);
    tl_plan_close(plan);
}

Test(check, the_hash_is_of_what_is_meant)
{
    static const char *const texts[] = {"ALTER TABLE t ADD CONSTRAINT a EXPECT (n > 0)",
                                        "-- the same\nalter table t add constraint a expect ((t.n>0)) on violation warn ;",
                                        "ALTER TABLE t ADD CONSTRAINT a EXPECT (n > 1)",
                                        "ALTER TABLE t ADD CONSTRAINT b EXPECT (n > 0)",
                                        "ALTER TABLE t ADD CONSTRAINT a EXPECT (n > 0) ON VIOLATION DROP ROW",
                                        "ALTER VIEW hits ADD CONSTRAINT a EXPECT (c IN (1, 2))",
                                        "ALTER VIEW hits ADD CONSTRAINT a EXPECT (c IN (1, 3))"};
    char hashes[TL_COUNT(texts)][33];

    for (size_t i = 0; i < TL_COUNT(texts); i++) {
        struct tl_plan *plan = sql_plan(VIEWS);
        struct tl_checks *checks = checks_of(plan, texts[i]);

        strcpy(hashes[i], checks->hash);
        tl_checks_close(checks);
        tl_plan_close(plan);
    }
    cr_assert_str_eq(hashes[0], hashes[1]);
    for (size_t i = 1; i < TL_COUNT(texts); i++)
        for (size_t other = 1; other < i; other++)
            cr_assert_str_neq(hashes[i], hashes[other]);
}

/* ---- lists from a file ---- */

struct list_fixture {
    char folder[40], checks[80], list[80];
};

static struct list_fixture list_open(const char *content, size_t size)
{
    struct list_fixture f = {.folder = "/tmp/tally-check-XXXXXX"};
    FILE *file;

    cr_assert_not_null(mkdtemp(f.folder));
    snprintf(f.checks, sizeof f.checks, "%s/checks.sql", f.folder);
    snprintf(f.list, sizeof f.list, "%s/list.txt", f.folder);
    file = fopen(f.list, "wb");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(content, 1, size, file), size);
    fclose(file);
    return f;
}

static void list_close(const struct list_fixture *f)
{
    unlink(f->list);
    rmdir(f->folder);
}

Test(check, a_list_lies_beside_the_file)
{
    static const char content[] = "a.example\r\n\n  b.example \nit's";
    struct list_fixture f = list_open(content, sizeof content - 1);
    struct tl_plan *plan = sql_plan(VIEWS);
    struct tl_checks *checks = NULL;
    struct tl_err err = {0};
    struct tl_buf out;

    cr_assert_eq(tl_checks_parse(TL_SV("ALTER TABLE t ADD CONSTRAINT a EXPECT (host IN (FILE 'list.txt', 'more'));\n"
                                       "ALTER VIEW hits ADD CONSTRAINT b EXPECT (host IN (FILE 'list.txt'));"),
                                 f.checks, plan, &checks, &err),
                 TL_OK, "%s", err.message);
    tl_buf_init(&out, 0);
    tl_row_check_print(plan, &checks->rows[0], &out);
    tl_buf_put_str(&out, "\n");
    tl_table_check_print(plan, &checks->tables[0], &out);
    tl_buf_put_u8(&out, 0);
    cr_assert_str_eq(out.data, "(host IN ('a.example', 'b.example', 'it''s', 'more'))\n"
                               "host IN ('a.example', 'b.example', 'it''s')");
    tl_buf_done(&out);
    tl_checks_close(checks);
    tl_plan_close(plan);
    list_close(&f);
}

struct list_case {
    char name[40], content[40], column[8], what[120];
};

ParameterizedTestParameters(check, bad_lists)
{
    static struct list_case cases[] = {
        {"empty",              "\n \n",                  "host", "list.txt holds no value"                              },
        {"no number",          "1\n2x\n",                "n",    "line 2 of list.txt is no number: '2x'"                },
        {"no integer",         "99999999999999999999\n", "n",    "99999999999999999999 is beyond BIGINT"                },
        {"not UTF-8",          "a\n\xff\n",              "host", "line 2 of list.txt is no text"                        },
        {"neither of the two", "TRUE\n",                 "ok",   "a file holds texts or numbers, and BOOLEAN is neither"},
    };
    return cr_make_param_array(struct list_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct list_case *c, check, bad_lists)
{
    struct list_fixture f = list_open(c->content, strlen(c->content));
    struct tl_plan *plan = sql_plan(VIEWS);
    struct tl_checks *checks = NULL;
    struct tl_err err = {0};
    char sql[120], want[300];

    snprintf(sql, sizeof sql, "ALTER TABLE t ADD CONSTRAINT a EXPECT (%s IN (FILE 'list.txt'))", c->column);
    snprintf(want, sizeof want, "%s:1:%zu: %s\n", f.checks,
             strlen("ALTER TABLE t ADD CONSTRAINT a EXPECT ( IN (") + strlen(c->column) + 1, c->what);
    cr_assert_eq(tl_checks_parse(tl_sv_from(sql), f.checks, plan, &checks, &err), TL_ERR_DEFINITION, "%s", c->name);
    cr_assert_eq(strncmp(err.message, want, strlen(want)), 0, "%s: %s", c->name, err.message);
    tl_plan_close(plan);
    list_close(&f);
}

Test(check, what_is_no_file_is_no_list)
{
    struct tl_plan *plan = sql_plan(VIEWS);
    struct tl_checks *checks = NULL;
    struct tl_err err = {0};

    cr_assert_eq(tl_checks_parse(TL_SV("ALTER TABLE t ADD CONSTRAINT a EXPECT (host IN (FILE '/dev/zero'))"), "checks.sql", plan,
                                 &checks, &err),
                 TL_ERR_DEFINITION);
    cr_assert_neq(strstr(err.message, "the list /dev/zero cannot be read"), NULL, "%s", err.message);
    tl_plan_close(plan);
}

/* ---- mistakes ---- */

#define TABLE "ALTER TABLE t ADD CONSTRAINT a EXPECT "
#define VIEW "ALTER VIEW hits ADD CONSTRAINT a EXPECT "

ParameterizedTestParameters(check, mistakes)
{
    /* clang-format off */
    static struct sql_mistake cases[] = {
        {"nothing", "-- not yet\n", 2, 1, "there is nothing to check: the file has no ALTER TABLE and no ALTER VIEW",
         "", "add ALTER TABLE name ADD CONSTRAINT name EXPECT (condition) ON VIOLATION DROP ROW"},
        {"SET", "SET 'a' = 'b';", 1, 1, "SET has no place in a checks file", "SET", "settings belong into the views file (--views)"},
        {"CREATE", "CREATE VIEW v AS SELECT 1;", 1, 1, "CREATE has no place in a checks file", "CREATE",
         "tables and views belong into the views file (--views)"},
        {"a misspelled ALTER", "ALTR TABLE t ADD", 1, 1, "no check begins with this word", "ALTR", "did you mean 'ALTER'?"},
        {"neither table nor view", "ALTER hits ADD", 1, 7, "'hits' cannot stand here", "hits", "expected VIEW or TABLE"},
        {"a misspelled ADD", "ALTER TABLE t AD CONSTRAINT a EXPECT (ok)", 1, 15, "'AD' cannot stand here", "AD", "did you mean 'ADD'?"},
        {"no brackets", "ALTER TABLE t ADD CONSTRAINT a EXPECT ok", 1, 39, "'ok' cannot stand here", "ok", "expected '('"},
        {"no name", "ALTER TABLE t ADD CONSTRAINT (ok)", 1, 30, "'(' cannot stand here", "(", "expected a name"},
        {"half an action", TABLE "(ok) ON VIOLATION DROP;", 1, 61, "the statement ends too early", ";", "expected ROW"},
        {"an unknown action", TABLE "(ok) ON VIOLATION FIAL UPDATE", 1, 57, "'FIAL' cannot stand here", "FIAL", "did you mean 'FAIL'?"},
        {"an unknown table", "ALTER TABLE tt ADD CONSTRAINT a EXPECT (ok)", 1, 13, "views.sql has no table 'tt'", "tt",
         "did you mean 't'?"},
        {"an unknown view", "ALTER VIEW hit ADD CONSTRAINT a EXPECT (ROW_COUNT > 0)", 1, 12, "views.sql has no view 'hit'", "hit",
         "did you mean 'hits'?"},
        {"a view as a table", "ALTER TABLE hits ADD CONSTRAINT a EXPECT (c > 0)", 1, 13, "'hits' is a view", "hits",
         "write ALTER VIEW: its checks look at its rows as a whole"},
        {"a table as a view", "ALTER VIEW t ADD CONSTRAINT a EXPECT (n > 0)", 1, 12, "'t' is a table", "t",
         "write ALTER TABLE: its checks look at single events"},
        {"a temporary view", "ALTER VIEW pages ADD CONSTRAINT a EXPECT (ROW_COUNT > 0)", 1, 12,
         "'pages' is a temporary view: it has no rows of its own", "pages", "check the table that it reads, or a stored view that reads it"},
        {"a table that nobody reads", "ALTER TABLE unread ADD CONSTRAINT a EXPECT (x > 0)", 1, 13,
         "no stored view of views.sql reads 'unread'", "unread", "a check looks at events that batch reads for a stored view"},
        {"the same name twice", TABLE "(ok);\nALTER VIEW hits ADD CONSTRAINT a EXPECT (ROW_COUNT > 0)", 2, 32,
         "'a' is already the check of line 1", "a", "choose another name: reports tell checks apart by it"},
        {"a long name", "ALTER TABLE t ADD CONSTRAINT a123456789012345678901234567890123456789012345678901234567890123 EXPECT (ok)", 1, 30,
         "the name of a check has at most 63 bytes", "a123456789012345678901234567890123456789012345678901234",
         "give it a shorter one"},
        {"a control character in a name", "ALTER TABLE t ADD CONSTRAINT `a\tb` EXPECT (ok)", 1, 30,
         "the name of a check has no control characters", "`a\tb`", "give it another name"},
        {"an unknown column", TABLE "(hots = 'a')", 1, 40, "there is no column 'hots' in t", "hots", "did you mean 'host'?"},
        {"no condition", TABLE "(n)", 1, 40, "a condition is wanted here, and this is INT", "n",
         "write a condition: x = 1, x IS NULL, x LIKE 'a%'"},
        {"an aggregate", TABLE "(COUNT(*) > 0)", 1, 40, "COUNT has no place in a check of a table", "COUNT",
         "it looks at one event; ALTER VIEW measures rows: ROW_COUNT, SUM(x), NULL_SHARE(x)"},
        {"a measure of rows", TABLE "(ROW_COUNT > 0)", 1, 40, "ROW_COUNT has no place in a check of a table", "ROW_COUNT",
         "write ALTER VIEW name ADD CONSTRAINT ...: it measures the rows of a view"},
        {"UNIQUE of events", TABLE "(UNIQUE (id))", 1, 40, "UNIQUE has no place in a check of a table", "UNIQUE (id)",
         "write ALTER VIEW name ADD CONSTRAINT ...: it measures the rows of a view"},
        {"a median of events", TABLE "(n > 5 PERCENT OF MEDIAN OVER 3 DAYS)", 1, 46, "a median has no place in a check of a table",
         "PERCENT OF MEDIAN OVER 3 DAYS", "write ALTER VIEW name ADD CONSTRAINT ...: it measures the rows of a view"},
        {"a clock", TABLE "(ts < CURRENT_TIMESTAMP)", 1, 45, "CURRENT_TIMESTAMP would differ between the layers", "CURRENT_TIMESTAMP",
         "use the table's event time: both layers then compute the same"},
        {"a list that is not there", TABLE "(host IN (FILE 'no/such.txt'))", 1, 49,
         "the list no/such.txt cannot be read: No such file or directory", "FILE 'no/such.txt'",
         "it lies beside the checks file, and holds one value a line"},
        {"a file outside of IN", TABLE "(host = FILE 'a.txt')", 1, 47, "a file holds the values of IN", "FILE 'a.txt'",
         "write x IN (FILE 'values.txt')"},
        {"DROP ROW of a view", VIEW "(ROW_COUNT > 0) ON VIOLATION DROP ROW", 1, 70, "rows of a view are not dropped: it is checked as a whole",
         "DROP ROW", "ON VIOLATION FAIL UPDATE keeps the range from being published, WARN lets it pass"},
        {"a misspelled measure", VIEW "(ROWCOUNT > 0)", 1, 42, "a check of a view measures its new rows as a whole, and this is no measure",
         "ROWCOUNT", "did you mean 'ROW_COUNT'?"},
        {"COUNT(*) of a view", VIEW "(COUNT(*) > 0)", 1, 42, "COUNT has no place in a check of a view", "COUNT(*)",
         "write ROW_COUNT for the number of new rows, or SUM(x)"},
        {"a condition over a view's rows", VIEW "(c > 0)", 1, 42, "a check of a view measures its new rows as a whole, and this is no measure",
         "c", "it is ROW_COUNT, SUM(x), NULL_SHARE(x), FRESHNESS, UNIQUE (x, y) or x IN (...)"},
        {"two measures", VIEW "(ROW_COUNT > 0 AND SUM(c) > 0)", 1, 56, "a check of a view has one measure", "AND",
         "write BETWEEN low AND high, or two constraints"},
        {"an unknown column of a view", VIEW "(SUM(cc) > 0)", 1, 46, "there is no column 'cc' in hits", "cc",
         "did you mean 'c'?"},
        {"a column that is nothing like it", VIEW "(SUM(bytes) > 0)", 1, 46, "there is no column 'bytes' in hits", "bytes",
         "it has window_start, window_end, host, c, mean"},
        {"an unknown column of UNIQUE", VIEW "(UNIQUE (hos))", 1, 50, "there is no column 'hos' in hits", "hos", "did you mean 'host'?"},
        {"a column twice", VIEW "(UNIQUE (host, host))", 1, 56, "'host' is named twice", "host", "leave one of the two out"},
        {"SUM of a text", VIEW "(SUM(host) > 0)", 1, 46, "SUM wants a number, and this is STRING", "host",
         "NULL_SHARE, UNIQUE and IN take any column"},
        {"SUM of an expression", VIEW "(SUM(c + 1) > 0)", 1, 46, "a check of a view is about its columns", "c + 1",
         "name a column: what is computed belongs into the view"},
        {"the bound first", VIEW "(ROW_COUNT > c)", 1, 54, "a bound is a constant", "c",
         "the measure stands first, then the bound: ROW_COUNT >= 1"},
        {"a bound that is a text", VIEW "(ROW_COUNT > '1')", 1, 54, "the bound is a constant number", "'1'", "write a number: 1000, 0.01"},
        {"a bound below zero", VIEW "(ROW_COUNT > -1)", 1, 54, "what is measured is never below 0", "-1", ""},
        {"a share above one", VIEW "(NULL_SHARE(host) <= 5)", 1, 62, "a share is between 0 and 1", "5", "write 0.01 for one row in a hundred"},
        {"a number as freshness", VIEW "(FRESHNESS <= 2)", 1, 55, "the bound of FRESHNESS is an interval", "2",
         "write FRESHNESS <= INTERVAL '2' HOUR"},
        {"bounds in the wrong order", VIEW "(ROW_COUNT BETWEEN 200 AND 50)", 1, 60, "nothing lies between these bounds", "200 AND 50",
         "the smaller one stands first"},
        {"percent below zero", VIEW "(SUM(c) BETWEEN -50 AND 200 PERCENT OF MEDIAN OVER 14 DAYS)", 1, 57,
         "a share of the median is not below 0", "-50", "write BETWEEN 50 AND 200 PERCENT OF MEDIAN OVER 14 DAYS"},
        {"no days", VIEW "(ROW_COUNT >= 50 PERCENT OF MEDIAN OVER 0 DAYS)", 1, 81, "a median is taken over 1 to 366 days", "0",
         "write OVER 14 DAYS"},
        {"other words", VIEW "(ROW_COUNT >= 50 PERCENT OF MEAN OVER 14 DAYS)", 1, 69, "MEDIAN belongs here", "MEAN",
         "write ROW_COUNT BETWEEN 50 AND 200 PERCENT OF MEDIAN OVER 14 DAYS"},
        {"a median of freshness", VIEW "(FRESHNESS <= INTERVAL '1' HOUR PERCENT OF MEDIAN OVER 14 DAYS)", 1, 73,
         "there is no median of this measure", "PERCENT OF MEDIAN OVER 14 DAYS", "ROW_COUNT, SUM(x) and NULL_SHARE(x) have one"},
        {"a median of a list", VIEW "(host IN ('a') PERCENT OF MEDIAN OVER 14 DAYS)", 1, 56, "a list has no median",
         "PERCENT OF MEDIAN OVER 14 DAYS", "write x IN (...) alone"},
        {"a list of another type", VIEW "(host IN ('a', 1))", 1, 56, "the column is STRING, and this is INT", "1",
         "the values of the list have the type of the column"},
        {"a list with NULL", VIEW "(host IN ('a', NULL))", 1, 56, "NULL is always allowed by IN", "NULL",
         "leave it out; NULL_SHARE(x) = 0 refuses it"},
        {"a list of columns", VIEW "(host IN (c))", 1, 51, "the values of the list are constants", "c", "a text stands in quotes"},
    };
    /* clang-format on */
    return cr_make_param_array(struct sql_mistake, cases, TL_COUNT(cases));
}

ParameterizedTest(struct sql_mistake *c, check, mistakes)
{
    checks_mistake_check(c, VIEWS);
}
