/* regex_test.c: Java's syntax as it is meant, what is refused, and the bound on what a text may cost. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/regex.h"

struct regex_case {
    char pattern[64], text[40];
    char want[80]; /* of the first match each group, "-" where it took no part; empty: no match */
};

static void check(const struct regex_case *c, unsigned flags)
{
    struct tl_regex_scratch *scratch = tl_regex_scratch_open();
    struct tl_sv text = tl_sv_from(c->text), group;
    const struct tl_regex *regex;
    struct tl_err err = {0};
    struct tl_arena arena;
    char got[200] = "";
    size_t size = 0;

    cr_assert_not_null(scratch);
    tl_arena_init(&arena, 1024, 0);
    cr_assert_eq(tl_regex_compile(tl_sv_from(c->pattern), flags, &arena, &regex, &err), TL_OK, "%s", err.message);
    if (tl_regex_match(regex, scratch, text, 0) == TL_REGEX_FOUND)
        for (uint32_t i = 0; i <= tl_regex_groups(regex); i++) {
            if (!tl_regex_group(scratch, text, i, &group))
                group = TL_SV("-");
            size += (size_t)snprintf(got + size, sizeof got - size, "%s[%.*s]", i > 0 ? " " : "", TL_SV_ARG(group));
        }
    cr_assert_str_eq(got, c->want, "%s in '%s', flags %u: %s, want %s", c->pattern, c->text, flags, got, c->want);
    tl_arena_done(&arena);
    tl_regex_scratch_close(scratch);
}

