/* function_user_agent_test.c: PARSE_USER_AGENT and IS_BOT as views call them. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/expr.h"
#include "core/function.h"
#include "core/user_agent_cache.h"
#include "support/sql_case.h"
#include "support/sql_value.h"

#define NOBODY                                                                                                                   \
    "'{\"family\":\"Other\",\"major\":null,\"minor\":null,\"patch\":null,\"os\":{\"family\":\"Other\",\"major\":null,"           \
    "\"minor\":null,\"patch\":null,\"patch_minor\":null},\"device\":{\"family\":\"Other\",\"brand\":null,\"model\":null}}'"

ParameterizedTestParameters(function_user_agent, values)
{
    static struct sql_value cases[] = {
        {"",
         "PARSE_USER_AGENT('Mozilla/5.0 (Windows NT 6.1) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/33.0.1750.117 "
         "Safari/537.36')",                                                                                                    "'{\"family\":\"Chrome\",\"major\":\"33\",\"minor\":\"0\",\"patch\":\"1750\",\"os\":{\"family\":\"Windows\",\"major\":"
         "\"7\","
         "\"minor\":null,\"patch\":null,\"patch_minor\":null},\"device\":{\"family\":\"Other\",\"brand\":null,\"model\":null}}'"},
        {"",
         "PARSE_USER_AGENT('Mozilla/5.0 (iPhone; CPU iPhone OS 16_3_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
         "Version/16.3 Mobile/15E148 Safari/604.1')",                                                                          "'{\"family\":\"Mobile "
         "Safari\",\"major\":\"16\",\"minor\":\"3\",\"patch\":null,\"os\":{\"family\":\"iOS\",\"major\":\"16\","
         "\"minor\":\"3\",\"patch\":\"1\",\"patch_minor\":null},\"device\":{\"family\":\"iPhone\",\"brand\":\"Apple\",\"model\":"
         "\"iPhone\"}}'"                                                                              },
        {"text is escaped",              "PARSE_USER_AGENT('Dalvik/1.6 (Linux; Android 4; \"a\\b'' Build/X)')",
         "'{\"family\":\"Android\",\"major\":\"4\",\"minor\":null,\"patch\":null,\"os\":{\"family\":\"Android\",\"major\":\"4\","
         "\"minor\":null,\"patch\":null,\"patch_minor\":null},\"device\":{\"family\":\"\\\"a\\\\b''\",\"brand\":\"Generic_"
         "Android\","
         "\"model\":\"\\\"a\\\\b''\"}}'"                                                                                                                   },
        {"",                             "PARSE_USER_AGENT('')",                                                               NOBODY                      },
        {"",                             "PARSE_USER_AGENT('-')",                                                              NOBODY                      },
        {"",                             "PARSE_USER_AGENT(CAST(NULL AS STRING))",                                             "NULL"                      },
        {"",                             "IS_BOT(CAST(NULL AS STRING))",                                                       "NULL"                      },
        {"",                             "IS_BOT('')",                                                                         "TRUE"                      },
        {"",                             "IS_BOT('curl/8.5.0')",                                                               "TRUE"                      },
        {"",                             "IS_BOT('Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)')", "TRUE"                      },
        {"",                             "IS_BOT('Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0')",   "FALSE"                     },
        {"JSON with the text",
         "IS_BOT('{\"string\":\"Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0\"}')",                  "FALSE"                     },
        {"JSON with escapes",
         "JSON_VALUE(PARSE_USER_AGENT('{\"a\":{\"string\":1},\"string\":\"curl\\/8.5.0 \\u00e4\"}'), '$.family')",             "'curl'"                    },
        {"JSON whose string is no text", "JSON_VALUE(PARSE_USER_AGENT('{\"string\":1,\"b\":\"curl/8\"}'), '$.family')",        "'curl'"                    },
        {"JSON without one",             "IS_BOT('{\"agent\":\"Firefox\"}')",                                                  "TRUE"                      },
        {"no JSON",                      "JSON_VALUE(PARSE_USER_AGENT('{\"string\":\"curl/8.5.0\"'), '$.major')",              "'8'"                       },
        {"the text beyond what counts",
         "JSON_VALUE(PARSE_USER_AGENT('{\"a\":\"' || REPEAT('x', 1100) || '\",\"string\":\"curl/8.5.0\"}'), '$.family')",      "'curl'"                    },
        {"both of one text",             "IF(IS_BOT('Opera/9.80'), 'a', PARSE_USER_AGENT(''))",                                NOBODY                      },
    };

    return cr_make_param_array(struct sql_value, cases, TL_COUNT(cases));
}

ParameterizedTest(struct sql_value *c, function_user_agent, values)
{
    sql_value_check(c);
}

/* Plans of one tl_functions share the rules, and the run's record says which. */
Test(function_user_agent, the_rules_have_a_version)
{
    static const char sql[] = EVENTS "CREATE VIEW v AS SELECT IS_BOT(host) AS a, PARSE_USER_AGENT(host) AS b FROM t";
    struct tl_function_files files = {0};
    struct tl_functions *functions;
    struct tl_plan *plan;
    struct tl_err err = {0};
    struct tl_buf versions;
    const char *rules;
    char end;
    uint64_t hash;

    tl_buf_init(&versions, 0);
    cr_assert_eq(tl_functions_open(&files, &functions, &err), TL_OK);
    tl_functions_versions(functions, &versions);
    tl_buf_put_u8(&versions, 0);
    cr_assert_null(strstr(versions.data, "uap-core"), "not opened yet: %s", versions.data);
    tl_buf_clear(&versions);
    cr_assert_eq(tl_plan_parse(tl_sv_from(sql), "views.sql", tl_functions_catalog(functions), &plan, &err), TL_OK, "%s",
                 err.message);
    tl_functions_versions(functions, &versions);
    tl_buf_put_u8(&versions, 0);
    rules = strstr(versions.data, "uap-core");
    cr_assert_not_null(rules, "%s", versions.data);
    cr_assert_eq(sscanf(rules, "uap-core regexes.yaml xxh3:%16" SCNx64 "%c", &hash, &end), 1, "%s", versions.data);
    tl_plan_close(plan);
    tl_functions_close(functions);
    tl_buf_done(&versions);
}

