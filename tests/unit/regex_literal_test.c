/* regex_literal_test.c: literals of regular expressions, one by one and against PCRE2: what matches has them. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/buf.h"
#include "core/regex_literal.h"
#include "support/chance.h"

/* Sets as (a|b) (c|d), each with its literals in order; "-": none. */
struct literal_case {
    char pattern[80], want[160];
};

ParameterizedTestParameters(regex_literal, cases)
{
    static struct literal_case cases[] = {
        {"Build",                    "(build)"                 },
        {"(Nexus|Pixel) \\d+ Build", "( build) (nexus |pixel )"},
        {"[Bb]ot",                   "(bot)"                   },
        {"[BC]ot",                   "(bot|cot)"               },
        {"[a-e]ot",                  "(ot)"                    },
        {"[^x]ot",                   "(ot)"                    },
        {"[]x]ot",                   "(]ot|xot)"               },
        {"[a\\]-]ot",                "(-ot|]ot|aot)"           },
        {"[a\\d]ot",                 "(ot)"                    },
        {"ab?cd",                    "(abcd|acd)"              },
        {"ab*cd",                    "(cd)"                    },
        {"xab+cd",                   "(cd) (xa)"               },
        {"(ab)+cd",                  "(ab) (cd)"               },
        {"(ab){2}cd",                "(ab) (cd)"               },
        {"(ab){0,2}cd",              "(cd)"                    },
        {"(ab){0}cd",                "(cd)"                    },
        {"(?:ab|)cd",                "(abcd|cd)"               },
        {"ab{x}",                    "(ab{x})"                 },
        {"ab{,2}",                   "-"                       }, /* text up to PCRE2 10.42, and no more than two after */
        {"ab{ 1, 2 }",               "-"                       },
        {"ab{2",                     "-"                       },
        {"abc+?de",                  "(ab) (de)"               },
        {"ab.cd",                    "(ab) (cd)"               },
        {"^ab$",                     "(ab)"                    },
        {"\\bab\\B",                 "(ab)"                    },
        {"a\\.b\\/c",                "(a.b/c)"                 },
        {"a\\tb",                    "(a\tb)"                  },
        {"(foo.*|ba)r",              "(ba|foo)"                },
        {"(foo.*|b)r",               "-"                       },
        {"(foo.*|)r",                "-"                       },
        {"a|b",                      "-"                       },
        {"aa|bb",                    "(aa|bb)"                 },
        {"(aa|bb)(cc|dd)",           "(aacc|aadd|bbcc|bbdd)"   },
        {"((a.+longer)|(x.yy))z",    "(longer|yy)"             },
        {".*",                       "-"                       },
        {"",                         "-"                       },
        {"a",                        "-"                       },
        {"(?i)abc",                  "-"                       }, /* what is not understood gives none */
        {"abc(?=d)",                 "-"                       },
        {"abc(?!d)",                 "-"                       },
        {"(?<n>abc)",                "-"                       },
        {"abc\\1",                   "-"                       },
        {"abc\\x41",                 "-"                       },
        {"abc\\Qd\\E",               "-"                       },
        {"(*UTF)abc",                "-"                       },
        {"[[:alpha:]]abc",           "-"                       },
        {"abc)",                     "-"                       },
        {"abc(",                     "-"                       },
        {"abc[",                     "-"                       },
        {"abc\\",                    "-"                       },
        {"\xc3\x84.\xff\xfe",        "(\xc3\x84) (\xff\xfe)"   },
    };

    return cr_make_param_array(struct literal_case, cases, TL_COUNT(cases));
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void sets_print(const struct tl_literal_set *sets, uint32_t count, char *out, size_t out_bytes)
{
    char text[16][160] = {{0}};

    cr_assert_leq(count, TL_COUNT(text));
    for (uint32_t s = 0; s < count; s++) {
        char literal[16][40] = {{0}};
        size_t n = 0;

        cr_assert_leq(sets[s].count, TL_COUNT(literal));
        for (uint32_t i = 0; i < sets[s].count; i++)
            snprintf(literal[i], sizeof literal[i], "%.*s", TL_SV_ARG(sets[s].literals[i]));
        qsort(literal, sets[s].count, sizeof literal[0], by_text);
        for (uint32_t i = 0; i < sets[s].count; i++)
            n += (size_t)snprintf(text[s] + n, sizeof text[s] - n, "%s%s", i == 0 ? "(" : "|", literal[i]);
        snprintf(text[s] + n, sizeof text[s] - n, ")");
    }
    qsort(text, count, sizeof text[0], by_text);
    snprintf(out, out_bytes, "%s", count == 0 ? "-" : "");
    for (uint32_t s = 0, n = 0; s < count; s++)
        n += (uint32_t)snprintf(out + n, out_bytes - n, "%s%s", s == 0 ? "" : " ", text[s]);
}

ParameterizedTest(struct literal_case *c, regex_literal, cases)
{
    const struct tl_literal_set *sets;
    struct tl_arena arena;
    uint32_t count;
    char got[400];

    tl_arena_init(&arena, 1024, 0);
    cr_assert(tl_regex_literals(tl_sv_from(c->pattern), &arena, &sets, &count));
    sets_print(sets, count, got, sizeof got);
    cr_assert_str_eq(got, c->want, "%s: %s, want %s", c->pattern, got, c->want);
    tl_arena_done(&arena);
}

/* --- against PCRE2 -------------------------------------------------------------------------------------------------------- */

static void pattern_make(struct chance *chance, uint32_t depth, struct tl_buf *out)
{
    static const char *const atoms[] = {"a",   "B",    "c",  ".",   "\\d", "[ab]", "[^a]", "[A-C]", "\\.", "[a-z]", "\\b",
                                        "aB.", "[]c]", "ca", "\\w", "^",   "$",    "[.-]", "x",     "{",   "ab",    "[\\s-c]"};
    static const char *const quantifiers[] = {"", "", "", "", "", "?", "*", "+", "{2}", "{0,2}", "{1,}", "??", "+?", "{0}", "?+"};

    for (uint32_t n = chance_below(chance, 4) + (depth == 0); n > 0; n--) {
        const char *atom = atoms[chance_below(chance, TL_COUNT(atoms))];

        if (depth < 3 && chance_below(chance, 3) == 0) {
            tl_buf_put_str(out, chance_below(chance, 2) == 0 ? "(" : "(?:");
            pattern_make(chance, depth + 1, out);
            while (chance_below(chance, 2) == 0) {
                tl_buf_put_str(out, "|");
                pattern_make(chance, depth + 1, out);
            }
            tl_buf_put_str(out, ")");
        } else {
            tl_buf_put_str(out, atom);
        }
        tl_buf_put_str(out, quantifiers[chance_below(chance, TL_COUNT(quantifiers))]);
    }
}

static bool has_one(const struct tl_literal_set *set, const char *lowered)
{
    for (uint32_t i = 0; i < set->count; i++)
        if (memmem(lowered, strlen(lowered), set->literals[i].data, set->literals[i].size) != NULL)
            return true;
    return false;
}

Test(regex_literal, what_matches_has_them, .timeout = 120)
{
    static const char alphabet[] = "aAbBcCx1.{- ]z";
    struct chance chance = chance_open("regex_literal/what_matches_has_them");
    uint32_t matched = 0, missed = 0;
    struct tl_arena arena;
    struct tl_buf pattern;

    tl_buf_init(&pattern, 0);
    tl_arena_init(&arena, 4096, 0);
    for (uint32_t round = 0; round < 20000; round++) {
        const struct tl_literal_set *sets;
        pcre2_match_data *match;
        pcre2_code *code;
        PCRE2_SIZE at;
        uint32_t count;
        int error;

        tl_arena_reset(&arena);
        tl_buf_clear(&pattern);
        pattern_make(&chance, 0, &pattern);
        code = pcre2_compile((PCRE2_SPTR)pattern.data, pattern.size, chance_below(&chance, 2) ? PCRE2_CASELESS : 0, &error, &at,
                             NULL);
        if (code == NULL)
            continue;
        match = pcre2_match_data_create_from_pattern(code, NULL);
        cr_assert(tl_regex_literals(tl_buf_sv(&pattern), &arena, &sets, &count));
        for (uint32_t i = 0; i < 40; i++) {
            char text[13] = "", lowered[13] = "";
            uint32_t size = chance_below(&chance, sizeof text);

            for (uint32_t k = 0; k < size; k++) {
                text[k] = alphabet[chance_below(&chance, sizeof alphabet - 1)];
                lowered[k] = (char)tolower((unsigned char)text[k]);
            }
            if (pcre2_match(code, (PCRE2_SPTR)text, size, 0, 0, match, NULL) < 0) {
                for (uint32_t s = 0; s < count; s++)
                    missed += !has_one(&sets[s], lowered);
                continue;
            }
            matched += count > 0;
            for (uint32_t s = 0; s < count; s++)
                cr_assert(has_one(&sets[s], lowered), "%.*s matches '%s' without its literals", TL_SV_ARG(tl_buf_sv(&pattern)),
                          text);
        }
        pcre2_match_data_free(match);
        pcre2_code_free(code);
    }
    cr_assert(matched > 1000 && missed > 1000, "%u %u", matched, missed);
    tl_arena_done(&arena);
    tl_buf_done(&pattern);
}