ParameterizedTestParameters(regex, java)
{
    static struct regex_case cases[] = {
        {"b(ot)?",                 "a bot",    "[bot] [ot]"  },
        {"b(z)?",                  "ab",       "[b] [-]"     },
        {"a.c",                    "a\nc",     ""            },
        {"a.c",                    "a\015c",   ""            },
        {"a.c",                    "ac",     ""            },
        {"a.c",                    "a c",    ""            },
        {"a.c",                    "a\013c",   "[a\013c]"    },
        {"(?s)a.c",                "a\nc",     "[a\nc]"      },
        {"(?s:a.)c.",              "ab c",     ""            },
        {"(?s:.)(.)",              "\na",      "[\na] [a]"   },
        {"a$",                     "a\n",      "[a]"         },
        {"a$",                     "a\015\n",  "[a]"         },
        {"a$",                     "a ",     "[a]"         },
        {"a$",                     "a\013",    ""            },
        {"a$",                     "a\n\n",    ""            },
        {"\\r$",                   "a\015\n",  ""            },
        {"$",                      "\015\n",   "[]"          },
        {"a\\Z",                   "a\n",      "[a]"         },
        {"a\\z",                   "a\n",      ""            },
        {"^a",                     "ba",       ""            },
        {"\\Aa",                   "ab",       "[a]"         },
        {"(?i)straße",            "STRAßE",  "[STRAßE]"   },
        {"(?i)É",                 "é",       ""            },
        {"(?i)k",                  "K",      ""            },
        {"(?i)[a-z]+",             "KſS",     "[K]"         },
        {"(?i)[^k]",               "K",        ""            },
        {"(?i)[Z-a]",              "A",        "[A]"         },
        {"(?i:a)b",                "Ab",       "[Ab]"        },
        {"(?i:a)b",                "AB",       ""            },
        {"a(?-i)b",                "ab",       "[ab]"        },
        {"\\w+",                   "aéb",     "[a]"         },
        {"\\d",                    "٣",       ""            },
        {"\\s",                    "\013",     "[\013]"      },
        {"\\h",                    "　",      "[　]"       },
        {"\\v",                    " ",      "[ ]"       },
        {"a\\Rb",                  "a\015\nb", "[a\015\nb]"  },
        {"\\R\\n",                 "\015\n",   "[\015\n]"    },
        {"\\p{Alpha}+",            "aé1",     "[a]"         },
        {"\\p{Lu}",                "aÉ",      "[É]"        },
        {"\\P{L}",                 "é1",      "[1]"         },
        {"[\\p{Punct}\\d]+",       "a!1",      "[!1]"        },
        {"[^\\P{Digit}]",          "a1",       "[1]"         },
        {"\\pL",                   "1é",      "[é]"        },
        {"\\Qa.b\\E+",             "a.bb",     "[a.bb]"      },
        {"\\x41\\x{1F600}\\u00e9", "A😀é",  "[A😀é]"   },
        {"\\ud83d\\ude00",         "😀",     "[😀]"      },
        {"\\0101\\t",              "A\011",    "[A\011]"     },
        {"\\cA",                   "\001",     "[\001]"      },
        {"[\\]\\[-]+",             "[-]",      "[[-]]"       },
        {"[a-]+",                  "a-",       "[a-]"        },
        {"}]",                     "}]",       "[}]]"        },
        {"(?<name>a)(b)",          "ab",       "[ab] [a] [b]"},
        {"(a)\\1",                 "aa",       "[aa] [a]"    },
        {"(?>a*)a",                "aaa",      ""            },
        {"a*+a",                   "aaa",      ""            },
        {"a{2,3}?",                "aaa",      "[aa]"        },
        {"(?<=a)b",                "ab",       "[b]"         },
        {"(?<!a)b",                "ab",       ""            },
        {"a(?=b)",                 "ab",       "[a]"         },
        {"a(?!b)",                 "ab",       ""            },
        {"a|b|",                   "c",        "[]"          },
        {"",                       "a",        "[]"          },
        {"é.",                    "aé😀",  "[é😀]"    },
        {"a{0}b",                  "ab",       "[b]"         },
    };
    return cr_make_param_array(struct regex_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct regex_case *c, regex, java)
{
    check(c, TL_REGEX_JAVA);
    check(c, TL_REGEX_JAVA | TL_REGEX_INTERPRETED);
}

Test(regex, plain)
{
    static const struct regex_case as_it_is = {"(?m)^\\w+$", "a-b\nbc", "[bc]"}, nocase = {"bot/(\\d)", "a BOT/1", "[BOT/1] [1]"};

    check(&as_it_is, TL_REGEX_PLAIN);
    check(&nocase, TL_REGEX_PLAIN | TL_REGEX_NOCASE);
}

struct refused_case {
    char pattern[40];
    unsigned place;
    char why[120];
};

ParameterizedTestParameters(regex, refused)
{
    static struct refused_case cases[] = {
        {"(",                  2,  "a ( is not closed"                                                                             },
        {"é)",                2,  "the ) closes nothing"                                                                          },
        {"[a",                 3,  "a [ is not closed"                                                                             },
        {"é[a[b]]",           4,  "a [ inside of [...] makes a union in Java, which is not taken: write \\[ for the character"    },
        {"[a&&b]",             3,  "&& inside of [...] is an intersection in Java, which is not taken: write \\& for the character"},
        {"[]a]",               2,  "a ] that begins [...] is to be written \\]"                                                    },
        {"(?m)a",              3,  "of what may stand behind (? only : = ! > <= <! <name> and the flags i and s are taken"         },
        {"(?iu)a",             4,  "of what may stand behind (? only : = ! > <= <! <name> and the flags i and s are taken"         },
        {"(?x:a)",             3,  "of what may stand behind (? only : = ! > <= <! <name> and the flags i and s are taken"         },
        {"(?P<n>a)",           3,  "of what may stand behind (? only : = ! > <= <! <name> and the flags i and s are taken"         },
        {"(?R)",               3,  "of what may stand behind (? only : = ! > <= <! <name> and the flags i and s are taken"         },
        {"(?1)",               3,  "of what may stand behind (? only : = ! > <= <! <name> and the flags i and s are taken"         },
        {"(?(1)a)",            3,  "of what may stand behind (? only : = ! > <= <! <name> and the flags i and s are taken"         },
        {"(?#a)",              3,  "of what may stand behind (? only : = ! > <= <! <name> and the flags i and s are taken"         },
        {"(?C1)",              3,  "of what may stand behind (? only : = ! > <= <! <name> and the flags i and s are taken"         },
        {"(?|a)",              3,  "of what may stand behind (? only : = ! > <= <! <name> and the flags i and s are taken"         },
        {"(?&n)",              3,  "of what may stand behind (? only : = ! > <= <! <name> and the flags i and s are taken"         },
        {"(*FAIL)",            2,  "there is nothing before it to repeat: a repeat, an anchor and a look-around are not repeated"  },
        {"a**",                3,  "there is nothing before it to repeat: a repeat, an anchor and a look-around are not repeated"  },
        {"^*",                 2,  "there is nothing before it to repeat: a repeat, an anchor and a look-around are not repeated"  },
        {"*a",                 1,  "there is nothing before it to repeat: a repeat, an anchor and a look-around are not repeated"  },
        {"(?=a)*",             6,  "there is nothing before it to repeat: a repeat, an anchor and a look-around are not repeated"  },
        {"a{2}{3}",            5,  "there is nothing before it to repeat: a repeat, an anchor and a look-around are not repeated"  },
        {"a|+",                3,  "there is nothing before it to repeat: a repeat, an anchor and a look-around are not repeated"  },
        {"a{,2}",              2,  "a repeat is {n}, {n,} or {n,m}; write \\{ for the character"                                   },
        {"a{x",                2,  "a repeat is {n}, {n,} or {n,m}; write \\{ for the character"                                   },
        {"{",                  1,  "there is nothing before it to repeat: a repeat, an anchor and a look-around are not repeated"  },
        {"\\G",                1,  "this escape is not taken"                                                                      },
        {"\\X",                1,  "this escape is not taken"                                                                      },
        {"\\N",                1,  "this escape is not taken"                                                                      },
        {"\\K",                1,  "this escape is not taken"                                                                      },
        {"\\C",                1,  "this escape is not taken"                                                                      },
        {"\\k<n>",             1,  "this escape is not taken"                                                                      },
        {"\\y",                1,  "this escape is not taken"                                                                      },
        {"[\\b]",              2,  "it is not taken inside of [...]"                                                               },
        {"a\\",                2,  "nothing is behind the backslash"                                                               },
        {"\\x4",               1,  "the escape is not one character"                                                               },
        {"\\u004",             1,  "the escape is not one character"                                                               },
        {"\\ud83d",            1,  "the escape is not one character"                                                               },
        {"\\08",               1,  "the escape is not one character"                                                               },
        {"\\x{110000}",        1,  "the escape is not one character"                                                               },
        {"\\1(a)",             1,  "a back-reference is \\1 to \\9, to a group before it; write [1] for a digit behind it"         },
        {"(?i)(a)\\1",         8,  "a back-reference under the flag i is not taken"                                                },
        {"[z-a]",              2,  "the range is out of order"                                                                     },
        {"[a-\\d]",            2,  "a range must end with a character"                                                             },
        {"(?<1>a)",            4,  "a group's name is a letter and then letters and digits, 32 at most"                            },
        {"\\p{IsAlphabetic}",  1,
         "of \\p only the POSIX names (Alpha, Digit, Punct, ...) and general categories (L, Lu, Nd, ...) are taken; "              },
        {"\\p{javaLowerCase}", 1,
         "of \\p only the POSIX names (Alpha, Digit, Punct, ...) and general categories (L, Lu, Nd, ...) are taken; "              },
        {"\\p{Latin}",         1,
         "of \\p only the POSIX names (Alpha, Digit, Punct, ...) and general categories (L, Lu, Nd, ...) are taken; "              },
        {"(?i)\\p{Lu}",        5,
         "of \\p only the POSIX names (Alpha, Digit, Punct, ...) and general categories (L, Lu, Nd, ...) are taken; "              },
        {"(?<=a+)b",           1,  "lookbehind assertion is not fixed length"                                                      },
        {"(?<n>a)(?<n>b)",     13, ""                                                                                              },
        {"a{70000}",           2,  ""                                                                                              },
    };
    return cr_make_param_array(struct refused_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct refused_case *c, regex, refused)
{
    const struct tl_regex *regex = NULL;
    struct tl_err err = {0};
    struct tl_arena arena;
    char want[300];

    tl_arena_init(&arena, 1024, 0);
    cr_assert_eq(tl_regex_compile(tl_sv_from(c->pattern), TL_REGEX_JAVA, &arena, &regex, &err), TL_ERR_DEFINITION, "%s",
                 c->pattern);
    snprintf(want, sizeof want, "the regular expression '%s' is refused at character %u: %s", c->pattern, c->place, c->why);
    cr_assert(strncmp(err.message, want, strlen(want)) == 0, "%s\nwant %s", err.message, want);
    cr_assert_null(regex);
    tl_arena_done(&arena);
}

struct bound_case {
    char pattern[48], unit[24];
    size_t times;
    bool reached; /* a limit is, and not an answer */
};

ParameterizedTestParameters(regex, bound)
{
    static struct bound_case cases[] = {
        {"(a+)+$",               "a",             16000, true },
        {"(a+)+$",               "a",             40,    true },
        {"(a|aa)+$",             "a",             4000,  true },
        {"(?:a|b|ab)*[cd]",      "ab",            8000,  true },
        {"(x+x+)+[yz]",          "x",             2000,  true },
        {"(.*)(.*)(.*)(.*)[=;]", "abc",           2000,  true },
        {"a.*b.*a.*[de]",        "ab",            8000,  true },
        {"(?:[ab]*+c?)*$",       "ab",            8000,  false},
        {"[ab]*[cd]",            "ab",            4000,  false},
        {"^(.*)/(.*)\\?(.*)$",   "a/",            500,   false},
        {"utm_source=([^&]*)",   "utm_medium=x&", 1200,  false},
        {"a",                    "b",             16384, false},
        {"a",                    "b",             16385, true },
    };
    return cr_make_param_array(struct bound_case, cases, sizeof cases / sizeof *cases);
}

/* Under a sanitizer all is slower, and the bound on time says nothing. */
ParameterizedTest(struct bound_case *c, regex, bound)
{
    const size_t unit = strlen(c->unit);
    char *text = malloc(unit * c->times + 1);
    struct tl_arena arena;

    cr_assert_not_null(text);
    tl_arena_init(&arena, 1024, 0);
    for (size_t i = 0; i < c->times; i++)
        memcpy(text + i * unit, c->unit, unit);
    text[unit * c->times - 1] = c->reached || unit > 1 ? '!' : c->unit[0];
    for (unsigned flags = 0; flags <= TL_REGEX_INTERPRETED; flags += TL_REGEX_INTERPRETED) {
        struct tl_regex_scratch *scratch = tl_regex_scratch_open();
        const struct tl_regex *regex;
        struct timespec from, to;
        enum tl_regex_found found;
        double ms;

        cr_assert_not_null(scratch);
        cr_assert_eq(tl_regex_compile(tl_sv_from(c->pattern), flags, &arena, &regex, NULL), TL_OK);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
        found = tl_regex_match(regex, scratch, (struct tl_sv){text, unit * c->times}, 0);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
        ms = (double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) / 1e6;
        cr_assert_eq(found == TL_REGEX_LIMIT, c->reached, "%s, flags %u: %d", c->pattern, flags, (int)found);
        cr_assert_lt(ms, 1000, "%s, flags %u: %.1f ms", c->pattern, flags, ms);
        tl_regex_scratch_close(scratch);
    }
    tl_arena_done(&arena);
    free(text);
}

/* As java.util.regex.Matcher.matches(): another way is tried where the first does not come to the end. */
Test(regex, a_match_of_the_whole_text)
{
    static const struct regex_case cases[] = {
        {"b(ot)?",        "bot",   "[bot] [ot]"      },
        {"b(ot)?",        "bots",  ""                },
        {"b(ot)?",        "a bot", ""                },
        {"a|ab",          "ab",    "[ab]"            },
        {"(a|ab)(c|bcd)", "abcd",  "[abcd] [a] [bcd]"},
        {".*?",           "abc",   "[abc]"           },
        {"^a$",           "a",     "[a]"             },
        {"a\\Qb",         "ab",    "[ab]"            }, /* a quote that is left open */
        {"",              "",      "[]"              },
        {"",              "a",     ""                },
    };

    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        check(&cases[i], TL_REGEX_JAVA | TL_REGEX_WHOLE);
        check(&cases[i], TL_REGEX_JAVA | TL_REGEX_WHOLE | TL_REGEX_INTERPRETED);
    }
}
