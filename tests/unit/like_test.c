/* like_test.c: LIKE by Flink's rules, and against a matcher that simply tries everything. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

#include "core/like.h"
#include "support/chance.h"

struct like_case {
    char name[56], text[48], pattern[32], escape[8]; /* escape "": none */
    bool want;
};

ParameterizedTestParameters(like, cases)
{
    static struct like_case cases[] = {
        {"_ is not a newline",               "a\nb",             "a_b",        "",         false},
        {"% takes newlines",                 "a\nb",             "a%b",        "",         true },
        {"case-sensitive",                   "ABC",              "a%",         "",         false},
        {"no default escape",                "100%",             "100\\%",     "",         false},
        {"a backslash is itself",            "100\\x",           "100\\%",     "",         true },
        {"escaped %",                        "100%",             "100\\%",     "\\",       true },
        {"escaped % is no wildcard",         "100x",             "100\\%",     "\\",       false},
        {"escaped _",                        "a_b",              "a!_b",       "!",        true },
        {"escaped _ is no wildcard",         "axb",              "a!_b",       "!",        false},
        {"escaped escape",                   "a!b",              "a!!b",       "!",        true },
        {"% as its own escape",              "100%",             "100%%",      "%",        true },
        {"_ as the escape",                  "a%",               "a_%",        "_",        true },
        {"an escape of two bytes",           "a%",               "a\xC3\xA9%", "\xC3\xA9", true },
        {"_ is one code point",
         "a\xF0\x9F\x98\x80"
         "b",                                                    "a_b",        "",         true },
        {"two _ are not one emoji",          "\xF0\x9F\x98\x80", "__",         "",         false},
        {"_ is not \\r",                     "a\rb",             "a_b",        "",         false},
        {"_ is not U+0085",
         "a\xC2\x85"
         "b",                                                    "a_b",        "",         false},
        {"_ is not U+2028",
         "a\xE2\x80\xA8"
         "b",                                                    "a_b",        "",         false},
        {"_ is not U+2029",
         "a\xE2\x80\xA9"
         "b",                                                    "a_b",        "",         false},
        {"_ is U+2027",
         "a\xE2\x80\xA7"
         "b",                                                    "a_b",        "",         true },
        {"_ is U+0086",
         "a\xC2\x86"
         "b",                                                    "a_b",        "",         true },
        {"empty is empty",                   "",                 "",           "",         true },
        {"empty pattern",                    "a",                "",           "",         false},
        {"% takes nothing",                  "",                 "%",          "",         true },
        {"_ takes something",                "",                 "_",          "",         false},
        {"runs of %",                        "abc",              "%%%b%%",     "",         true },
        {"beginning",                        "/shop/cart",       "/shop/%",    "",         true },
        {"end",                              "/a/b.js",          "%.js",       "",         true },
        {"end must be the end",              "/a/b.jsx",         "%.js",       "",         false},
        {"the last place counts at the end", "abab",             "%ab",        "",         true },
        {"between",                          "a-needle-b",       "%needle%",   "",         true },
        {"beginning and end may not share",  "aba",              "ab%ba",      "",         false},
        {"in order",                         "one two three",    "%two%one%",  "",         false},
        {"first places suffice",             "aXbXc",            "a%X%c",      "",         true },
        {"no part is used twice",            "ab",               "%ab%b",      "",         false},
        {"_ in a segment between",           "xx/2024/yy",       "%/20__/%",   "",         true },
        {"_ before a literal",               "xxabyy",           "%_b%",       "",         true },
        {"_ before a literal at the start",  "b",                "%_b%",       "",         false},
        {"_ at the end",                     "abc",              "%_c",        "",         true },
        {"_ at the end needs a place",       "c",                "%_c",        "",         false},
        {"newline before the last _",        "a\n",              "%_",         "",         false},
        {"only _ after %",                   "abc",              "%___",       "",         true },
        {"only _ after % too many",          "abc",              "%____",      "",         false},
        {"literal newline",                  "a\nb",             "a\nb",       "",         true },
        {"regex signs are themselves",       "a.b*c",            "a.b*c",      "",         true },
        {"a dot is no wildcard",             "axb",              "a.b",        "",         false},
    };
    return cr_make_param_array(struct like_case, cases, sizeof cases / sizeof *cases);
}

static struct tl_sv escape_of(const char *text)
{
    return text[0] ? tl_sv_from(text) : (struct tl_sv){NULL, 0};
}

ParameterizedTest(struct like_case *c, like, cases)
{
    struct tl_arena arena;
    const struct tl_like *like;
    struct tl_err err;

    tl_arena_init(&arena, 4096, 0);
    cr_assert_eq(tl_like_compile(tl_sv_from(c->pattern), escape_of(c->escape), &arena, &like, &err), TL_OK, "%s: %s", c->name,
                 err.message);
    cr_assert_eq(tl_like_match(like, tl_sv_from(c->text)), c->want, "%s", c->name);
    tl_arena_done(&arena);
}

struct bad_case {
    char pattern[16], escape[8];
};

