/* time_pattern_test.c: patterns of letters: what Java 17 prints, reads and refuses. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>

#include "core/time_pattern.h"
#include "event/timestamp.h"

struct print_case {
    char pattern[64];
    int64_t local_ms;
    char want[96], want_old[96]; /* of java.time, of java.text; empty: not tried */
};

#define FRIDAY INT64_C(1709287200123) /* 2024-03-01 10:00:00.123 */

ParameterizedTestParameters(time_pattern, prints)
{
    /* clang-format off */
    static struct print_case cases[] = {
        {"yyyy-MM-dd'T'HH:mm:ss.SSS", FRIDAY, "2024-03-01T10:00:00.123", "2024-03-01T10:00:00.123"},
        {"y yy yyy yyyyy", FRIDAY, "2024 24 2024 02024", "2024 24 2024 02024"},
        {"u uu uuuu", FRIDAY, "2024 24 2024", "5 05 0005"},
        {"M MM MMM MMMM L LL LLL LLLL", FRIDAY, "3 03 Mar March 3 03 Mar March", "3 03 Mar March 3 03 Mar March"},
        {"MMMMM LLLLL EEEEE GGGGG QQQQQ", FRIDAY, "M M F A 1", ""},
        {"d D DDD E EE EEE EEEE", FRIDAY, "1 61 061 Fri Fri Fri Friday", "1 61 061 Fri Fri Fri Friday"},
        {"e ee eee eeee c ccc cccc", FRIDAY, "6 06 Fri Friday 6 Fri Friday", ""},
        {"q qq qqq qqqq Q QQ QQQ QQQQ", FRIDAY, "1 01 Q1 1st quarter 1 01 Q1 1st quarter", ""},
        {"a h hh K KK k kk H", FRIDAY, "AM 10 10 10 10 10 10 10", "AM 10 10 10 10 10 10 10"},
        {"a h K k H", 0, "AM 12 0 24 0", "AM 12 0 24 0"},
        {"a h K k H", 43200000, "PM 12 0 12 12", "PM 12 0 12 12"},
        {"a h K k H", -1, "PM 11 11 23 23", "PM 11 11 23 23"},
        {"G GGGG", FRIDAY, "AD Anno Domini", "AD AD"},
        {"A n N S SSSSSSSSS", FRIDAY, "36000123 123000000 36000123000000 1 123000000", ""},
        {"S SSSS", FRIDAY, "1 1230", "123 0123"},
        {"F", 1709892000000, "1", "2"},
        {"YYYY-ww W e c EEE", 1735430400000, "2025-01 5 1 1 Sun", ""},
        {"YYYY-ww W u", 1735430400000, "2025-01 5 2024", "2025-01 5 7"},
        {"YYYY-ww W EEE", 1735344000000, "2024-52 4 Sat", "2024-52 4 Sat"},
        {"yyyy-MM-dd G uuuu", -62135596800000, "0001-01-01 AD 0001", ""},
        {"yyyy-MM-dd EEE D", -62135596800000, "0001-01-01 Mon 1", "0001-01-03 Mon 3"},
        {"yyyy u G Y YYYY YY", -62200000000000, "0003 -2 BC -2 -0002 02", ""},
        {"Y YYYY YY yy", -62200000000000, "-2 -0002 02 03", "-2 -0002 -02 03"},
        {"yyyy-MM-dd", -12219292800000, "1582-10-15", "1582-10-15"},
        {"yyyy-MM-dd D", -12219292800001, "1582-10-14 287", "1582-10-04 277"},
        {"yyyy y yy uuuuu", 253402300800000, "+10000 10000 00 10000", ""},
        {"yyyy y yy", 253402300800000, "+10000 10000 00", "10000 10000 00"},
        {"yyyyMMddHHmmssSSS", FRIDAY, "20240301100000123", "20240301100000123"},
        {"[yyyy][ MM]", FRIDAY, "2024 03", "[2024][ 03]"},
        {"''yyyy''", FRIDAY, "'2024'", "'2024'"},
        {"yy''''", FRIDAY, "24'", "24''"},
        {"'it''s 'yyyy", FRIDAY, "it's 2024", "it's 2024"},
        {"\u00e9 yyyy \u20ac", FRIDAY, "\u00e9 2024 \u20ac", "\u00e9 2024 \u20ac"},
        {"", FRIDAY, "", ""},
    };
    /* clang-format on */
    return cr_make_param_array(struct print_case, cases, TL_COUNT(cases));
}

