/* bind_call_test.c: calls: words and units among the arguments, what RETURNING and the event do, and what is said when nothing fits. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>

#include "core/expr.h"
#include "core/function.h"
#include "sql/plan.h"
#include "sql/plan_text.h"
#include "support/sql_case.h"

/* A catalog that has each kind of row, and computes nothing. */
static bool kernel_none(const struct tl_call *call)
{
    (void)call;
    return true;
}

#define ROW(NAME, SIGNATURE, MIN, MAX, RESULT, ...)                                                                              \
    {                                                                                                                            \
        .name = (NAME), .signature = (SIGNATURE), .args_min = (MIN), .args_max = (MAX), .result = (RESULT),                      \
        .kernel = kernel_none, __VA_ARGS__                                                                                       \
    }
#define KINDS(...)                                                                                                               \
    {                                                                                                                            \
        __VA_ARGS__                                                                                                              \
    }

static const struct tl_function rows[] = {
    ROW("CUT TO", "CUT(TIMESTAMP TO unit) -> TIMESTAMP", 2, 2, TL_TIMESTAMP, .args = KINDS(TL_TIMESTAMP, TL_STRING),
        .unit_arg = 2),
    ROW("CUT", "CUT(DOUBLE) -> DOUBLE", 1, 1, TL_DOUBLE, .args = KINDS(TL_DOUBLE)),
    ROW("PART FROM", "PART(unit FROM TIMESTAMP) -> BIGINT", 2, 2, TL_BIGINT, .args = KINDS(TL_STRING, TL_TIMESTAMP),
        .unit_arg = 1),
    ROW("SHAVE FROM", "SHAVE([side] STRING FROM STRING) -> STRING", 3, 3, TL_STRING, .args = KINDS(TL_STRING), .unit_arg = 1),
    ROW("SHAVE FROM", "SHAVE(STRING FROM STRING) -> STRING", 2, 2, TL_STRING, .args = KINDS(TL_STRING)),
    ROW("POSITION IN", "POSITION(STRING IN STRING) -> INT", 2, 2, TL_INT, .args = KINDS(TL_STRING)),
    ROW("VALUE_OF ON", "VALUE_OF(STRING) -> STRING", 6, 6, TL_STRING, .args = KINDS(TL_STRING)),
    ROW("VALUE_OF ON", "VALUE_OF(STRING RETURNING INT) -> INT", 6, 6, TL_INT,
        .args = KINDS(TL_STRING, TL_STRING, TL_STRING, TL_INT, TL_STRING, TL_INT)),
    ROW("WHEN_SEEN", "WHEN_SEEN(STRING) -> STRING", 1, 1, TL_STRING, .args = KINDS(TL_STRING), .of_event = true),
    ROW("JOINED", "JOINED(STRING, ...) -> STRING", 1, TL_ARGS_MAX - 1, TL_STRING, .args = KINDS(TL_STRING)),
    ROW("NONE", "NONE() -> INT", 0, 0, TL_INT, .ours = true),
};

static enum tl_code parse(const char *sql, struct tl_plan **plan, struct tl_err *err)
{
    struct tl_catalog own = {rows, TL_COUNT(rows), tl_function_catalog(), NULL};
    char text[1200];

    snprintf(text, sizeof text, EVENTS "%s", sql);
    return tl_plan_parse(tl_sv_from(text), "views.sql", &own, plan, err);
}

struct form_case {
    char written[120], bound[160];
};

