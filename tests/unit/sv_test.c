/* sv_test.c: comparing, cutting, and reading numbers exactly and in every locale alike. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sv.h"

static const struct tl_sv nothing = {NULL, 0};

Test(sv, compares_bytes_then_size)
{
    cr_assert(tl_sv_eq(TL_SV("ab"), TL_SV("ab")));
    cr_assert(tl_sv_eq(nothing, TL_SV("")));
    cr_assert_not(tl_sv_eq(TL_SV("ab"), TL_SV("abc")));
    cr_assert_not(tl_sv_eq(TL_SV("ab"), TL_SV("aB")));
    cr_assert(tl_sv_eq_nocase(TL_SV("SeLeCt[@"), TL_SV("select[@")));
    cr_assert_not(tl_sv_eq_nocase(TL_SV("["), TL_SV("{")), "only letters have two cases");
    cr_assert_not(tl_sv_eq_nocase(TL_SV("\xc3\x84"), TL_SV("\xc3\xa4")), "and only those of ASCII");
    cr_assert_eq(tl_sv_cmp(TL_SV("ab"), TL_SV("abc")), -1);
    cr_assert_eq(tl_sv_cmp(TL_SV("b"), TL_SV("abc")), 1);
    cr_assert_eq(tl_sv_cmp(TL_SV("\xff"), TL_SV("a")), 1, "bytes are unsigned");
    cr_assert_eq(tl_sv_cmp(nothing, TL_SV("")), 0);
    cr_assert_eq(tl_sv_cmp(nothing, TL_SV("a")), -1);
}

Test(sv, starts_ends_and_trims)
{
    cr_assert(tl_sv_starts(TL_SV("/index"), TL_SV("/")));
    cr_assert(tl_sv_starts(nothing, nothing));
    cr_assert_not(tl_sv_starts(TL_SV("/"), TL_SV("/index")));
    cr_assert(tl_sv_ends(TL_SV("a.css"), TL_SV(".css")));
    cr_assert_not(tl_sv_ends(TL_SV("css"), TL_SV(".css")));
    cr_assert(tl_sv_eq(tl_sv_trim(TL_SV(" \t\r\n a b \v\f")), TL_SV("a b")));
    cr_assert_eq(tl_sv_trim(TL_SV("  ")).size, 0);
    cr_assert_eq(tl_sv_trim(nothing).size, 0);
}

Test(sv, cuts_at_the_first_separator)
{
    struct tl_sv rest = TL_SV("a||b");

    cr_assert(tl_sv_eq(tl_sv_cut(&rest, '|'), TL_SV("a")));
    cr_assert(tl_sv_eq(tl_sv_cut(&rest, '|'), TL_SV("")));
    cr_assert(tl_sv_eq(tl_sv_cut(&rest, '|'), TL_SV("b")));
    cr_assert_eq(rest.size, 0);
    cr_assert_eq(tl_sv_cut(&rest, '|').size, 0);
    rest = nothing;
    cr_assert_eq(tl_sv_cut(&rest, '|').size, 0);
}

struct integer_case {
    char text[40];
    bool taken;
    int64_t value;
};

ParameterizedTestParameters(sv, to_i64)
{
    static struct integer_case cases[] = {
        {"0",                       true,  0        },
        {"-0",                      true,  0        },
        {"+7",                      true,  7        },
        {"007",                     true,  7        },
        {"9223372036854775807",     true,  INT64_MAX},
        {"9223372036854775808",     false, 0        },
        {"-9223372036854775808",    true,  INT64_MIN},
        {"-9223372036854775809",    false, 0        },
        {"99999999999999999999999", false, 0        },
        {"",                        false, 0        },
        {"-",                       false, 0        },
        {"1 ",                      false, 0        },
        {" 1",                      false, 0        },
        {"1.0",                     false, 0        },
        {"0x1",                     false, 0        },
        {"--1",                     false, 0        },
    };
    return cr_make_param_array(struct integer_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct integer_case *c, sv, to_i64)
{
    int64_t got = 4711;

    cr_assert_eq(tl_sv_to_i64(tl_sv_from(c->text), &got), c->taken, "'%s'", c->text);
    cr_assert_eq(got, c->taken ? c->value : 4711, "'%s': got %lld", c->text, (long long)got);
}

struct double_case {
    char text[48];
    bool taken;
    double value;
};

ParameterizedTestParameters(sv, to_f64)
{
    static struct double_case cases[] = {
        {"0",                                true,  0.0                    },
        {"1.5",                              true,  1.5                    },
        {".5",                               true,  0.5                    },
        {"5.",                               true,  5.0                    },
        {"+1e3",                             true,  1000.0                 },
        {"-1.25E-2",                         true,  -0.0125                },
        {"0.1",                              true,  0.1                    },
        {"9007199254740993",                 true,  9007199254740992.0     },
        {"9007199254740995",                 true,  9007199254740996.0     },
        {"123456789012345678",               true,  123456789012345680.0   },
        {"18446744073709551617",             true,  18446744073709551616.0 },
        {"36893488147419103233",             true,  36893488147419103232.0 },
        {"1e23",                             true,  1e23                   },
        {"8.5e22",                           true,  8.5e22                 },
        {"2.2250738585072012e-308",          true,  2.2250738585072012e-308},
        {"5e-324",                           true,  4.9406564584124654e-324},
        {"1e-400",                           true,  0.0                    },
        {"1.7976931348623157e308",           true,  1.7976931348623157e308 },
        {"1e309",                            false, 0                      },
        {"-1e99999999999999999999",          false, 0                      },
        {"0e99999999999999999999",           true,  0.0                    },
        {"0.000000000000000000000000000001", true,  1e-30                  },
        {"",                                 false, 0                      },
        {".",                                false, 0                      },
        {"e5",                               false, 0                      },
        {"1e",                               false, 0                      },
        {"1e+",                              false, 0                      },
        {"1,5",                              false, 0                      },
        {" 1",                               false, 0                      },
        {"1 ",                               false, 0                      },
        {"0x10",                             false, 0                      },
        {"inf",                              false, 0                      },
        {"nan",                              false, 0                      },
        {"1_000",                            false, 0                      },
    };
    return cr_make_param_array(struct double_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct double_case *c, sv, to_f64)
{
    double got = 4711;

    cr_assert_eq(tl_sv_to_f64(tl_sv_from(c->text), &got), c->taken, "'%s'", c->text);
    cr_assert(memcmp(&got, c->taken ? &c->value : &(double){4711}, sizeof got) == 0, "'%s': got %.17g", c->text, got);
}

Test(sv, to_f64_keeps_the_sign_of_zero)
{
    double got = 1;

    cr_assert(tl_sv_to_f64(TL_SV("-0.0"), &got));
    cr_assert(got == 0 && signbit(got));
}

Test(sv, to_f64_reads_only_its_own_bytes)
{
    double got = 0;

    cr_assert(tl_sv_to_f64((struct tl_sv){"123456789", 3}, &got));
    cr_assert_eq(got, 123);
    cr_assert(tl_sv_to_f64((struct tl_sv){"1e3099", 5}, &got) == false);
    cr_assert(tl_sv_to_f64((struct tl_sv){"1e3077", 5}, &got));
}

Test(sv, to_f64_reads_long_texts)
{
    char text[1200];
    double got = 0;

    memset(text, '0', sizeof text);
    text[0] = '1';
    text[1] = '.';
    cr_assert(tl_sv_to_f64((struct tl_sv){text, sizeof text}, &got));
    cr_assert_eq(got, 1);
    /* Exactly between two doubles, but for the last of 1,200 digits. */
    memcpy(text, "9007199254740993.0", 18);
    text[sizeof text - 1] = '1';
    cr_assert(tl_sv_to_f64((struct tl_sv){text, sizeof text}, &got));
    cr_assert_eq(got, 9007199254740994.0);
}

