/* days_test.c: where ranges end: midnights of the zone, days of 23 and 25 hours, days that begin twice or never. */
#include "batch_layer/days.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>

#include "event/timestamp.h"
#include "support/sql_case.h"
#include "support/store_fixture.h"

TestSuite(days, .fini = store_folder_remove);

struct days_case {
    char name[48], unit[8], zone[24], column[16]; /* of the event time: ts is an instant, at a wall clock */
    char first[24], last[24];                     /* events: one a day of UTC at this time, from the first to the last */
    char now[24];                                 /* the record was read to its end now and a quarter of an hour */
    char published[3][24];                        /* ends of ranges that are published */
    char want[900];                               /* ends of all ranges, "-" behind those that are clean */
};

static int64_t ms_of(const char *text)
{
    int64_t ms = 0;

    cr_assert(tl_time_from_rfc3339(tl_sv_from(text), &ms), "%s", text);
    return ms;
}

static struct tl_plan *plan_of(const struct days_case *c)
{
    char sql[700];

    snprintf(sql, sizeof sql,
             "SET 'table.local-time-zone' = '%s'; SET 'tally.batch-range' = '%s'; CREATE TABLE t (at TIMESTAMP(3), ts "
             "TIMESTAMP_LTZ(3), WATERMARK FOR %s AS %s); "
             "CREATE VIEW v AS SELECT %s FROM t",
             c->zone, c->unit, c->column, c->column, c->column);
    return sql_plan(sql);
}

/* A record of one file, and what it says of its events. */
struct record {
    struct tl_master_file file;
    struct tl_master_day days[100];
    struct tl_input_times block;
    struct tl_master_block unpacked;
    struct tl_input_file facts;
    struct tl_input_partition partition;
    struct tl_input input;
};

static void record_make(struct record *record, const struct days_case *c, const struct tl_plan *plan)
{
    int64_t first_ms = ms_of(c->first), last_ms = ms_of(c->last);
    uint32_t count = 0;

    for (int64_t ms = first_ms; ms <= last_ms; ms += TL_DAY_MS)
        record->days[count++] = (struct tl_master_day){(int32_t)(ms / TL_DAY_MS), 1};
    record->file = (struct tl_master_file){.last_offset = count - 1, .blocks = &record->unpacked, .blocks_count = 1};
    record->block = (struct tl_input_times){first_ms, last_ms};
    record->facts = (struct tl_input_file){.file = &record->file,
                                           .times = record->block,
                                           .blocks = &record->block,
                                           .watermark_ms = INT64_MIN,
                                           .days = record->days,
                                           .days_count = count};
    record->partition = (struct tl_input_partition){.topic = TL_SV("t"),
                                                    .files = &record->facts,
                                                    .files_count = 1,
                                                    .next_offset = count,
                                                    .end_ms = ms_of(c->now) + plan->settings.batch_grace_ms};
    record->input = (struct tl_input){.plan = plan, .partitions = &record->partition, .partitions_count = 1};
}

/* Publishes the ranges that the case says, with all of the record read. */
static void publish(struct tl_store *store, int64_t definition, const struct days_case *c, const struct record *record)
{
    int64_t run = store_run(store, "nightly"), from_ms = INT64_MIN;

    for (size_t i = 0; i < TL_COUNT(c->published) && c->published[i][0] != '\0'; i++) {
        store_stage_range(store, run, definition, from_ms, ms_of(c->published[i]));
        from_ms = ms_of(c->published[i]);
    }
    if (from_ms == INT64_MIN)
        return;
    OK(tl_store_begin(store, err));
    OK(tl_store_stage_offset(store, run, TL_SV("t"), 0, record->partition.next_offset, err));
    OK(tl_store_commit(store, err));
    OK(tl_store_publish(store, run, 5, err));
}

static void print(const struct tl_days *days, char *out, size_t room)
{
    size_t size = 0;

    out[0] = '\0';
    for (uint32_t d = 0; d < days->count; d++) {
        char text[TL_TIME_TEXT_BYTES];

        cr_assert_eq(days->days[d].from_ms, d == 0 ? INT64_MIN : days->days[d - 1].to_ms, "a gap");
        cr_assert_gt(days->days[d].to_ms, days->days[d].from_ms, "nothing is a range");
        tl_time_to_iso_z(days->days[d].to_ms, text);
        size += (size_t)snprintf(out + size, room - size, "%s%s%s", d > 0 ? " " : "", text,
                                 days->days[d].reason == TL_DAY_CLEAN ? "-" : "");
    }
}

