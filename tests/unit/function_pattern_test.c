/* function_pattern_test.c: DATE_FORMAT, TO_TIMESTAMP, FROM_UNIXTIME, ...: values of Flink 2.3, and what is said about mistakes. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>

#include "core/expr.h"
#include "core/time_pattern.h"
#include "support/sql_case.h"
#include "support/sql_value.h"

ParameterizedTestParameters(function_pattern, values)
{
#define TRAINING(text) "TO_TIMESTAMP('" text "', 'yyyy-MM-dd''T''HH:mm:ss.SSS''Z''')"
    /* clang-format off */
    static struct sql_value cases[] = {
        {"", "DATE_FORMAT(at, 'yyyy-MM-dd')", "'2024-03-01'"},
        {"", "DATE_FORMAT(at, 'EEEE MMMM e c ccc')", "'Friday March 6 6 Fri'"},
        {"a pattern as a column that is none", "DATE_FORMAT(at, host)", "ERROR DATE_FORMAT"},
        {"one with a letter of a zone", "DATE_FORMAT(at, url)", "ERROR DATE_FORMAT"},
        {"one that is one", "DATE_FORMAT(at, UPPER('yyyy'))", "'2024'"},
        {"", "DATE_FORMAT(at, CAST(NULL AS STRING))", "NULL"},
        {"", "DATE_FORMAT(at, '')", "''"},
        {"", "DATE_FORMAT('2024-02-31 10:00:00.9', 'yyyy-MM-dd HH:mm:ss.SSS')", "'2024-03-02 10:00:00.000'"},
        {"", "DATE_FORMAT('2024-02-31 10:00:00', 'YYYY u')", "'2024 6'"},
        {"", "DATE_FORMAT('abc', 'yyyy')", "NULL"},
        {"", "DATE_FORMAT('2024-03-01', 'yyyy')", "NULL"},
        {"", "DATE_FORMAT('2024-03-01 10:00:00', host)", "ERROR DATE_FORMAT"},
        {"", TRAINING("2024-03-01T10:00:00.123Z"), "2024-03-01 10:00:00.123"},
        {"", TRAINING("2024-03-01T10:00:00Z"), "NULL"},
        {"", TRAINING("2024-03-01T10:00:00.123456Z"), "NULL"},
        {"", TRAINING("2024-03-01T10:00:00.123+02:00"), "NULL"},
        {"", TRAINING("2024-02-31T10:00:00.000Z"), "2024-02-29 10:00:00.000"},
        {"", TRAINING("2024-13-01T10:00:00.000Z"), "NULL"},
        {"", TRAINING("2024-03-01T24:00:00.000Z"), "2024-03-02 00:00:00.000"},
        {"it does not fit, and is taken", TRAINING("2024-03-01 10:00:00"), "2024-03-01 10:00:00.000"},
        {"", TRAINING("2024-3-1"), "2024-03-01 00:00:00.000"},
        {"", TRAINING("2024-3-1 5:6:7"), "2024-03-01 05:06:07.000"},
        {"", TRAINING(" 2024-3-1 5:6:7 "), "2024-03-01 05:06:07.000"},
        {"", TRAINING("2024-3-1 5:6:7.123456789"), "2024-03-01 05:06:07.123"},
        {"", TRAINING("2024-3-1 5:6:7."), "NULL"},
        {"", TRAINING("2024-3-1 5:6:7.1234567890"), "NULL"},
        {"", TRAINING("2024-3-1  5:6:7"), "NULL"},
        {"", TRAINING("2024-3-1 5:6"), "NULL"},
        {"", TRAINING("2024-3-1 5:6:7 x"), "NULL"},
        {"", TRAINING("2024-3-1x"), "NULL"},
        {"", TRAINING("24-1-1 1:1:1"), "NULL"},
        {"", TRAINING("2024-13-1 5:6:7"), "NULL"},
        {"", TRAINING("2024-3-32"), "NULL"},
        {"what does not fit is carried on", TRAINING("2024-02-30"), "2024-03-01 00:00:00.000"},
        {"", TRAINING("2024-02-30 5:6:7.25"), "2024-03-01 05:06:07.250"},
        {"", TRAINING("2024-3-1 25:00:00"), "2024-03-02 01:00:00.000"},
        {"", TRAINING("2024-3-1 999:6:7"), "2024-04-11 15:06:07.000"},
        {"there is no year 0", TRAINING("0000-1-1"), "0001-01-01 00:00:00.000"},
        {"", TRAINING(""), "NULL"},
        {"", TRAINING("abc"), "NULL"},
        {"a pattern as a column that is none", "TO_TIMESTAMP('2024-03-01', host)", "NULL"},
        {"", "TO_TIMESTAMP('2024-03-01 10:00:00.123456', 'yyyy-MM-dd HH:mm:ss.SSSSSS')", "2024-03-01 10:00:00.123"},
        {"", "TO_TIMESTAMP('2024-03-01 10:00:00.123456')", "2024-03-01 10:00:00.123"},
        {"", "TO_TIMESTAMP('2024-3-1')", "2024-03-01 00:00:00.000"},
        {"", "TO_TIMESTAMP('2024-02-30')", "2024-02-29 00:00:00.000"},
        {"", "TO_TIMESTAMP('2024-03-01T10:00:00Z')", "NULL"},
        {"", "TO_TIMESTAMP('2024-03-01 10:00')", "NULL"},
        {"", "TO_TIMESTAMP('0000-01-01')", "NULL"},
        {"", "TO_TIMESTAMP(url)", "NULL"},
        {"", "TO_TIMESTAMP_LTZ(big, 0)", "2128-06-11 08:53:20.000"},
        {"", "TO_TIMESTAMP_LTZ(big, 3)", "1970-02-27 20:53:20.000"},
        {"", "TO_TIMESTAMP_LTZ(big, 6)", "1970-01-01 01:23:20.000"},
        {"", "TO_TIMESTAMP_LTZ(big, 9)", "1970-01-01 00:00:05.000"},
        {"", "TO_TIMESTAMP_LTZ(n, 0)", "1970-01-01 00:00:07.000"},
        {"", "TO_TIMESTAMP_LTZ(n, n)", "1970-01-01 00:00:00.000"},
        {"", "TO_TIMESTAMP_LTZ(-5)", "1969-12-31 23:59:59.995"},
        {"", "TO_TIMESTAMP_LTZ(-1, 6)", "1969-12-31 23:59:59.999"},
        {"", "TO_TIMESTAMP_LTZ(253402300799, 0)", "9999-12-31 23:59:59.000"},
        {"", "TO_TIMESTAMP_LTZ(253402300800, 0)", "NULL"},
        {"", "TO_TIMESTAMP_LTZ(253402300799999)", "9999-12-31 23:59:59.999"},
        {"", "TO_TIMESTAMP_LTZ(253402300800000, 3)", "NULL"},
        {"", "TO_TIMESTAMP_LTZ(-62167219200, 0)", "0000-01-01 00:00:00.000"},
        {"", "TO_TIMESTAMP_LTZ(-62167219201, 0)", "NULL"},
        {"", "TO_TIMESTAMP_LTZ(d, 3)", "1970-01-01 00:00:00.001"},
        {"", "TO_TIMESTAMP_LTZ(d, 0)", "1970-01-01 00:00:01.500"},
        {"", "TO_TIMESTAMP_LTZ(-d, 3)", "1969-12-31 23:59:59.998"},
        {"", "TO_TIMESTAMP_LTZ(1e15, 0)", "NULL"},
        {"a precision that is none", "TO_TIMESTAMP_LTZ(big, n + 3)", "ERROR TO_TIMESTAMP_LTZ"},
        {"", "TO_TIMESTAMP_LTZ(d, -n)", "ERROR TO_TIMESTAMP_LTZ"},
        {"", "TO_TIMESTAMP_LTZ('2024-03-01 10:00:00.123')", "2024-03-01 10:00:00.123"},
        {"", "TO_TIMESTAMP_LTZ('2024-03-01T10:00:00.123Z')", "ERROR TO_TIMESTAMP_LTZ"},
        {"", "TO_TIMESTAMP_LTZ('2024-03-01 10', 'yyyy-MM-dd HH')", "2024-03-01 10:00:00.000"},
        {"", "TO_TIMESTAMP_LTZ('2024-03-01 10', id)", "NULL"},
        {"", "TO_TIMESTAMP_LTZ('2024-03-01 10', 'yyyy-MM-dd HH', 'America/Los_Angeles')", "2024-03-01 18:00:00.000"},
        {"", "TO_TIMESTAMP_LTZ('abc', 'yyyy', 'UTC')", "NULL"},
        {"", "FROM_UNIXTIME(big)", "'2128-06-11 08:53:20'"},
        {"", "FROM_UNIXTIME(-1)", "'1969-12-31 23:59:59'"},
        {"the Julian calendar", "FROM_UNIXTIME(-62135596800)", "'0001-01-03 00:00:00'"},
        {"", "FROM_UNIXTIME(big * 1000000000)", "NULL"},
        {"", "FROM_UNIXTIME(big, 'yyyy/MM/dd HH:mm')", "'2128/06/11 08:53'"},
        {"", "FROM_UNIXTIME(big, host)", "ERROR FROM_UNIXTIME"},
        {"", "UNIX_TIMESTAMP('1969-12-31 23:59:59')", "-1"},
        {"", "UNIX_TIMESTAMP('abc')", "-9223372036854775808"},
        {"", "UNIX_TIMESTAMP('2024-03-01 10', 'yyyy-MM-dd HH')", "1709287200"},
        {"", "UNIX_TIMESTAMP('2024-03-01 10', host)", "ERROR UNIX_TIMESTAMP"},
        {"", "CONVERT_TZ('2024-03-01 10:00:00', 'UTC', 'America/Los_Angeles')", "'2024-03-01 02:00:00'"},
        {"", "CONVERT_TZ('2024-03-01', 'UTC', 'America/Los_Angeles')", "NULL"},
        {"", "CONVERT_TZ('2024-03-01 10:00:00', 'UTC', 'GMT+08:00')", "'2024-03-01 18:00:00'"},
        {"in the gap", "CONVERT_TZ('2021-03-14 02:30:00', 'America/Los_Angeles', 'UTC')", "'2021-03-14 10:30:00'"},
        {"shown twice", "CONVERT_TZ('2021-11-07 01:30:00', 'America/Los_Angeles', 'UTC')", "'2021-11-07 09:30:00'"},
        {"", "CONVERT_TZ('2021-10-31 02:30:00', 'Europe/Berlin', 'UTC')", "'2021-10-31 01:30:00'"},
        {"", "CONVERT_TZ('2021-04-04 01:45:00', 'Australia/Lord_Howe', 'UTC')", "'2021-04-03 15:15:00'"},
        {"", "CONVERT_TZ('2021-10-03 02:15:00', 'Australia/Lord_Howe', 'UTC')", "'2021-10-02 15:45:00'"},
        {"", "CONVERT_TZ('2011-12-30 12:00:00', 'Pacific/Apia', 'UTC')", "'2011-12-30 22:00:00'"},
    };
    /* clang-format on */
    return cr_make_param_array(struct sql_value, cases, TL_COUNT(cases));
}