static void print_check(const struct print_case *c, enum tl_time_style style, const char *want)
{
    struct tl_time_pattern pattern;
    struct tl_err err = {0};
    char text[TL_TIME_PATTERN_TEXT_MAX + 1];

    cr_assert_eq(tl_time_pattern_compile(tl_sv_from(c->pattern), style, false, &pattern, &err), TL_OK, "%s: %s", c->pattern,
                 err.message);
    text[tl_time_pattern_print(&pattern, c->local_ms, text)] = '\0';
    cr_assert_str_eq(text, want, "%s is %s, want %s", c->pattern, text, want);
}

ParameterizedTest(struct print_case *c, time_pattern, prints)
{
    if (c->want[0] != '\0' || c->pattern[0] == '\0')
        print_check(c, TL_TIME_JAVA_TIME, c->want);
    if (c->want_old[0] != '\0')
        print_check(c, TL_TIME_JAVA_TEXT, c->want_old);
}

struct read_case {
    char pattern[40], text[48], want[32]; /* as a TIMESTAMP is written; empty: it cannot be read */
};

static void read_check(const struct read_case *c, enum tl_time_style style)
{
    struct tl_time_pattern pattern;
    struct tl_err err = {0};
    int64_t local_ms;
    char text[TL_TIME_TEXT_BYTES] = "";

    cr_assert_eq(tl_time_pattern_compile(tl_sv_from(c->pattern), style, true, &pattern, &err), TL_OK, "%s: %s", c->pattern,
                 err.message);
    if (style == TL_TIME_JAVA_TIME ? tl_time_pattern_read(&pattern, tl_sv_from(c->text), &local_ms)
                                   : tl_time_pattern_read_lenient(&pattern, tl_sv_from(c->text), &local_ms))
        tl_time_to_sql(local_ms, text);
    cr_assert_str_eq(text, c->want, "'%s' by %s is %s, want %s", c->text, c->pattern, text, c->want);
}

