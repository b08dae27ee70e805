/* zone_test.c: every zone of the system against Python's zoneinfo; gaps, overlaps and the ends of time; names; files that lie. */
#include "event/zone.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "event/timestamp.h"
#include "support/chance.h"

#define HOUR_MS INT64_C(3600000)
#define NO_DATABASE "there is no /usr/share/zoneinfo here: install tzdata"

static struct tl_arena arena;

static void begin(void)
{
    tl_arena_init(&arena, 1 << 16, 0);
}

static void end(void)
{
    tl_arena_done(&arena);
}

TestSuite(zone, .init = begin, .fini = end);

static bool database_is_there(void)
{
    return access("/usr/share/zoneinfo/Europe/Berlin", R_OK) == 0;
}

static const struct tl_zone *open_zone(const char *name)
{
    const struct tl_zone *zone = NULL;
    struct tl_err err = {0};

    cr_assert_eq(tl_zone_open(tl_sv_from(name), &arena, &zone, &err), TL_OK, "%s: %s", name, err.message);
    return zone;
}

static int64_t ms_of(const char *text)
{
    int64_t ms = 0;
    bool clamped;

    cr_assert(text[strlen(text) - 1] == 'Z' ? tl_time_from_iso_z(tl_sv_from(text), &ms, &clamped)
                                            : tl_time_from_sql(tl_sv_from(text), &ms, &clamped),
              "%s", text);
    return ms;
}

/* --- all zones ----------------------------------------------------------------------------------------------------------- */

static unsigned long compared, wrong;

static void expect(const char *zone, const char *what, int64_t of, int64_t got, int64_t want)
{
    compared++;
    if (got != want && wrong++ < 20)
        cr_log_error("%s: %s(%" PRId64 ") is %" PRId64 ", and zoneinfo says %" PRId64, zone, what, of, got, want);
}

