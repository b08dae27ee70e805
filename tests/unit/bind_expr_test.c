/* bind_expr_test.c: types of expressions, casts that are written out, and expressions without a meaning. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "core/function.h"
#include "support/sql_case.h"

struct type_case {
    char name[48], written[160];
    enum tl_kind kind;
    char want[240];
};

ParameterizedTestParameters(bind_expr, types)
{
    static struct type_case cases[] = {
        {"a small integer",                     "5",                                                       TL_INT,           "5"                                           },
        {"the largest INT",                     "2147483647",                                              TL_INT,           "2147483647"                                  },
        {"one more is BIGINT",                  "2147483648",                                              TL_BIGINT,        "2147483648"                                  },
        {"the smallest BIGINT",                 "-9223372036854775808",                                    TL_BIGINT,        "-9223372036854775808"                        },
        {"the smallest INT",                    "-2147483648",                                             TL_INT,           "-2147483648"                                 },
        {"a point makes a DOUBLE",              "1.5",                                                     TL_DOUBLE,        "1.5"                                         },
        {"a point at the end",                  "1.",                                                      TL_DOUBLE,        "1.0"                                         },
        {"a point at the begin",                "-.5",                                                     TL_DOUBLE,        "-0.5"                                        },
        {"an exponent",                         "1e3",                                                     TL_DOUBLE,        "1e+03"                                       },
        {"a long fraction",                     "0.1",                                                     TL_DOUBLE,        "0.1"                                         },
        {"text",                                "'a'",                                                     TL_STRING,        "'a'"                                         },
        {"truth",                               "TRUE",                                                    TL_BOOLEAN,       "TRUE"                                        },
        {"typed NULL",                          "CAST(NULL AS STRING)",                                    TL_STRING,        "CAST(NULL AS STRING)"                        },
        {"INT and INT",                         "n + 1",                                                   TL_INT,           "(n + 1)"                                     },
        {"INT and BIGINT",                      "n + big",                                                 TL_BIGINT,        "(CAST(n AS BIGINT) + big)"                   },
        {"a literal is widened at once",        "big + 1",                                                 TL_BIGINT,        "(big + CAST(1 AS BIGINT))"                   },
        {"BIGINT and FLOAT",                    "big * f",                                                 TL_FLOAT,         "(CAST(big AS FLOAT) * f)"                    },
        {"FLOAT and DOUBLE",                    "f / d",                                                   TL_DOUBLE,        "(CAST(f AS DOUBLE) / d)"                     },
        {"a literal becomes DOUBLE",            "d - 1",                                                   TL_DOUBLE,        "(d - 1.0)"                                   },
        {"remainder",                           "n % 3",                                                   TL_INT,           "(n % 3)"                                     },
        {"the rest has the divisor's type",     "big % n",                                                 TL_INT,           "CAST((big % CAST(n AS BIGINT)) AS INT)"      },
        {"and what is computed with it",        "(big % 7) * 2",                                           TL_INT,           "(CAST((big % CAST(7 AS BIGINT)) AS INT) * 2)"},
        {"the rest of less",                    "n % big",                                                 TL_BIGINT,        "(CAST(n AS BIGINT) % big)"                   },
        {"the rest of a FLOAT",                 "f % n",                                                   TL_FLOAT,         "(f % CAST(n AS FLOAT))"                      },
        {"a NULL takes the other type",         "n + NULL",                                                TL_INT,           "(n + CAST(NULL AS INT))"                     },
        {"minus",                               "-big",                                                    TL_BIGINT,        "(- big)"                                     },
        {"comparison across types",             "n < d",                                                   TL_BOOLEAN,       "(CAST(n AS DOUBLE) < d)"                     },
        {"time minus interval",                 "ts - INTERVAL '5' MINUTE",                                TL_TIMESTAMP_LTZ, "(ts - INTERVAL '5' MINUTE)"                  },
        {"interval plus time",                  "INTERVAL '5' MINUTES + at",                               TL_TIMESTAMP,     "(at + INTERVAL '5' MINUTE)"                  },
        {"constants are added here",            "TIMESTAMP '2024-01-31 23:59:59.5' + INTERVAL '1' SECOND", TL_TIMESTAMP,
         "TIMESTAMP '2024-02-01 00:00:00.500'"                                                                                                                             },
        {"intervals are added here",            "at - (INTERVAL '1' DAY - INTERVAL '1' HOUR)",             TL_TIMESTAMP,     "(at - INTERVAL '23' HOUR)"                   },
        {"an interval below zero",              "at + -INTERVAL '90' SECONDS",                             TL_TIMESTAMP,     "(at + INTERVAL '-90' SECOND)"                },
        {"more digits when asked for",          "at + INTERVAL '180' MINUTE(3)",                           TL_TIMESTAMP,     "(at + INTERVAL '3' HOUR)"                    },
        {"a fraction of a second",              "at + INTERVAL '1.25' SECOND",                             TL_TIMESTAMP,     "(at + INTERVAL '1.250' SECOND)"              },
        {"ms",                                  "at + INTERVAL '0.001' SECOND",                            TL_TIMESTAMP,     "(at + INTERVAL '0.001' SECOND)"              },
        {"CASE takes the common type",          "CASE WHEN ok THEN 1 WHEN n = 1 THEN big ELSE NULL END",   TL_BIGINT,
         "CASE WHEN ok THEN CAST(1 AS BIGINT) WHEN (n = 1) THEN big ELSE CAST(NULL AS BIGINT) END"                                                                         },
        {"COALESCE takes the common type",      "COALESCE(n, big, 0)",                                     TL_BIGINT,
         "COALESCE(CAST(n AS BIGINT), big, CAST(0 AS BIGINT))"                                                                                                             },
        {"COALESCE of a NULL",                  "COALESCE(NULL, host)",                                    TL_STRING,        "COALESCE(CAST(NULL AS STRING), host)"        },
        {"a cast to its own type is none",      "CAST(n AS INTEGER)",                                      TL_INT,           "n"                                           },
        {"a cast",                              "CAST(host AS TIMESTAMP(3))",                              TL_TIMESTAMP,     "CAST(host AS TIMESTAMP(3))"                  },
        {"a cast in words",                     "CAST(at AS TIMESTAMP(3) WITH LOCAL TIME ZONE)",           TL_TIMESTAMP_LTZ, "CAST(at AS TIMESTAMP_LTZ(3))"                },
        {"a literal is cast at once",           "CAST(5 AS SMALLINT)",                                     TL_SMALLINT,      "CAST(5 AS SMALLINT)"                         },
        {"out of range it is left to the cast", "CAST(500 AS TINYINT)",                                    TL_TINYINT,       "CAST(500 AS TINYINT)"                        },
        {"functions know no case",              "lower(Upper(host))",                                      TL_STRING,        "LOWER(UPPER(host))"                          },
        {"IS NULL of anything",                 "at IS NULL",                                              TL_BOOLEAN,       "(at IS NULL)"                                },
        {"IS NULL of NULL",                     "NULL IS NULL",                                            TL_BOOLEAN,       "(CAST(NULL AS STRING) IS NULL)"              },
        {"NOT of NULL",                         "NOT NULL",                                                TL_BOOLEAN,       "(NOT CAST(NULL AS BOOLEAN))"                 },
        {"a name with backticks",               "n AS `a``b`, n",                                          TL_INT,           "n"                                           },
    };
    return cr_make_param_array(struct type_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct type_case *c, bind_expr, types)
{
    char sql[700];
    struct tl_plan *plan;
    const struct tl_output *output;
    struct tl_buf buf;

    snprintf(sql, sizeof sql, EVENTS "CREATE VIEW v AS SELECT %s AS x FROM t", c->written);
    plan = sql_plan(sql);
    output = &plan->views[0].outputs[plan->views[0].outputs_count - 1];
    tl_buf_init(&buf, 0);
    tl_expr_print(output->expr, &plan->sources[0], &plan->views[0], &buf);
    tl_buf_put_u8(&buf, 0);
    cr_assert_str_eq(buf.data, c->want, "%s: got %s", c->name, buf.data);
    cr_assert_eq(output->kind, c->kind, "%s: got %s", c->name, tl_kind_name(output->kind));
    cr_assert_eq(output->expr->kind, c->kind, "%s", c->name);
    tl_buf_done(&buf);
    tl_plan_close(plan);
}

/* --- overloads and prepare, with a catalog of our own ----------------------------------------------------------------------- */