ParameterizedTest(struct sql_value *c, function_pattern, values)
{
    sql_value_check(c);
}

ParameterizedTestParameters(function_pattern, values_in_los_angeles)
{
    /* clang-format off */
    static struct sql_value cases[] = {
        {"", "DATE_FORMAT(ts, 'yyyy-MM-dd HH:mm')", "'2024-03-01 02:00'"},
        {"", "DATE_FORMAT(at, 'yyyy-MM-dd HH:mm')", "'2024-03-01 10:00'"},
        {"both showings", "DATE_FORMAT(TO_TIMESTAMP_LTZ('2021-11-07 08:30:00'), 'HH:mm')", "'01:30'"},
        {"", "DATE_FORMAT(TO_TIMESTAMP_LTZ('2021-11-07 09:30:00'), 'HH:mm')", "'01:30'"},
        {"a text has no zone", "DATE_FORMAT('2021-03-14 02:30:00', 'HH:mm')", "'02:30'"},
        {"", "TO_TIMESTAMP('2021-03-14 02:30:00')", "2021-03-14 02:30:00.000"},
        {"the clock of UTC", "TO_TIMESTAMP_LTZ('2024-03-01 10:00:00.123')", "2024-03-01 10:00:00.123"},
        {"", "TO_TIMESTAMP_LTZ('2024-03-01 10', 'yyyy-MM-dd HH')", "2024-03-01 10:00:00.000"},
        {"", "FROM_UNIXTIME(big)", "'2128-06-11 01:53:20'"},
        {"", "FROM_UNIXTIME(big, 'yyyy/MM/dd HH:mm')", "'2128/06/11 01:53'"},
        {"", "FROM_UNIXTIME(n)", "'1969-12-31 16:00:07'"},
        {"", "UNIX_TIMESTAMP('2024-03-01 10:00:00')", "1709316000"},
        {"", "UNIX_TIMESTAMP('1969-12-31 23:59:59')", "28799"},
        {"the later one", "UNIX_TIMESTAMP('2021-11-07 01:30:00')", "1636277400"},
    };
    /* clang-format on */
    return cr_make_param_array(struct sql_value, cases, TL_COUNT(cases));
}