static void refused(const struct tl_catalog *catalog, const char *call, const char *want)
{
    struct tl_plan *plan = NULL;
    struct tl_err err = {0};
    char sql[600];

    snprintf(sql, sizeof sql, EVENTS "CREATE VIEW v AS SELECT %s AS x FROM t", call);
    cr_assert_eq(tl_plan_parse(tl_sv_from(sql), "views.sql", catalog, &plan, &err), TL_ERR_DEFINITION);
    cr_assert(strstr(err.message, want) != NULL, "'%s', want '%s'", err.message, want);
}

Test(function_user_agent, what_cannot_be_called_is_refused)
{
    struct tl_function_files files = {.user_agents = "/nowhere/regexes.yaml"};
    struct tl_functions *functions;
    struct tl_err err = {0};

    cr_assert_eq(tl_functions_open(&files, &functions, &err), TL_OK);
    refused(
        tl_functions_catalog(functions), "IS_BOT(host)",
        "views.sql:2:25: the rules of user agents /nowhere/regexes.yaml (Debian's package uap-core has them; --user-agents names "
        "others): No such file or directory");
    refused(tl_functions_catalog(functions), "IS_BOT(n)", "IS_BOT does not take (INT)");
    refused(tl_functions_catalog(functions), "IS_BOT(n)", "there is IS_BOT(STRING) -> BOOLEAN");
    refused(tl_functions_catalog(functions), "PARSE_USER_AGENT(host, host)", "there is PARSE_USER_AGENT(STRING) -> STRING");
    refused(tl_function_catalog(), "PARSE_USER_AGENT(host)", "it needs the rules of user agents, and files are not read here");
    tl_functions_close(functions);
}

/* Both functions share what their thread has found out. */
Test(function_user_agent, functions_share_the_cache)
{
    static const char sql[] = EVENTS "CREATE VIEW v AS SELECT IS_BOT(host) AS a, PARSE_USER_AGENT(host) AS b FROM t";
    static const char *const texts[] = {"curl/8", "Opera/9.80", "curl/8", "Mozilla/5.0", "Opera/9.80"};
    const uint32_t rows[] = {0, 1, 2, 3, 4};
    struct tl_memories memories = {0};
    struct tl_arena arena;
    struct tl_plan *plan;
    struct tl_err err = {0};
    struct tl_vec slots[16], out;

    cr_assert_eq(tl_plan_parse(tl_sv_from(sql), "views.sql", sql_value_catalog(), &plan, &err), TL_OK, "%s", err.message);
    tl_arena_init(&arena, 4096, 0);
    for (uint32_t i = 0; i < plan->sources[0].schema.fields_count; i++)
        cr_assert(tl_vec_alloc(&arena, plan->sources[0].schema.fields[i].kind, TL_COUNT(rows), &slots[i]));
    for (int round = 0; round < 3; round++)
        for (uint32_t o = 0; o < 2; o++) {
            struct tl_eval eval = {.slots = slots,
                                   .slots_count = plan->sources[0].schema.fields_count,
                                   .rows_count = TL_COUNT(rows),
                                   .arena = &arena,
                                   .memories = &memories};
            const struct tl_user_agent_cache *cache;

            for (uint32_t i = 0; i < eval.slots_count; i++)
                for (uint32_t row = 0; row < TL_COUNT(rows) && slots[i].kind == TL_STRING; row++) {
                    struct tl_value value = {.kind = TL_STRING, .sv = tl_sv_from(texts[row])};

                    tl_vec_set(&slots[i], row, &value);
                }
            cr_assert(tl_expr_eval(&eval, plan->views[0].outputs[o].expr, rows, TL_COUNT(rows), &out));
            cr_assert_eq(memories.count, 1);
            cache = memories.memory[0];
            cr_assert_eq(cache->misses, 3);
        }
    tl_memories_done(&memories);
    tl_arena_done(&arena);
    tl_plan_close(plan);
}
