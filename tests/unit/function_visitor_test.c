/* function_visitor_test.c: VISITOR_ID. The ids are what Python's hmac makes of the message that function_visitor.c describes. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>

#include "core/expr.h"
#include "core/function.h"
#include "support/sql_case.h"
#include "support/sql_value.h"

ParameterizedTestParameters(function_visitor, ids)
{
    static struct sql_value cases[] = {
        {"",                        "VISITOR_ID(ip, 'Mozilla/5.0', host)",                        "'5380b29a9b1e5287cd83d7e48a1fc7fb'"},
        {"in JSON",                 "VISITOR_ID(ip, '{\"string\":\"Mozilla\\/5.0\"}', host)",     "'5380b29a9b1e5287cd83d7e48a1fc7fb'"},
        {"no user agent",           "VISITOR_ID(ip, CAST(NULL AS STRING), host)",                 "'6333688390de612dad528bf0aca030e5'"},
        {"an empty one is another", "VISITOR_ID(ip, '', host)",                                   "'3bd7f80c5aad4d7feae85d4fc1b7cd57'"},
        {"an address alone",        "VISITOR_ID(ip, CAST(NULL AS STRING), CAST(NULL AS STRING))", "'b35fcfd60a2f71d5603b59773bd5ee3b'"},
        {"nothing but empty",       "VISITOR_ID('', '', '')",                                     "'9ddc1110e5f80c70b16fbb3e1a75e391'"},
        {"borders between fields",  "VISITOR_ID('a', 'bc', 'd')",                                 "'d49d22be62b45d52bc86e4b1f36cdc73'"},
        {"borders elsewhere",       "VISITOR_ID('ab', 'c', 'd')",                                 "'2345aa704e17291f2458c76f45afce22'"},
        {"without an address",      "VISITOR_ID(CAST(NULL AS STRING), 'x', host)",                "NULL"                              },
        {"in an expression",        "VISITOR_ID(ip, 'a', host) = VISITOR_ID(ip, 'a', host)",      "TRUE"                              },
    };
    return cr_make_param_array(struct sql_value, cases, TL_COUNT(cases));
}

ParameterizedTest(struct sql_value *c, function_visitor, ids)
{
    sql_value_check(c);
}

ParameterizedTestParameters(function_visitor, bad_calls)
{
    static struct sql_mistake cases[] = {
        {"built-in functions alone have no secret", EVENTS "CREATE VIEW v AS SELECT VISITOR_ID(id, host, host) AS x FROM t", 2,
         25,                                                                                                                        "VISITOR_ID needs the secret of a store, and there is none here",     "VISITOR_ID",
         "VISITOR_ID(ip STRING, user_agent STRING, host STRING) -> STRING"         },
        {"too few",                                 EVENTS "CREATE VIEW v AS SELECT VISITOR_ID(id, host) AS x FROM t",       2, 25,
         "VISITOR_ID does not take (STRING, STRING)",                                                                                                                                                     "VISITOR_ID",
         "there is VISITOR_ID(ip STRING, user_agent STRING, host STRING) -> STRING"},
        {"a number",                                EVENTS "CREATE VIEW v AS SELECT VISITOR_ID(n, host, host) AS x FROM t",  2, 25,
         "VISITOR_ID does not take (INT, STRING, STRING)",                                                                                                                                                "VISITOR_ID",
         "there is VISITOR_ID(ip STRING, user_agent STRING, host STRING) -> STRING"},
        {"in a computed column",
         "CREATE TABLE t (ip STRING, v AS VISITOR_ID(ip, ip, ip), ts TIMESTAMP_LTZ(3), WATERMARK FOR ts AS ts);\n"
         "CREATE VIEW w AS SELECT v FROM t",                                                                                 1, 33, "VISITOR_ID takes the day of the event time, and there is none here", "VISITOR_ID(ip, ip, ip)",
         "call it in a view on a table that has a WATERMARK"                       },
        {"in a watermark",
         "CREATE TABLE t (ip STRING, ts TIMESTAMP_LTZ(3), WATERMARK FOR ts AS\n"
         "CASE WHEN VISITOR_ID(ip, ip, ip) > 'a' THEN ts ELSE NULL END);\nCREATE VIEW w AS SELECT ip FROM t",                2, 11, "VISITOR_ID cannot be part of a WATERMARK",                           "VISITOR_ID(ip, ip, ip)",
         "call it in a view on a table that has a WATERMARK"                       },
    };
    return cr_make_param_array(struct sql_mistake, cases, TL_COUNT(cases));
}

ParameterizedTest(struct sql_mistake *c, function_visitor, bad_calls)
{
    sql_mistake_check(c);
}

/* --- a batch of rows ------------------------------------------------------------------------------------------------- */

enum { ROWS = 300, DAY_MS = 86400000 };

struct batch {
    struct tl_vec ip, ua, host, time, out;
    struct tl_arena arena;
    struct tl_functions *functions;
    struct tl_plan *plan;
    const struct tl_expr *expr;
    void *memory;
};

