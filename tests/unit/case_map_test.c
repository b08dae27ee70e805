/* case_map_test.c: lower and upper case: chosen texts, and every code point against the C library. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <locale.h>
#include <string.h>
#include <wctype.h>

#include "core/case_map.h"

struct case_case {
    char name[40], text[48], lower[48], upper[48];
};

ParameterizedTestParameters(case_map, cases)
{
    static struct case_case cases[] = {
        {"empty",                           "",                                          "",                                          ""                        },
        {"ASCII",                           "Hello, World 42",                           "hello, world 42",                           "HELLO, WORLD 42"         },
        {"the letters' neighbours stay",    "@[`{",                                      "@[`{",                                      "@[`{"                    },
        {"umlauts",                         "\xC3\x84rger \xC3\xB6",                     "\xC3\xA4rger \xC3\xB6",                     "\xC3\x84RGER \xC3\x96"   },
        {"sharp s grows",
         "stra\xC3\x9F"
         "e",                                                                            "stra\xC3\x9F"
         "e",                                                                                                            "STRASSE"                 },
        {"ligature",
         "o\xEF\xAC\x83"
         "ce",                                                                           "o\xEF\xAC\x83"
         "ce",                                                                                                          "OFFICE"                  },
        {"one letter becomes three",        "\xCE\x90",                                  "\xCE\x90",                                  "\xCE\x99\xCC\x88\xCC\x81"},
        {"I with a dot",                    "\xC4\xB0",                                  "i\xCC\x87",                                 "\xC4\xB0"                },
        {"dotless i",                       "\xC4\xB1",                                  "\xC4\xB1",                                  "I"                       },
        {"final sigma",                     "\xCE\x9F\xCE\x94\xCE\x9F\xCE\xA3",          "\xCE\xBF\xCE\xB4\xCE\xBF\xCF\x82",
         "\xCE\x9F\xCE\x94\xCE\x9F\xCE\xA3"                                                                                                                     },
        {"sigma inside a word",             "\xCE\xA3\xCE\x91",                          "\xCF\x83\xCE\xB1",                          "\xCE\xA3\xCE\x91"        },
        {"sigma alone",                     "\xCE\xA3",                                  "\xCF\x83",                                  "\xCE\xA3"                },
        {"sigma before a full stop",        "A\xCE\xA3.",                                "a\xCF\x82.",                                "A\xCE\xA3."              },
        {"sigma before a dot and a letter", "A\xCE\xA3.B",                               "a\xCF\x83.b",                               "A\xCE\xA3.B"             },
        {"cyrillic",                        "\xD0\x9C\xD0\xB8\xD1\x80",                  "\xD0\xBC\xD0\xB8\xD1\x80",                  "\xD0\x9C\xD0\x98\xD0\xA0"},
        {"beyond the basic plane",          "\xF0\x90\x90\x80",                          "\xF0\x90\x90\xA8",                          "\xF0\x90\x90\x80"        },
        {"two bytes to three",              "\xC8\xBA",                                  "\xE2\xB1\xA5",                              "\xC8\xBA"                },
        {"no case",                         "\xE6\x97\xA5\xE6\x9C\xAC \xF0\x9F\x98\x80", "\xE6\x97\xA5\xE6\x9C\xAC \xF0\x9F\x98\x80",
         "\xE6\x97\xA5\xE6\x9C\xAC \xF0\x9F\x98\x80"                                                                                                            },
        {"broken bytes stay",               "a\xFF\xC3",                                 "a\xFF\xC3",                                 "A\xFF\xC3"               },
    };
    return cr_make_param_array(struct case_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct case_case *c, case_map, cases)
{
    struct tl_arena arena;
    struct tl_sv got;

    tl_arena_init(&arena, 4096, 0);
    cr_assert(tl_case_lower(tl_sv_from(c->text), &arena, &got));
    cr_assert(tl_sv_eq(got, tl_sv_from(c->lower)), "%s, lower: got '%.*s'", c->name, TL_SV_ARG(got));
    cr_assert(tl_case_upper(tl_sv_from(c->text), &arena, &got));
    cr_assert(tl_sv_eq(got, tl_sv_from(c->upper)), "%s, upper: got '%.*s'", c->name, TL_SV_ARG(got));
    tl_arena_done(&arena);
}

static size_t encode(uint32_t c, char *out)
{
    size_t size = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

    if (size == 1) {
        out[0] = (char)c;
        return 1;
    }
    for (size_t i = size - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(unsigned char)(0x80 | (c & 0x3F));
    out[0] = (char)(unsigned char)(((0xF00U >> size) & 0xFF) | c);
    return size;
}

static uint32_t decode(struct tl_sv text)
{
    const unsigned char *at = (const unsigned char *)text.data;
    uint32_t c = text.size == 1 ? at[0] : at[0] & (0x7FU >> text.size);

    for (size_t i = 1; i < text.size; i++)
        c = c << 6 | (at[i] & 0x3F);
    return c;
}

/* The C library knows simple mappings of its own Unicode version. Where both know a single character, they must agree, but for: U+1E9E
 * and the like whose full mapping is longer, Georgian (the library does not raise Mkhedruli), and titlecase letters. */
Test(case_map, agrees_with_the_c_library)
{
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    struct tl_arena arena;
    uint32_t compared = 0, differing = 0;

    if (utf8 == (locale_t)0)
        cr_skip_test("the C.UTF-8 locale is not there");
    tl_arena_init(&arena, 4096, 0);
    for (uint32_t c = 1; c < 0x110000; c++) {
        char bytes[4];
        struct tl_sv text = {bytes, 0}, lower, upper;

        if (c >= 0xD800 && c < 0xE000)
            continue;
        text.size = encode(c, bytes);
        cr_assert(tl_case_lower(text, &arena, &lower) && tl_case_upper(text, &arena, &upper));
        if (tl_utf8_size(lower.data, lower.size) == lower.size) {
            uint32_t library = (uint32_t)towlower_l((wint_t)c, utf8);

            compared += library != c;
            differing += decode(lower) != library;
        }
        if (tl_utf8_size(upper.data, upper.size) == upper.size) {
            uint32_t library = (uint32_t)towupper_l((wint_t)c, utf8);

            compared += library != c;
            differing += decode(upper) != library && !(c >= 0x10D0 && c <= 0x10FF);
        }
        tl_arena_reset(&arena);
    }
    cr_assert_gt(compared, 2500);
    cr_assert_leq(differing, 40, "%u of %u differ", differing, compared);
    tl_arena_done(&arena);
    freelocale(utf8);
}