ParameterizedTestParameters(bind_call, forms)
{
    static struct form_case cases[] = {
        {"CUT(at TO day)",                                                     "CUT TO(at, 'DAY')"                                                          },
        {"cut(d)",                                                             "CUT(d)"                                                                     },
        {"PART(Hour FROM at)",                                                 "PART FROM('HOUR', at)"                                                      },
        {"SHAVE(BOTH 'x' FROM host)",                                          "SHAVE FROM('BOTH', 'x', host)"                                              },
        {"SHAVE(trailing FROM host)",                                          "SHAVE FROM('TRAILING', ' ', host)"                                          },
        {"SHAVE('x' FROM host)",                                               "SHAVE FROM('x', host)"                                                      },
        {"POSITION('a' IN host)",                                              "POSITION IN('a', host)"                                                     },
        {"POSITION('a' IN (host))",                                            "POSITION IN('a', host)"                                                     },
        {"POSITION('a' IN CAST(n AS STRING))",                                 "POSITION IN('a', CAST(n AS STRING))"                                        },
        {"POSITION('a' IN CASE WHEN n IN (7) THEN host END)",
         "POSITION IN('a', CASE WHEN (n = 7) THEN host ELSE CAST(NULL AS STRING) END)"                                                                      },
        {"POSITION('a' IN NULL)",                                              "POSITION IN('a', CAST(NULL AS STRING))"                                     },
        {"POSITION('a' IN JOINED(host, t.id))",                                "POSITION IN('a', JOINED(host, id))"                                         },
        {"VALUE_OF(host, id NULL ON EMPTY)",                                   "VALUE_OF ON(host, id, 'NULL', CAST(NULL AS STRING), "
                                             "'NULL', CAST(NULL AS STRING))"                                    },
        {"VALUE_OF(host, id RETURNING INT)",                                   "VALUE_OF ON(host, id, 'NULL', CAST(NULL AS INT), 'NULL', CAST(NULL AS INT))"},
        {"VALUE_OF(host, id RETURNING INT DEFAULT 1 ON ERROR ERROR ON EMPTY)",
         "VALUE_OF ON(host, id, 'ERROR', CAST(NULL AS INT), 'DEFAULT', 1)"                                                                                  },
        {"WHEN_SEEN(host)",                                                    "WHEN_SEEN(host, ts)"                                                        },
        {"NONE()",                                                             "NONE()"                                                                     },
        {"IF(ok, 1, n)",                                                       "CASE WHEN ok THEN 1 ELSE n END"                                             },
        {"IF(ok, 1, big)",                                                     "CASE WHEN ok THEN CAST(1 AS BIGINT) ELSE big END"                           },
        {"NULLIF(n, 0)",                                                       "CASE WHEN (n = 0) THEN CAST(NULL AS INT) ELSE n END"                        },
        {"IFNULL(host, id)",                                                   "COALESCE(host, id)"                                                         },
        {"TRY_CAST(host AS INT)",                                              "TRY_CAST(host)"                                                             },
        {"TRY_CAST(n AS BIGINT)",                                              "CAST(n AS BIGINT)"                                                          },
    };
    return cr_make_param_array(struct form_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct form_case *c, bind_call, forms)
{
    struct tl_plan *plan = NULL;
    struct tl_err err = {0};
    struct tl_buf out;
    char sql[300];

    snprintf(sql, sizeof sql, "CREATE VIEW v AS SELECT %s AS x FROM t", c->written);
    cr_assert_eq(parse(sql, &plan, &err), TL_OK, "%s: %s", c->written, err.message);
    tl_buf_init(&out, 0);
    tl_expr_print(plan->views[0].outputs[0].expr, &plan->sources[0], &plan->views[0], &out);
    cr_assert(tl_sv_eq(tl_buf_sv(&out), tl_sv_from(c->bound)), "%s is %.*s", c->written, TL_SV_ARG(tl_buf_sv(&out)));
    tl_buf_done(&out);
    tl_plan_close(plan);
}

ParameterizedTestParameters(bind_call, mistakes)
{
    /* Place, sentence and carets are told apart by what follows EVENTS: line 2. */
    static struct sql_mistake cases[] = {
        {"a unit is a word",          "CREATE VIEW v AS SELECT CUT(at TO 'day') AS x FROM t",                                  2, 35, "'day'",                                 "",                         ""                                                                   },
        {"a unit is no expression",   "CREATE VIEW v AS SELECT PART('day' FROM at) AS x FROM t",                               2, 30,
         "a unit of time is wanted here",                                                                                                                                      "'day'",                    "write DAY, HOUR, MINUTE, ..."                                       },
        {"the comma form is another", "CREATE VIEW v AS SELECT CUT(at, n) AS x FROM t",                                        2, 25,
         "CUT does not take (TIMESTAMP(3), INT)",                                                                                                                              "CUT",                      "there is CUT(TIMESTAMP TO unit) -> TIMESTAMP, CUT(DOUBLE) -> DOUBLE"},
        {"a word that is none",       "CREATE VIEW v AS SELECT VALUE_OF(host, id LIKE ON EMPTY) AS x FROM t",                  2, 48, "",                                      "",                         ""                                                                   },
        {"said twice",                "CREATE VIEW v AS SELECT VALUE_OF(host, id NULL ON EMPTY NULL ON EMPTY) AS x FROM t",    2, 65,
         "this is said twice",                                                                                                                                                 "EMPTY",                    "leave one of the two out"                                           },
        {"ON what",                   "CREATE VIEW v AS SELECT VALUE_OF(host, id NULL ON NOTHING) AS x FROM t",                2, 51,
         "'NOTHING' has no meaning behind ON",                                                                                                                                 "NOTHING",                  "write ON EMPTY or ON ERROR"                                         },
        {"what ON",                   "CREATE VIEW v AS SELECT VALUE_OF(host, id ZERO ON EMPTY) AS x FROM t",                  2, 43,
         "'ZERO' has no meaning before ON",                                                                                                                                    "ZERO",                     "write NULL, ERROR or DEFAULT x"                                     },
        {"RETURNING what",            "CREATE VIEW v AS SELECT VALUE_OF(host, id GIVING INT) AS x FROM t",                     2, 43,
         "'GIVING' has no meaning here",                                                                                                                                       "GIVING",                   "write RETURNING INT, NULL ON EMPTY, DEFAULT 0 ON ERROR"             },
        {"of each event",
         "CREATE VIEW v AS SELECT window_start, window_end, WHEN_SEEN(LISTAGG(host)) AS x FROM TABLE(TUMBLE(TABLE t, "
         "DESCRIPTOR(ts), INTERVAL '1' DAY)) GROUP BY window_start, window_end",                                               2, 51, "WHEN_SEEN is made of each event",       "WHEN_SEEN(LISTAGG(host))",
         "add it to GROUP BY, or put it inside an aggregate"                                                                                                                                                                                                                    },
        {"without an event time",     "CREATE TABLE u (a STRING, b AS WHEN_SEEN(a), ts TIMESTAMP(3), WATERMARK FOR ts AS ts)", 2, 32,
         "WHEN_SEEN takes the day of the event time, and there is none here",                                                                                                  "WHEN_SEEN(a)",
         "call it in a view on a table that has a WATERMARK"                                                                                                                                                                                                                    },
        {"IF of two",                 "CREATE VIEW v AS SELECT IF(ok, n) AS x FROM t",                                         2, 25, "IF does not take 2 arguments",          "IF(ok, n)",
         "IF(condition, x, y)"                                                                                                                                                                                                                                                  },
        {"IF of no condition",        "CREATE VIEW v AS SELECT IF(n, 1, 2) AS x FROM t",                                       2, 28, "IF wants a condition, and this is INT",
         "n",                                                                                                                                                                                              "IF(condition, x, y)"                                                },
        {"NULLIF of two types",       "CREATE VIEW v AS SELECT NULLIF(n, 'x') AS x FROM t",                                    2, 25,
         "= has no meaning between INT and STRING",                                                                                                                            "NULLIF",                   "write the number without quotes, or CAST one of the two"            },
    };

    return cr_make_param_array(struct sql_mistake, cases, TL_COUNT(cases));
}

ParameterizedTest(struct sql_mistake *c, bind_call, mistakes)
{
    struct tl_plan *plan = NULL;
    struct tl_err err = {0};
    char want[300];

    cr_assert_eq(parse(c->sql, &plan, &err), TL_ERR_DEFINITION, "%s: taken", c->name);
    if (c->hint[0] == '\0') { /* the grammar's own sentence */
        snprintf(want, sizeof want, "views.sql:%u:%u: ", c->line, c->column);
        cr_assert(strncmp(err.message, want, strlen(want)) == 0, "%s: %s", c->name, err.message);
        return;
    }
    snprintf(want, sizeof want, "views.sql:%u:%u: %s\n", c->line, c->column, c->what);
    cr_assert(strncmp(err.message, want, strlen(want)) == 0, "%s: %s", c->name, err.message);
    cr_assert_not_null(strstr(err.message, c->hint), "%s: %s", c->name, err.message);
}

Test(bind_call, thirty_one_arguments_and_no_more)
{
    struct tl_plan *plan = NULL;
    struct tl_err err = {0};
    char sql[800] = "CREATE VIEW v AS SELECT JOINED('a'";

    for (int i = 1; i < TL_ARGS_MAX - 1; i++)
        strcat(sql, ", host");
    strcat(sql, ") AS x FROM t");
    cr_assert_eq(parse(sql, &plan, &err), TL_OK, "%s", err.message);
    tl_plan_close(plan);
    plan = NULL;
    strcpy(strstr(sql, ") AS"), ", host) AS x FROM t");
    cr_assert_eq(parse(sql, &plan, &err), TL_ERR_DEFINITION);
    cr_assert_not_null(strstr(err.message, "JOINED does not take 32 arguments"), "%s", err.message);
}

Test(bind_call, grouped_by_what_is_of_each_event)
{
    struct tl_plan *plan = NULL;
    struct tl_err err = {0};

    cr_assert_eq(
        parse("CREATE VIEW v AS SELECT window_start, window_end, WHEN_SEEN(host) AS seen, COUNT(DISTINCT WHEN_SEEN(id)) AS c "
              "FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' DAY)) GROUP BY window_start, window_end, WHEN_SEEN(host)",
              &plan, &err),
        TL_OK, "%s", err.message);
    cr_assert_eq(plan->views[0].keys[0]->args_count, 2);
    cr_assert_eq(plan->views[0].keys[0]->args[1]->slot, TL_SLOT_EVENT_TIME);
    tl_plan_close(plan);
}

Test(bind_call, flink_is_told_what_it_lacks)
{
    struct tl_plan *plan = NULL;
    struct tl_err err = {0};
    struct tl_catalog own = {rows, TL_COUNT(rows), tl_function_catalog(), NULL};
    struct tl_buf out;

    cr_assert_eq(
        tl_plan_parse(TL_SV(EVENTS "CREATE VIEW v AS SELECT NONE() AS x, CUT(d) AS y FROM t"), "views.sql", &own, &plan, &err),
        TL_OK, "%s", err.message);
    tl_buf_init(&out, 0);
    tl_plan_print_flink(plan, &out);
    tl_buf_put_u8(&out, 0);
    cr_assert_not_null(
        strstr((char *)out.data, "-- NONE is a function of tally's own: register one of that name in Flink first.\n"));
    cr_assert_null(strstr((char *)out.data, "-- CUT "));
    tl_buf_done(&out);
    tl_plan_close(plan);
}

/* --- memories ------------------------------------------------------------------------------------------------------------ */

static int opened, closed;

static void *count_open(void)
{
    opened++;
    return &opened;
}

static void count_close(void *memory)
{
    cr_assert_eq(memory, &opened);
    closed++;
}

static bool kernel_memory(const struct tl_call *call)
{
    cr_assert_eq(call->memory, &opened);
    call->out->null[call->rows[0]] = 1;
    return true;
}

Test(bind_call, a_memory_is_opened_once_for_all_who_share_it)
{
    static const struct tl_memory_kind kind = {count_open, count_close};
    static const struct tl_function a = {.name = "A", .result = TL_INT, .kernel = kernel_memory, .memory = &kind};
    static const struct tl_function b = {.name = "B", .result = TL_INT, .kernel = kernel_memory, .memory = &kind};
    const struct tl_expr calls[] = {
        {.op = TL_EXPR_CALL, .kind = TL_INT, .function = &a},
        {.op = TL_EXPR_CALL, .kind = TL_INT, .function = &b},
    };
    struct tl_memories memories = {0};
    struct tl_arena arena;
    struct tl_eval eval = {.rows_count = 1, .arena = &arena, .memories = &memories};
    const uint32_t row[] = {0};
    struct tl_vec out;

    tl_arena_init(&arena, 512, 0);
    for (int i = 0; i < 4; i++)
        cr_assert(tl_expr_eval(&eval, &calls[i % 2], row, 1, &out));
    cr_assert(opened == 1 && closed == 0);
    tl_memories_done(&memories);
    cr_assert_eq(closed, 1);
    tl_arena_done(&arena);
}