ParameterizedTest(struct sql_value *c, function_pattern, values_in_los_angeles)
{
    sql_value_check_in("America/Los_Angeles", c);
}

#define VIEW(expression) EVENTS "CREATE VIEW v AS SELECT " expression " AS x FROM t"

ParameterizedTestParameters(function_pattern, mistakes)
{
    /* clang-format off */
    static struct sql_mistake cases[] = {
        {"a letter", VIEW("DATE_FORMAT(at, 'yyyy-bb')"), 2, 25, "the letter b has no meaning in this pattern; text stands in quotes: ''b''",
         "DATE_FORMAT", "DATE_FORMAT(TIMESTAMP, STRING) -> STRING"},
        {"a letter of a zone", VIEW("DATE_FORMAT(ts, 'HH z')"), 2, 25, "the letter z stands for a zone, and a wall clock has none: see CONVERT_TZ",
         "DATE_FORMAT", "DATE_FORMAT(TIMESTAMP_LTZ, STRING) -> STRING"},
        {"the year of the week", VIEW("TO_TIMESTAMP(host, 'YYYY-MM-dd')"), 2, 25, "the letter Y cannot be read, only printed: the year is yyyy",
         "TO_TIMESTAMP", "TO_TIMESTAMP(STRING, STRING) -> TIMESTAMP"},
        {"the wrong language", VIEW("FROM_UNIXTIME(big, 'QQQ')"), 2, 25, "the letter Q has no meaning in this pattern; text stands in quotes: ''Q''",
         "FROM_UNIXTIME", "FROM_UNIXTIME(BIGINT, STRING) -> STRING"},
        {"a zone", VIEW("CONVERT_TZ(host, 'UTC', 'Mars/Olympus')"), 2, 25, "there is no time zone 'Mars/Olympus'; there are UTC, names as 'Europe/Berlin' and offsets as 'GMT+05:30'", "CONVERT_TZ",
         "CONVERT_TZ(STRING, STRING, STRING) -> STRING"},
        {"a zone that is a column", VIEW("CONVERT_TZ(host, 'UTC', id)"), 2, 25, "the name of a zone has to be a constant text", "CONVERT_TZ",
         "CONVERT_TZ(STRING, STRING, STRING) -> STRING"},
        {"a precision", VIEW("TO_TIMESTAMP_LTZ(big, 10)"), 2, 25, "the precision is 0 for seconds, 3 for milliseconds, at most 9, and not 10",
         "TO_TIMESTAMP_LTZ", "TO_TIMESTAMP_LTZ(BIGINT[, INT]) -> TIMESTAMP_LTZ"},
        {"the clock", VIEW("UNIX_TIMESTAMP()"), 2, 25, "UNIX_TIMESTAMP would differ between the layers", "UNIX_TIMESTAMP",
         "use the table's event time: both layers then compute the same"},
        {"a number", VIEW("FROM_UNIXTIME(d)"), 2, 25, "FROM_UNIXTIME does not take (DOUBLE)", "FROM_UNIXTIME",
         "there is FROM_UNIXTIME(BIGINT) -> STRING, FROM_UNIXTIME(BIGINT, STRING) -> STRING"},
    };
    /* clang-format on */
    return cr_make_param_array(struct sql_mistake, cases, TL_COUNT(cases));
}