ParameterizedTestParameters(days, ranges)
{
    /* clang-format off */
    static struct days_case cases[] = {
        {"UTC", "day", "UTC", "ts", "2021-03-13T12:00:00Z", "2021-03-15T20:00:00Z", "2021-03-16T12:00:00Z", {""},
         "2021-03-13T00:00:00.000Z 2021-03-14T00:00:00.000Z 2021-03-15T00:00:00.000Z 2021-03-16T00:00:00.000Z"},
        {"23 hours", "day", "America/Los_Angeles", "ts", "2021-03-13T12:00:00Z", "2021-03-15T20:00:00Z", "2021-03-16T12:00:00Z", {""},
         "2021-03-12T08:00:00.000Z 2021-03-13T08:00:00.000Z 2021-03-14T08:00:00.000Z 2021-03-15T07:00:00.000Z 2021-03-16T07:00:00.000Z"},
        {"25 hours", "day", "America/Los_Angeles", "ts", "2021-11-06T12:00:00Z", "2021-11-08T20:00:00Z", "2021-11-09T12:00:00Z", {""},
         "2021-11-05T07:00:00.000Z 2021-11-06T07:00:00.000Z 2021-11-07T07:00:00.000Z 2021-11-08T08:00:00.000Z 2021-11-09T08:00:00.000Z"},
        {"a millisecond before the day is over", "day", "America/Los_Angeles", "ts", "2021-11-07T12:00:00Z", "2021-11-07T12:00:00Z",
         "2021-11-08T07:59:59.999Z", {""},
         "2021-11-06T07:00:00.000Z 2021-11-07T07:00:00.000Z"},
        {"and when it is", "day", "America/Los_Angeles", "ts", "2021-11-07T12:00:00Z", "2021-11-07T12:00:00Z", "2021-11-08T08:00:00Z", {""},
         "2021-11-06T07:00:00.000Z 2021-11-07T07:00:00.000Z 2021-11-08T08:00:00.000Z"},
        {"a wall clock has its own midnights", "day", "America/Los_Angeles", "at", "2021-03-13T12:00:00Z", "2021-03-15T20:00:00Z",
         "2021-03-16T12:00:00Z", {""},
         "2021-03-13T00:00:00.000Z 2021-03-14T00:00:00.000Z 2021-03-15T00:00:00.000Z 2021-03-16T00:00:00.000Z"},
        {"half an hour", "day", "Asia/Kolkata", "ts", "2024-03-01T12:00:00Z", "2024-03-01T12:00:00Z", "2024-03-02T20:00:00Z", {""},
         "2024-02-29T18:30:00.000Z 2024-03-01T18:30:00.000Z 2024-03-02T18:30:00.000Z"},
        {"midnight is there twice", "day", "America/Havana", "ts", "2024-11-03T12:00:00Z", "2024-11-03T12:00:00Z", "2024-11-04T12:00:00Z", {""},
         "2024-11-02T04:00:00.000Z 2024-11-03T04:00:00.000Z 2024-11-04T05:00:00.000Z"},
        {"midnight does not exist", "day", "America/Havana", "ts", "2024-03-10T12:00:00Z", "2024-03-10T12:00:00Z", "2024-03-11T12:00:00Z", {""},
         "2024-03-09T05:00:00.000Z 2024-03-10T05:00:00.000Z 2024-03-11T04:00:00.000Z"},
        {"the day comes back after midnight", "day", "America/St_Johns", "ts", "2010-11-07T12:00:00Z", "2010-11-07T12:00:00Z",
         "2010-11-08T12:00:00Z", {""},
         "2010-11-06T02:30:00.000Z 2010-11-07T03:30:00.000Z 2010-11-08T03:30:00.000Z"},
        {"not yet over the second time", "day", "America/St_Johns", "ts", "2010-11-06T12:00:00Z", "2010-11-06T12:00:00Z",
         "2010-11-07T02:30:30Z", {""},
         "2010-11-05T02:30:00.000Z 2010-11-06T02:30:00.000Z"},
        {"a day's last hour does not exist", "day", "America/Nuuk", "ts", "2024-03-31T12:00:00Z", "2024-03-31T12:00:00Z", "2024-04-01T12:00:00Z", {""},
         "2024-03-30T02:00:00.000Z 2024-03-31T01:00:00.001Z 2024-04-01T01:00:00.000Z"},
        {"a day that never was", "day", "Pacific/Apia", "ts", "2011-12-30T05:00:00Z", "2011-12-30T05:00:00Z", "2011-12-31T12:00:00Z", {""},
         "2011-12-29T10:00:00.000Z 2011-12-30T10:00:00.000Z 2011-12-31T10:00:00.000Z"},
        {"what ends with a day stays", "day", "America/Los_Angeles", "ts", "2021-03-14T12:00:00Z", "2021-03-15T20:00:00Z", "2021-03-16T12:00:00Z",
         {"2021-03-14T08:00:00Z", "2021-03-15T07:00:00Z"},
         "2021-03-14T08:00:00.000Z- 2021-03-15T07:00:00.000Z- 2021-03-16T07:00:00.000Z"},
        {"what ends within a day grows", "day", "America/Los_Angeles", "ts", "2021-03-14T12:00:00Z", "2021-03-15T20:00:00Z", "2021-03-16T12:00:00Z",
         {"2021-03-14T08:00:00Z", "2021-03-15T00:00:00Z"},
         "2021-03-14T08:00:00.000Z- 2021-03-15T07:00:00.000Z 2021-03-16T07:00:00.000Z"},
        {"hours of a day with events", "hour", "UTC", "ts", "2021-03-13T23:30:00Z", "2021-03-13T23:30:00Z", "2021-03-14T01:30:00Z",
         {"2021-03-13T21:00:00Z"},
         "2021-03-13T21:00:00.000Z- 2021-03-13T22:00:00.000Z 2021-03-13T23:00:00.000Z 2021-03-14T00:00:00.000Z 2021-03-14T01:00:00.000Z"},
        {"hours at half past", "hour", "Asia/Kolkata", "ts", "2024-03-01T22:40:00Z", "2024-03-01T22:40:00Z", "2024-03-01T23:45:00Z",
         {"2024-03-01T21:30:00Z"},
         "2024-03-01T21:30:00.000Z- 2024-03-01T22:30:00.000Z 2024-03-01T23:30:00.000Z"},
        {"the hour that comes twice", "hour", "America/Los_Angeles", "ts", "2021-11-07T07:30:00Z", "2021-11-07T07:30:00Z", "2021-11-07T11:30:00Z",
         {"2021-11-07T07:00:00Z"},
         "2021-11-07T07:00:00.000Z- 2021-11-07T08:00:00.000Z 2021-11-07T10:00:00.000Z 2021-11-07T11:00:00.000Z"},
        {"within the hour that comes twice", "hour", "America/Los_Angeles", "ts", "2021-11-07T07:30:00Z", "2021-11-07T07:30:00Z", "2021-11-07T09:30:00Z",
         {"2021-11-07T07:00:00Z"},
         "2021-11-07T07:00:00.000Z- 2021-11-07T08:00:00.000Z"},
        {"the hour that never comes", "hour", "America/Los_Angeles", "ts", "2021-03-14T07:30:00Z", "2021-03-14T07:30:00Z", "2021-03-14T12:30:00Z",
         {"2021-03-14T08:00:00Z"},
         "2021-03-14T08:00:00.000Z- 2021-03-14T09:00:00.000Z 2021-03-14T10:00:00.000Z 2021-03-14T11:00:00.000Z 2021-03-14T12:00:00.000Z"},
        {"half an hour comes twice", "hour", "Australia/Lord_Howe", "ts", "2024-04-06T10:00:00Z", "2024-04-06T10:00:00Z", "2024-04-06T17:00:00Z",
         {"2024-04-06T13:00:00Z"},
         "2024-04-06T13:00:00.000Z- 2024-04-06T14:00:00.000Z 2024-04-06T15:30:00.000Z 2024-04-06T16:30:00.000Z"},
        {"hours without events are one range", "hour", "UTC", "ts", "2021-03-13T12:00:00Z", "2021-03-13T12:00:00Z", "2021-03-19T02:20:00Z",
         {"2021-03-13T22:00:00Z"},
         "2021-03-13T22:00:00.000Z- 2021-03-13T23:00:00.000Z 2021-03-14T00:00:00.000Z 2021-03-19T02:00:00.000Z"},
        {"months", "month", "UTC", "ts", "2024-01-31T12:00:00Z", "2024-03-01T20:00:00Z", "2024-04-20T12:00:00Z", {""},
         "2024-01-01T00:00:00.000Z 2024-02-01T00:00:00.000Z 2024-03-01T00:00:00.000Z 2024-04-01T00:00:00.000Z"},
        {"months of a zone", "month", "America/Los_Angeles", "ts", "2024-03-01T02:00:00Z", "2024-03-01T02:00:00Z", "2024-04-01T07:00:00Z", {""},
         "2024-02-01T08:00:00.000Z 2024-03-01T08:00:00.000Z 2024-04-01T07:00:00.000Z"},
        {"a month that is not over", "month", "America/Los_Angeles", "ts", "2024-03-01T09:00:00Z", "2024-03-01T09:00:00Z", "2024-04-01T06:59:59.999Z", {""},
         "2024-02-01T08:00:00.000Z 2024-03-01T08:00:00.000Z"},
        {"a month that begins with a gap", "month", "Asia/Beirut", "ts", "1990-05-02T12:00:00Z", "1990-05-02T12:00:00Z", "1990-06-10T12:00:00Z", {""},
         "1990-04-30T22:00:00.000Z 1990-05-31T21:00:00.000Z"},
        {"days before are left, and the last one grows", "month", "UTC", "ts", "2024-01-02T12:00:00Z", "2024-01-20T12:00:00Z", "2024-02-02T12:00:00Z",
         {"2024-01-02T00:00:00Z", "2024-01-03T00:00:00Z", "2024-01-04T00:00:00Z"},
         "2024-01-02T00:00:00.000Z- 2024-01-03T00:00:00.000Z- 2024-02-01T00:00:00.000Z"},
        {"nothing grows before the month is over", "month", "UTC", "ts", "2024-01-02T12:00:00Z", "2024-01-20T12:00:00Z", "2024-01-31T12:00:00Z",
         {"2024-01-02T00:00:00Z", "2024-01-03T00:00:00Z", "2024-01-04T00:00:00Z"},
         "2024-01-02T00:00:00.000Z- 2024-01-03T00:00:00.000Z- 2024-01-04T00:00:00.000Z-"},
        {"months before are left when days are wanted", "day", "UTC", "ts", "2024-01-02T12:00:00Z", "2024-02-02T12:00:00Z", "2024-02-03T12:00:00Z",
         {"2024-01-01T00:00:00Z", "2024-02-01T00:00:00Z"},
         "2024-01-01T00:00:00.000Z- 2024-02-01T00:00:00.000Z- 2024-02-02T00:00:00.000Z 2024-02-03T00:00:00.000Z"},
    };
    /* clang-format on */
    return cr_make_param_array(struct days_case, cases, TL_COUNT(cases));
}