ParameterizedTestParameters(like, bad_escapes)
{
    static struct bad_case cases[] = {
        {"a!b", "!"               },
        {"a!",  "!"               },
        {"!x%", "!"               },
        {"ab",  "!!"              },
        {"ab",  "\xF0\x9F\x98\x80"},
        {"ab",  "\x80"            },
    };
    return cr_make_param_array(struct bad_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct bad_case *c, like, bad_escapes)
{
    struct tl_arena arena;
    const struct tl_like *like;
    struct tl_err err;

    tl_arena_init(&arena, 4096, 0);
    cr_assert_eq(tl_like_compile(tl_sv_from(c->pattern), tl_sv_from(c->escape), &arena, &like, &err), TL_ERR_DEFINITION);
    tl_arena_done(&arena);
}

Test(like, an_empty_escape_is_refused)
{
    struct tl_arena arena;
    const struct tl_like *like;

    tl_arena_init(&arena, 4096, 0);
    cr_assert_eq(tl_like_compile(TL_SV("a"), TL_SV(""), &arena, &like, NULL), TL_ERR_DEFINITION);
    tl_arena_done(&arena);
}

/* The reference: over code points, every way to share the text among the wildcards. */
static size_t points(const char *text, uint32_t *out)
{
    size_t count = 0;

    for (const unsigned char *at = (const unsigned char *)text; *at;) {
        uint32_t c = *at++;
        int more = c >= 0xF0 ? 3 : c >= 0xE0 ? 2 : c >= 0xC0 ? 1 : 0;

        c &= more == 0 ? 0x7F : 0x3FU >> more;
        while (more-- > 0)
            c = c << 6 | (*at++ & 0x3F);
        out[count++] = c;
    }
    return count;
}

static bool try_all(const uint32_t *text, size_t text_count, const uint32_t *pattern, size_t pattern_count)
{
    if (pattern_count == 0)
        return text_count == 0;
    if (pattern[0] == '%') {
        for (size_t i = 0; i <= text_count; i++)
            if (try_all(text + i, text_count - i, pattern + 1, pattern_count - 1))
                return true;
        return false;
    }
    if (text_count == 0)
        return false;
    if (pattern[0] == '_' ? text[0] == '\n' || text[0] == 0x2028 : pattern[0] != text[0])
        return false;
    return try_all(text + 1, text_count - 1, pattern + 1, pattern_count - 1);
}

static void random_text(struct chance *chance, const char *const *parts, uint32_t parts_count, uint32_t length, char *out)
{
    out[0] = 0;
    for (uint32_t i = 0; i < length; i++)
        strcat(out, parts[chance_below(chance, parts_count)]);
}

Test(like, agrees_with_trying_everything)
{
    static const char *const text_parts[] = {"a", "b", "ab", "\n", "\xC3\xA9", "\xE2\x80\xA8", "\xF0\x9F\x98\x80"};
    static const char *const pattern_parts[] = {"%", "_", "a", "b", "%", "_", "\xC3\xA9", "\n"};
    struct chance chance = chance_open("like");
    struct tl_arena arena;
    uint32_t matched = 0;

    tl_arena_init(&arena, 4096, 0);
    for (int round = 0; round < 60000; round++) {
        char text[64], pattern[64];
        uint32_t text_points[64], pattern_points[64];
        const struct tl_like *like;
        bool want;

        random_text(&chance, text_parts, 7, chance_below(&chance, 10), text);
        random_text(&chance, pattern_parts, 8, chance_below(&chance, 8), pattern);
        cr_assert_eq(tl_like_compile(tl_sv_from(pattern), escape_of(""), &arena, &like, NULL), TL_OK);
        want = try_all(text_points, points(text, text_points), pattern_points, points(pattern, pattern_points));
        matched += want;
        cr_assert_eq(tl_like_match(like, tl_sv_from(text)), want, "seed %llu: '%s' LIKE '%s'", (unsigned long long)chance.seed,
                     text, pattern);
        tl_arena_reset(&arena);
    }
    cr_assert_gt(matched, 1000);
    tl_arena_done(&arena);
}

/* A backtracking matcher would take longer than the universe has. */
Test(like, hostile_text_is_linear, .timeout = 10)
{
    enum { SIZE = 1 << 20 };
    struct tl_arena arena;
    const struct tl_like *like;
    char *text;

    tl_arena_init(&arena, 4096, 0);
    text = tl_arena_bytes(&arena, SIZE);
    cr_assert_not_null(text);
    memset(text, 'a', SIZE);
    cr_assert_eq(tl_like_compile(TL_SV("%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%b"), escape_of(""), &arena, &like, NULL), TL_OK);
    cr_assert_not(tl_like_match(like, (struct tl_sv){text, SIZE}));
    cr_assert_eq(tl_like_compile(TL_SV("%aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab%_a%"), escape_of(""), &arena, &like, NULL), TL_OK);
    cr_assert_not(tl_like_match(like, (struct tl_sv){text, SIZE}));
    tl_arena_done(&arena);
}
