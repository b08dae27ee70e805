/* function_domain_test.c: REFERRER_DOMAIN, by the suffix list of the system. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/expr.h"
#include "core/function.h"
#include "support/chance.h"
#include "support/sql_case.h"
#include "support/sql_value.h"

/* The address of a page, and its domain; "": NULL. */
struct domain_case {
    char url[120], want[60];
};

ParameterizedTestParameters(function_domain, domains)
{
    static struct domain_case cases[] = {
        {"https://example.com",                        "example.com"              },
        {"http://www.example.com/",                    "example.com"              },
        {"HTTP://WWW.Example.COM/Path?Query#Fragment", "example.com"              },
        {"http://a.b.c.example.co.uk/",                "example.co.uk"            },
        {"http://example.com?x=http://other.net",      "example.com"              },
        {"http://example.com#http://other.net",        "example.com"              },
        {"http://user:p%40ss@www.example.com:8080/",   "example.com"              },
        {"http://other.net@example.com/",              "example.com"              },
        {"http://a@other.net@example.com/",            "example.com"              },
        {"http://example.com\\@other.net/",            "example.com"              },
        {"http://example.com/a@other.net/",            "example.com"              },
        {"http://example.com:",                        "example.com"              },
        {"http://example.com:80a/",                    ""                         },
        {"http://example.com:80:90/",                  ""                         },
        {"http://www.example.com./",                   "example.com"              },
        {"http://www.example.com../",                  ""                         },
        {"http://.example.com/",                       ""                         },
        {"http://a..example.com/",                     ""                         },
        {"  http://www.example.com/x \n",              "example.com"              },
 /* suffixes of their owners: each user is a domain */
        {"https://somebody.github.io/page",            "somebody.github.io"       },
        {"https://a.somebody.github.io/page",          "somebody.github.io"       },
        {"https://github.io/",                         "github.io"                },
        {"http://co.uk/",                              "co.uk"                    },
        {"http://com/",                                "com"                      },
        {"http://a.b.kobe.jp/",                        "a.b.kobe.jp"              }, /* the rule *.kobe.jp */
        {"http://www.city.kobe.jp/",                   "city.kobe.jp"             }, /* and its exception */
        {"http://localhost:3000/",                     "localhost"                },
        {"http://wiki.intranet.corp/",                 "intranet.corp"            }, /* an unknown suffix is one label */
  /* letters beyond ASCII */
        {"http://www.xn--bcher-kva.de/",               "xn--bcher-kva.de"         },
        {"http://www.XN--BCHER-KVA.DE/",               "xn--bcher-kva.de"         },
        {"http://www.b\xc3\xbc"
         "cher.de/",                          "b\xc3\xbc"
         "cher.de"                                   },
        {"http://www.B\xc3\x9c"
         "CHER.de/",                          "b\xc3\xbc"
         "cher.de"                                   },
        {"http://xn--85x722f.xn--55qx5d.cn/",          "xn--85x722f.xn--55qx5d.cn"},
 /* addresses */
        {"http://203.0.113.7/",                        "203.0.113.7"              },
        {"http://203.0.113.7:8080/x",                  "203.0.113.7"              },
        {"http://203.0.113.999/",                      ""                         },
        {"http://1.2.3/",                              ""                         },
        {"http://[2001:DB8:0::1]/",                    "2001:db8::1"              },
        {"http://[2001:db8::1]:80/",                   "2001:db8::1"              },
        {"http://[2001:db8::1]80/",                    ""                         },
        {"http://[2001:db8::1/",                       ""                         },
        {"http://[203.0.113.7]/",                      ""                         },
        {"http://[]/",                                 ""                         },
        {"http://[",                                   ""                         },
 /* none */
        {"",                                           ""                         },
        {"-",                                          ""                         },
        {"/relative?x=1",                              ""                         },
        {"www.example.com",                            ""                         },
        {"//www.example.com/",                         ""                         },
        {"http:/www.example.com/",                     ""                         },
        {"http://",                                    ""                         },
        {"http:///path",                               ""                         },
        {"http://:80/",                                ""                         },
        {"http://user@/",                              ""                         },
        {"android-app://com.google.android.gm/",       ""                         },
        {"ftp://example.com/",                         ""                         },
        {"mailto:a@example.com",                       ""                         },
        {"about:blank",                                ""                         },
        {"http://ex%61mple.com/",                      ""                         },
        {"http://exa mple.com/",                       ""                         },
        {"http://example.com\x01/",                    ""                         },
        {"http://<script>/",                           ""                         },
    };
    return cr_make_param_array(struct domain_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct domain_case *c, function_domain, domains)
{
    struct sql_value value = {.name = ""};

    snprintf(value.name, sizeof value.name, "%.79s", c->url);
    snprintf(value.expression, sizeof value.expression, "REFERRER_DOMAIN('%s')", c->url);
    if (c->want[0] == '\0')
        snprintf(value.want, sizeof value.want, "NULL");
    else
        snprintf(value.want, sizeof value.want, "'%s'", c->want);
    sql_value_check(&value);
}

Test(function_domain, null_is_null)
{
    sql_value_check(&(struct sql_value){"", "REFERRER_DOMAIN(CAST(NULL AS STRING))", "NULL"});
}

/* Bytes that no views file can hold, but an event might. */
struct scene {
    struct tl_functions *functions;
    struct tl_plan *plan;
    const struct tl_expr *expr;
    void *memory;
    struct tl_arena arena;
    struct tl_vec url, out;
};

static void scene_open(struct scene *s)
{
    struct tl_err err = {0};

    *s = (struct scene){0};
    cr_assert_eq(tl_functions_open(&(struct tl_function_files){.library = NULL}, &s->functions, &err), TL_OK);
    cr_assert_eq(tl_plan_parse(TL_SV(EVENTS "CREATE VIEW v AS SELECT REFERRER_DOMAIN(host) AS d FROM t"), "views.sql",
                               tl_functions_catalog(s->functions), &s->plan, &err),
                 TL_OK, "%s", err.message);
    s->expr = s->plan->views[0].outputs[0].expr;
    s->memory = s->expr->function->memory->open();
    tl_arena_init(&s->arena, 4096, 0);
    cr_assert(s->memory != NULL && tl_vec_alloc(&s->arena, TL_STRING, 1, &s->url) &&
              tl_vec_alloc(&s->arena, TL_STRING, 1, &s->out));
}

static void scene_close(struct scene *s)
{
    s->expr->function->memory->close(s->memory);
    tl_plan_close(s->plan);
    tl_functions_close(s->functions);
    tl_arena_done(&s->arena);
}

static struct tl_value domain_of(struct scene *s, struct tl_sv url)
{
    const struct tl_value value = {.kind = TL_STRING, .sv = url};
    const uint32_t row = 0;
    const struct tl_call call = {.rows = &row,
                                 .rows_count = 1,
                                 .args = &s->url,
                                 .args_count = 1,
                                 .out = &s->out,
                                 .function = s->expr->function,
                                 .state = s->expr->state,
                                 .memory = s->memory,
                                 .arena = &s->arena};

    tl_vec_set(&s->url, 0, &value);
    cr_assert(s->expr->function->kernel(&call));
    return tl_vec_get(&s->out, 0);
}

Test(function_domain, what_is_no_utf8_is_no_host)
{
    struct scene s;

    scene_open(&s);
    cr_assert(domain_of(&s, TL_SV("http://www.b\xc3.de/")).is_null);
    cr_assert(domain_of(&s, TL_SV("http://\xff/")).is_null);
    cr_assert(domain_of(&s, TL_SV("http://a\0b.example/")).is_null);
    cr_assert(tl_sv_eq(domain_of(&s, TL_SV("http://www.example.com/\xff")).sv, TL_SV("example.com")));
    scene_close(&s);
}

/* What was found is kept by host: a name in the brackets of an address says nothing about that name. */
Test(function_domain, a_name_in_brackets_spoils_no_name)
{
    struct scene s;

    scene_open(&s);
    cr_assert(domain_of(&s, TL_SV("http://[www.example.com]/")).is_null);
    cr_assert(tl_sv_eq(domain_of(&s, TL_SV("http://www.example.com/")).sv, TL_SV("example.com")));
    cr_assert(tl_sv_eq(domain_of(&s, TL_SV("http://203.0.113.7/")).sv, TL_SV("203.0.113.7")));
    cr_assert(domain_of(&s, TL_SV("http://[203.0.113.7]/")).is_null);
    scene_close(&s);
}

/* Pieces of addresses in any order: what comes out is a name or an address, in lower case, or NULL. */
Test(function_domain, anything_goes_in, .timeout = 60)
{
    static const char *const pieces[] = {"http://", "https://", "www.",   "Example", ".com",
                                         ".",       "co.uk",    "[",      "]",       ":",
                                         "80",      "@",        "/",      "\\",      "?",
                                         "#",       "xn--",     " ",      "\xff",    "\xc3\xbc",
                                         "%41",     "1",        ".2.3.4", "::",      "\xf0\x9f\x98\x80"};
    struct chance chance = chance_open("anything_goes_in");
    unsigned found = 0;
    struct scene s;

    scene_open(&s);
    for (int round = 0; round < 100000; round++) {
        char url[600] = "http://";
        struct tl_value value;

        for (uint32_t n = chance_below(&chance, 12); n > 0; n--)
            strcat(url, pieces[chance_below(&chance, TL_COUNT(pieces))]);
        value = domain_of(&s, tl_sv_from(url));
        found += !value.is_null;
        cr_assert(value.is_null || value.sv.size > 0, "%s", url);
        for (size_t i = 0; !value.is_null && i < value.sv.size; i++)
            cr_assert(strchr("/\\?#@[] ABCDEFGHIJKLMNOPQRSTUVWXYZ", value.sv.data[i]) == NULL, "%s: %.*s", url,
                      TL_SV_ARG(value.sv));
    }
    cr_assert_gt(found, 1000);
    scene_close(&s);
}

Test(function_domain, the_list_is_named)
{
    struct tl_functions *functions = NULL;
    struct tl_plan *plan = NULL;
    struct tl_err err = {0};
    struct tl_buf versions;

    tl_buf_init(&versions, 0);
    cr_assert_eq(tl_functions_open(&(struct tl_function_files){.library = NULL}, &functions, &err), TL_OK);
    tl_functions_versions(functions, &versions);
    cr_assert_null(memmem(versions.data, versions.size, "publicsuffix", 12));
    cr_assert_eq(tl_plan_parse(TL_SV(EVENTS "CREATE VIEW v AS SELECT REFERRER_DOMAIN(host) AS d FROM t"), "views.sql",
                               tl_functions_catalog(functions), &plan, &err),
                 TL_OK, "%s", err.message);
    tl_buf_clear(&versions);
    tl_functions_versions(functions, &versions);
    tl_buf_put_u8(&versions, '\0');
    cr_assert(strncmp(versions.data, "tzdata ", 7) == 0, "%s", versions.data);
    cr_assert_not_null(strstr(versions.data, "; publicsuffix "), "%s", versions.data);
    tl_plan_close(plan);
    tl_functions_close(functions);
    tl_buf_done(&versions);
}