ParameterizedTest(struct sql_mistake *c, function_pattern, mistakes)
{
    sql_mistake_check(c);
}

/* More patterns than are kept, in turn. */
Test(function_pattern, patterns_of_columns_are_many)
{
    static const char letters[] = "yMdDEaHkKhmsSnNAeQwW";

    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i + 1 < sizeof letters; i++) {
            struct sql_value c = {"", "", "TRUE"};

            snprintf(c.expression, sizeof c.expression, "DATE_FORMAT(at, '%c') = DATE_FORMAT(at, IF(ok, '%c', 'b'))", letters[i],
                     letters[i]);
            sql_value_check(&c);
        }
}

/* A view over rows: host is a pattern of one letter, at goes on by a step. */
enum { ROWS = 64 };

static const char row_letters[] = "MdDaHkKhmsQb";

struct rows {
    struct tl_plan *plan;
    struct tl_memories memories;
    struct tl_arena arena;
    const char *failed[ROWS];
    struct tl_vec out;
};

static void rows_open(struct rows *r, const char *sql)
{
    *r = (struct rows){.plan = sql_plan(sql)};
    tl_arena_init(&r->arena, 4096, 0);
}

static void rows_eval(struct rows *r, int64_t step_ms)
{
    const struct tl_schema *schema = &r->plan->sources[0].schema;
    struct tl_vec slots[8];
    uint32_t rows[ROWS];

    for (uint32_t f = 0; f < schema->fields_count; f++) {
        cr_assert(tl_vec_alloc(&r->arena, schema->fields[f].kind, ROWS, &slots[f]));
        memset(slots[f].null, 0, ROWS);
        for (uint32_t i = 0; i < ROWS; i++) {
            rows[i] = i;
            if (slots[f].kind == TL_STRING)
                slots[f].sv[i] = (struct tl_sv){&row_letters[i * 5 % (sizeof row_letters - 1)], 1};
            else
                slots[f].i64[i] = 1709287200123 + i * step_ms;
        }
    }
    cr_assert(tl_expr_eval(&(struct tl_eval){.slots = slots,
                                             .slots_count = schema->fields_count,
                                             .rows_count = ROWS,
                                             .arena = &r->arena,
                                             .failed = r->failed,
                                             .memories = &r->memories},
                           r->plan->views[0].outputs[0].expr, rows, ROWS, &r->out));
}