ParameterizedTestParameters(time_pattern, reads)
{
    /* clang-format off */
    static struct read_case cases[] = {
        {"yyyy-MM-dd HH:mm:ss.SSS", "2024-03-01 10:00:00.123", "2024-03-01 10:00:00.123"},
        {"yyyy-MM-dd HH:mm:ss.SSS", "2024-03-01 10:00:00", ""},
        {"yyyy-MM-dd HH:mm:ss.SSS", "2024-03-01 10:00:00.1234", ""},
        {"yyyy-MM-dd HH:mm:ss.SSSSSS", "2024-03-01 10:00:00.123999", "2024-03-01 10:00:00.123"},
        {"yyyy-MM-dd", "2024-02-31", "2024-02-29 00:00:00.000"},
        {"yyyy-MM-dd", "2023-02-29", "2023-02-28 00:00:00.000"},
        {"yyyy-MM-dd", "2024-04-31", "2024-04-30 00:00:00.000"},
        {"yyyy-MM-dd", "2024-03-32", ""},
        {"yyyy-MM-dd", "2024-13-01", ""},
        {"yyyy-MM-dd", "0000-01-01", ""},
        {"uuuu-MM-dd", "0000-01-01", "0000-01-01 00:00:00.000"},
        {"yyyy-MM-dd", "2024-3-01", ""},
        {"yyyy-M-d", "2024-3-1", "2024-03-01 00:00:00.000"},
        {"yyyy-M-d", "2024-03-01", "2024-03-01 00:00:00.000"},
        {"yyyy-M-d", "2024-+3-1", ""},
        {"yyyy-MM-dd", "12024-03-01", ""},
        {"yyyy-MM-dd", "+12024-03-01", "+12024-03-01 00:00:00.000"},
        {"yyyy-MM-dd", "+2024-03-01", ""},
        {"yyyy-MM-dd", " 2024-03-01", ""},
        {"yyyy-MM-dd", "2024-03-01 ", ""},
        {"yyyy-MM-dd HH:mm", "2024-03-01 24:00", "2024-03-02 00:00:00.000"},
        {"yyyy-MM-dd HH:mm", "2024-03-01 24:01", ""},
        {"HH:mm", "24:00", "1970-01-01 00:00:00.000"},
        {"yyyy-MM-dd HH:mm", "2024-03-01 10:60", ""},
        {"yyyyMMdd", "20240301", "2024-03-01 00:00:00.000"},
        {"yyyyMMddHHmmssSSS", "20240301100000123", "2024-03-01 10:00:00.123"},
        {"yyyyMMddHHmmssSSSSSSSSS", "20240301100000123456789", "2024-03-01 10:00:00.123"},
        {"yyyyMMdd", "2024031", ""},
        {"yyMMdd", "240301", "2024-03-01 00:00:00.000"},
        {"yyyy", "2024", "2024-01-01 00:00:00.000"},
        {"MM-dd", "03-31", "1970-03-31 00:00:00.000"},
        {"MM-dd", "02-29", ""},
        {"HH", "07", "1970-01-01 07:00:00.000"},
        {"", "", "1970-01-01 00:00:00.000"},
        {"yyyy-DDD", "2024-061", "2024-03-01 00:00:00.000"},
        {"yyyy-DDD", "2023-366", ""},
        {"yyyy-D-MM", "2024-61-03", "2024-03-01 00:00:00.000"},
        {"yyyy-D-MM", "2024-61-04", ""},
        {"d MMM yyyy", "1 Mar 2024", "2024-03-01 00:00:00.000"},
        {"d MMM yyyy", "1 mar 2024", ""},
        {"d MMM yyyy", "1 March 2024", ""},
        {"d MMMM yyyy", "31 September 2024", "2024-09-30 00:00:00.000"},
        {"EEE d MMM yyyy", "Fri 1 Mar 2024", "2024-03-01 00:00:00.000"},
        {"EEE d MMM yyyy", "Thu 1 Mar 2024", ""},
        {"dd/MMM/yyyy:HH:mm:ss", "01/Mar/2024:10:00:01", "2024-03-01 10:00:01.000"},
        {"yyyy-MM-dd hh a", "2024-03-01 12 AM", "2024-03-01 00:00:00.000"},
        {"yyyy-MM-dd hh a", "2024-03-01 12 PM", "2024-03-01 12:00:00.000"},
        {"yyyy-MM-dd hh a", "2024-03-01 13 PM", ""},
        {"yyyy-MM-dd hh", "2024-03-01 10", "2024-03-01 00:00:00.000"},
        {"yyyy-MM-dd a", "2024-03-01 PM", "2024-03-01 18:00:00.000"},
        {"yyyy-MM-dd KK a", "2024-03-01 00 PM", "2024-03-01 12:00:00.000"},
        {"yyyy-MM-dd kk", "2024-03-01 24", "2024-03-01 00:00:00.000"},
        {"HH h", "07 6", ""},
        {"yyyy MM dd G", "0044 03 15 BC", "-0043-03-15 00:00:00.000"},
        {"uuuu MM dd G", "0044 03 15 BC", ""},
        {"yyyy yyyy", "2024 2024", "2024-01-01 00:00:00.000"},
        {"yyyy yyyy", "2024 2025", ""},
        {"yyyy[-MM[-dd]]", "2024", "2024-01-01 00:00:00.000"},
        {"yyyy[-MM[-dd]]", "2024-03", "2024-03-01 00:00:00.000"},
        {"yyyy[-MM[-dd]]", "2024-03-02", "2024-03-02 00:00:00.000"},
        {"yyyy[-MM[-dd]]", "2024-03-0x", ""},
        {"yyyy-MM-dd[ HH:mm", "2024-03-02 11:12", "2024-03-02 11:12:00.000"},
        {"[yyyy/MM/dd][yyyy-MM-dd]", "2024-03-02", "2024-03-02 00:00:00.000"},
        {"yyyy-MM-dd'T'HH:mm'Z'", "2024-03-01T10:00Z", "2024-03-01 10:00:00.000"},
        {"uuuu-MM-dd", "-0043-03-15", "-0043-03-15 00:00:00.000"},
        {"u-M-d", "999999999-1-1", ""},
        {"u-M-d", "99999999999999999999-1-1", ""},
    };
    /* clang-format on */
    return cr_make_param_array(struct read_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct read_case *c, time_pattern, reads)
{
    read_check(c, TL_TIME_JAVA_TIME);
}

ParameterizedTestParameters(time_pattern, reads_leniently)
{
    /* clang-format off */
    static struct read_case cases[] = {
        {"yyyy-MM-dd HH:mm:ss", "2024-03-01 10:00:00", "2024-03-01 10:00:00.000"},
        {"yyyy-MM-dd HH:mm:ss", "2024-03-01 10:00:00.123Z and more", "2024-03-01 10:00:00.000"},
        {"yyyy-MM-dd HH:mm:ss", "2024-02-31 10:00:00", "2024-03-02 10:00:00.000"},
        {"yyyy-MM-dd HH:mm:ss", "2024-13-01 25:61:61", "2025-01-02 02:02:01.000"},
        {"yyyy-MM-dd HH:mm:ss", "2024-0-0 0:0:-1", "2023-11-29 23:59:59.000"},
        {"yyyy-MM-dd HH:mm:ss", " 2024- 3- 1  1:2:3", "2024-03-01 01:02:03.000"},
        {"yyyy-MM-dd HH:mm:ss", "2024-03-01", ""},
        {"yyyy-MM-dd HH:mm:ss", "", ""},
        {"yyyy-MM-dd", "1582-10-04", "1582-10-14 00:00:00.000"},
        {"yyyy-MM-dd", "1582-10-15", "1582-10-15 00:00:00.000"},
        {"yyyy-MM-dd", "0001-01-03", "0001-01-01 00:00:00.000"},
        {"yyyyMMddHHmmss", "20240301100001", "2024-03-01 10:00:01.000"},
        {"yyyyMMdd", "202403", ""},
        {"d MMM yyyy", "1 MARCH 2024", "2024-03-01 00:00:00.000"},
        {"d MMMM yyyy", "1 mar 2024", "2024-03-01 00:00:00.000"},
        {"EEE, d MMM yyyy", "Mon, 1 Mar 2024", "2024-03-01 00:00:00.000"},
        {"hh:mm a", "12:30 pm", "1970-01-01 12:30:00.000"},
        {"hh:mm a", "12:30 am", "1970-01-01 00:30:00.000"},
        {"kk:mm", "24:30", "1970-01-01 00:30:00.000"},
        {"ss SSS", "1 1500", "1970-01-01 00:00:02.500"},
        {"yyyy", "4294969320", "2024-01-01 00:00:00.000"},
        {"yyyy", "2147483647", ""},
        {"", "x", ""},
    };
    /* clang-format on */
    return cr_make_param_array(struct read_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct read_case *c, time_pattern, reads_leniently)
{
    read_check(c, TL_TIME_JAVA_TEXT);
}

struct refusal {
    char pattern[24];
    enum tl_time_style style;
    bool reads;
    char want[96];
};

ParameterizedTestParameters(time_pattern, refuses)
{
    /* clang-format off */
    static struct refusal cases[] = {
        {"yyyy-b", TL_TIME_JAVA_TIME, false, "the letter b has no meaning in this pattern; text stands in quotes: ''b''"},
        {"yyyyTHH", TL_TIME_JAVA_TIME, true, "the letter T has no meaning in this pattern; text stands in quotes: ''T''"},
        {"ppH", TL_TIME_JAVA_TIME, false, "the letter p has no meaning in this pattern; text stands in quotes: ''p''"},
        {"yyyy z", TL_TIME_JAVA_TIME, false, "the letter z stands for a zone, and a wall clock has none: see CONVERT_TZ"},
        {"X", TL_TIME_JAVA_TEXT, true, "the letter X stands for a zone, and a wall clock has none: see CONVERT_TZ"},
        {"MMMMMM", TL_TIME_JAVA_TIME, false, "MMMMMM has no meaning: the letter M is not written so often"},
        {"HHH", TL_TIME_JAVA_TIME, false, "HHH has no meaning: the letter H is not written so often"},
        {"cc", TL_TIME_JAVA_TIME, false, "cc has no meaning: the letter c is not written so often"},
        {"SSSSSSSSSS", TL_TIME_JAVA_TIME, false, "SSSSSSSSSS has no meaning: the letter S is not written so often"},
        {"yyyy]", TL_TIME_JAVA_TIME, false, "] has no meaning at this place of the pattern; text stands in quotes: '']''"},
        {"{yyyy}", TL_TIME_JAVA_TIME, false, "{ has no meaning at this place of the pattern; text stands in quotes: ''{''"},
        {"[[[[[[[[[", TL_TIME_JAVA_TIME, false, "[ has no meaning at this place of the pattern; text stands in quotes: ''[''"},
        {"yyyy 'x", TL_TIME_JAVA_TIME, false, "a quote in the pattern is not closed: yyyy 'x"},
        {"'", TL_TIME_JAVA_TEXT, false, "a quote in the pattern is not closed: '"},
        {"YYYY-MM-dd", TL_TIME_JAVA_TIME, true, "the letter Y cannot be read, only printed: the year is yyyy"},
        {"QQ", TL_TIME_JAVA_TIME, true, "the letter Q cannot be read, only printed"},
        {"MMMMM", TL_TIME_JAVA_TIME, true, "MMMMM cannot be read: one letter stands for several names"},
        {"yy-MM", TL_TIME_JAVA_TEXT, true, "yy would be read by the date of today: write yyyy"},
        {"yyyy E", TL_TIME_JAVA_TEXT, true, "the letter E can be read beside d alone"},
        {"yyyy n", TL_TIME_JAVA_TEXT, false, "the letter n has no meaning in this pattern; text stands in quotes: ''n''"},
    };
    /* clang-format on */
    return cr_make_param_array(struct refusal, cases, TL_COUNT(cases));
}

ParameterizedTest(struct refusal *c, time_pattern, refuses)
{
    struct tl_time_pattern pattern;
    struct tl_err err = {0};

    cr_assert_eq(tl_time_pattern_compile(tl_sv_from(c->pattern), c->style, c->reads, &pattern, &err), TL_ERR_DEFINITION, "%s",
                 c->pattern);
    cr_assert_str_eq(err.message, c->want);
}

Test(time_pattern, has_a_longest)
{
    char text[TL_TIME_PATTERN_MAX + 2], printed[TL_TIME_PATTERN_TEXT_MAX];
    struct tl_time_pattern pattern;
    struct tl_err err = {0};

    memset(text, '.', sizeof text);
    cr_assert_eq(tl_time_pattern_compile((struct tl_sv){text, TL_TIME_PATTERN_MAX}, TL_TIME_JAVA_TIME, false, &pattern, &err),
                 TL_OK);
    cr_assert_eq(tl_time_pattern_print(&pattern, 0, printed), TL_TIME_PATTERN_MAX);
    cr_assert_eq(tl_time_pattern_compile((struct tl_sv){text, TL_TIME_PATTERN_MAX + 1}, TL_TIME_JAVA_TIME, false, &pattern, &err),
                 TL_ERR_DEFINITION);
    cr_assert_str_eq(err.message, "a pattern has at most 100 bytes, and this one 101");
    /* The most parts, each with the most text, at the ends of time. */
    for (size_t i = 0; i < TL_TIME_PATTERN_MAX; i++)
        text[i] = i % 2 == 0 ? 'u' : 'N';
    cr_assert_eq(tl_time_pattern_compile((struct tl_sv){text, TL_TIME_PATTERN_MAX}, TL_TIME_JAVA_TIME, false, &pattern, &err),
                 TL_OK);
    cr_assert_lt(tl_time_pattern_print(&pattern, INT64_MIN, printed), sizeof printed);
    cr_assert_lt(tl_time_pattern_print(&pattern, INT64_MAX, printed), sizeof printed);
    memset(text, '[', 8);
    memset(text + 8, 'u', 2);
    cr_assert_eq(tl_time_pattern_compile((struct tl_sv){text, TL_TIME_PATTERN_MAX}, TL_TIME_JAVA_TIME, false, &pattern, &err),
                 TL_OK);
}

/* The text is the same all over its grain, and another a grain later. */
Test(time_pattern, holds_for_its_grain)
{
    static const struct {
        char pattern[12];
        uint32_t grain_ms;
    } cases[] = {
        {"yyyy-MM-dd", 86400000},
        {"D",          86400000},
        {"'m' EE",     86400000},
        {"d a",        3600000 },
        {"dH",         3600000 },
        {"dh",         3600000 },
        {"dK",         3600000 },
        {"dk",         3600000 },
        {"HH:mm",      60000   },
        {"HH:mm:ss",   1000    },
        {"s",          1000    },
        {"SSS",        1       },
        {"n",          1       },
        {"A",          1       },
        {"N",          1       },
    };

    for (size_t i = 0; i < TL_COUNT(cases); i++)
        for (int64_t from_ms = -864000000; from_ms < 864000000; from_ms += 86400000) {
            char first[TL_TIME_PATTERN_TEXT_MAX], other[TL_TIME_PATTERN_TEXT_MAX];
            struct tl_time_pattern pattern;
            size_t size;

            cr_assert_eq(tl_time_pattern_compile(tl_sv_from(cases[i].pattern), TL_TIME_JAVA_TIME, false, &pattern, NULL), TL_OK);
            cr_assert_eq(pattern.grain_ms, cases[i].grain_ms, "%s", cases[i].pattern);
            size = tl_time_pattern_print(&pattern, from_ms, first);
            cr_assert_eq(tl_time_pattern_print(&pattern, from_ms + pattern.grain_ms - 1, other), size);
            cr_assert_eq(memcmp(first, other, size), 0, "%s", cases[i].pattern);
        }
}

static bool read_by(const struct tl_time_pattern *pattern, struct tl_sv text, int64_t *ms)
{
    return pattern->style == TL_TIME_JAVA_TIME ? tl_time_pattern_read(pattern, text, ms)
                                               : tl_time_pattern_read_lenient(pattern, text, ms);
}

/* What is printed reads as it was, and no mutilation of it reads out of bounds. */
Test(time_pattern, reads_what_it_prints)
{
    static const char *const patterns[] = {"uuuu-MM-dd HH:mm:ss.SSS", "d MMMM yyyy G hh:mm:ss a SSS", "uuuu/D kk[:]mm ss n",
                                           "EEEE uuuuMMddHHmmssSSSSSS", "yyyy-MM-dd HH:mm:ss SSS"};
    uint64_t state = 7;

    for (size_t p = 0; p < TL_COUNT(patterns); p++) {
        const enum tl_time_style style = p == 4 ? TL_TIME_JAVA_TEXT : TL_TIME_JAVA_TIME;
        struct tl_time_pattern pattern;

        cr_assert_eq(tl_time_pattern_compile(tl_sv_from(patterns[p]), style, true, &pattern, NULL), TL_OK);
        for (int i = 0; i < 20000; i++) {
            char text[TL_TIME_PATTERN_TEXT_MAX];
            int64_t ms, read_ms = 0;
            size_t size, at;

            state = state * UINT64_C(6364136223846793005) + 1;
            ms = (int64_t)((state >> 1) % (uint64_t)(TL_TIME_MAX_MS + TL_TIME_MAX_MS / 4)) - TL_TIME_MAX_MS / 4;
            if (p == 4)
                ms = ms < -62135769600000 ? -ms : ms; /* java.text reads no era here */
            size = tl_time_pattern_print(&pattern, ms, text);
            cr_assert(read_by(&pattern, (struct tl_sv){text, size}, &read_ms), "%s: %.*s", patterns[p], (int)size, text);
            cr_assert_eq(read_ms, ms, "%s: %.*s", patterns[p], (int)size, text);
            at = (size_t)(state >> 40) % size;
            text[at] = (char)(state >> 33);
            read_by(&pattern, (struct tl_sv){text, size - at % 3}, &read_ms);
            read_by(&pattern, (struct tl_sv){text, at}, &read_ms);
        }
    }
}
