/* timestamp_test.c: which texts are a time and which; the calendar against the C library's; the hot reader against the plain one. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "event/timestamp.h"

enum reader { SQL, SQL_Z, ISO, ISO_Z, RFC, LOG };

static const char *const reader_names[] = {"SQL", "SQL_Z", "ISO", "ISO_Z", "RFC3339", "access log"};

static bool read_as(enum reader reader, struct tl_sv text, int64_t *ms, bool *clamped)
{
    *clamped = false;
    switch (reader) {
    case SQL: return tl_time_from_sql(text, ms, clamped);
    case SQL_Z: return tl_time_from_sql_z(text, ms, clamped);
    case ISO: return tl_time_from_iso(text, ms, clamped);
    case ISO_Z: return tl_time_from_iso_z(text, ms, clamped);
    case RFC: return tl_time_from_rfc3339(text, ms);
    case LOG: return tl_time_from_access_log(text, ms);
    }
    return false;
}

struct time_case {
    enum reader reader;
    char text[48];
    char want[40]; /* as tl_time_to_iso_z says it; '!' before it: clamped; empty: refused */
};

ParameterizedTestParameters(timestamp, reads)
{
    static struct time_case cases[] = {
        {ISO_Z, "2024-03-01T10:00:00.123Z",        "2024-03-01T10:00:00.123Z" },
        {ISO_Z, "2024-03-01T10:00:00Z",            "2024-03-01T10:00:00.000Z" },
        {ISO_Z, "2024-03-01T10:00:00.1Z",          "2024-03-01T10:00:00.100Z" },
        {ISO_Z, "2024-03-01T10:00:00.12Z",         "2024-03-01T10:00:00.120Z" },
        {ISO_Z, "2024-03-01T10:00:00.1239Z",       "2024-03-01T10:00:00.123Z" },
        {ISO_Z, "2024-03-01T10:00:00.999999999Z",  "2024-03-01T10:00:00.999Z" },
        {ISO_Z, "2024-03-01T10:00:00.1234567890Z", ""                         },
        {ISO_Z, "2024-03-01T10:00:00.Z",           ""                         },
        {ISO_Z, "2024-03-01T10:00:00.12xZ",        ""                         },
        {ISO_Z, "2024-03-01T10:00:00.123",         ""                         },
        {ISO_Z, "2024-03-01T10:00:00.123z",        ""                         },
        {ISO_Z, "2024-03-01t10:00:00.123Z",        ""                         },
        {ISO_Z, "2024-03-01 10:00:00.123Z",        ""                         },
        {ISO_Z, "2024-03-01T10:00:00.123+02:00",   ""                         },
        {ISO_Z, "2024-03-01T10:00:00.123ZZ",       ""                         },
        {ISO_Z, "2024-03-01T10:00Z",               ""                         },
        {ISO_Z, " 2024-03-01T10:00:00.123Z",       ""                         },
        {ISO_Z, "2024-03-01T10:00:00.123Z ",       ""                         },
        {ISO_Z, "2024-02-30T10:00:00.123Z",        "!2024-02-29T10:00:00.123Z"},
        {ISO_Z, "2023-02-29T10:00:00Z",            "!2023-02-28T10:00:00.000Z"},
        {ISO_Z, "2024-04-31T10:00:00Z",            "!2024-04-30T10:00:00.000Z"},
        {ISO_Z, "1900-02-29T00:00:00Z",            "!1900-02-28T00:00:00.000Z"},
        {ISO_Z, "2000-02-29T00:00:00.000Z",        "2000-02-29T00:00:00.000Z" },
        {ISO_Z, "2024-01-31T23:59:59.999Z",        "2024-01-31T23:59:59.999Z" },
        {ISO_Z, "2024-01-32T10:00:00.000Z",        ""                         },
        {ISO_Z, "2024-01-00T10:00:00.000Z",        ""                         },
        {ISO_Z, "2024-13-01T10:00:00.000Z",        ""                         },
        {ISO_Z, "2024-00-01T10:00:00.000Z",        ""                         },
        {ISO_Z, "2024-03-01T24:00:00.000Z",        "2024-03-02T00:00:00.000Z" },
        {ISO_Z, "2024-03-01T24:00:00Z",            "2024-03-02T00:00:00.000Z" },
        {ISO_Z, "2024-12-31T24:00:00Z",            "2025-01-01T00:00:00.000Z" },
        {ISO_Z, "2024-03-01T24:00:00.0000001Z",    ""                         },
        {ISO_Z, "2024-03-01T24:00:01.000Z",        ""                         },
        {ISO_Z, "2024-03-01T25:00:00.000Z",        ""                         },
        {ISO_Z, "2024-03-01T10:60:00.000Z",        ""                         },
        {ISO_Z, "2024-03-01T10:00:60.000Z",        ""                         },
        {ISO_Z, "2024-3-1T10:00:00.000Z",          ""                         },
        {ISO_Z, "0000-01-01T00:00:00.000Z",        "0000-01-01T00:00:00.000Z" },
        {ISO_Z, "0000-02-29T00:00:00.000Z",        "0000-02-29T00:00:00.000Z" },
        {ISO_Z, "1969-12-31T23:59:59.999Z",        "1969-12-31T23:59:59.999Z" },
        {ISO_Z, "9999-12-31T23:59:59.999Z",        "9999-12-31T23:59:59.999Z" },
        {ISO_Z, "9999-12-31T24:00:00Z",            ""                         },
        {ISO_Z, "+9999-12-31T23:59:59.999Z",       ""                         },
        {ISO_Z, "-001-12-31T23:59:59.999Z",        ""                         },
        {ISO_Z, "1709287200000",                   ""                         },
        {ISO_Z, "",                                ""                         },
        {ISO_Z, "Z",                               ""                         },
        {ISO,   "2024-03-01T10:00:00.123",         "2024-03-01T10:00:00.123Z" },
        {ISO,   "2024-03-01T10:00:00",             "2024-03-01T10:00:00.000Z" },
        {ISO,   "2024-03-01T10:00:00.123456789",   "2024-03-01T10:00:00.123Z" },
        {ISO,   "2024-03-01T10:00:00.123Z",        ""                         },
        {ISO,   "2024-03-01T10:00:00Z",            ""                         },
        {ISO,   "2024-03-01 10:00:00",             ""                         },
        {ISO,   "2024-02-30T10:00:00",             ""                         },
        {ISO,   "2024-03-01T24:00:00",             ""                         },
        {SQL,   "2024-03-01 10:00:00.123",         "2024-03-01T10:00:00.123Z" },
        {SQL,   "2024-03-01 10:00:00",             "2024-03-01T10:00:00.000Z" },
        {SQL,   "2024-02-30 10:00:00",             "!2024-02-29T10:00:00.000Z"},
        {SQL,   "2024-03-01 24:00:00",             "2024-03-02T00:00:00.000Z" },
        {SQL,   "2024-03-01T10:00:00",             ""                         },
        {SQL,   "2024-03-01 10:00:00Z",            ""                         },
        {SQL,   "2024-03-01 10:00",                ""                         },
        {SQL,   "2024-03-01",                      ""                         },
        {SQL_Z, "2024-03-01 10:00:00.5Z",          "2024-03-01T10:00:00.500Z" },
        {SQL_Z, "2024-03-01 10:00:00",             ""                         },
        {SQL_Z, "2024-03-01T10:00:00Z",            ""                         },
        {RFC,   "2024-03-01T10:00:00.123Z",        "2024-03-01T10:00:00.123Z" },
        {RFC,   "2024-03-01T10:00:00Z",            "2024-03-01T10:00:00.000Z" },
        {RFC,   "2024-03-01T10:00Z",               "2024-03-01T10:00:00.000Z" },
        {RFC,   "2024-03-01t10:00z",               "2024-03-01T10:00:00.000Z" },
        {RFC,   "2024-03-01 10:00:00+02:00",       "2024-03-01T08:00:00.000Z" },
        {RFC,   "2024-03-01T00:30:00.5-05:30",     "2024-03-01T06:00:00.500Z" },
        {RFC,   "2024-03-01T00:30+01:00",          "2024-02-29T23:30:00.000Z" },
        {RFC,   "2024-03-01",                      "2024-03-01T00:00:00.000Z" },
        {RFC,   "2024-02-30",                      ""                         },
        {RFC,   "2024-03-01T10:00:00",             ""                         },
        {RFC,   "2024-03-01T10:00",                ""                         },
        {RFC,   "2024-03-01T10",                   ""                         },
        {RFC,   "2024-03-01T10Z",                  ""                         },
        {RFC,   "2024-03-01T",                     ""                         },
        {RFC,   "2024-03-01Z",                     ""                         },
        {RFC,   "2024-03-01T24:00:00Z",            ""                         },
        {RFC,   "2024-03-01T10:00:00.Z",           ""                         },
        {RFC,   "2024-03-01T10:00.5Z",             ""                         },
        {RFC,   "2024-03-01T10:00:00.1234567890Z", ""                         },
        {RFC,   "2024-03-01T10:00:00+0200",        ""                         },
        {RFC,   "2024-03-01T10:00:00+24:00",       ""                         },
        {RFC,   "2024-03-01T10:00:00+02:60",       ""                         },
        {RFC,   "2024-03-01T10:00:00+02:00x",      ""                         },
        {RFC,   "2024-03-01T10:00:0Z",             ""                         },
        {RFC,   "0000-01-01T00:00:00+00:01",       ""                         },
        {RFC,   "now",                             ""                         },
        {RFC,   "",                                ""                         },
        {LOG,   "10/Oct/2000:13:55:36 -0700",      "2000-10-10T20:55:36.000Z" },
        {LOG,   "17/May/2015:10:05:03 +0000",      "2015-05-17T10:05:03.000Z" },
        {LOG,   "29/Feb/2016:00:00:00 +0100",      "2016-02-28T23:00:00.000Z" },
        {LOG,   "01/Jan/1970:05:30:00 +0530",      "1970-01-01T00:00:00.000Z" },
        {LOG,   "31/Dec/2015:23:59:59 +0000",      "2015-12-31T23:59:59.000Z" },
        {LOG,   "30/Feb/2016:00:00:00 +0100",      ""                         },
        {LOG,   "00/Jan/2016:00:00:00 +0000",      ""                         },
        {LOG,   "10/oct/2000:13:55:36 -0700",      ""                         },
        {LOG,   "10/anF/2000:13:55:36 -0700",      ""                         },
        {LOG,   "10/Oct/2000:24:00:00 -0700",      ""                         },
        {LOG,   "10/Oct/2000:13:55:60 -0700",      ""                         },
        {LOG,   "10/Oct/2000:13:55:36 Z0700",      ""                         },
        {LOG,   "10/Oct/2000:13:55:36 -0700x",     ""                         },
        {LOG,   "10/Oct/2000:13:55:36 -07:00",     ""                         },
        {LOG,   "10/Oct/2000:13:55:36",            ""                         },
        {LOG,   "[10/Oct/2000:13:55:36 -0700",     ""                         },
        {LOG,   "1 /Oct/2000:13:55:36 -0700",      ""                         },
    };
    return cr_make_param_array(struct time_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct time_case *c, timestamp, reads)
{
    char got[TL_TIME_TEXT_BYTES + 1] = "";
    int64_t ms = 4711;
    bool clamped;

    if (read_as(c->reader, tl_sv_from(c->text), &ms, &clamped)) {
        got[0] = '!';
        (void)tl_time_to_iso_z(ms, got + clamped);
    } else {
        cr_assert_eq(ms, 4711, "'%s': *ms was touched", c->text);
    }
    cr_assert_str_eq(got, c->want, "'%s' as %s: got '%s', want '%s'", c->text, reader_names[c->reader], got, c->want);
}

Test(timestamp, every_day_of_the_calendar)
{
    int64_t days = tl_days_from_civil(0, 1, 1), year;
    unsigned month, day;

    cr_assert_eq(days * TL_DAY_MS, TL_TIME_MIN_MS);
    for (; days * TL_DAY_MS < TL_TIME_MAX_MS; days++) {
        struct tm tm;
        time_t seconds = (time_t)(days * 86400);
        char text[TL_TIME_TEXT_BYTES];
        int64_t ms;
        bool clamped;

        tl_civil_from_days(days, &year, &month, &day);
        cr_assert_eq(tl_days_from_civil(year, month, day), days);
        cr_assert_not_null(gmtime_r(&seconds, &tm));
        cr_assert(year == tm.tm_year + 1900 && month == (unsigned)tm.tm_mon + 1 && day == (unsigned)tm.tm_mday);
        cr_assert_eq(tl_time_to_iso_z(days * TL_DAY_MS + 3723004, text), 24);
        cr_assert(tl_time_from_iso_z((struct tl_sv){text, 24}, &ms, &clamped) && !clamped, "%s", text);
        cr_assert_eq(ms, days * TL_DAY_MS + 3723004, "%s", text);
        cr_assert(tl_time_from_iso((struct tl_sv){text, 23}, &ms, &clamped) && !clamped);
        cr_assert_eq(ms, days * TL_DAY_MS + 3723004, "%s", text);
    }
    cr_assert_eq(days * TL_DAY_MS, TL_TIME_MAX_MS + 1);
}

/* Leap years are all that can be divided by four; 4 October 1582 was the last day. */
Test(timestamp, days_of_the_julian_calendar)
{
    static const uint8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t days = tl_days_from_julian(-4, 1, 1);

    cr_assert_eq(tl_days_from_julian(1582, 10, 4), TL_GREGORIAN_DAYS - 1);
    cr_assert_eq(tl_days_from_civil(1582, 10, 15), TL_GREGORIAN_DAYS);
    for (int64_t year = -4; year < 1600; year++)
        for (unsigned month = 1; month <= 12; month++)
            for (unsigned day = 1; day <= lengths[month - 1] + (unsigned)(month == 2 && year % 4 == 0); day++, days++) {
                int64_t got_year;
                unsigned got_month, got_day;

                tl_julian_from_days(days, &got_year, &got_month, &got_day);
                cr_assert(got_year == year && got_month == month && got_day == day, "%lld-%u-%u", (long long)year, month, day);
                cr_assert_eq(tl_days_from_julian(year, month, day), days);
            }
}

Test(timestamp, every_millisecond_of_some_seconds_and_every_second_of_a_day)
{
    char text[TL_TIME_TEXT_BYTES];
    int64_t ms;
    bool clamped;

    for (int64_t want = -2000; want < 2000; want++) {
        (void)tl_time_to_iso_z(want, text);
        cr_assert(tl_time_from_iso_z((struct tl_sv){text, 24}, &ms, &clamped));
        cr_assert_eq(ms, want, "%s", text);
    }
    for (int64_t want = 0; want < TL_DAY_MS; want += 1000) {
        (void)tl_time_to_iso_z(want, text);
        cr_assert(tl_time_from_iso_z((struct tl_sv){text, 24}, &ms, &clamped));
        cr_assert_eq(ms, want, "%s", text);
    }
}

/* The hot reader takes 24 bytes at once; the same text with one more zero behind the fraction goes the plain way. */
Test(timestamp, both_ways_agree_on_broken_texts)
{
    static const char odd[] = "0123456789 -:.TZtz+/;\xff\x80\x2f\x3a";
    uint64_t state = (uint64_t)time(NULL);
    int taken = 0;

    printf("timestamp_test: seed %llu\n", (unsigned long long)state);
    for (int round = 0; round < 500000; round++) {
        char hot[] = "2024-02-28T19:59:38.123Z", plain[26];
        int64_t hot_ms = 1, plain_ms = 1;
        bool hot_clamped = false, plain_clamped = false, hot_ok, plain_ok;

        for (int n = 0; n < 2; n++) {
            state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            hot[(state >> 40) % 24] = odd[(state >> 33) % (sizeof odd - 1)];
        }
        memcpy(plain, hot, 23);
        plain[23] = '0';
        plain[24] = hot[23];
        hot_ok = tl_time_from_iso_z((struct tl_sv){hot, 24}, &hot_ms, &hot_clamped);
        plain_ok = tl_time_from_iso_z((struct tl_sv){plain, 25}, &plain_ms, &plain_clamped);
        /* "00:00:00Z" with something odd behind it is no shorter form here: both have a point or are refused. */
        cr_assert_eq(hot_ok, plain_ok, "%s", hot);
        cr_assert_eq(hot_ms, plain_ms, "%s", hot);
        cr_assert_eq(hot_clamped, plain_clamped, "%s", hot);
        taken += hot_ok;
    }
    cr_assert_gt(taken, 1000);
}

struct print_case {
    int64_t ms;
    char iso[TL_TIME_TEXT_BYTES], sql[TL_TIME_TEXT_BYTES];
};

ParameterizedTestParameters(timestamp, prints)
{
    static struct print_case cases[] = {
        {0,                      "1970-01-01T00:00:00.000Z",       "1970-01-01 00:00:00.000"      },
        {-1,                     "1969-12-31T23:59:59.999Z",       "1969-12-31 23:59:59.999"      },
        {INT64_C(1431857100000), "2015-05-17T10:05:00.000Z",       "2015-05-17 10:05:00.000"      },
        {TL_TIME_MIN_MS,         "0000-01-01T00:00:00.000Z",       "0000-01-01 00:00:00.000"      },
        {TL_TIME_MIN_MS - 1,     "-0001-12-31T23:59:59.999Z",      "-0001-12-31 23:59:59.999"     },
        {TL_TIME_MAX_MS,         "9999-12-31T23:59:59.999Z",       "9999-12-31 23:59:59.999"      },
        {TL_TIME_MAX_MS + 1,     "+10000-01-01T00:00:00.000Z",     "+10000-01-01 00:00:00.000"    },
        {INT64_MAX,              "+292278994-08-17T07:12:55.807Z", "+292278994-08-17 07:12:55.807"},
        {INT64_MIN,              "-292275055-05-16T16:47:04.192Z", "-292275055-05-16 16:47:04.192"},
    };
    return cr_make_param_array(struct print_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct print_case *c, timestamp, prints)
{
    char text[TL_TIME_TEXT_BYTES];

    cr_assert_eq(tl_time_to_iso_z(c->ms, text), strlen(c->iso));
    cr_assert_str_eq(text, c->iso);
    cr_assert_eq(tl_time_to_sql(c->ms, text), strlen(c->sql));
    cr_assert_str_eq(text, c->sql);
}