/* A line of zone_reference.py. */
static void compare(const char *line, char name[80], const struct tl_zone **zone)
{
    int64_t of, a, b, c;
    struct tl_zone_span span;

    if (sscanf(line, "Z %79s", name) == 1) {
        *zone = open_zone(name);
    } else if (sscanf(line, "I %" SCNd64 " %" SCNd64, &of, &a) == 2) {
        span = tl_zone_span(*zone, of);
        expect(name, "offset", of, span.offset_ms, a);
        expect(name, "local", of, tl_zone_local_ms(*zone, of), of + a);
        expect(name, "in its span", of, span.from_ms <= of && of < span.to_ms, true);
    } else if (sscanf(line, "L %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64, &of, &a, &b, &c) == 4) {
        expect(name, "first", of, tl_zone_first_ms(*zone, of), a);
        expect(name, "last", of, tl_zone_last_ms(*zone, of), b);
        expect(name, "instant", of, tl_zone_instant_ms(*zone, of), c);
    } else {
        cr_assert_fail("not a line of zone_reference.py: %s", line);
    }
}

/* Each eighth zone, from a chosen one on: all of them take 12 s, and are asked with TALLY_LONG. */
Test(zone, python_agrees)
{
    struct chance chance = chance_open("zone");
    const size_t step = getenv("TALLY_LONG") != NULL ? 1 : 8;
    const struct tl_zone *zone = NULL;
    char command[1 << 15] = "python3 tests/reference/zone_reference.py", line[256], name[80];
    struct tl_sv *names = NULL;
    size_t count = 0, asked = 0, size = strlen(command);
    FILE *python;

    if (system("python3 -c 'import zoneinfo' 2>/dev/null") != 0)
        cr_skip_test("there is no python3 with zoneinfo (3.9) here to compare with");
    cr_assert_eq(tl_zone_names(&arena, &names, &count, NULL), TL_OK);
    if (count == 0)
        cr_skip_test(NO_DATABASE);
    for (size_t i = chance_below(&chance, (uint32_t)step); i < count; i += step, asked++)
        size += (size_t)snprintf(command + size, sizeof command - size, " %.*s", TL_SV_ARG(names[i]));
    cr_assert_lt(size, sizeof command);
    python = popen(command, "r");
    cr_assert_not_null(python);
    while (fgets(line, sizeof line, python) != NULL)
        compare(line, name, &zone);
    cr_assert_eq(pclose(python), 0);
    cr_assert_gt(compared, 1000 * asked, "%lu questions about %zu zones", compared, asked);
    cr_assert_eq(wrong, 0, "%lu of %lu answers about %zu zones differ", wrong, compared, asked);
}

/* Walks all changes from 1800 to 2110: spans without a gap between them, and what zone.h promises of the wall clocks around each. */
static void check_promises(const char *name, const struct tl_zone *zone)
{
    static const int64_t steps[] = {-25 * HOUR_MS, -HOUR_MS, -1, 0, 1, HOUR_MS / 4, HOUR_MS / 2, HOUR_MS, 25 * HOUR_MS};
    struct tl_zone_span span = tl_zone_span(zone, ms_of("1800-01-01 00:00:00")), near = {0}, back = {0};

    while (span.to_ms < ms_of("2110-01-01 00:00:00")) {
        int64_t from_ms = span.to_ms, before_ms = INT64_MIN, first_before_ms = INT64_MIN, last_before_ms = INT64_MIN;

        cr_assert_eq(tl_zone_span(zone, from_ms - 1).to_ms, from_ms, "%s", name);
        span = tl_zone_span(zone, from_ms);
        cr_assert_eq(span.from_ms, from_ms, "%s", name);
        for (size_t i = 0; i < TL_COUNT(steps); i++) {
            int64_t local_ms = tl_zone_local_ms(zone, from_ms - 1) + steps[i], first_ms = tl_zone_first_ms(zone, local_ms);
            int64_t last_ms = tl_zone_last_ms(zone, local_ms), instant_ms = tl_zone_instant_ms(zone, local_ms);
            struct tl_zone_span behind = span; /* the one that shows an overlap's wall clocks too late */
            bool shown = tl_zone_local_ms(zone, first_ms) == local_ms;

            cr_assert_geq(local_ms, before_ms);
            cr_assert_leq(first_ms, last_ms, "%s: %" PRId64, name, local_ms);
            cr_assert(first_ms >= first_before_ms && last_ms >= last_before_ms, "%s: %" PRId64 " goes back", name, local_ms);
            cr_assert_geq(tl_zone_local_ms(zone, first_ms), local_ms, "%s: %" PRId64, name, local_ms);
            cr_assert_lt(tl_zone_local_ms(zone, first_ms - 1), local_ms, "%s: %" PRId64, name, local_ms);
            cr_assert_geq(tl_zone_local_ms(zone, last_ms), local_ms, "%s: %" PRId64, name, local_ms);
            cr_assert(shown ? tl_zone_local_ms(zone, last_ms) == local_ms && instant_ms == first_ms
                            : first_ms == last_ms && instant_ms >= first_ms,
                      "%s: %" PRId64, name, local_ms);
            cr_assert_eq(tl_zone_local_near_ms(zone, &near, first_ms), tl_zone_local_ms(zone, first_ms), "%s", name);
            cr_assert_eq(tl_zone_instant_near_ms(zone, &back, local_ms), instant_ms, "%s: %" PRId64, name, local_ms);
            cr_assert_eq(tl_zone_instant_near_ms(zone, &behind, local_ms), instant_ms, "%s: %" PRId64, name, local_ms);
            before_ms = local_ms;
            first_before_ms = first_ms;
            last_before_ms = last_ms;
        }
    }
}

Test(zone, promises_hold_in_every_zone)
{
    struct tl_sv *names = NULL;
    size_t count = 0;

    cr_assert_eq(tl_zone_names(&arena, &names, &count, NULL), TL_OK);
    if (count == 0)
        cr_skip_test(NO_DATABASE);
    cr_assert_gt(count, 300);
    for (size_t i = 0; i < count; i++) {
        check_promises(names[i].data, open_zone(names[i].data));
    }
}

/* --- nights of their own kind -------------------------------------------------------------------------------------------- */

struct night {
    char name[40], zone[32];
    char local[32]; /* wall clock */
    char first[32], last[32], instant[32], end[32];
};

ParameterizedTestParameters(zone, nights)
{
    /* clang-format off */
    static struct night cases[] = {
        {"before the gap", "America/Los_Angeles", "2021-03-14 01:59:59.999",
         "2021-03-14T09:59:59.999Z", "2021-03-14T09:59:59.999Z", "2021-03-14T09:59:59.999Z", "2021-03-14T09:59:59.999Z"},
        {"the gap's first", "America/Los_Angeles", "2021-03-14 02:00:00.000",
         "2021-03-14T10:00:00.000Z", "2021-03-14T10:00:00.000Z", "2021-03-14T10:00:00.000Z", "2021-03-14T10:00:00.000Z"},
        {"in the gap", "America/Los_Angeles", "2021-03-14 02:30:00.000",
         "2021-03-14T10:00:00.000Z", "2021-03-14T10:00:00.000Z", "2021-03-14T10:30:00.000Z", "2021-03-14T10:00:00.001Z"},
        {"behind the gap", "America/Los_Angeles", "2021-03-14 03:00:00.000",
         "2021-03-14T10:00:00.000Z", "2021-03-14T10:00:00.000Z", "2021-03-14T10:00:00.000Z", "2021-03-14T10:00:00.001Z"},
        {"end of the 23-hour day", "America/Los_Angeles", "2021-03-15 00:00:00.000",
         "2021-03-15T07:00:00.000Z", "2021-03-15T07:00:00.000Z", "2021-03-15T07:00:00.000Z", "2021-03-15T07:00:00.000Z"},
        {"the overlap's first", "America/Los_Angeles", "2021-11-07 01:00:00.000",
         "2021-11-07T08:00:00.000Z", "2021-11-07T09:00:00.000Z", "2021-11-07T08:00:00.000Z", "2021-11-07T08:00:00.000Z"},
        {"the overlap's last", "America/Los_Angeles", "2021-11-07 01:59:59.999",
         "2021-11-07T08:59:59.999Z", "2021-11-07T09:59:59.999Z", "2021-11-07T08:59:59.999Z", "2021-11-07T09:59:59.999Z"},
        {"behind the overlap", "America/Los_Angeles", "2021-11-07 02:00:00.000",
         "2021-11-07T10:00:00.000Z", "2021-11-07T10:00:00.000Z", "2021-11-07T10:00:00.000Z", "2021-11-07T10:00:00.000Z"},
        {"half an hour's gap", "Australia/Lord_Howe", "2024-10-06 02:15:00.000",
         "2024-10-05T15:30:00.000Z", "2024-10-05T15:30:00.000Z", "2024-10-05T15:45:00.000Z", "2024-10-05T15:30:00.001Z"},
        {"half an hour's overlap", "Australia/Lord_Howe", "2024-04-07 01:45:00.000",
         "2024-04-06T14:45:00.000Z", "2024-04-06T15:15:00.000Z", "2024-04-06T14:45:00.000Z", "2024-04-06T15:15:00.000Z"},
        {"half an hour's zone", "Asia/Kolkata", "2024-03-01 00:00:00.000",
         "2024-02-29T18:30:00.000Z", "2024-02-29T18:30:00.000Z", "2024-02-29T18:30:00.000Z", "2024-02-29T18:30:00.000Z"},
        {"a quarter's zone", "Asia/Kathmandu", "2024-03-01 00:00:00.000",
         "2024-02-29T18:15:00.000Z", "2024-02-29T18:15:00.000Z", "2024-02-29T18:15:00.000Z", "2024-02-29T18:15:00.000Z"},
        {"seconds in the offset", "Africa/Monrovia", "1971-06-01 00:00:00.000",
         "1971-06-01T00:44:30.000Z", "1971-06-01T00:44:30.000Z", "1971-06-01T00:44:30.000Z", "1971-06-01T00:44:30.000Z"},
        {"a day that never was", "Pacific/Apia", "2011-12-30 12:00:00.000",
         "2011-12-30T10:00:00.000Z", "2011-12-30T10:00:00.000Z", "2011-12-30T22:00:00.000Z", "2011-12-30T10:00:00.001Z"},
        {"the end of the day before it", "Pacific/Apia", "2011-12-30 00:00:00.000",
         "2011-12-30T10:00:00.000Z", "2011-12-30T10:00:00.000Z", "2011-12-30T10:00:00.000Z", "2011-12-30T10:00:00.000Z"},
        {"standard time in summer", "Europe/Dublin", "2024-07-01 12:00:00.000",
         "2024-07-01T11:00:00.000Z", "2024-07-01T11:00:00.000Z", "2024-07-01T11:00:00.000Z", "2024-07-01T11:00:00.000Z"},
        {"negative summer time in winter", "Europe/Dublin", "2024-01-01 12:00:00.000",
         "2024-01-01T12:00:00.000Z", "2024-01-01T12:00:00.000Z", "2024-01-01T12:00:00.000Z", "2024-01-01T12:00:00.000Z"},
        {"by the rule behind the table", "Europe/Berlin", "2150-03-29 02:30:00.000",
         "2150-03-29T01:00:00.000Z", "2150-03-29T01:00:00.000Z", "2150-03-29T01:30:00.000Z", "2150-03-29T01:00:00.001Z"},
        {"by the rule, the other night", "Europe/Berlin", "2150-10-25 02:30:00.000",
         "2150-10-25T00:30:00.000Z", "2150-10-25T01:30:00.000Z", "2150-10-25T00:30:00.000Z", "2150-10-25T01:30:00.000Z"},
        {"by the rule, in the south", "Australia/Sydney", "2150-01-01 00:00:00.000",
         "2149-12-31T13:00:00.000Z", "2149-12-31T13:00:00.000Z", "2149-12-31T13:00:00.000Z", "2149-12-31T13:00:00.000Z"},
        {"midnight does not exist", "America/Havana", "2024-03-10 00:00:00.000",
         "2024-03-10T05:00:00.000Z", "2024-03-10T05:00:00.000Z", "2024-03-10T05:00:00.000Z", "2024-03-10T05:00:00.000Z"},
        {"midnight is there twice", "America/Havana", "2024-11-03 00:00:00.000",
         "2024-11-03T04:00:00.000Z", "2024-11-03T05:00:00.000Z", "2024-11-03T04:00:00.000Z", "2024-11-03T04:00:00.000Z"},
        {"the day comes back after midnight", "America/St_Johns", "2010-11-07 00:00:00.000",
         "2010-11-07T02:30:00.000Z", "2010-11-07T03:30:00.000Z", "2010-11-07T02:30:00.000Z", "2010-11-07T03:30:00.000Z"},
        {"offset", "GMT-03:30", "2024-03-01 00:00:00.000",
         "2024-03-01T03:30:00.000Z", "2024-03-01T03:30:00.000Z", "2024-03-01T03:30:00.000Z", "2024-03-01T03:30:00.000Z"},
        {"UTC", "UTC", "2024-03-01 00:00:00.000",
         "2024-03-01T00:00:00.000Z", "2024-03-01T00:00:00.000Z", "2024-03-01T00:00:00.000Z", "2024-03-01T00:00:00.000Z"},
    };
    /* clang-format on */
    return cr_make_param_array(struct night, cases, TL_COUNT(cases));
}

static void expect_time(const struct night *c, const char *what, int64_t got, const char *want)
{
    char text[TL_TIME_TEXT_BYTES];

    tl_time_to_iso_z(got, text);
    cr_assert_str_eq(text, want, "%s: %s is %s, want %s", c->name, what, text, want);
}

ParameterizedTest(struct night *c, zone, nights, .init = begin, .fini = end)
{
    const struct tl_zone *zone;
    int64_t local_ms = ms_of(c->local);

    if (!database_is_there())
        cr_skip_test(NO_DATABASE);
    zone = open_zone(c->zone);
    expect_time(c, "first", tl_zone_first_ms(zone, local_ms), c->first);
    expect_time(c, "last", tl_zone_last_ms(zone, local_ms), c->last);
    expect_time(c, "instant", tl_zone_instant_ms(zone, local_ms), c->instant);
    expect_time(c, "end", tl_zone_end_ms(zone, local_ms), c->end);
}

/* The ends of the axis: nothing overflows, nothing hangs, nothing goes back. */
static void check_ends(const struct tl_zone *zone)
{
    static const int64_t times[] = {
        INT64_MIN, INT64_MIN + 1,  INT64_MIN + 999,          INT64_MIN + 30 * HOUR_MS, TL_TIME_MIN_MS,  -1,
        0,         TL_TIME_MAX_MS, INT64_MAX - 99 * HOUR_MS, INT64_MAX - 30 * HOUR_MS, INT64_MAX - 999, INT64_MAX - 1,
        INT64_MAX};
    int64_t first_ms = INT64_MIN, last_ms = INT64_MIN, end_ms = INT64_MIN;

    for (size_t i = 0; i < TL_COUNT(times); i++) {
        struct tl_zone_span span = tl_zone_span(zone, times[i]);

        cr_assert(span.from_ms <= times[i] && (times[i] < span.to_ms || span.to_ms == INT64_MAX));
        cr_assert_eq(tl_zone_local_ms(zone, times[i]), tl_add_sat_i64(times[i], span.offset_ms));
        cr_assert_leq(first_ms, tl_zone_first_ms(zone, times[i]));
        cr_assert_leq(last_ms, tl_zone_last_ms(zone, times[i]));
        cr_assert_leq(end_ms, tl_zone_end_ms(zone, times[i]));
        first_ms = tl_zone_first_ms(zone, times[i]);
        last_ms = tl_zone_last_ms(zone, times[i]);
        end_ms = tl_zone_end_ms(zone, times[i]);
        (void)tl_zone_instant_ms(zone, times[i]);
    }
}

/* A nightly job runs once a night, also in the nights when the clock is changed. */
Test(zone, once_a_day_at_a_time_of_day)
{
    static const struct {
        const char *zone, *after, *at, *want;
    } cases[] = {
        {"UTC",           "2026-03-01T01:59:59.999Z", "02:00", "2026-03-01T02:00:00.000Z"},
        {"UTC",           "2026-03-01T02:00:00.000Z", "02:00", "2026-03-02T02:00:00.000Z"},
        {"Europe/Berlin", "2026-03-01T12:00:00.000Z", "02:30", "2026-03-02T01:30:00.000Z"},
        {"Europe/Berlin", "2026-03-28T12:00:00.000Z", "02:30", "2026-03-29T01:00:00.000Z"}, /* leaped over */
        {"Europe/Berlin", "2026-03-29T01:00:00.000Z", "02:30", "2026-03-30T00:30:00.000Z"},
        {"Europe/Berlin", "2026-10-24T12:00:00.000Z", "02:30", "2026-10-25T00:30:00.000Z"}, /* shown twice */
        {"Europe/Berlin", "2026-10-25T00:30:00.000Z", "02:30", "2026-10-26T01:30:00.000Z"},
    };

    for (size_t c = 0; c < TL_COUNT(cases); c++) {
        const struct tl_zone *zone = open_zone(cases[c].zone);
        int64_t after_ms, of_day_ms = (strtol(cases[c].at, NULL, 10) * 60 + strtol(cases[c].at + 3, NULL, 10)) * INT64_C(60000);
        char got[TL_TIME_TEXT_BYTES];

        cr_assert(tl_time_from_rfc3339(tl_sv_from(cases[c].after), &after_ms));
        tl_time_to_iso_z(tl_zone_next_ms(zone, of_day_ms, after_ms), got);
        cr_expect_str_eq(got, cases[c].want, "%s in %s after %s", cases[c].at, cases[c].zone, cases[c].after);
    }
}

Test(zone, ends_of_time)
{
    static const char *const names[] = {"UTC", "GMT+18:00", "GMT-18:00", "Europe/Berlin", "America/New_York", "Asia/Kolkata"};

    if (!database_is_there())
        cr_skip_test(NO_DATABASE);
    for (size_t i = 0; i < TL_COUNT(names); i++)
        check_ends(open_zone(names[i]));
}

/* --- names --------------------------------------------------------------------------------------------------------------- */

struct name_case {
    char name[80], want[32]; /* empty: there is none */
};

ParameterizedTestParameters(zone, names)
{
    /* What Flink 2.3 takes and refuses with JDK 17, but for zones of the database that the JDK does not have (EST, Factory). */
    static struct name_case cases[] = {
        {"UTC",                "UTC"          },
        {"GMT",                "UTC"          },
        {"Etc/UTC",            "UTC"          },
        {"Zulu",               "UTC"          },
        {"GMT0",               "UTC"          },
        {"GMT+0",              "UTC"          },
        {"GMT-00:00",          "UTC"          },
        {"GMT+5",              "GMT+05:00"    },
        {"GMT-05",             "GMT-05:00"    },
        {"GMT+0530",           "GMT+05:30"    },
        {"GMT-05:30",          "GMT-05:30"    },
        {"GMT+18:00",          "GMT+18:00"    },
        {"Etc/GMT+5",          "Etc/GMT+5"    },
        {"Europe/Berlin",      "Europe/Berlin"},
        {"US/Pacific",         "US/Pacific"   },
        {"PST8PDT",            "PST8PDT"      },
        {"GMT+18:01",          ""             },
        {"GMT+19",             ""             },
        {"GMT+5:30",           ""             },
        {"GMT+530",            ""             },
        {"GMT+05:60",          ""             },
        {"GMT+05:30:00",       ""             },
        {"GMT+",               ""             },
        {"GMT+-5",             ""             },
        {"GMT+x",              ""             },
        {"Z",                  ""             },
        {"UT",                 ""             },
        {"UTC+8",              ""             },
        {"+05:30",             ""             },
        {"PST",                ""             },
        {"europe/berlin",      ""             },
        {"Europe/Berlin ",     ""             },
        {"Europe",             ""             },
        {"Europe/",            ""             },
        {"Europe//Berlin",     ""             },
        {"/Europe/Berlin",     ""             },
        {"Europe/../UTC",      ""             },
        {"../zoneinfo/UTC",    ""             },
        {"Europe/Berlin/x",    ""             },
        {"posix/UTC",          ""             },
        {"right/UTC",          ""             },
        {"localtime",          ""             },
        {"zone.tab",           ""             },
        {"",                   ""             },
        {"Europe/Entenhausen", ""             },
    };
    return cr_make_param_array(struct name_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct name_case *c, zone, names, .init = begin, .fini = end)
{
    const struct tl_zone *zone = NULL;
    struct tl_err err = {0};
    enum tl_code rc;

    if (!database_is_there())
        cr_skip_test(NO_DATABASE);
    rc = tl_zone_open(tl_sv_from(c->name), &arena, &zone, &err);
    if (c->want[0] == '\0') {
        cr_assert_eq(rc, TL_ERR_NOT_FOUND, "'%s' is taken, or: %s", c->name, err.message);
        cr_assert(strstr(err.message, "'GMT+05:30'") != NULL, "%s", err.message);
        return;
    }
    cr_assert_eq(rc, TL_OK, "'%s': %s", c->name, err.message);
    cr_assert(tl_sv_eq(tl_zone_name(zone), tl_sv_from(c->want)), "'%s' is %.*s", c->name, TL_SV_ARG(tl_zone_name(zone)));
    cr_assert_eq(zone == NULL, strcmp(c->want, "UTC") == 0, "%s", c->name);
}

/* --- the database -------------------------------------------------------------------------------------------------------- */

static const char *path_in(const char *folder, const char *name)
{
    static char path[256];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_file(const char *folder, const char *name, struct tl_sv bytes)
{
    FILE *file = fopen(path_in(folder, name), "wb");

    cr_assert_not_null(file);
    cr_assert_eq(fwrite(bytes.data, 1, bytes.size, file), bytes.size);
    fclose(file);
}

Test(zone, database_of_ones_own)
{
    char folder[] = "/tmp/zone_test.XXXXXX", version[TL_ZONE_VERSION_BYTES];
    const struct tl_zone *zone = NULL;
    struct tl_sv *names = NULL;
    size_t count = 0;
    struct tl_err err = {0};

    cr_assert_not_null(mkdtemp(folder));
    setenv("TZDIR", folder, 1);
    cr_assert_eq(tl_zone_version(version), 0);
    write_file(folder, "tzdata.zi", TL_SV("# version 2031x\n# more\n"));
    cr_assert_eq(tl_zone_version(version), 5);
    cr_assert_str_eq(version, "2031x");
    cr_assert_eq(mkdir(path_in(folder, "Here"), 0755), 0);
    write_file(folder, "Here/Town", TL_SV("Town was here"));
    write_file(folder, "Here/.hidden", TL_SV(""));
    cr_assert_eq(mkfifo(path_in(folder, "Pipe"), 0644), 0);
    cr_assert_eq(tl_zone_names(&arena, &names, &count, NULL), TL_OK);
    cr_assert(count == 1 && tl_sv_eq(names[0], TL_SV("Here/Town")));
    cr_assert_eq(tl_zone_open(TL_SV("Here/Town"), &arena, &zone, &err), TL_ERR_CORRUPT);
    cr_assert(strstr(err.message, "'Here/Town' is no TZif file: it does not begin as one does") != NULL, "%s", err.message);
    cr_assert_eq(tl_zone_open(TL_SV("Pipe"), &arena, &zone, &err), TL_ERR_CORRUPT);
    cr_assert_eq(tl_zone_open(TL_SV("Here"), &arena, &zone, &err), TL_ERR_NOT_FOUND);
    cr_assert_eq(tl_zone_open(TL_SV("UTC"), &arena, &zone, &err), TL_OK);
    unlink(path_in(folder, "Here/Town"));
    unlink(path_in(folder, "Here/.hidden"));
    unlink(path_in(folder, "Pipe"));
    unlink(path_in(folder, "tzdata.zi"));
    rmdir(path_in(folder, "Here"));
    rmdir(folder);
    cr_assert_eq(tl_zone_open(TL_SV("Here/Town"), &arena, &zone, &err), TL_ERR_NOT_FOUND);
    cr_assert(strstr(err.message, "install tzdata") != NULL, "%s", err.message);
    cr_assert_eq(tl_zone_names(&arena, &names, &count, NULL), TL_OK);
    cr_assert_eq(count, 0);
    cr_assert_eq(tl_zone_open(TL_SV("GMT+2"), &arena, &zone, &err), TL_OK);
}

/* --- files --------------------------------------------------------------------------------------------------------------- */

/* A file of version 2 with the given body and footer behind an empty first part. */
struct file {
    char bytes[512];
    size_t size;
};

static void put_big(struct file *file, int64_t value, unsigned bytes)
{
    for (unsigned i = bytes; i > 0; i--)
        file->bytes[file->size++] = (char)((uint64_t)value >> (8 * (i - 1)));
}

static void put_head(struct file *file, char version, uint32_t leap, uint32_t times, uint32_t types)
{
    memcpy(file->bytes + file->size, "TZif", 4);
    file->size += 4;
    file->bytes[file->size++] = version;
    memset(file->bytes + file->size, 0, 15);
    file->size += 15;
    put_big(file, 0, 4);
    put_big(file, 0, 4);
    put_big(file, leap, 4);
    put_big(file, times, 4);
    put_big(file, types, 4);
    put_big(file, types > 0 ? 4 : 0, 4);
}

/* `times` changes, one a million seconds, between two types. */
static void put_body(struct file *file, unsigned time_bytes, uint32_t times, int64_t step_s, const int64_t offsets_s[2], int type)
{
    for (uint32_t i = 0; i < times; i++)
        put_big(file, ((int64_t)i + 1) * step_s, time_bytes);
    for (uint32_t i = 0; i < times; i++)
        put_big(file, type >= 0 ? type : (int)(i + 1) % 2, 1);
    for (unsigned i = 0; i < 2; i++) {
        put_big(file, offsets_s[i], 4);
        put_big(file, 0, 2);
    }
    memcpy(file->bytes + file->size, "LMT", 4);
    file->size += 4;
}

static struct file made_of(uint32_t times, int64_t step_s, int64_t offset_s, int type, uint32_t leap, const char *footer)
{
    const int64_t offsets_s[2] = {offset_s, 3600};
    struct file file = {.size = 0};

    put_head(&file, '2', 0, 0, 0);
    put_head(&file, '2', leap, times, 2);
    put_body(&file, 8, times, step_s, offsets_s, type);
    memset(file.bytes + file.size, 0, leap * 12u);
    file.size += leap * 12u;
    memcpy(file.bytes + file.size, footer, strlen(footer));
    file.size += strlen(footer);
    return file;
}

struct file_case {
    char name[40];
    uint32_t times;
    int64_t step_s, offset_s;
    int type;
    uint32_t leap;
    char footer[64];
    char wrong[48]; /* empty: it is taken */
};

ParameterizedTestParameters(zone, files)
{
    static struct file_case cases[] = {
        {"a table",                 3, 1000000, 7200,   -1, 0, "\n\n",                                           ""                                     },
        {"no times",                0, 0,       7200,   -1, 0, "\n\n",                                           ""                                     },
        {"a rule",                  1, 1000000, 0,      -1, 0, "\nABC0\n",                                       ""                                     },
        {"a rule with summer",      1, 1000000, 0,      -1, 0, "\nABC0DEF,M3.2.0,M11.1.0\n",                     ""                                     },
        {"quoted abbreviations",    1, 1000000, 0,      -1, 0, "\n<+03>-3<-02>2:00:30,J60/-167,365/167:59:59\n", ""                                     },
        {"offsets of a day",        2, 1000000, -89999, -1, 0, "\nABC24:59:59\n",                                ""                                     },
        {"something behind",        1, 1000000, 0,      -1, 0, "\nABC0\nmore",                                   ""                                     },
        {"no footer",               1, 1000000, 0,      -1, 0, "",                                               "its rule has no end"                  },
        {"a footer without an end", 1, 1000000, 0,      -1, 0, "\nABC0",                                         "its rule has no end"                  },
        {"two letters",             1, 1000000, 0,      -1, 0, "\nAB0\n",                                        "its rule cannot be read"              },
        {"no offset",               1, 1000000, 0,      -1, 0, "\nABC\n",                                        "its rule cannot be read"              },
        {"an offset too far",       1, 1000000, 0,      -1, 0, "\nABC25\n",                                      "its rule cannot be read"              },
        {"an open bracket",         1, 1000000, 0,      -1, 0, "\n<+03-3\n",                                     "its rule cannot be read"              },
        {"summer without rules",    1, 1000000, 0,      -1, 0, "\nABC0DEF\n",                                    "its rule cannot be read"              },
        {"one rule",                1, 1000000, 0,      -1, 0, "\nABC0DEF,M3.2.0\n",                             "its rule cannot be read"              },
        {"three rules",             1, 1000000, 0,      -1, 0, "\nABC0DEF,M3.2.0,M11.1.0,M12.1.0\n",             "its rule cannot be read"              },
        {"month 13",                1, 1000000, 0,      -1, 0, "\nABC0DEF,M13.2.0,M11.1.0\n",                    "its rule cannot be read"              },
        {"week 6",                  1, 1000000, 0,      -1, 0, "\nABC0DEF,M3.6.0,M11.1.0\n",                     "its rule cannot be read"              },
        {"day 7",                   1, 1000000, 0,      -1, 0, "\nABC0DEF,M3.2.7,M11.1.0\n",                     "its rule cannot be read"              },
        {"Julian day 0",            1, 1000000, 0,      -1, 0, "\nABC0DEF,J0,J300\n",                            "its rule cannot be read"              },
        {"day 366",                 1, 1000000, 0,      -1, 0, "\nABC0DEF,0,366\n",                              "its rule cannot be read"              },
        {"a rule's time too far",   1, 1000000, 0,      -1, 0, "\nABC0DEF,0/168,300\n",                          "its rule cannot be read"              },
        {"a time with minute 60",   1, 1000000, 0,      -1, 0, "\nABC0DEF,0/1:60,300\n",                         "its rule cannot be read"              },
        {"times that stand still",  3, 0,       0,      -1, 0, "\n\n",                                           "its times go back"                    },
        {"times that go back",      3, -5,      0,      -1, 0, "\n\n",                                           "its times go back"                    },
        {"a type of its own",       1, 1000000, 0,      2,  0, "\n\n",                                           "it names a type that it does not have"},
        {"25 hours west",           1, 1000000, -90000, -1, 0, "\n\n",                                           "an offset is longer than a day"       },
        {"26 hours east",           1, 1000000, 93600,  -1, 0, "\n\n",                                           "an offset is longer than a day"       },
        {"leap seconds",            1, 1000000, 0,      -1, 1, "\n\n",                                           "it counts leap seconds"               },
    };
    return cr_make_param_array(struct file_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct file_case *c, zone, files, .init = begin, .fini = end)
{
    struct file file = made_of(c->times, c->step_s, c->offset_s, c->type, c->leap, c->footer);
    const struct tl_zone *zone = NULL;
    struct tl_err err = {0};
    enum tl_code rc = tl_zone_read(TL_SV("Made"), (struct tl_sv){file.bytes, file.size}, &arena, &zone, &err);

    if (c->wrong[0] == '\0') {
        cr_assert_eq(rc, TL_OK, "%s: %s", c->name, err.message);
        check_promises(c->name, zone);
        check_ends(zone);
        return;
    }
    cr_assert_eq(rc, TL_ERR_CORRUPT, "%s is taken", c->name);
    cr_assert(strstr(err.message, c->wrong) != NULL, "%s: %s", c->name, err.message);
}

Test(zone, files_that_are_cut_short)
{
    struct file file = made_of(3, 1000000, 7200, -1, 0, "\nABC-2\n");

    for (size_t size = 0; size < file.size; size++) {
        const struct tl_zone *zone = NULL;
        char *bytes = malloc(size + 1); /* of its own, so that a sanitizer sees a read behind it */

        memcpy(bytes, file.bytes, size);
        cr_assert_eq(tl_zone_read(TL_SV("Made"), (struct tl_sv){bytes, size}, &arena, &zone, NULL), TL_ERR_CORRUPT, "%zu", size);
        free(bytes);
    }
}

Test(zone, what_a_made_file_says)
{
    struct file file = made_of(3, 1000000, 7200, -1, 0, "\nABC-2\n");
    const struct tl_zone *zone = NULL;

    cr_assert_eq(tl_zone_read(TL_SV("Made"), (struct tl_sv){file.bytes, file.size}, &arena, &zone, NULL), TL_OK);
    cr_assert_eq(tl_zone_local_ms(zone, -1), 2 * HOUR_MS - 1);
    cr_assert_eq(tl_zone_local_ms(zone, 999999999), 2 * HOUR_MS + 999999999);
    cr_assert_eq(tl_zone_local_ms(zone, 1000000000), HOUR_MS + 1000000000);
    cr_assert_eq(tl_zone_local_ms(zone, 2000000000), 2 * HOUR_MS + 2000000000);
    cr_assert_eq(tl_zone_local_ms(zone, 2999999999), 2 * HOUR_MS + 2999999999);
    cr_assert_eq(tl_zone_local_ms(zone, 3000000000), 2 * HOUR_MS + 3000000000, "the rule holds from the last change on");
    cr_assert_eq(tl_zone_span(zone, 0).to_ms, 1000000000);
}

/* The first version has times of 4 bytes and no rule. */
Test(zone, version_1)
{
    const int64_t offsets_s[2] = {-3600, 1800};
    struct file file = {.size = 0};
    const struct tl_zone *zone = NULL;

    put_head(&file, '\0', 0, 2, 2);
    put_body(&file, 4, 2, -1000000, offsets_s, -1);
    cr_assert_eq(tl_zone_read(TL_SV("Made"), (struct tl_sv){file.bytes, file.size}, &arena, &zone, NULL), TL_ERR_CORRUPT);
    file.size = 0;
    put_head(&file, '\0', 0, 1, 2);
    put_body(&file, 4, 1, -1000000, offsets_s, -1);
    cr_assert_eq(tl_zone_read(TL_SV("Made"), (struct tl_sv){file.bytes, file.size}, &arena, &zone, NULL), TL_OK);
    cr_assert_eq(tl_zone_span(zone, -1000000001).offset_ms, -HOUR_MS);
    cr_assert_eq(tl_zone_span(zone, -1000000000).offset_ms, HOUR_MS / 2);
    cr_assert_eq(tl_zone_span(zone, INT64_MAX).offset_ms, HOUR_MS / 2);
}

/* RFC 9636, 3.3.1: summer all the year round, said by two changes at one instant. */
Test(zone, summer_for_ever)
{
    struct file file = made_of(0, 0, -10800, -1, 0, "\nXXX3EDT4,0/0,J365/23\n");
    const struct tl_zone *zone = NULL;

    cr_assert_eq(tl_zone_read(TL_SV("Made"), (struct tl_sv){file.bytes, file.size}, &arena, &zone, NULL), TL_OK);
    for (int64_t ms = ms_of("1999-12-20 00:00:00"); ms < ms_of("2002-01-10 00:00:00"); ms += HOUR_MS)
        cr_assert_eq(tl_zone_span(zone, ms).offset_ms, -4 * HOUR_MS, "%" PRId64, ms);
}
