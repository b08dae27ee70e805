/* mistake_test.c: a message whose caret stands under the place, whatever the line holds. */
#include "sql/mistake.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>

struct shown_case {
    char name[48], text[200];
    uint32_t offset, bytes;
    char want[400];
};

ParameterizedTestParameters(mistake, shown)
{
    static struct shown_case cases[] = {
        {"one line",                                  "SELECT hots FROM t",   7, 4, "v.sql:1:8: what\n  1 | SELECT hots FROM t\n    |        ^^^^\n  hint"},
        {"the second line",                           "a\nbcd\ne",            3, 1, "v.sql:2:2: what\n  2 | bcd\n    |  ^\n  hint"                        },
        {"the first character",                       "abc",                  0, 3, "v.sql:1:1: what\n  1 | abc\n    | ^^^\n  hint"                       },
        {"the end of the text",                       "abc",                  3, 0, "v.sql:1:4: what\n  1 | abc\n    |    ^\n  hint"                      },
        {"the end of a line",                         "ab\ncd",               2, 1, "v.sql:1:3: what\n  1 | ab\n    |   ^\n  hint"                        },
        {"carriage return",                           "ab\r\ncd\r\n",         5, 1, "v.sql:2:2: what\n  2 | cd\n    |  ^\n  hint"                         },
        {"letters of two bytes",                      "'äöü' x",           9, 1, "v.sql:1:7: what\n  1 | 'äöü' x\n    |       ^\n  hint"            },
        {"a mark of two bytes",                       "xß y",                1, 2, "v.sql:1:2: what\n  1 | xß y\n    |  ^\n  hint"                      },
        {"letters two cells wide",                    "'日本' x",           9, 1, "v.sql:1:6: what\n  1 | '日本' x\n    |        ^\n  hint"           },
        {"a wide mark",                               "a日b",                1, 3, "v.sql:1:2: what\n  1 | a日b\n    |  ^^\n  hint"                     },
        {"an emoji",                                  "'\xF0\x9F\x99\x82' x", 7, 1, "v.sql:1:5: what\n  1 | '\xF0\x9F\x99\x82' x\n    |      ^\n  hint"   },
        {"a combining accent",                        "e\xCC\x81 x",          4, 1, "v.sql:1:4: what\n  1 | e\xCC\x81 x\n    |   ^\n  hint"               },
        {"tabs stay tabs",                            "\ta\tx",               3, 1, "v.sql:1:4: what\n  1 | \ta\tx\n    | \t \t^\n  hint"                 },
        {"control characters are not shown",          "a\x1B[2Jx",            5, 1, "v.sql:1:6: what\n  1 | a?[2Jx\n    |      ^\n  hint"                 },
        {"bytes that are no text",                    "a\xFF\xC3(x",          1, 1, "v.sql:1:2: what\n  1 | a?\?(x\n    |  ^\n  hint"                     },
        {"a span over two lines ends with the first", "abc\ndef",             1, 5, "v.sql:1:2: what\n  1 | abc\n    |  ^^\n  hint"                       },
        {"an empty text",                             "",                     0, 0, "v.sql:1:1: what\n  1 | \n    | ^\n  hint"                            },
        {"beyond the end",                            "a",                    1, 9, "v.sql:1:2: what\n  1 | a\n    |  ^\n  hint"                          },
    };
    return cr_make_param_array(struct shown_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct shown_case *c, mistake, shown)
{
    struct tl_text text = {"v.sql", tl_sv_from(c->text)};
    struct tl_err err = {0};

    cr_assert_eq(tl_mistake(&err, &text, tl_span_at(&text, c->offset, c->bytes), "hint", "what"), TL_ERR_DEFINITION);
    cr_assert_str_eq(err.message, c->want, "%s:\n%s", c->name, err.message);
    cr_assert(err.code == TL_ERR_DEFINITION && !err.retriable);
}

struct secret_case {
    char name[40], text[160];
};

ParameterizedTestParameters(mistake, secrets)
{
    static struct secret_case cases[] = {
        {"a value",                  "WITH ('topic' = 'x',\n 'properties.sasl.password' = 'hush-hush', 'format' = 'json')" },
        {"a mistyped name",          "WITH ('properties.sasl.pasword' = 'hush-hush',\n 'topic' = 'x')"                     },
        {"on a line of its own",     "WITH ('properties.sasl.password' =\n  'hush-hush',\n 'topic' = 'x')"                 },
        {"over several lines",       "WITH ('properties.ssl.key.pem' = '-----\nhush-hush\n''hush-hush''\n----', 'a' = 'b')"},
        {"without an equal sign",    "WITH ('properties.sasl.password' 'hush-hush', 'a' = 'b')"                            },
        {"never closed",             "WITH ('properties.sasl.password' = 'hush-hush, 'a' = 'b')"                           },
        {"without quotes",           "WITH ('properties.sasl.password' = hush-hush, 'a' = 'b')"                            },
        {"after a comma of its own", "WITH ('properties.sasl.password' = 'a,hush-hush', 'a' = 'b')"                        },
    };

    return cr_make_param_array(struct secret_case, cases, TL_COUNT(cases));
}

/* Whatever is wrong, and wherever. */
ParameterizedTest(struct secret_case *c, mistake, secrets)
{
    struct tl_text text = {"v.sql", tl_sv_from(c->text)};

    for (uint32_t at = 0; at <= strlen(c->text); at++) {
        struct tl_err err = {0};

        tl_mistake_write(&err, &text, tl_span_at(&text, at, 9), "hint", "'%.*s' cannot stand here", 9, c->text + at);
        cr_assert_null(strstr(err.message, "hush-hush"), "%s:\n%s", c->name, err.message);
        if (strncmp(c->text + at, "format", 6) == 0 || strncmp(c->text + at, "topic", 5) == 0)
            cr_assert_not_null(strstr(err.message, "cannot stand here"));
    }
}

/* Only the part around the caret of a long line is shown. */
Test(mistake, a_long_line)
{
    char sql[3000];
    struct tl_text text = {
        "v.sql", {sql, sizeof sql - 1}
    };
    struct tl_err err = {0};
    const char *line, *caret;

    memset(sql, 'a', sizeof sql);
    memcpy(sql + 2000, "wrong", 5);
    tl_mistake_write(&err, &text, tl_span_at(&text, 2000, 5), NULL, "what");
    line = strchr(err.message, '\n') + 1;
    caret = strchr(line, '\n') + 1;
    cr_assert_eq(strncmp(line, "  1 | ...aaa", 12), 0, "%s", err.message);
    cr_assert_lt(caret - line, 140, "%s", err.message);
    cr_assert_eq(strncmp(line + strcspn(caret, "^"), "wrong", 5), 0, "%s", err.message);
    cr_assert_eq(caret[-2], '.', "%s", err.message);
}

/* What does not fit is cut between characters, and the text ends. */
Test(mistake, everything_long)
{
    static char sql[5000], name[2000], hint[3000];
    struct tl_text text = {
        name, {sql, sizeof sql - 1}
    };
    struct tl_err err = {0};
    size_t size;

    memset(name, 'n', sizeof name - 1);
    for (size_t i = 0; i + 3 < sizeof hint; i += 3)
        memcpy(hint + i, "日", 3);
    memset(sql, 'x', sizeof sql - 1);
    tl_mistake_write(&err, &text, tl_span_at(&text, 4000, 900), hint, "%s", sql);
    size = strlen(err.message);
    cr_assert_lt(size, sizeof err.message);
    cr_assert_eq(strncmp(err.message + size - 3, "日", 3), 0, "whole characters at the end");
    cr_assert_not_null(strchr(err.message, '^'));
}

Test(mistake, no_hint_no_line)
{
    struct tl_text text = {"v", TL_SV("abc")};
    struct tl_err err = {0};

    tl_mistake_write(&err, &text, tl_span_at(&text, 0, 1), NULL, "what %d", 7);
    cr_assert_str_eq(err.message, "v:1:1: what 7\n  1 | abc\n    | ^");
    cr_assert_eq(tl_mistake(NULL, &text, tl_span_at(&text, 0, 1), NULL, "what"), TL_ERR_DEFINITION, "err may be NULL");
}

struct near_case {
    char given[40], names[4][24], want[40];
};

ParameterizedTestParameters(mistake, nearest)
{
    static struct near_case cases[] = {
        {"hots",       {"url", "host", "ip"},      "did you mean 'host'?"      },
        {"HOST",       {"url", "host"},            "did you mean 'host'?"      },
        {"evnet_time", {"event_id", "event_time"}, "did you mean 'event_time'?"},
        {"customer",   {"url", "host", "ip"},      "otherwise"                 },
        {"a",          {"b", "c"},                 "otherwise"                 },
        {"ab",         {"ba", "xyz"},              "did you mean 'ba'?"        },
        {"",           {"a"},                      "otherwise"                 },
        {"host",       {""},                       "otherwise"                 },
        {"sum",        {"SUM", "sun"},             "did you mean 'SUM'?"       },
    };
    return cr_make_param_array(struct near_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct near_case *c, mistake, nearest)
{
    struct tl_nearest nearest = tl_nearest_to(tl_sv_from(c->given));
    char hint[80];

    for (size_t i = 0; i < TL_COUNT(c->names) && c->names[i][0] != '\0'; i++)
        tl_nearest_offer(&nearest, tl_sv_from(c->names[i]));
    cr_assert_str_eq(tl_nearest_hint(&nearest, hint, sizeof hint, "otherwise"), c->want, "%s", c->given);
}
