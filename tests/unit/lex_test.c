/* lex_test.c: words of a views file, and texts that are none. */
#include "sql/lex.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>

#include "sql/parse.h"
#include "support/sql_case.h"

struct token_case {
    char name[40], text[120], want[200];
};

ParameterizedTestParameters(lex, tokens)
{
    static struct token_case cases[] = {
        {"keywords know no case", "select FROM Where",                        "SELECT FROM WHERE"                                            },
        {"names",                 "a _b c1 d$ windows select_",               "name name name name name name"                                },
        {"a name in backticks",   "`select` `a``b` `ä b`",                   "name name name"                                               },
        {"texts",                 "'' 'it''s' 'a\nb' '\\'",                   "text text text text"                                          },
        {"numbers",               "0 12 1.5 .5 1. 1e3 1.5E-3",                "number number number number number number number"             },
        {"a number and a minus",  "1-2",                                      "number '-' number"                                            },
        {"operators",             "= <> != < <= > >= + - * / % || =>",        "'=' '<>' '<>' '<' '<=' '>' '>=' '+' '-' '*' '/' '%' '||' '=>'"},
        {"marks",                 "( ) , . ;",                                "'(' ')' ',' '.' ';'"                                          },
        {"comments",              "a -- b c\n/* d\n** / */ e /**/ f /* * */", "name name name"                                               },
        {"a comment to the end",  "a --",                                     "name"                                                         },
        {"hints",                 "a /*+ OPTIONS('k'='v') */ b",              "name name"                                                    },
        {"a quote in a comment",  "/* ' */ a -- '",                           "name"                                                         },
        {"a comment in a text",   "'-- a' '/* b'",                            "text text"                                                    },
        {"nothing",               "",                                         ""                                                             },
        {"white space",           " \t\r\n\f\v",                              ""                                                             },
        {"a mark at the begin",   "\xEF\xBB\xBFSET",                          "SET"                                                          },
    };
    return cr_make_param_array(struct token_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct token_case *c, lex, tokens)
{
    struct tl_lex lex;
    struct tl_token token;
    char got[300] = "";
    int kind;

    tl_lex_init(&lex, c->text);
    while ((kind = tl_lex_next(&lex, &token)) != 0) {
        const char *name = kind == TL_TK_IDENT     ? "name"
                           : kind == TL_TK_STRING  ? "text"
                           : kind == TL_TK_INTEGER ? "number"
                           : kind == TL_TK_DECIMAL ? "number"
                           : kind == TL_TK_ILLEGAL ? "illegal"
                                                   : tl_lex_name(kind);

        if (got[0] != '\0')
            strcat(got, " ");
        strcat(got, name);
        cr_assert_lt(strlen(got), 250);
    }
    cr_assert_str_eq(got, c->want, "%s: got %s", c->name, got);
}

Test(lex, places)
{
    static const char text[] = "\xEF\xBB\xBF"
                               "a 'ä\n' b\r\n\tc -- x\n d";
    static const struct {
        uint32_t line, column;
    } want[] = {
        {1, 1},
        {1, 3},
        {2, 3},
        {3, 2},
        {4, 2}
    };
    struct tl_lex lex;
    struct tl_token token;

    tl_lex_init(&lex, text);
    for (size_t i = 0; i < TL_COUNT(want); i++) {
        cr_assert_neq(tl_lex_next(&lex, &token), 0);
        cr_assert(token.at.place.line == want[i].line && token.at.place.column == want[i].column, "token %zu is at %u:%u", i,
                  token.at.place.line, token.at.place.column);
        cr_assert_eq(text + token.at.offset, token.text.data);
    }
    cr_assert_eq(tl_lex_next(&lex, &token), 0);
    cr_assert_eq(tl_lex_next(&lex, &token), 0, "the end is where it was");
}

/* The table of keywords is halved, so it must be in order. */
Test(lex, every_keyword_is_found)
{
    int found = 0;

    for (int t = 1; t < 200; t++) {
        const char *name = tl_lex_name(t);

        if (name[0] < 'A' || name[0] > 'Z')
            continue;
        cr_assert_eq(tl_lex_keyword(tl_sv_from(name)), t, "%s", name);
        found++;
    }
    cr_assert_gt(found, 70);
    cr_assert_eq(tl_lex_keyword(TL_SV("SELEC")), 0);
    cr_assert_eq(tl_lex_keyword(TL_SV("SELECTS")), 0);
    cr_assert_eq(tl_lex_keyword(TL_SV("")), 0);
}

ParameterizedTestParameters(lex, mistakes)
{
    /* clang-format off */
    static struct sql_mistake cases[] = {
        {"text without an end",
         EVENTS "SET 'a' = 'b",
         2, 11, "the text that begins with this quote has no end",
         "'", "close it with a quote; a quote inside a text is written twice: 'it''s'"},
        {"comment without an end",
         EVENTS "/* what\nfollows",
         2, 1, "the comment that begins here has no end",
         "/*", "close it with */"},
        {"name without an end",
         EVENTS "CREATE VIEW `v AS\nSELECT 1",
         2, 13, "the name that begins with this backtick has no end on its line",
         "`", "close it with a backtick"},
        {"empty name",
         EVENTS "CREATE VIEW `` AS SELECT ts FROM t",
         2, 13, "a name cannot be empty",
         "``", "write the name between the backticks"},
        {"double quotes",
         EVENTS "CREATE VIEW v AS SELECT ts FROM t WHERE host = \"a\"",
         2, 48, "a double quote has no meaning here",
         "\"", "text stands in single quotes: 'text'; names stand in backticks: `name`"},
        {"typographic quotes",
         EVENTS "CREATE VIEW v AS SELECT ts FROM t WHERE host = ‘a’",
         2, 48, "this is a typographic quote",
         "‘", "text stands in plain single quotes: 'text'"},
        {"no-break space",
         EVENTS "CREATE VIEW v AS SELECT\302\240ts FROM t",
         2, 24, "this is a no-break space",
         "\302\240", "put an ordinary space there"},
        {"a letter beyond ASCII",
         EVENTS "CREATE VIEW größe AS SELECT ts FROM t",
         2, 15, "this character has no meaning outside quotes",
         "ö", "a name with such letters stands in backticks"},
        {"two equals signs",
         EVENTS "CREATE VIEW v AS SELECT ts FROM t WHERE n == 1",
         2, 43, "'==' is no operator of SQL",
         "==", "equality is one '='"},
        {"exclamation mark",
         EVENTS "CREATE VIEW v AS SELECT ts FROM t WHERE !ok",
         2, 41, "'!' is no operator of SQL",
         "!", "write NOT, or <> for 'is not equal'"},
        {"ampersands",
         EVENTS "CREATE VIEW v AS SELECT ts FROM t WHERE ok && ok",
         2, 44, "'&&' is no operator of SQL",
         "&&", "write AND"},
        {"digit first",
         EVENTS "CREATE VIEW v AS SELECT ts, 1abc AS x FROM t",
         2, 29, "this is neither a number nor a name",
         "1abc", "a name that begins with a digit stands in backticks"},
        {"a control character",
         EVENTS "SET \001",
         2, 5, "this character has no meaning here",
         "?", "remove it"},
    };
    /* clang-format on */
    return cr_make_param_array(struct sql_mistake, cases, TL_COUNT(cases));
}

ParameterizedTest(struct sql_mistake *c, lex, mistakes)
{
    sql_mistake_check(c);
}

struct bytes_case {
    char name[40], text[16];
    uint32_t size, column;
};

ParameterizedTestParameters(lex, not_utf8)
{
    static struct bytes_case cases[] = {
        {"a lone byte",       "SET \xFF",         5, 5},
        {"a broken sequence", "\xC3(",            2, 1},
        {"overlong",          "a\xC0\xAF",        3, 2},
        {"overlong in three", "\xE0\x80\xAF",     3, 1},
        {"a surrogate",       "ab\xED\xA0\x80",   5, 3},
        {"beyond the last",   "\xF4\x90\x80\x80", 4, 1},
        {"cut off",           "a\xE2\x82",        3, 2},
        {"a zero byte",       "ab\0c",            4, 3},
    };
    return cr_make_param_array(struct bytes_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct bytes_case *c, lex, not_utf8)
{
    struct tl_catalog none = {NULL, 0, NULL};
    struct tl_plan *plan = NULL;
    struct tl_err err = {0};
    char want[40];

    cr_assert_eq(tl_plan_parse((struct tl_sv){c->text, c->size}, "v", &none, &plan, &err), TL_ERR_DEFINITION, "%s", c->name);
    snprintf(want, sizeof want, "v:1:%u: ", c->column);
    cr_assert_eq(strncmp(err.message, want, strlen(want)), 0, "%s: %s", c->name, err.message);
    cr_assert_not_null(strstr(err.message, "save the file as UTF-8"), "%s: %s", c->name, err.message);
}