static void batch_open(struct batch *b, const char *secret)
{
    struct tl_vec *texts[] = {&b->ip, &b->ua, &b->host};
    struct tl_err err = {0};

    *b = (struct batch){0};
    cr_assert_eq(tl_functions_open(&(struct tl_function_files){.library = NULL}, &b->functions, &err), TL_OK);
    cr_assert(!tl_functions_want_secret(b->functions));
    cr_assert_eq(tl_plan_parse(TL_SV(EVENTS "CREATE VIEW v AS SELECT VISITOR_ID(id, host, id) AS x FROM t"), "views.sql",
                               tl_functions_catalog(b->functions), &b->plan, &err),
                 TL_OK, "%s", err.message);
    cr_assert(tl_functions_want_secret(b->functions));
    tl_functions_secret_set(b->functions, (const uint8_t *)secret);
    b->expr = b->plan->views[0].outputs[0].expr;
    b->memory = b->expr->function->memory->open();
    cr_assert_not_null(b->memory);
    tl_arena_init(&b->arena, 4096, 0);
    for (size_t i = 0; i < TL_COUNT(texts); i++)
        cr_assert(tl_vec_alloc(&b->arena, TL_STRING, ROWS, texts[i]));
    cr_assert(tl_vec_alloc(&b->arena, TL_STRING, ROWS, &b->out) && tl_vec_alloc(&b->arena, TL_TIMESTAMP_LTZ, ROWS, &b->time));
}

static void batch_set(struct batch *b, uint32_t row, const char *ip, int64_t time_ms)
{
    const struct tl_value text = {.kind = TL_STRING, .sv = tl_sv_from(ip)}, browser = {.kind = TL_STRING, .sv = TL_SV("Mozilla")},
                          time = {.kind = TL_TIMESTAMP_LTZ, .i64 = time_ms};

    tl_vec_set(&b->ip, row, &text);
    tl_vec_set(&b->ua, row, &browser);
    tl_vec_set(&b->host, row, &browser);
    tl_vec_set(&b->time, row, &time);
}

static void batch_call(struct batch *b, uint32_t rows_count)
{
    const struct tl_vec args[] = {b->ip, b->ua, b->host, b->time};
    struct tl_eval eval = {.arena = &b->arena};
    uint32_t rows[ROWS];
    const struct tl_call call = {.rows = rows,
                                 .rows_count = rows_count,
                                 .args = args,
                                 .args_count = TL_COUNT(args),
                                 .out = &b->out,
                                 .function = b->expr->function,
                                 .state = b->expr->state,
                                 .memory = b->memory,
                                 .arena = &b->arena,
                                 .eval = &eval};

    for (uint32_t i = 0; i < rows_count; i++)
        rows[i] = i;
    cr_assert(b->expr->function->kernel(&call));
}

static void batch_close(struct batch *b)
{
    b->expr->function->memory->close(b->memory);
    tl_plan_close(b->plan);
    tl_functions_close(b->functions);
    tl_arena_done(&b->arena);
}

static const char secret_a[] = "0123456789abcdef0123456789abcdef", secret_b[] = "0123456789abcdef0123456789abcdeX";

Test(function_visitor, an_id_holds_for_a_day)
{
    struct batch b;

    batch_open(&b, secret_a);
    batch_set(&b, 0, "203.0.113.7", 0);
    batch_set(&b, 1, "203.0.113.7", DAY_MS - 1);
    batch_set(&b, 2, "203.0.113.7", DAY_MS);
    batch_set(&b, 3, "203.0.113.7", -1);
    batch_set(&b, 4, "203.0.113.7", -(int64_t)DAY_MS);
    batch_set(&b, 5, "203.0.113.8", 0);
    batch_call(&b, 6);
    cr_assert(tl_sv_eq(b.out.sv[0], b.out.sv[1]));
    cr_assert(!tl_sv_eq(b.out.sv[0], b.out.sv[2]), "midnight");
    cr_assert(!tl_sv_eq(b.out.sv[0], b.out.sv[3]), "the day before 1970 is a day of its own");
    cr_assert(tl_sv_eq(b.out.sv[3], b.out.sv[4]));
    cr_assert(!tl_sv_eq(b.out.sv[0], b.out.sv[5]));
    batch_close(&b);
}

Test(function_visitor, another_secret_gives_other_ids)
{
    struct batch a, again, b;

    batch_open(&a, secret_a);
    batch_open(&again, secret_a);
    batch_open(&b, secret_b);
    batch_set(&a, 0, "203.0.113.7", 0);
    batch_set(&again, 0, "203.0.113.7", 0);
    batch_set(&b, 0, "203.0.113.7", 0);
    batch_call(&a, 1);
    batch_call(&again, 1);
    batch_call(&b, 1);
    cr_assert(tl_sv_eq(a.out.sv[0], again.out.sv[0]));
    cr_assert(!tl_sv_eq(a.out.sv[0], b.out.sv[0]));
    batch_close(&a);
    batch_close(&again);
    batch_close(&b);
}

/* What a thread remembers, and forgets when there is too much of it, changes nothing. */
Test(function_visitor, what_is_remembered_is_what_is_computed)
{
    struct batch all, one;
    char ips[ROWS][24];

    batch_open(&all, secret_a);
    for (uint32_t i = 0; i < ROWS; i++) {
        snprintf(ips[i], sizeof ips[i], "10.0.%u.%u", i % 7, i % 5);
        batch_set(&all, i, ips[i], 0);
    }
    for (int round = 0; round < 30; round++)
        batch_call(&all, ROWS);
    for (uint32_t i = 0; i < ROWS; i += 13) {
        batch_open(&one, secret_a);
        batch_set(&one, 0, ips[i], 0);
        batch_call(&one, 1);
        cr_assert(tl_sv_eq(one.out.sv[0], all.out.sv[i]), "%s", ips[i]);
        batch_close(&one);
    }
    batch_close(&all);
}