static struct tl_value prepared[2];
static uint32_t prepared_count;
static const struct tl_zone *prepared_zone;

static enum tl_code prepare_record(const struct tl_prepare *with, const void **state, struct tl_err *err)
{
    const struct tl_value *constants = with->constants;
    const uint32_t args_count = with->args_count;

    prepared_zone = with->zone;
    prepared_count = args_count;
    for (uint32_t i = 0; i < args_count && i < 2; i++)
        prepared[i] = constants[i];
    if (args_count == 2 && !constants[1].is_null && constants[1].kind == TL_STRING && constants[1].sv.size == 0)
        return tl_fail(err, TL_ERR_DEFINITION, "the second argument is empty");
    *state = prepared;
    return TL_OK;
}

static bool kernel_none(const struct tl_call *call)
{
    (void)call;
    return true;
}

#define OWN(NAME, SIGNATURE, ARGS, MIN, MAX, RESULT, PREPARE)                                                                    \
    {                                                                                                                            \
        .name = (NAME), .signature = (SIGNATURE), .args = ARGS, .args_min = (MIN), .args_max = (MAX), .result = (RESULT),        \
        .null_in_null_out = true, .kernel = kernel_none, .prepare = (PREPARE)                                                    \
    }
#define KINDS(...)                                                                                                               \
    {                                                                                                                            \
        __VA_ARGS__                                                                                                              \
    }