static void rows_close(struct rows *r)
{
    tl_memories_done(&r->memories);
    tl_arena_done(&r->arena);
    tl_plan_close(r->plan);
}

/* Eight patterns are kept, and there are twelve. */
Test(function_pattern, patterns_of_rows)
{
    static const char wants[][8] = {"3", "1", "61", "AM", "10", "10", "10", "10", "0", "0", "1", ""};
    struct rows r;

    rows_open(&r, EVENTS "CREATE VIEW v AS SELECT DATE_FORMAT(at, host) AS x FROM t");
    for (int batch = 0; batch < 3; batch++) {
        rows_eval(&r, 0);
        for (uint32_t i = 0; i < ROWS; i++) {
            const char *want = wants[i * 5 % (sizeof row_letters - 1)];

            cr_assert_eq(r.failed[i] != NULL, want[0] == '\0');
            cr_assert(r.out.null[i] == (want[0] == '\0') && tl_sv_eq(r.out.sv[i], tl_sv_from(want)), "row %u", i);
        }
    }
    cr_assert_eq(r.memories.count, 1);
    rows_close(&r);
}

/* Rows share the text of their day or hour, and no longer, whichever way time goes. */
Test(function_pattern, rows_share_a_text)
{
    static const char *const patterns[] = {"yyyy-MM-dd", "dd a", "HH", "HH:mm", "ss", "SSS"};
    static const int64_t steps_ms[] = {0, 1, 333, 59999, 3600000, 86399999, 123456789, -1, -7777777, -86400000};

    for (size_t p = 0; p < TL_COUNT(patterns); p++)
        for (size_t s = 0; s < TL_COUNT(steps_ms); s++) {
            char sql[400], want[TL_TIME_PATTERN_TEXT_MAX];
            struct tl_time_pattern pattern;
            struct rows r;

            snprintf(sql, sizeof sql, "%sCREATE VIEW v AS SELECT DATE_FORMAT(at, '%s') AS x FROM t", EVENTS, patterns[p]);
            cr_assert_eq(tl_time_pattern_compile(tl_sv_from(patterns[p]), TL_TIME_JAVA_TIME, false, &pattern, NULL), TL_OK);
            rows_open(&r, sql);
            rows_eval(&r, steps_ms[s]);
            for (uint32_t i = 0; i < ROWS; i++) {
                size_t size = tl_time_pattern_print(&pattern, 1709287200123 + i * steps_ms[s], want);

                cr_assert(tl_sv_eq(r.out.sv[i], (struct tl_sv){want, size}), "%s: row %u", patterns[p], i);
            }
            rows_close(&r);
        }
}