/* What the wish makes of the case, as text. */
static void days_of(const struct days_case *c, const struct tl_days_wish *wish, char *out, size_t room)
{
    struct tl_shape shape = store_windowless("v", 'a');
    struct tl_plan *plan = plan_of(c);
    struct tl_store *store;
    struct record record;
    struct tl_days days;
    int64_t definition = 0;
    char url[512];

    store_sqlite.url(url);
    store = store_open(url, TL_STORE_WRITE);
    OK(tl_store_define(store, &shape, &definition, err));
    record_make(&record, c, plan);
    publish(store, definition, c, &record);
    OK(tl_days_open(&days, store, definition, &record.input, &plan->views[0], wish, err));
    print(&days, out, room);
    tl_days_close(&days);
    tl_store_close(store);
    tl_plan_close(plan);
}

ParameterizedTest(struct days_case *c, days, ranges, .fini = store_folder_remove)
{
    struct tl_days_wish wish = {.from_ms = INT64_MIN, .to_ms = INT64_MIN, .now_ms = ms_of(c->now)};
    char got[1500];

    days_of(c, &wish, got, sizeof got);
    cr_assert_str_eq(got, c->want, "%s\ngot  %s\nwant %s", c->name, got, c->want);
}

struct wish_case {
    struct days_case of;
    char from[24], to[24]; /* "": none */
};