static const struct tl_function own_rows[] = {
    OWN("F", "F(BIGINT) -> INT", KINDS(TL_BIGINT), 1, 1, TL_INT, NULL),
    OWN("F", "F(DOUBLE) -> BOOLEAN", KINDS(TL_DOUBLE), 1, 1, TL_BOOLEAN, NULL),
    OWN("F", "F(STRING, STRING...) -> STRING", KINDS(TL_STRING, TL_STRING), 2, 5, TL_STRING, NULL),
    OWN("G", "G(STRING, STRING) -> INT", KINDS(TL_STRING, TL_STRING), 2, 2, TL_INT, prepare_record),
};

static enum tl_code own_parse(const char *written, struct tl_plan **plan, struct tl_err *err)
{
    struct tl_catalog own = {own_rows, TL_COUNT(own_rows), tl_function_catalog()};
    char sql[500];

    snprintf(sql, sizeof sql, EVENTS "CREATE VIEW v AS SELECT %s AS x FROM t", written);
    return tl_plan_parse(tl_sv_from(sql), "views.sql", &own, plan, err);
}

struct own_case {
    char name[40], written[60];
    int row;
};

ParameterizedTestParameters(bind_expr, overloads)
{
    static struct own_case cases[] = {
        {"as it is",                  "F(big)",                     0},
        {"the narrower one widens",   "F(n)",                       0},
        {"a FLOAT goes on to DOUBLE", "f(f)",                       1},
        {"two texts",                 "F('a', 'b')",                2},
        {"the last kind repeats",     "F('a', host, 'c', id, 'e')", 2},
        {"a NULL fits",               "F(NULL, 'b')",               2},
    };
    return cr_make_param_array(struct own_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct own_case *c, bind_expr, overloads)
{
    struct tl_plan *plan = NULL;
    struct tl_err err = {0};

    cr_assert_eq(own_parse(c->written, &plan, &err), TL_OK, "%s: %s", c->name, err.message);
    cr_assert_eq(plan->views[0].outputs[0].expr->function, &own_rows[c->row], "%s", c->name);
    tl_plan_close(plan);
}

Test(bind_expr, no_overload_shows_them_all)
{
    struct tl_plan *plan = NULL;
    struct tl_err err = {0};

    cr_assert_eq(own_parse("F(ok)", &plan, &err), TL_ERR_DEFINITION);
    cr_assert_not_null(strstr(err.message, "F does not take (BOOLEAN)"), "%s", err.message);
    cr_assert_not_null(strstr(err.message, "there is F(BIGINT) -> INT, F(DOUBLE) -> BOOLEAN, F(STRING, STRING...) -> STRING"),
                       "%s", err.message);
}

Test(bind_expr, prepare_sees_the_constants)
{
    struct tl_plan *plan = NULL;
    struct tl_err err = {0};

    cr_assert_eq(own_parse("G(host, 'abc')", &plan, &err), TL_OK, "%s", err.message);
    cr_assert(prepared_count == 2 && prepared_zone == NULL);
    cr_assert(prepared[0].kind == TL_NULL && prepared[0].is_null);
    cr_assert(prepared[1].kind == TL_STRING && tl_sv_eq(prepared[1].sv, TL_SV("abc")));
    cr_assert_eq(plan->views[0].outputs[0].expr->state, prepared);
    tl_plan_close(plan);
    cr_assert_eq(own_parse("G(host, '')", &plan, &err), TL_ERR_DEFINITION);
    cr_assert_not_null(strstr(err.message, "views.sql:2:25: the second argument is empty"), "%s", err.message);
}

ParameterizedTestParameters(bind_expr, mistakes)
{
    /* clang-format off */
    static struct sql_mistake cases[] = {
        {"text and timestamp",
         EVENTS "CREATE VIEW v AS SELECT ts FROM t WHERE ts > '2024-01-01 00:00:00'",
         2, 44, "> has no meaning between TIMESTAMP_LTZ(3) and STRING",
         ">", "write CAST(x AS TIMESTAMP_LTZ(3))"},
        {"text and number",
         EVENTS "CREATE VIEW v AS SELECT ts FROM t WHERE host = 5",
         2, 46, "= has no meaning between STRING and INT",
         "=", "write the number without quotes, or CAST one of the two"},
        {"text plus number",
         EVENTS "CREATE VIEW v AS SELECT ts, host + 1 AS x FROM t",
         2, 34, "+ has no meaning between STRING and INT",
         "+", "write the number without quotes, or CAST one of the two"},
        {"boolean and number",
         EVENTS "CREATE VIEW v AS SELECT ts FROM t WHERE ok = 1",
         2, 44, "= has no meaning between BOOLEAN and INT",
         "=", "CAST one of the two"},
        {"the two timestamps",
         EVENTS "CREATE VIEW v AS SELECT ts FROM t WHERE ts = at",
         2, 44, "= has no meaning between TIMESTAMP_LTZ(3) and TIMESTAMP(3)",
         "=", "CAST one of the two: CAST(x AS TIMESTAMP_LTZ(3)) is an instant, CAST(x AS TIMESTAMP(3)) its wall clock"},
        {"NOT of a number",
         EVENTS "CREATE VIEW v AS SELECT ts FROM t WHERE NOT n",
         2, 45, "NOT wants a condition, and this is INT",
         "n", "write a condition: x = 1, x IS NULL, x LIKE 'a%'"},
        {"a condition that is none",
         EVENTS "CREATE VIEW v AS SELECT ts FROM t WHERE n",
         2, 41, "a condition is wanted here, and this is INT",
         "n", "write a condition: x = 1, x IS NULL, x LIKE 'a%'"},
        {"AND of a number",
         EVENTS "CREATE VIEW v AS SELECT ts FROM t WHERE ok AND n",
         2, 48, "a condition is wanted here, and this is INT",
         "n", "write a condition: x = 1, x IS NULL, x LIKE 'a%'"},
        {"NULL compared",
         EVENTS "CREATE VIEW v AS SELECT ts FROM t WHERE NULL = NULL",
         2, 46, "NULL has no type here",
         "=", "write IS NULL, or give NULL a type: CAST(NULL AS INT)"},
        {"LIKE of a number",
         EVENTS "CREATE VIEW v AS SELECT ts FROM t WHERE n LIKE '1%'",
         2, 43, "LIKE has no meaning between INT and STRING",
         "LIKE", "LIKE is for texts: CAST(x AS STRING)"},
        {"times subtracted",
         EVENTS "CREATE VIEW v AS SELECT ts, ts - ts AS x FROM t",
         2, 32, "the distance of two times is no value here",
         "-", "take an interval from a time: x - INTERVAL '5' MINUTE"},
        {"interval times two",
         EVENTS "CREATE VIEW v AS SELECT ts, at + INTERVAL '1' DAY * 2 AS x FROM t",
         2, 51, "* has no meaning between INTERVAL DAY TO SECOND(3) and INT",
         "*", "an interval is added to a timestamp or taken from it"},
        {"minus of a text",
         EVENTS "CREATE VIEW v AS SELECT ts, -host AS x FROM t",
         2, 29, "- has no meaning for STRING",
         "-", "CAST it to a type that has it"},
        {"unknown function",
         EVENTS "CREATE VIEW v AS SELECT ts, LOWR(host) AS x FROM t",
         2, 29, "there is no function LOWR",
         "LOWR", "did you mean 'LOWER'?"},
        {"unknown function, nothing near",
         EVENTS "CREATE VIEW v AS SELECT ts, XYZZYPLUGH(host) AS x FROM t",
         2, 29, "there is no function XYZZYPLUGH",
         "XYZZYPLUGH", "FUNCTIONS.md lists all; your own come with --functions LIB.so"},
        {"an operator for no texts",
         EVENTS "CREATE VIEW v AS SELECT ts, n || n AS x FROM t",
         2, 31, "|| has no meaning between INT and INT",
         "||", "CAST both to a type that has it"},
        {"wrong argument",
         EVENTS "CREATE VIEW v AS SELECT ts, LOWER(n) AS x FROM t",
         2, 29, "LOWER does not take (INT)",
         "LOWER", "there is LOWER(STRING) -> STRING"},
        {"wrong number of arguments",
         EVENTS "CREATE VIEW v AS SELECT ts, LOWER(host, id) AS x FROM t",
         2, 29, "LOWER does not take (STRING, STRING)",
         "LOWER", "there is LOWER(STRING) -> STRING"},
        {"star of a function",
         EVENTS "CREATE VIEW v AS SELECT ts, LOWER(*) AS x FROM t",
         2, 29, "LOWER(*) has no meaning",
         "LOWER(*)", "only COUNT takes a star: COUNT(*)"},
        {"the clock",
         EVENTS "CREATE VIEW v AS SELECT ts FROM t WHERE ts < CURRENT_TIMESTAMP",
         2, 46, "CURRENT_TIMESTAMP would differ between the layers",
         "CURRENT_TIMESTAMP", "use the table's event time: both layers then compute the same"},
        {"the clock as a function",
         EVENTS "CREATE VIEW v AS SELECT ts FROM t WHERE ts < NOW()",
         2, 46, "NOW would differ between the layers",
         "NOW", "use the table's event time: both layers then compute the same"},
        {"older group windows",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, TUMBLE_START(ts, INTERVAL '1' DAY) AS c FROM "
                "TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 51, "TUMBLE_START belongs to Flink's older group windows",
         "TUMBLE_START", "use window_start, window_end and window_time of FROM TABLE(TUMBLE(...))"},
        {"CASE of two types",
         EVENTS "CREATE VIEW v AS SELECT ts, CASE WHEN ok THEN 1 ELSE 'a' END AS x FROM t",
         2, 54, "CASE gives one type: this is STRING, before it was INT",
         "'a'", "write the number without quotes, or CAST one of the two"},
        {"CASE of NULLs",
         EVENTS "CREATE VIEW v AS SELECT ts, CASE WHEN ok THEN NULL END AS x FROM t",
         2, 29, "CASE of NULLs alone has no type",
         "CASE WHEN ok THEN NULL END", "give one of them a type: CAST(NULL AS STRING)"},
        {"WHEN a number",
         EVENTS "CREATE VIEW v AS SELECT ts, CASE WHEN n THEN 1 END AS x FROM t",
         2, 39, "WHEN wants a condition, and this is INT",
         "n", "write a condition, or CASE x WHEN value THEN ..."},
        {"CASE x of another type",
         EVENTS "CREATE VIEW v AS SELECT ts, CASE n WHEN 'a' THEN 1 END AS x FROM t",
         2, 29, "= has no meaning between INT and STRING",
         "CASE", "write the number without quotes, or CAST one of the two"},
        {"COALESCE of two types",
         EVENTS "CREATE VIEW v AS SELECT ts, COALESCE(host, 1) AS x FROM t",
         2, 44, "COALESCE gives one type: this is INT, before it was STRING",
         "1", "write the number without quotes, or CAST one of the two"},
        {"COALESCE of nothing",
         EVENTS "CREATE VIEW v AS SELECT ts, COALESCE() AS x FROM t",
         2, 29, "COALESCE does not take 0 arguments",
         "COALESCE()", "COALESCE(x, y, ...)"},
        {"IN of another type",
         EVENTS "CREATE VIEW v AS SELECT ts FROM t WHERE n IN (1, 'a')",
         2, 43, "= has no meaning between INT and STRING",
         "IN", "write the number without quotes, or CAST one of the two"},
        {"BETWEEN of another type",
         EVENTS "CREATE VIEW v AS SELECT ts FROM t WHERE n BETWEEN 1 AND 'a'",
         2, 43, "<= has no meaning between INT and STRING",
         "BETWEEN", "write the number without quotes, or CAST one of the two"},
        {"cast that is none",
         EVENTS "CREATE VIEW v AS SELECT ts, CAST(ok AS TIMESTAMP(3)) AS x FROM t",
         2, 29, "BOOLEAN cannot be cast to TIMESTAMP(3)",
         "CAST(ok AS TIMESTAMP(3))", "go through STRING, if that is what you want: CAST(CAST(x AS STRING) AS type)"},
        {"cast to no type",
         EVENTS "CREATE VIEW v AS SELECT ts, CAST(n AS LONG) AS x FROM t",
         2, 39, "there is no type LONG",
         "LONG", "take BIGINT"},
        {"beyond BIGINT",
         EVENTS "CREATE VIEW v AS SELECT ts, 9223372036854775808 AS x FROM t",
         2, 29, "9223372036854775808 is beyond BIGINT",
         "9223372036854775808", "with an exponent it is a DOUBLE: 1e19"},
        {"beyond DOUBLE",
         EVENTS "CREATE VIEW v AS SELECT ts, 1e999 AS x FROM t",
         2, 29, "1e999 is beyond DOUBLE",
         "1e999", "numbers with a point or an exponent are DOUBLE"},
        {"no timestamp",
         EVENTS "CREATE VIEW v AS SELECT ts FROM t WHERE at > TIMESTAMP '2024-01-01'",
         2, 46, "'2024-01-01' is no timestamp",
         "TIMESTAMP '2024-01-01'", "write TIMESTAMP '2024-03-01 10:00:00' or TIMESTAMP '2024-03-01 10:00:00.123'"},
        {"no such day",
         EVENTS "CREATE VIEW v AS SELECT ts FROM t WHERE at > TIMESTAMP '2024-02-30 00:00:00'",
         2, 46, "there is no such day: '2024-02-30 00:00:00'",
         "TIMESTAMP '2024-02-30 00:00:00'", ""},
        {"timestamp too fine",
         EVENTS "CREATE VIEW v AS SELECT ts FROM t WHERE at > TIMESTAMP '2024-02-20 00:00:00.1234'",
         2, 46, "times are kept in milliseconds",
         "TIMESTAMP '2024-02-20 00:00:00.1234'", "write at most three digits behind the point"},
    };
    /* clang-format on */
    return cr_make_param_array(struct sql_mistake, cases, TL_COUNT(cases));
}

ParameterizedTest(struct sql_mistake *c, bind_expr, mistakes)
{
    sql_mistake_check(c);
}