/* Every double that is printed with 17 digits must come back as it was; strtod in the C locale is the reference. */
Test(sv, to_f64_equals_strtod)
{
    uint64_t seed = 0x9e3779b97f4a7c15u;

    for (int i = 0; i < 20000; i++) {
        char text[64];
        double want, got = 0;
        int size;

        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        if (i % 2 == 0)
            size = snprintf(text, sizeof text, "%lld.%03llue%d", (long long)(seed % 100000000),
                            (unsigned long long)(seed >> 40) % 1000, (int)(seed >> 55) % 40 - 20);
        else {
            memcpy(&want, &seed, sizeof want);
            if (!isfinite(want))
                continue;
            size = snprintf(text, sizeof text, "%.*g", 10 + i % 8, want);
        }
        want = strtod(text, NULL);
        if (!isfinite(want))
            continue;
        cr_assert(tl_sv_to_f64((struct tl_sv){text, (size_t)size}, &got), "%s", text);
        cr_assert(memcmp(&got, &want, sizeof got) == 0, "%s: got %.17g, want %.17g", text, got, want);
    }
}

Test(sv, to_f64_ignores_the_locale)
{
    double got = 0;

    /* The machine may have none of these; then the test says nothing beyond the others. */
    if (setlocale(LC_ALL, "de_DE.UTF-8") == NULL)
        (void)setlocale(LC_ALL, "fr_FR.UTF-8");
    cr_assert(tl_sv_to_f64(TL_SV("1234567890123456789.5"), &got));
    cr_assert_eq(got, 1234567890123456789.5);
}

struct utf8_case {
    char name[32];
    char text[8];
    size_t left, size;
};

ParameterizedTestParameters(sv, utf8)
{
    static struct utf8_case cases[] = {
        {"ascii",                "a",                    1, 1},
        {"two bytes",            "\xc3\xa4",             2, 2},
        {"three bytes",          "\xe2\x82\xac",         3, 3},
        {"four bytes",           "\xf0\x9f\x98\x80",     4, 4},
        {"the last one",         "\xf4\x8f\xbf\xbf",     4, 4},
        {"beyond the last",      "\xf4\x90\x80\x80",     4, 0},
        {"overlong slash",       "\xc0\xaf",             2, 0},
        {"overlong in three",    "\xe0\x80\xaf",         3, 0},
        {"overlong in four",     "\xf0\x80\x80\xaf",     4, 0},
        {"surrogate",            "\xed\xa0\x80",         3, 0},
        {"below the surrogates", "\xed\x9f\xbf",         3, 3},
        {"lonely continuation",  "\x80",                 1, 0},
        {"cut off",              "\xe2\x82\xac",         2, 0},
        {"broken in the middle", "\xe2\x28\xa1",         3, 0},
        {"five bytes",           "\xf8\x88\x80\x80\x80", 5, 0},
    };
    return cr_make_param_array(struct utf8_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct utf8_case *c, sv, utf8)
{
    cr_assert_eq(tl_utf8_size(c->text, c->left), c->size, "%s", c->name);
}

Test(sv, hex_digits)
{
    static const char digits[] = "0123456789abcdefABCDEF";

    for (int c = 0; c < 256; c++) {
        const char *at = c == 0 ? NULL : strchr(digits, c);
        int want = at == NULL ? -1 : (int)(at - digits);

        cr_expect_eq(tl_hex_digit((char)c), want > 15 ? want - 6 : want, "%d", c);
    }
}