ParameterizedTestParameters(days, wishes)
{
    /* clang-format off */
    static struct wish_case cases[] = {
        {{"within a day: that day", "day", "UTC", "ts", "2021-03-13T12:00:00Z", "2021-03-15T20:00:00Z", "2021-03-16T12:00:00Z",
          {"2021-03-13T00:00:00Z", "2021-03-14T00:00:00Z", "2021-03-15T00:00:00Z"},
          "2021-03-13T00:00:00.000Z- 2021-03-14T00:00:00.000Z 2021-03-15T00:00:00.000Z-"},
         "2021-03-13T10:30:00Z", "2021-03-13T10:31:00Z"},
        {{"two days that it touches", "day", "UTC", "ts", "2021-03-13T12:00:00Z", "2021-03-15T20:00:00Z", "2021-03-16T12:00:00Z",
          {"2021-03-13T00:00:00Z", "2021-03-14T00:00:00Z", "2021-03-15T00:00:00Z"},
          "2021-03-13T00:00:00.000Z- 2021-03-14T00:00:00.000Z 2021-03-15T00:00:00.000Z"},
         "2021-03-13T23:59:59Z", "2021-03-14T00:00:01Z"},
        {{"from one end to the next", "day", "UTC", "ts", "2021-03-13T12:00:00Z", "2021-03-15T20:00:00Z", "2021-03-16T12:00:00Z",
          {"2021-03-13T00:00:00Z", "2021-03-14T00:00:00Z", "2021-03-15T00:00:00Z"},
          "2021-03-13T00:00:00.000Z- 2021-03-14T00:00:00.000Z 2021-03-15T00:00:00.000Z-"},
         "2021-03-13T00:00:00Z", "2021-03-14T00:00:00Z"},
        {{"up to within a day, which grows no stub before", "day", "UTC", "ts", "2021-03-13T12:00:00Z", "2021-03-15T20:00:00Z", "2021-03-16T12:00:00Z",
          {"2021-03-13T00:00:00Z", "2021-03-14T00:00:00Z", "2021-03-15T00:00:00Z"},
          "2021-03-13T00:00:00.000Z- 2021-03-14T00:00:00.000Z- 2021-03-15T00:00:00.000Z- 2021-03-15T10:30:00.000Z"},
         "", "2021-03-15T10:30:00Z"},
        {{"a stub grows to another instant of its day", "day", "UTC", "ts", "2021-03-13T12:00:00Z", "2021-03-15T20:00:00Z", "2021-03-16T12:00:00Z",
          {"2021-03-14T00:00:00Z", "2021-03-15T00:00:00Z", "2021-03-15T10:30:00Z"},
          "2021-03-14T00:00:00.000Z- 2021-03-15T00:00:00.000Z- 2021-03-15T10:45:00.000Z"},
         "", "2021-03-15T10:45:00Z"},
        {{"and behind its day", "day", "UTC", "ts", "2021-03-13T12:00:00Z", "2021-03-15T20:00:00Z", "2021-03-16T12:00:00Z",
          {"2021-03-14T00:00:00Z", "2021-03-15T00:00:00Z", "2021-03-15T10:30:00Z"},
          "2021-03-14T00:00:00.000Z- 2021-03-15T00:00:00.000Z- 2021-03-16T00:00:00.000Z 2021-03-16T07:00:00.000Z"},
         "", "2021-03-16T07:00:00Z"},
        {{"an instant that is published already", "day", "UTC", "ts", "2021-03-13T12:00:00Z", "2021-03-15T20:00:00Z", "2021-03-16T12:00:00Z",
          {"2021-03-14T00:00:00Z", "2021-03-15T00:00:00Z", "2021-03-15T10:30:00Z"},
          "2021-03-14T00:00:00.000Z- 2021-03-15T00:00:00.000Z- 2021-03-15T10:30:00.000Z-"},
         "", "2021-03-14T10:45:00Z"},
        {{"hours that are done again become a day", "day", "UTC", "ts", "2021-03-13T12:00:00Z", "2021-03-15T20:00:00Z", "2021-03-16T12:00:00Z",
          {"2021-03-13T00:00:00Z", "2021-03-13T01:00:00Z", "2021-03-14T00:00:00Z"},
          "2021-03-13T00:00:00.000Z- 2021-03-14T00:00:00.000Z"},
         "2021-03-13T00:30:00Z", "2021-03-14T00:00:00Z"},
        {{"a day that is done again becomes hours", "hour", "UTC", "ts", "2021-03-13T03:30:00Z", "2021-03-13T03:30:00Z", "2021-03-13T07:00:00Z",
          {"2021-03-13T02:00:00Z", "2021-03-13T06:00:00Z"},
          "2021-03-13T02:00:00.000Z- 2021-03-13T03:00:00.000Z 2021-03-13T04:00:00.000Z 2021-03-13T05:00:00.000Z 2021-03-13T06:00:00.000Z"},
         "2021-03-13T04:10:00Z", "2021-03-13T04:20:00Z"},
    };
    /* clang-format on */
    return cr_make_param_array(struct wish_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct wish_case *c, days, wishes, .fini = store_folder_remove)
{
    struct tl_days_wish wish = {.from_ms = c->from[0] != '\0' ? ms_of(c->from) : INT64_MIN,
                                .to_ms = c->to[0] != '\0' ? ms_of(c->to) : INT64_MIN,
                                .now_ms = ms_of(c->of.now)};
    char got[1500];

    days_of(&c->of, &wish, got, sizeof got);
    cr_assert_str_eq(got, c->of.want, "%s\ngot  %s\nwant %s", c->of.name, got, c->of.want);
}
